// Goal: a launch that lacks nothing but room goes to another subnet of the zone, or waits for as long as instances of the
// fleet are ending, or fails cleanly; and is never made twice for that.
// Method: rollouts in virtual time where AWS refuses launches by quota, by zone, by subnet, or for any of the reasons that
// it has a code for, with the guarantees watched at every transition.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer, setCapacity, setVcpuQuota } from "../../src/simulator/controls.ts";
import type { Fault, FaultRequest, Faults } from "../../src/simulator/faults.ts";
import type { SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { addSubnetBeside } from "../../src/simulator/network.ts";
import { fromFirstChange } from "./calls.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import {
  errorText,
  hurried,
  linesOf,
  type RunOptions,
  type RunResult,
  run,
  type Stage,
  stage,
  watch,
} from "./harness.ts";

const refusals: [code: string, status: number, hint: RegExp][] = [
  ["InsufficientInstanceCapacity", 500, /another instance-type or subnet-ids/],
  ["VcpuLimitExceeded", 400, /higher quota/],
  ["InsufficientFreeAddressesInSubnet", 400, /add subnets of the same zone to subnet-ids/],
  ["InstanceLimitExceeded", 400, /higher quota/],
  ["MaxSpotInstanceCountExceeded", 400, /higher quota/],
  ["ReservationCapacityExceeded", 400, /another instance-type or subnet-ids/],
  ["InsufficientCapacityOnHost", 400, /another instance-type or subnet-ids/],
  ["InsufficientHostCapacity", 500, /another instance-type or subnet-ids/],
  ["InsufficientReservedInstanceCapacity", 500, /another instance-type or subnet-ids/],
  ["InsufficientAddressCapacity", 500, /another instance-type or subnet-ids/],
];

/** The subnet of a launch; undefined for any other request, dry runs too. */
function subnetOf({ action, params }: Pick<FaultRequest, "action" | "params">) {
  if (action !== "RunInstances" || params.get("DryRun") === "true") return undefined;
  return params.get("SubnetId") ?? params.get("NetworkInterface.1.SubnetId");
}

const launchesIn = ({ requests }: RunResult) =>
  requests.flatMap((request) => {
    const subnetId = subnetOf(request);
    return subnetId === undefined ? [] : [{ subnetId, ...request }];
  });

const refusalOf = (code: string, status: number): Fault => ({
  kind: "error",
  status,
  code,
  message: "There is no room.",
});

/** A fleet in zones of three subnets each, and how its `subnet-ids` are. */
function spacious(options: Omit<SimulatedAwsOptions, "clock"> = hurried) {
  const scene = stage(options);
  const { world } = scene.aws;
  for (const id of [...world.subnets.keys()]) {
    addSubnetBeside(world, id);
    addSubnetBeside(world, id);
  }
  return { scene, config: { "subnet-ids": [...world.subnets.keys()] } };
}

const zoneOf = ({ aws }: Stage, subnetId: string) => aws.world.subnets.get(subnetId)?.zone;

