// Goal: no request is lost in a rollout, and the traffic that says so can tell: it loses requests where they would be
// lost. The same seed gives the same requests, to AWS and to the load balancer.
// Method: whole rollouts in virtual time under virtual traffic; the naive script as the counter-proof.
import { afterEach, describe, expect, it } from "vitest";
import { forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import { randomFaults } from "../../src/simulator/faults.ts";
import type { SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { createRouter } from "../../src/simulator/routing.ts";
import { deregisterTarget } from "../../src/simulator/targets.ts";
import { sendVirtualTraffic } from "../../src/simulator/virtual-traffic.ts";
import { expectSuccess } from "./expect.ts";
import { hurried, run, type Stage, stage, watch } from "./harness.ts";

/** How many requests failed for which reason. */
function failuresOf({ traffic }: ReturnType<typeof watch>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { failure } of traffic.ended) {
    if (failure !== undefined) counts[failure] = (counts[failure] ?? 0) + 1;
  }
  return counts;
}

async function pass({ clock, aws }: Stage, seconds: number): Promise<void> {
  await clock.sleep(seconds * 1000);
  aws.world.advance();
}

describe("a rollout under traffic", () => {
  const loadBalancers: ["application" | "network", number][] = [
    ["application", 300],
    ["application", 45],
    ["application", 30],
    ["network", 300],
    ["network", 30],
  ];
  it.each(loadBalancers)(
    "loses no request behind an %s load balancer with a deregistration delay of %i s",
    { timeout: 60_000 },
    async (loadBalancerType, deregistrationDelaySeconds) => {
      for (let seed = 1; seed <= 3; seed += 1) {
        const options = { seed, instances: 2, zones: 2 };
        const timings = {
          applicationDeregistration: [20_000, 20_000],
          networkDeregistration: [120_000, 120_000],
        } as const;
        const group = { loadBalancerType, deregistrationDelaySeconds };
        const scene = stage({ ...options, ...group, timings });
        const watched = watch(scene, { everyMs: 500 });
        expectSuccess(await run(scene));
        expect(watched.violations, `seed ${seed}`).toEqual([]);
        expect(watched.traffic.ended.length).toBeGreaterThan(1000);
      }
    },
  );

  it("has long requests in flight on every old instance when it is deregistered", async () => {
    const scene = stage();
    const { world, oldInstanceIds } = scene.aws;
    const leftAtMs = new Map<string, number>();
    world.onTransition(({ kind, before, after, atMs }) => {
      if (kind === "target" && before?.registered && after?.registered === false) {
        leftAtMs.set(after.instanceId, atMs);
      }
    });
    const { traffic } = watch(scene);
    expectSuccess(await run(scene));
    for (const id of oldInstanceIds) {
      const leftMs = leftAtMs.get(id) ?? 0;
      const across = traffic.ended.filter(
        ({ instanceId, atMs, tookMs }) =>
          instanceId === id && atMs < leftMs && atMs + tookMs > leftMs + 60_000,
      );
      expect(across.length, id).toBeGreaterThan(0);
      const after = traffic.ended.filter(
        ({ instanceId, atMs }) => instanceId === id && atMs > leftMs,
      );
      expect(after.length, `${id}, after it was deregistered`).toBeGreaterThan(0);
    }
  });

  it("loses requests when it is done naively, those in flight and those to come", async () => {
    const scene = stage();
    const watched = watch(scene);
    expectSuccess(await run(scene, { isNaive: true }));
    const failures = failuresOf(watched);
    expect(failures["cut off in the middle"]).toBeGreaterThan(0);
    expect(failures["502 Bad Gateway"]).toBeGreaterThan(0);
    const rules = new Set(watched.violations.map(({ rule }) => rule));
    expect(rules).toContain("terminated-in-service");
  });
});

describe("a request", () => {
  const setUp = (options: Omit<SimulatedAwsOptions, "clock"> = {}) => {
    const scene = stage({ instances: 1, zones: 1, ...options });
    return { scene, world: scene.aws.world, id: scene.aws.oldInstanceIds[0] ?? "" };
  };

  it("fails with the instance's own bad answer", async () => {
    const { scene, world, id } = setUp();
    const watched = watch(scene);
    forceAnswer(world, id, 500);
    await pass(scene, 10);
    expect(failuresOf(watched)).toEqual({ "500 from the instance": 10 });
  });

  it("fails with 503 when nobody is registered", async () => {
    const { scene, world } = setUp();
    const watched = watch(scene);
    for (const { id } of world.targets.list()) world.targets.set(id, undefined);
    await pass(scene, 10);
    expect(failuresOf(watched)).toEqual({ "503 Service Unavailable": 11 });
  });

  it("fails with 502 or 504 when its instance is on its way out or gone, and is cut off if it was in flight", async () => {
    const { scene, world, id } = setUp();
    const watched = watch(scene);
    await pass(scene, 200);
    expect(failuresOf(watched)).toEqual({});
    terminateInstance(world, id);
    await pass(scene, 10);
    const { "cut off in the middle": cut = 0, "502 Bad Gateway": refused } = failuresOf(watched);
    expect(cut).toBeGreaterThan(10);
    expect(refused).toBe(10);
    await pass(scene, 50);
    expect(failuresOf(watched)["504 Gateway Time-out"]).toBeGreaterThan(0);
  });

  it("that outlives the deregistration delay is cut off when that is over", async () => {
    const { scene, world } = setUp({ deregistrationDelaySeconds: 60 });
    const options = { targetGroupArn: scene.aws.targetGroupArn, everyMs: 1000, longMs: 200_000 };
    const { ended } = sendVirtualTraffic(world, createRouter(world), options);
    const [target] = world.targets.list();
    const group = world.targetGroups.get(scene.aws.targetGroupArn);
    if (target === undefined || group === undefined) throw new Error("the stage has both");
    await pass(scene, 20);
    world.actAs({ by: "control" }, () => deregisterTarget(world, group, target.id));
    const leftMs = world.nowMs();
    await pass(scene, 100);
    const cut = ended.filter(({ failure }) => failure === "cut off in the middle");
    expect(cut.length).toBeGreaterThan(0);
    for (const { kind, atMs, tookMs } of cut) {
      expect({ kind, endMs: atMs + tookMs }).toEqual({ kind: "long", endMs: leftMs + 60_000 });
    }
  });

  it("to a port nothing listens on fails with 502", async () => {
    const { scene, world } = setUp();
    const watched = watch(scene);
    world.applicationPorts.clear();
    await pass(scene, 10);
    expect(failuresOf(watched)).toEqual({ "502 Bad Gateway": 11 });
  });
});

describe("the same seed", () => {
  const zone = process.env.TZ;
  afterEach(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  /** Every request to AWS with what came of it, every request to the load balancer, and every line of the log. */
  async function traceOf(seed: number, isNaive = false): Promise<string[]> {
    const scene = stage({ ...hurried, seed });
    const { traffic } = watch(scene);
    const faults = randomFaults(seed, { throttle: 0.05, lostResponse: 0.05 });
    const options = isNaive ? { isNaive } : { faults, staleReadsMs: 8_000 };
    const { requests, events } = await run(scene, options);
    return [
      ...requests.map(({ params, ...request }) => JSON.stringify([request, [...params]])),
      ...traffic.ended.map((request) => JSON.stringify(request)),
      ...events.map((event) => JSON.stringify(event)),
    ];
  }

  it("gives the same trace twice, wherever it runs, and another seed another one", async () => {
    process.env.TZ = "Asia/Tokyo";
    const first = await traceOf(7);
    process.env.TZ = "America/New_York";
    expect(await traceOf(7)).toEqual(first);
    expect(first.length).toBeGreaterThan(500);
    expect(await traceOf(8)).not.toEqual(first);
    expect(await traceOf(7, true)).toEqual(await traceOf(7, true));
  });
});
