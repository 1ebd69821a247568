import { parseConfig } from "../../src/config.ts";
import { type Deployment, type Deps, deploy } from "../../src/deploy.ts";
import { dryRun } from "../../src/dry-run.ts";
import { DeployError } from "../../src/errors.ts";
import type { Holder } from "../../src/lock/holder.ts";
import type { LogEvent } from "../../src/log.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { createVirtualClock, type VirtualClock } from "../../src/simulator/clock.ts";
import {
  configFor,
  createSimulatedAws,
  type SimulatedAws,
  type SimulatedAwsOptions,
} from "../../src/simulator/fleet.ts";
import { createRequestHandler, type HandlerOptions } from "../../src/simulator/handler.ts";
import { type Rule, watchInvariants } from "../../src/simulator/invariants.ts";
import { naiveRollout } from "../../src/simulator/naive.ts";
import { type Failure, longRequestSeconds } from "../../src/simulator/requests.ts";
import { createRouter } from "../../src/simulator/routing.ts";
import { deregistrationDelaySeconds } from "../../src/simulator/targets.ts";
import { sendVirtualTraffic } from "../../src/simulator/virtual-traffic.ts";
import { isChange } from "./calls.ts";
import { simulatedClients } from "./clients.ts";

/** How one run of the program is started, and what happens to it. */
export interface RunOptions extends Omit<HandlerOptions, "travel"> {
  readonly ami?: string;
  readonly version?: string;
  /** Keys of config.json beside those that fit the fleet. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly allowUnhealthy?: boolean;
  /** No dry run goes before it: one of the same stage and the same goes has been made. */
  readonly hasBeenTried?: boolean;
  /** With all of the SDK's middleware, which changes nothing but the time it takes. */
  readonly isWhole?: boolean;
  /** The instance that the program runs on. Default: none. */
  readonly ownInstanceId?: string;
  /** Runs the naive script in place of the program. */
  readonly isNaive?: boolean;
  /** Virtual time in milliseconds from now at which SIGTERM arrives. */
  readonly interruptAfterMs?: number;
  /** What brings the signal, where it is to come at a certain call. */
  readonly interrupt?: AbortController;
  /** How long to wait for another run. In seconds. */
  readonly lockWaitSeconds?: number;
  /** Who it is to other runs. Default: another process of the same host, each of which has ended when the next starts. */
  readonly holder?: Partial<Holder>;
  /** How long a request takes to AWS, and its answer back, in virtual milliseconds. Default: no time. */
  readonly travelMs?: (action: string) => number;
}

/** What one run did, as its user sees it. */
export interface RunResult {
  readonly events: readonly LogEvent[];
  readonly error: unknown;
  readonly requests: ReturnType<typeof createRequestHandler>["requests"];
}

/** A simulated AWS with a fleet, and its clock. */
export interface Stage {
  readonly clock: VirtualClock;
  readonly aws: SimulatedAws;
}

/** A world in a hurry, so that every moment of a rollout can be tried. */
export const hurried = {
  deregistrationDelaySeconds: 10,
  healthCheck: { intervalSeconds: 5, timeoutSeconds: 2 },
  timings: {
    pendingToRunning: [3_000, 5_000],
    statusChecks: [6_000, 9_000],
    appBoot: [1_000, 2_000],
    shuttingDown: [8_000, 12_000],
    applicationRegistration: [2_000, 3_000],
    applicationDeregistration: [3_000, 5_000],
  },
} as const satisfies Omit<SimulatedAwsOptions, "clock">;

/** Sets the stage: by default three old instances in three zones, registered on port 8080. */
export function stage(options: Omit<SimulatedAwsOptions, "clock"> = {}): Stage {
  const clock = createVirtualClock();
  return { clock, aws: createSimulatedAws({ ...options, clock }) };
}

/** What one watches over. */
export interface WatchOptions {
  readonly maxSurge?: number;
  /** From one request to the next, in virtual milliseconds. Default 1000. */
  readonly everyMs?: number;
  /** Failures of requests that are no fault of the program's. Default: none. */
  readonly tolerates?: (failure: Failure) => boolean;
}

/** One broken promise: a rule, or a request that failed. */
export interface BrokenPromise {
  readonly atMs: number;
  readonly rule: Rule | "request-lost";
  readonly message: string;
}

/**
 * Watches a stage from now on: every guarantee at each transition, and simulated requests that come all the while,
 * every tenth of which lasts most of the deregistration delay.
 */