describe("a refused launch for want of room", () => {
  it.each(refusals)("goes on to another subnet of the zone at once: %s", async (code, status) => {
    const { scene, config } = spacious();
    const watched = watch(scene);
    const tried = new Map<string, number>();
    // In each zone, the first subnet that is tried is full.
    const full = new Map<string | undefined, string>();
    const faults: Faults = (request) => {
      const subnetId = subnetOf(request);
      if (subnetId === undefined) return undefined;
      tried.set(subnetId, (tried.get(subnetId) ?? 0) + 1);
      const zone = zoneOf(scene, subnetId);
      if (!full.has(zone)) full.set(zone, subnetId);
      return full.get(zone) === subnetId ? refusalOf(code, status) : undefined;
    };
    const result = await run(scene, { config, faults });
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
    expect(launchesOf(scene)).toBe(3);
    expect([...tried.values()]).toEqual([1, 1, 1, 1, 1, 1]);
    const asked = launchesIn(result);
    for (const [index, { atMs, outcome }] of asked.entries()) {
      if (outcome !== 200) expect(asked[index + 1]?.atMs).toBe(atMs);
    }
    const told = linesOf(result).filter((line) => line.includes("Could not launch"));
    expect(told).toHaveLength(3);
    const [first, second] = asked;
    expect(told[0]).toContain(`${code}: There is no room.`);
    expect(told[0]).toContain(`(${first?.subnetId}); going on to ${second?.subnetId}`);
  });

  it.each(refusals)("everywhere at the first one ends the run at once: %s", async (...row) => {
    const [code, status, hint] = row;
    const { scene, config } = spacious();
    const watched = watch(scene);
    const faults: Faults = (request) => (subnetOf(request) ? refusalOf(code, status) : undefined);
    const startMs = scene.clock.now();
    const result = await run(scene, { config, faults });
    expect(result.error).toMatchObject({ code: "AwsError", rerun: `zero-deploy ${IMAGES.good}` });
    expect(errorText(result)).toContain(`${code}: There is no room.`);
    expect(errorText(result)).toMatch(hint);
    expect(scene.clock.now() - startMs).toBeLessThan(30_000);
    const asked = launchesIn(result).map(({ subnetId }) => subnetId);
    expect(new Set(asked).size).toBe(3);
    expect(asked).toHaveLength(3);
    expect(new Set(asked.map((id) => zoneOf(scene, id))).size).toBe(1);
    expect(watched.violations).toEqual([]);
    expect(launchesOf(scene)).toBe(0);
    expectUntouched(scene);
  });

  it("without subnet-ids goes nowhere else", async () => {
    const { scene } = spacious();
    const result = await run(scene, {
      faults: (request) =>
        subnetOf(request) ? refusalOf("InsufficientInstanceCapacity", 500) : undefined,
    });
    expect(launchesIn(result)).toHaveLength(1);
    expectUntouched(scene);
  });

  it("is none where something else is wrong", async () => {
    const { scene, config } = spacious();
    const result = await run(scene, {
      config,
      faults: (request) => (subnetOf(request) ? refusalOf("Unsupported", 400) : undefined),
    });
    expect(errorText(result)).toContain("Unsupported");
    expect(launchesIn(result)).toHaveLength(1);
    expectUntouched(scene);
  });

  it("is left only when AWS has said so: an answer that is lost is asked for again", async () => {
    for (const kind of ["lostResponse", "throttle", "serverError", "reset"] as const) {
      for (const staleReadsMs of [0, 8_000]) {
        const { scene, config } = spacious();
        const watched = watch(scene);
        const answers = [
          refusalOf("InsufficientInstanceCapacity", 500),
          ...Array(6).fill({ kind }),
        ];
        const faults: Faults = (request) => (subnetOf(request) ? answers.shift() : undefined);
        const result = await run(scene, { config, faults, staleReadsMs });
        expectSuccess(result);
        expectConverged(scene);
        expect(watched.violations, kind).toEqual([]);
        expect(launchesOf(scene), kind).toBe(3);
        const [full, ...others] = launchesIn(result).slice(0, 7);
        const first = new Set(others.map(({ params }) => params.get("ClientToken")));
        if (kind !== "lostResponse") expect(first.size, kind).toBe(1);
        expect(others.map(({ subnetId }) => subnetId)[0]).not.toBe(full?.subnetId);
      }
    }
  });
});

describe("a launch whose answer was lost", () => {
  it("keeps back nothing of the refusal before it", async () => {
    const { scene, config } = spacious({ ...hurried, instances: 1, zones: 1 });
    const answers: Fault[] = [
      refusalOf("InsufficientInstanceCapacity", 500),
      { kind: "lostResponse" },
    ];
    const result = await run(scene, {
      config,
      faults: (request) => (subnetOf(request) ? answers.shift() : undefined),
    });
    expectSuccess(result);
    const [full, next] = launchesIn(result).map(({ subnetId }) => subnetId);
    const told = linesOf(result).filter((line) => line.includes("InsufficientInstanceCapacity"));
    expect(told).toEqual([expect.stringMatching(`\\(${full}\\); going on to ${next}$`)]);
  });

  it("is asked for again until the reads show it, though the subnet before has room again", async () => {
    const timings = { ...hurried.timings, pendingToRunning: [1_000, 1_000] as const };
    const { scene, config } = spacious({ ...hurried, instances: 1, zones: 1, timings });
    const watched = watch(scene);
    const answers: Fault[] = [
      refusalOf("InsufficientInstanceCapacity", 500),
      { kind: "lostResponse" },
    ];
    const result = await run(scene, {
      config,
      staleReadsMs: 9_000,
      lagIsConstant: true,
      faults: (request) => (subnetOf(request) ? answers.shift() : undefined),
    });
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
    expect(launchesOf(scene)).toBe(1);
    expect(new Set(launchesIn(result).map(({ subnetId }) => subnetId)).size).toBe(2);
    expect(launchesIn(result).length).toBeGreaterThan(3);
  });
});

