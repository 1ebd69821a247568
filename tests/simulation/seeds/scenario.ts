import { IMAGES } from "../../../src/simulator/catalog.ts";
import type { SimulatedAwsOptions } from "../../../src/simulator/fleet.ts";
import type { Timings } from "../../../src/simulator/timings.ts";
import { createDraw, type Draw } from "./draw.ts";

/** What goes wrong with requests on their way, or in AWS, by chance. */
export const troubleKinds = [
  "throttle",
  "serverError",
  "reset",
  "lostResponse",
  "noCapacity",
  "refused",
  "lostLaunch",
  "notTerminated",
  "slow",
] as const;

export type TroubleKind = (typeof troubleKinds)[number];

/** Something that goes wrong with requests for a while, and again. */
export interface Trouble {
  readonly kind: TroubleKind;
  /** How likely it begins with any one request. */
  readonly probability: number;
  /** Once begun it lasts this long at least, in milliseconds. */
  readonly minimumMs: number;
  /** The share of requests that it hits while it lasts. */
  readonly share: number;
}

/** What others do meanwhile, or what happens to the fleet. */
export const eventKinds = [
  "dies",
  "impaired",
  "flaps",
  "registered",
  "deregistered",
  "terminated-replacement",
  "tags-gone",
  "lease-gone",
  "zone-full",
  "quota",
  "denied",
] as const;

export type EventKind = (typeof eventKinds)[number];

/** One thing that happens, in milliseconds after the first run began. */
export interface OutsideEvent {
  readonly kind: EventKind;
  readonly atMs: number;
  /** How long it lasts, where it passes. */
  readonly lastsMs: number;
}

/** How a run ends before its end. */
export type Ending =
  | { readonly kind: "none" }
  | { readonly kind: "killed"; readonly before: boolean; readonly at: Moment }
  | { readonly kind: "signalled"; readonly at: Moment };

/** A call of a run: of all of them, or of those that change the fleet, counted from 1. */
export interface Moment {
  readonly of: "calls" | "changes";
  readonly number: number;
}

/** One start of the program. */
export interface PlannedRun {
  readonly ami: string;
  readonly version: string;
  /** Keys of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether it may be launched in another subnet of the zone too. */
  readonly hasMoreSubnets: boolean;
  readonly allowUnhealthy: boolean;
  readonly lockWaitSeconds: number;
  readonly host: string;
  readonly ending: Ending;
  readonly troubles: readonly Trouble[];
  /** Reads lag up to this many milliseconds, by action; absent ones do not. */
  readonly staleMs: { readonly maximumMs: number; readonly actions: number };
  /** A request takes up to this long in each direction, in milliseconds. */
  readonly travelMs: number;
  /** After the end of the run before it, in milliseconds; or, where they run at once, after its start. */
  readonly afterMs: number;
  readonly isBeside: boolean;
}

/** Everything that one seed draws. */
export interface Scenario {
  readonly seed: number;
  readonly fleet: Omit<SimulatedAwsOptions, "clock">;
  readonly size: number;
  /** Further target groups of the same load balancer: their ports, and the share of the fleet in each. */
  readonly more: readonly { readonly port: number; readonly share: number }[];
  /** Old instances that are ill from the beginning, by their place in the fleet. */
  readonly ill: readonly number[];
  readonly isProtected: boolean;
  /** Where that is lifted, a replacement dies soon after: else it hardly ever does while an old one can still come back. */
  readonly diesWhenUnprotected: boolean;
  readonly isForwarding: boolean;
  readonly runs: readonly PlannedRun[];
  readonly events: readonly OutsideEvent[];
  /** What is run when the faults are gone. */
  readonly last: PlannedRun;
}

/** Paces of AWS: the faster, the more often things happen while something else does. */
const paces: Readonly<Record<"hurried" | "brisk" | "real", Partial<Timings>>> = {
  hurried: {
    pendingToRunning: [3_000, 5_000],
    statusChecks: [6_000, 9_000],
    appBoot: [1_000, 2_000],
    slowAppBoot: [60_000, 90_000],
    flakyGood: [30_000, 60_000],
    flakyBad: [20_000, 40_000],
    shuttingDown: [8_000, 12_000],
    applicationRegistration: [2_000, 3_000],
    networkRegistration: [5_000, 20_000],
  },
  brisk: {
    pendingToRunning: [5_000, 15_000],
    statusChecks: [20_000, 50_000],
    appBoot: [5_000, 15_000],
    slowAppBoot: [120_000, 150_000],
    flakyGood: [60_000, 120_000],
    flakyBad: [40_000, 60_000],
    shuttingDown: [20_000, 40_000],
    networkRegistration: [20_000, 60_000],
  },
  real: {},
};