export function watch({ aws }: Stage, options: WatchOptions = {}) {
  const { world, targetGroupArn } = aws;
  const { maxSurge = 1, everyMs = 1000, tolerates = () => false } = options;
  const { violations } = watchInvariants(aws, { maxSurge });
  const group = world.targetGroups.get(targetGroupArn);
  const type = world.loadBalancers.get(group?.loadBalancerArn ?? "")?.type;
  const { applicationDeregistration, networkDeregistration } = world.timings;
  const lag = type === "network" ? networkDeregistration : applicationDeregistration;
  const tailSeconds = lag[1] / 1000 + 2;
  const delaySeconds = group === undefined ? 0 : deregistrationDelaySeconds(group);
  const traffic = sendVirtualTraffic(world, createRouter(world), {
    targetGroupArn,
    everyMs,
    longMs: longRequestSeconds(delaySeconds, tailSeconds) * 1000,
  });
  return {
    traffic,
    /** Everything broken so far; empty is good. */
    get violations(): readonly BrokenPromise[] {
      const lost = traffic.ended.flatMap(({ atMs, instanceId, failure, kind }) => {
        if (failure === undefined || tolerates(failure)) return [];
        const message = `a ${kind} request to ${instanceId} failed: ${failure}`;
        return { atMs, rule: "request-lost" as const, message };
      });
      return [...violations, ...lost];
    },
  };
}

/**
 * Runs the program's rolling update once, from its start to its end or crash, in virtual time. A dry run of the same
 * goes before it, which must change nothing, whatever state the fleet is in.
 */
export async function run(scene: Stage, options: RunOptions = {}): Promise<RunResult> {
  if (options.isNaive) {
    return start(scene, options, ({ config, ami }, deps) => naiveRollout(config, ami, deps));
  }
  if (!options.hasBeenTried) await expectDryRunChangesNothing(scene, options);
  return start(scene, options, deploy);
}

async function expectDryRunChangesNothing(scene: Stage, options: RunOptions): Promise<void> {
  const { buckets } = scene.aws.world;
  const levels = [...buckets];
  const { ami, version, config, allowUnhealthy, staleReadsMs, lagIsConstant } = options;
  const { requests, error } = await dryRunOf(scene, {
    ...{ ami, version, config, allowUnhealthy, staleReadsMs, lagIsConstant },
    holder: { owner: "dry-run" },
  });
  if (error !== undefined && !(error instanceof DeployError)) throw error;
  const changes = requests.filter(isChange);
  if (changes.length > 0) {
    throw new Error(`a dry run called ${changes.map(({ action }) => action).join(", ")}`);
  }
  // The run that follows is the one that is looked at: it finds what it would have found without a dry run.
  buckets.clear();
  for (const [bucket, level] of levels) buckets.set(bucket, level);
}

async function start(
  { clock, aws }: Stage,
  options: RunOptions,
  work: (deployment: Deployment, deps: Deps) => Promise<unknown>,
): Promise<RunResult> {
  const { travelMs } = options;
  const travel =
    travelMs === undefined ? undefined : (action: string) => clock.sleep(travelMs(action));
  const handler = createRequestHandler(aws, {
    ...options,
    travel,
    remembers: !options.isWhole,
  });
  const file = { ...configFor(aws, options.version), ...options.config };
  const { config } = parseConfig(JSON.stringify(file), "config.json");
  const controller = options.interrupt ?? new AbortController();
  if (options.interruptAfterMs !== undefined) {
    clock.at(clock.now() + options.interruptAfterMs, () => controller.abort("SIGTERM"));
  }
  const events: LogEvent[] = [];
  const ami = options.ami ?? IMAGES.good;
  const deps = {
    ...simulatedClients(handler, aws.world.region, !options.isWhole),
    clock,
    log: (event: LogEvent) => events.push(event),
    holder: holderFor(clock, options.holder),
    signal: controller.signal,
    readOwnInstanceId: async () => options.ownInstanceId,
  };
  const { allowUnhealthy, lockWaitSeconds } = options;
  const command = `zero-deploy ${ami}`;
  const deployment = { config, ami, command, allowUnhealthy, lockWaitSeconds };
  const error = await work(deployment, deps).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return { events, error, requests: handler.requests };
}

/** What a dry run said. */
export interface DryRunResult extends RunResult {
  readonly isAnythingToDo: boolean | undefined;
}

/** Runs the program with `--dry-run`. */
export async function dryRunOf(scene: Stage, options: RunOptions = {}): Promise<DryRunResult> {
  let isAnythingToDo: boolean | undefined;
  const result = await start(scene, options, async (deployment, deps) => {
    isAnythingToDo = await dryRun(deployment, deps);
  });
  return { ...result, isAnythingToDo };
}

/** How many runs each stage has seen: the same stage gives its runs the same names. */
const runs = new WeakMap<VirtualClock, number>();

function holderFor(clock: VirtualClock, holder: Partial<Holder> = {}): Holder {
  const number = (runs.get(clock) ?? 0) + 1;
  if (holder.owner === undefined) runs.set(clock, number);
  return {
    owner: `run-${number}`,
    host: "host-1",
    process: `${1000 + number}@1`,
    build: "none",
    wallMs: clock.now,
    hasEnded: ({ host }) => host === (holder.host ?? "host-1"),
    ...holder,
  };
}

/** The lines of a run as a person reads them, without times. */
export function linesOf({ events }: RunResult): string[] {
  return events.map(({ slot, slots, message }) => `${slot ? `[${slot}/${slots}] ` : ""}${message}`);
}

/** A run's error as text: message, then what is left, then what to do. */
export function errorText({ error }: RunResult): string {
  if (!(error instanceof DeployError)) return String(error);
  return [error.message, ...error.problems, error.hint, error.rerun].join("\n");
}