const crashKinds: [string, RunOptions][] = [
  ["with reads that are fresh", {}],
  ["with reads that lag up to 8 s", { staleReadsMs: 8_000 }],
];

describe("a replacement in another subnet than the first", () => {
  it.each(crashKinds)(
    "is known again by a run after one that was killed at any call, %s, though there is room in the first by then",
    async (_title, options) => {
      const setUp = () => {
        const { scene, config } = spacious({ ...hurried, instances: 1, zones: 1 });
        const seen: string[] = [];
        const faults: Faults = (request) => {
          const subnetId = subnetOf(request);
          if (subnetId === undefined) return undefined;
          seen.push(subnetId);
          return subnetId === seen[0] ? refusalOf("InsufficientInstanceCapacity", 500) : undefined;
        };
        return { scene, config, faults, watched: watch(scene) };
      };
      const { scene: undisturbed, ...rest } = setUp();
      const { requests, error } = await run(undisturbed, { ...options, ...rest });
      expect(error).toBeUndefined();
      for (const call of fromFirstChange(requests)) {
        const { scene, config, faults, watched } = setUp();
        await run(scene, {
          ...options,
          config,
          hasBeenTried: true,
          faults: (request) =>
            faults(request) ?? (request.sequence === call ? { kind: "crashAfter" } : undefined),
        });
        expectSuccess(await run(scene, { ...options, config }));
        const where = `killed after call ${call}, ${requests[call - 1]?.action}`;
        expect(watched.violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(1);
        expectConverged(scene);
      }
    },
    300_000,
  );
});

const vcpusOf = (instances: number) => instances * 2;

describe("a quota that has just room for the surge", () => {
  it.each([
    [1, 1],
    [2, 1],
    [2, 2],
    [4, 2],
  ])("is waited for: a surge of %i, room for %i more", async (maxSurge, room) => {
    for (const staleReadsMs of [0, 8_000]) {
      const scene = stage({ ...hurried, instances: 6 });
      setVcpuQuota(scene.aws.world, vcpusOf(6 + room));
      const watched = watch(scene, { maxSurge });
      const result = await run(scene, { config: { "max-surge": maxSurge }, staleReadsMs });
      expectSuccess(result);
      expectConverged(scene);
      expect(watched.violations).toEqual([]);
      expect(launchesOf(scene)).toBe(6);
      expect(linesOf(result).join("\n")).toContain("VcpuLimitExceeded: You have requested more");
      expect(linesOf(result).join("\n")).toContain("Waiting for room to launch a replacement of");
    }
  });

  it("is asked about at a reasonable pace, and told of once", async () => {
    const scene = stage({ ...hurried, instances: 3, deregistrationDelaySeconds: 600 });
    setVcpuQuota(scene.aws.world, vcpusOf(4));
    const result = await run(scene, { config: { "max-surge": 2 } });
    expectSuccess(result);
    const refused = launchesIn(result).filter(({ outcome }) => outcome !== 200);
    for (const [index, { atMs }] of refused.slice(1).entries()) {
      const [one, another] = [refused[index], refused[index + 1]];
      if (one?.params.get("ClientToken") !== another?.params.get("ClientToken")) continue;
      expect(atMs - (one?.atMs ?? 0)).toBeGreaterThanOrEqual(5_000);
    }
    // Two drains of ten minutes, and the time around them.
    expect(refused.length).toBeLessThan((2 * 700) / 20);
    const lines = linesOf(result);
    const told = lines.filter((line) => line.includes("Could not launch"));
    expect(new Set(told).size).toBe(told.length);
    const waiting = lines.filter((line) => line.includes("Waiting for room"));
    expect(waiting.length).toBeLessThanOrEqual(2);
  });

  it("is asked about again as soon as an instance has ended", async () => {
    const scene = stage({ ...hurried, instances: 3 });
    setVcpuQuota(scene.aws.world, vcpusOf(4));
    const ends: number[] = [];
    scene.aws.world.onTransition(({ kind, after, atMs }) => {
      if (kind === "instance" && after?.state === "terminated") ends.push(atMs);
    });
    const result = await run(scene);
    expectSuccess(result);
    // The last one makes room for nobody any more.
    for (const endMs of ends.slice(0, -1)) {
      const next = launchesIn(result).find(({ atMs }) => atMs >= endMs);
      expect((next?.atMs ?? 0) - endMs).toBeLessThanOrEqual(5_000);
      expect(next?.outcome).toBe(200);
    }
  });

  it("is waited for through a drain of an hour, whatever the waiting period", async () => {
    const scene = stage({ ...hurried, instances: 2, deregistrationDelaySeconds: 3600 });
    setVcpuQuota(scene.aws.world, vcpusOf(3));
    const watched = watch(scene, { maxSurge: 2, everyMs: 10_000 });
    const result = await run(scene, { config: { "max-surge": 2, "waiting-period": 60 } });
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
    const text = linesOf(result).join("\n");
    expect(text).toMatch(/Still waiting \(3\d\d\d s, i-\w+\): VcpuLimitExceeded/);
  });

  it("that has no room at all once nothing of the fleet is ending ends the run", async () => {
    const scene = stage(hurried);
    const watched = watch(scene);
    setVcpuQuota(scene.aws.world, vcpusOf(4));
    // Somebody else takes the place of the first that leaves.
    const stop = scene.aws.world.onTransition(({ kind, after }) => {
      if (kind !== "instance" || after?.state !== "terminated") return;
      setVcpuQuota(scene.aws.world, vcpusOf(3));
      stop();
    });
    const startMs = scene.clock.now();
    const result = await run(scene);
    expect(result.error).toMatchObject({ code: "AwsError" });
    expect(errorText(result)).toContain("VcpuLimitExceeded");
    expect(errorText(result)).toContain("higher quota");
    expect(fleetOf(scene)).toHaveLength(3);
    expect(scene.clock.now() - startMs).toBeLessThan(200_000);
    expect(watched.violations).toEqual([]);
    setVcpuQuota(scene.aws.world, vcpusOf(4));
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it("is not waited for without end where an instance never ends", async () => {
    const timings = { ...hurried.timings, shuttingDown: [86_400_000, 86_400_000] as const };
    const scene = stage({ ...hurried, timings });
    setVcpuQuota(scene.aws.world, vcpusOf(4));
    const startMs = scene.clock.now();
    const result = await run(scene, { config: { "waiting-period": 200 } });
    expect(errorText(result)).toContain("VcpuLimitExceeded");
    expect(scene.clock.now() - startMs).toBeLessThan(600_000);
  });
});

describe("capacity", () => {
  const slow = { ...hurried, deregistrationDelaySeconds: 120 };

  it("that comes back while the fleet still changes is used", async () => {
    const scene = stage(slow);
    const watched = watch(scene, { maxSurge: 2 });
    setCapacity(scene.aws.world, "eu-west-1b", false);
    scene.clock.at(scene.clock.now() + 100_000, () =>
      setCapacity(scene.aws.world, "eu-west-1b", true),
    );
    const result = await run(scene, { config: { "max-surge": 2 } });
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
    expect(launchesIn(result).filter(({ outcome }) => outcome === 500).length).toBeGreaterThan(1);
  });

  it("that one slot waits for keeps no other from its way", async () => {
    const scene = stage({ ...slow, instances: 6 });
    const watched = watch(scene, { maxSurge: 3 });
    setCapacity(scene.aws.world, "eu-west-1b", false);
    const result = await run(scene, { config: { "max-surge": 3 } });
    expect(errorText(result)).toContain("InsufficientInstanceCapacity");
    expect(watched.violations).toEqual([]);
    const live = fleetOf(scene);
    expect(live).toHaveLength(6);
    const replaced = live.filter(({ imageId }) => imageId === IMAGES.good);
    expect(replaced.length).toBeGreaterThanOrEqual(2);
    for (const { targets } of live) expect(targets.map(({ state }) => state)).toEqual(["healthy"]);
    setCapacity(scene.aws.world, "eu-west-1b", true);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it("of addresses that a full subnet gets back is waited for", async () => {
    const scene = stage({ ...hurried, zones: 1 });
    const watched = watch(scene);
    const [subnet] = [...scene.aws.world.subnets.values()];
    if (subnet === undefined) throw new Error("the stage has a subnet");
    scene.aws.world.subnets.set(subnet.id, { ...subnet, usableAddresses: 4 });
    const result = await run(scene);
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
    expect(linesOf(result).join("\n")).toContain("InsufficientFreeAddressesInSubnet");
  });

  it("that AWS is silent about for longer than the waiting period ends the run", async () => {
    const scene = stage({ ...hurried, instances: 2, deregistrationDelaySeconds: 3600 });
    setVcpuQuota(scene.aws.world, vcpusOf(3));
    let hasBeenRefused = 0;
    const startMs = scene.clock.now();
    const result = await run(scene, {
      config: { "max-surge": 2 },
      faults: (request) =>
        subnetOf(request) && ++hasBeenRefused > 3 ? { kind: "throttle" } : undefined,
    });
    expect(errorText(result)).toContain("could not be replaced within 400 s");
    expect(errorText(result)).toContain("RequestLimitExceeded");
    const stopped = result.events.findIndex(({ event }) => event === "stopping");
    expect(stopped).toBeGreaterThan(0);
    // What was draining is still finished.
    expect(scene.clock.now() - startMs).toBeGreaterThan(3_600_000);
  });
});

describe("a slot that loses its turn to one that falls ill while AWS is silent", () => {
  it("is not held to have been silent to since", async () => {
    const scene = stage({ ...hurried, zones: 1, deregistrationDelaySeconds: 1200 });
    const { world, oldInstanceIds } = scene.aws;
    setVcpuQuota(world, vcpusOf(4));
    const asked: string[] = [];
    const result = await run(scene, {
      config: { "max-surge": 2 },
      faults: (request) => {
        if (subnetOf(request) === undefined) return undefined;
        const values = [...request.params.values()];
        asked.push(oldInstanceIds.find((id) => values.includes(id)) ?? "");
        const [first, second = ""] = [...new Set(asked)];
        // For longer than the waiting period, and not so long that the fleet is one short when the drain is over.
        if (asked.length === 40) for (const id of oldInstanceIds) forceAnswer(world, id, 200);
        const isSecond = asked.at(-1) === second;
        const isRefused = asked.filter((id) => id === second).length === 1;
        if (!isSecond || isRefused || new Set(asked).size > 2) return undefined;
        const third = oldInstanceIds.find((id) => id !== first && id !== second) ?? "";
        forceAnswer(world, third, 503);
        return { kind: "throttle" };
      },
    });
    expectSuccess(result);
    expectConverged(scene);
    const [, second, third] = [...new Set(asked)];
    expect(asked.lastIndexOf(second ?? "")).toBeGreaterThan(asked.indexOf(third ?? ""));
  });
});

describe("while room is waited for", () => {
  const waitingStage = () => {
    const scene = stage({ ...hurried, instances: 2, deregistrationDelaySeconds: 120 });
    setVcpuQuota(scene.aws.world, vcpusOf(3));
    return { scene, watched: watch(scene, { maxSurge: 2 }) };
  };
  const options = { config: { "max-surge": 2 } };

  it("a signal ends it at once, and the same command finishes", async () => {
    for (const afterMs of [60_000, 100_000, 150_000, 162_000]) {
      const { scene, watched } = waitingStage();
      const signalMs = scene.clock.now() + afterMs;
      const stopped = await run(scene, { ...options, interruptAfterMs: afterMs });
      expect(stopped.error).toMatchObject({ code: "Interrupted" });
      expect(linesOf(stopped).join("\n")).toContain("Waiting for room");
      expect(linesOf(stopped).join("\n")).not.toContain("[2/2] Launched");
      expect(scene.clock.now() - signalMs).toBeLessThan(5_000);
      expect(launchesIn(stopped).filter(({ atMs }) => atMs > signalMs)).toEqual([]);
      expectSuccess(await run(scene, options));
      expect(watched.violations).toEqual([]);
      expectConverged(scene);
    }
  });

  it.each(crashKinds)(
    "a process that is killed leaves nothing that the next does not finish, %s",
    async (_title, how) => {
      const { scene: undisturbed } = waitingStage();
      const whole = await run(undisturbed, { ...options, ...how });
      expectSuccess(whole);
      const refused = launchesIn(whole).filter(({ outcome }) => outcome !== 200);
      expect(refused.length).toBeGreaterThan(3);
      const [first, last] = [refused[0]?.sequence ?? 0, refused.at(-1)?.sequence ?? 0];
      for (let call = first; call <= last + 6; call += call < last - 6 ? 7 : 1) {
        const { scene, watched } = waitingStage();
        await run(scene, {
          ...options,
          ...how,
          hasBeenTried: true,
          faults: ({ sequence }) => (sequence === call ? { kind: "crashAfter" } : undefined),
        });
        expectSuccess(await run(scene, { ...options, ...how }));
        const where = `killed after call ${call}, ${whole.requests[call - 1]?.action}`;
        expect(watched.violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(2);
        expectConverged(scene);
      }
    },
    120_000,
  );
});