/** Draws a whole scenario from its seed. Pure. */
export function drawScenario(seed: number): Scenario {
  const draw = createDraw(seed);
  const size = drawSize(draw);
  const pace = draw.weigh<keyof typeof paces>("pace", [
    [86, "hurried"],
    [11, "brisk"],
    [size > 3 ? 0 : 3, "real"],
  ]);
  const delaySeconds = drawDelay(draw, size);
  const surge = drawSurge(draw, size);
  const intervalSeconds = draw.pick("interval", pace === "hurried" ? [5, 10] : [10, 30]);
  const isNetwork = draw.chance("network", 0.15);
  const runs = drawRuns(draw, surge);
  const isProtected = draw.chance("protected", 0.2);
  const isTwoAtOnce = runs.some(({ isBeside }) => isBeside);
  return {
    seed,
    size,
    fleet: {
      seed,
      instances: size,
      zones: draw.between("zones", 1, 3),
      loadBalancerType: isNetwork ? "network" : "application",
      deregistrationDelaySeconds: delaySeconds,
      healthCheck: {
        intervalSeconds,
        timeoutSeconds: 2,
        healthyThreshold: draw.between("healthy-threshold", 2, 5),
        unhealthyThreshold: draw.between("unhealthy-threshold", 2, 3),
      },
      timings: paces[pace],
      port: draw.pick("port", [80, 8080, 3000]),
      targetGroupPort: draw.pick("group-port", [80, 8080]),
    },
    more: [8081, 8082]
      .slice(
        0,
        draw.weigh("groups", [
          [70, 0],
          [20, 1],
          [10, 2],
        ]),
      )
      .map((port) => ({ port, share: draw.pick(`share:${port}`, [0.5, 1, 1]) })),
    ill: Array.from({ length: size }, (_, index) => index).filter((index) =>
      draw.chance(`ill:${index}`, draw.chance("any-ill", 0.12) ? 0.4 : 0),
    ),
    isProtected,
    diesWhenUnprotected: isProtected && draw.chance("dies-when-unprotected", 0.3),
    isForwarding: draw.chance("forwarding", 0.08),
    runs: runs.map((run) => (isProtected ? { ...run, troubles: withoutEnd(run.troubles) } : run)),
    events: drawEvents(draw, {
      horizonMs: horizonMs(pace, delaySeconds, size, surge),
      isTwoAtOnce,
    }),
    last: {
      ...drawRun(draw, "last", surge),
      ami: IMAGES.good,
      version: "v9",
      config: {
        // Nothing is to be found here that was not above: it is not to take long.
        "max-surge": size,
        "waiting-period": 900,
        "lift-termination-protection": true,
      },
      allowUnhealthy: true,
      lockWaitSeconds: 600,
      ending: { kind: "none" },
      troubles: [],
      staleMs: { maximumMs: 0, actions: 0 },
      travelMs: 0,
      isBeside: false,
    },
  };
}

function drawSize(draw: Draw): number {
  return draw.weigh<() => number>("size", [
    [39, () => 1],
    [33, () => 2],
    [17, () => 3],
    [8, () => draw.between("size:some", 4, 6)],
    [2, () => draw.between("size:more", 7, 10)],
    [1, () => draw.between("size:many", 13, 40)],
  ])();
}

/** A big fleet with a small surge tells no more than a small one, and takes its time. */
function drawSurge(draw: Draw, size: number): number {
  const least = Math.ceil(size / 4);
  return draw.weigh("surge", [
    [60, least],
    [25, least + 1],
    [15, least + 3],
  ]);
}

function drawDelay(draw: Draw, size: number): number {
  return draw.weigh<() => number>("delay", [
    [10, () => 0],
    [50, () => draw.between("delay:short", 1, 40)],
    [25, () => draw.between("delay:middle", 41, 150)],
    [size > 6 ? 0 : 6, () => 300],
    [size > 2 ? 0 : 1, () => draw.between("delay:long", 900, 3600)],
  ])();
}

/** About how long a rollout takes, in milliseconds: what happens meanwhile is to happen within it. */
function horizonMs(pace: string, delaySeconds: number, size: number, surge: number): number {
  const arrival = { hurried: 40_000, brisk: 120_000 }[pace] ?? 400_000;
  const rounds = Math.ceil(size / surge);
  return 20_000 + rounds * (arrival + Math.max(delaySeconds, 30) * 1000 + 20_000);
}

function drawRuns(draw: Draw, surge: number): PlannedRun[] {
  const count = draw.weigh("runs", [
    [60, 1],
    [32, 2],
    [8, 3],
  ]);
  const isSame = draw.chance("same-command", 0.5);
  return Array.from({ length: count }, (_, index) => {
    const run = drawRun(draw, `run:${index}`, surge);
    const isBeside = index > 0 && draw.chance(`beside:${index}`, 0.25);
    const first = drawRun(draw, "run:0", surge);
    const command = isSame && index > 0 ? { ...run, ...commandOf(first) } : run;
    return { ...command, isBeside };
  });
}

/** Terminations fail for a while, so that what was done for them can be seen to be undone. */
function withoutEnd(troubles: readonly Trouble[]): Trouble[] {
  const trouble = { kind: "notTerminated", probability: 0.3, minimumMs: 60_000, share: 1 } as const;
  return [...troubles.filter(({ kind }) => kind !== "notTerminated"), trouble];
}

