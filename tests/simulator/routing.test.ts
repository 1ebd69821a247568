// Goal: requests go where a real load balancer sends them: to healthy targets in turn, for a while still to those that
// were deregistered, to all when none is healthy; and they are cut when the deregistration delay is over.
// Method: the router on a world in virtual time, targets registered and deregistered by the real SDK clients.
import {
  DeregisterTargetsCommand,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { describe, expect, it } from "vitest";
import { forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import type { SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { createRouter } from "../../src/simulator/routing.ts";
import { setUp } from "./clients.ts";

const SECONDS = 1000;

const lags = {
  applicationDeregistration: [18 * SECONDS, 18 * SECONDS],
  networkDeregistration: [115 * SECONDS, 115 * SECONDS],
  applicationRegistration: [5 * SECONDS, 5 * SECONDS],
} as const;

function routed(options: Omit<SimulatedAwsOptions, "clock"> = {}) {
  const { clock, aws, elb } = setUp({ timings: lags, ...options });
  const { world, targetGroupArn: TargetGroupArn, oldInstanceIds: ids } = aws;
  const router = createRouter(world);
  const cuts: [string, number][] = [];
  const startMs = clock.now();
  router.onCut(({ instanceId }) => cuts.push([instanceId, (world.nowMs() - startMs) / SECONDS]));
  const target = (Id: string) => ({ TargetGroupArn, Targets: [{ Id, Port: 8080 }] });
  return {
    aws,
    cuts,
    ids: ids as readonly [string, string, string],
    deregister: (id: string) => elb.send(new DeregisterTargetsCommand(target(id))),
    register: (id: string) => elb.send(new RegisterTargetsCommand(target(id))),
    async wait(seconds: number) {
      await clock.sleep(seconds * SECONDS);
      world.advance();
    },
    /** Who gets the next requests, sorted. */
    next(count: number) {
      const targets = Array.from({ length: count }, () => router.next(TargetGroupArn));
      return targets.map((one) => one?.instanceId).sort();
    },
  };
}

const sorted = (...ids: (string | undefined)[]) => ids.sort();

describe("healthy targets", () => {
  it("get requests in turn, each as many", () => {
    const { next, ids } = routed();
    const [a, b, c] = ids;
    expect(next(6)).toEqual(sorted(a, a, b, b, c, c));
  });

  it("get them from the moment they are healthy, not while they are initial", async () => {
    const { next, ids, deregister, register, wait } = routed({ deregistrationDelaySeconds: 10 });
    const [a, b, c] = ids;
    await deregister(a);
    await wait(60);
    await register(a);
    await wait(5);
    expect(next(4)).toEqual(sorted(b, b, c, c));
    await wait(31);
    expect(next(3)).toEqual(sorted(a, b, c));
  });
});

describe("a target that was deregistered", () => {
  it.each([300, 10])(
    "gets new requests for 18 s more, with a deregistration delay of %i s",
    async (deregistrationDelaySeconds) => {
      const { next, ids, deregister, wait } = routed({ deregistrationDelaySeconds });
      const [a, b, c] = ids;
      await deregister(a);
      await wait(17.9);
      expect(next(3)).toEqual(sorted(a, b, c));
      await wait(0.2);
      expect(next(4)).toEqual(sorted(b, b, c, c));
    },
  );

  it("gets them for minutes behind a network load balancer", async () => {
    const { next, ids, deregister, wait } = routed({ loadBalancerType: "network" });
    const [a, b, c] = ids;
    await deregister(a);
    await wait(114);
    expect(next(3)).toEqual(sorted(a, b, c));
    await wait(2);
    expect(next(2)).toEqual(sorted(b, c));
  });

  it("has its requests cut when the delay is over, and no sooner than the load balancer has heard of it", async () => {
    const long = routed({ deregistrationDelaySeconds: 60 });
    await long.deregister(long.ids[0]);
    await long.wait(600);
    expect(long.cuts).toEqual([[long.ids[0], 60]]);
    const short = routed({ deregistrationDelaySeconds: 0 });
    await short.deregister(short.ids[0]);
    await short.wait(600);
    expect(short.cuts).toEqual([[short.ids[0], 18]]);
  });

  it("keeps them when it is registered again in time", async () => {
    const { cuts, ids, deregister, register, wait } = routed({ deregistrationDelaySeconds: 60 });
    await deregister(ids[0]);
    await wait(30);
    await register(ids[0]);
    await wait(600);
    expect(cuts).toEqual([]);
  });

  it("gets none from the moment it is registered again until it is healthy", async () => {
    const { next, ids, deregister, register, wait } = routed();
    const [a, b, c] = ids;
    await deregister(a);
    await wait(2);
    await register(a);
    expect(next(4)).toEqual(sorted(b, b, c, c));
    await wait(36);
    expect(next(3)).toEqual(sorted(a, b, c));
  });

  it("keeps them for good behind a network load balancer, which only cuts them when told to", async () => {
    const { aws, cuts, ids, deregister, wait } = routed({ loadBalancerType: "network" });
    const { world, targetGroupArn } = aws;
    await deregister(ids[0]);
    await wait(600);
    expect(cuts).toEqual([]);
    const group = world.targetGroups.get(targetGroupArn);
    if (group === undefined) throw new Error("the fleet has a target group");
    const key = "deregistration_delay.connection_termination.enabled";
    const attributes = { ...group.attributes, [key]: "true" };
    world.targetGroups.set(targetGroupArn, { ...group, attributes });
    await deregister(ids[1]);
    await wait(600);
    expect(cuts).toEqual([[ids[1], 900]]);
  });
});

describe("where something is wrong", () => {
  it("an unhealthy target gets none, unless none is healthy: then all get them", async () => {
    const { aws, next, ids, wait } = routed();
    const [a, b, c] = ids;
    forceAnswer(aws.world, a, 503);
    await wait(120);
    expect(next(4)).toEqual(sorted(b, b, c, c));
    forceAnswer(aws.world, b, 503);
    forceAnswer(aws.world, c, 503);
    await wait(120);
    expect(next(3)).toEqual(sorted(a, b, c));
  });

  it("an initial target gets none even when none is healthy", async () => {
    const { aws, next, ids, deregister, register, wait } = routed();
    const [a, b, c] = ids;
    await deregister(a);
    await wait(20);
    forceAnswer(aws.world, b, 503);
    forceAnswer(aws.world, c, 503);
    await wait(120);
    await register(a);
    expect(next(2)).toEqual(sorted(b, c));
  });

  it("one terminated while registered gets them until the load balancer notices", async () => {
    const { aws, next, ids, wait } = routed();
    const [a, b, c] = ids;
    terminateInstance(aws.world, a);
    await wait(15);
    expect(next(3)).toEqual(sorted(a, b, c));
    await wait(120);
    expect(next(2)).toEqual(sorted(b, c));
  });

  it("nobody gets them when no target is registered", async () => {
    const { next, ids, deregister, wait } = routed();
    for (const id of ids) await deregister(id);
    await wait(20);
    expect(next(1)).toEqual([undefined]);
  });
});