/** What the command and its config.json say, whatever happens to the run. */
function commandOf({ ami, version, config, hasMoreSubnets }: PlannedRun): Partial<PlannedRun> {
  return { ami, version, config, hasMoreSubnets };
}

function drawRun(draw: Draw, key: string, surge: number): PlannedRun {
  const ami = draw.weigh(`${key}:ami`, [
    [66, IMAGES.good],
    [6, IMAGES.slow],
    [8, IMAGES.neverHealthy],
    [7, IMAGES.dies],
    [6, IMAGES.impaired],
    [7, IMAGES.flaky],
  ]);
  const isLagging = draw.chance(`${key}:stale`, 0.5);
  return {
    ami,
    version: draw.pick(`${key}:version`, ["v2", "v2", "v3"]),
    config: {
      "max-surge": surge,
      "waiting-period": draw.weigh<() => number>(`${key}:waiting-period`, [
        // So short that it passes right when something succeeds.
        [15, () => draw.between(`${key}:waiting-period:short`, 3, 30)],
        [25, () => 120],
        [50, () => 240],
        [10, () => 400],
      ])(),
      "bake-time": draw.weigh(`${key}:bake-time`, [
        [60, 0],
        [30, 20],
        [10, 90],
      ]),
      "lift-termination-protection": true,
    },
    hasMoreSubnets: draw.chance(`${key}:subnets`, 0.2),
    allowUnhealthy: draw.chance(`${key}:allow-unhealthy`, 0.5),
    lockWaitSeconds: draw.weigh(`${key}:lock-wait`, [
      [50, 0],
      [50, 900],
    ]),
    host: draw.pick(`${key}:host`, ["host-1", "host-1", "host-2"]),
    ending: drawEnding(draw, key),
    troubles: drawTroubles(draw, key),
    staleMs: {
      maximumMs: isLagging
        ? draw.weigh(`${key}:stale:most`, [
            [40, 8_000],
            [30, 20_000],
            [30, 60_000],
          ])
        : 0,
      actions: draw.pick(`${key}:stale:actions`, [0.3, 0.7, 1]),
    },
    travelMs: draw.weigh(`${key}:travel`, [
      [80, 0],
      [12, 100],
      [8, 1_500],
    ]),
    afterMs: draw.weigh<() => number>(`${key}:after`, [
      [50, () => 0],
      [30, () => draw.between(`${key}:after:soon`, 1, 30_000)],
      [20, () => draw.between(`${key}:after:later`, 30_000, 400_000)],
    ])(),
    isBeside: false,
  };
}

function drawEnding(draw: Draw, key: string): Ending {
  const at = draw.weigh<() => Moment>(`${key}:moment`, [
    [70, () => ({ of: "changes", number: draw.between(`${key}:change`, 1, 10) })],
    [30, () => ({ of: "calls", number: draw.between(`${key}:call`, 1, 250) })],
  ])();
  return draw.weigh<Ending>(`${key}:ending`, [
    [50, { kind: "none" }],
    [28, { kind: "killed", before: draw.chance(`${key}:before`, 0.4), at }],
    [22, { kind: "signalled", at }],
  ]);
}

function drawTroubles(draw: Draw, key: string): Trouble[] {
  if (draw.chance(`${key}:no-trouble`, 0.3)) return [];
  return troubleKinds
    .filter((kind) => draw.chance(`${key}:${kind}`, kind === "refused" ? 0.06 : 0.25))
    .map((kind) => ({
      kind,
      // Launches and terminations are few.
      probability:
        kind === "notTerminated" || kind === "noCapacity" || kind === "lostLaunch"
          ? 0.3
          : draw.pick(`${key}:${kind}:probability`, [0.002, 0.01, 0.05]),
      minimumMs: draw.weigh(`${key}:${kind}:minimum`, [
        [50, 0],
        [30, 10_000],
        [17, 60_000],
        [3, 200_000],
      ]),
      share: draw.pick(`${key}:${kind}:share`, [0.3, 0.8, 1]),
    }));
}

function drawEvents(
  draw: Draw,
  { horizonMs, isTwoAtOnce }: { horizonMs: number; isTwoAtOnce: boolean },
): OutsideEvent[] {
  const count = draw.weigh("events", [
    [50, 0],
    [25, 1],
    [15, 2],
    [10, 4],
  ]);
  // Who takes a lease away ends the order that it keeps.
  const kinds = eventKinds.filter((kind) => !(isTwoAtOnce && kind === "lease-gone"));
  return Array.from({ length: count }, (_, index) => ({
    kind: draw.pick(`event:${index}`, kinds),
    atMs: draw.between(`event:${index}:at`, 0, Math.round(horizonMs * 1.2)),
    lastsMs: draw.between(`event:${index}:lasts`, 20_000, 200_000),
  })).sort((a, b) => a.atMs - b.atMs);
}
