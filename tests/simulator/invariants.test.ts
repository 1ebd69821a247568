import { RunInstancesCommand, TerminateInstancesCommand } from "@aws-sdk/client-ec2";
import {
  DeregisterTargetsCommand,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import { summariseFleet } from "../../src/simulator/fleet-summary.ts";
import { countHealthy, watchInvariants } from "../../src/simulator/invariants.ts";
import { setUp as setUpAny } from "./clients.ts";

const SECONDS = 1000;
const MINUTES = 60 * SECONDS;

/** A watched fleet, and the steps of a rolling update done by hand. */
function setUp(options: Parameters<typeof setUpAny>[0] = {}, maxSurge = 1) {
  const base = setUpAny(options);
  const { aws, ec2, elb, clock } = base;
  const invariants = watchInvariants(aws, { maxSurge });
  const targets = (Id: string, Port = 8080) => ({
    TargetGroupArn: aws.targetGroupArn,
    Targets: [{ Id, Port }],
  });
  const launch = async (replaces: string) => {
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId: IMAGES.good,
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [
          {
            ResourceType: "instance",
            Tags: [{ Key: "zero-deploy:replaces", Value: replaces }],
          },
        ],
      }),
    );
    return Instances?.[0]?.InstanceId ?? "";
  };
  const register = (id: string) => elb.send(new RegisterTargetsCommand(targets(id)));
  const deregister = (id: string) => elb.send(new DeregisterTargetsCommand(targets(id)));
  const terminate = (id: string) => ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  /** Launches a replacement and waits until it is healthy. */
  const replace = async (old: string) => {
    const id = await launch(old);
    await clock.sleep(2 * MINUTES);
    await register(id);
    await clock.sleep(1 * MINUTES);
    return id;
  };
  const broken = () => invariants.violations.map(({ rule }) => rule);
  return { ...base, invariants, launch, register, deregister, terminate, replace, broken };
}

test("a rolling update by the book breaks nothing, and leaves the fleet renewed", async () => {
  const { clock, aws, replace, deregister, terminate, broken } = setUp();
  for (const old of aws.oldInstanceIds) {
    await replace(old);
    await deregister(old);
    await clock.sleep(300 * SECONDS);
    await terminate(old);
    await terminate(old);
  }
  expect(broken()).toEqual([]);
  await clock.sleep(2 * MINUTES);
  const { live, leftovers, leakedVolumes } = summariseFleet(aws);
  expect(live.map(({ imageId }) => imageId)).toEqual([IMAGES.good, IMAGES.good, IMAGES.good]);
  expect(live[0]).toMatchObject({
    state: "running",
    zone: "eu-west-1a",
    tags: { "zero-deploy:replaces": aws.oldInstanceIds[0] },
    targets: [{ targetGroupArn: aws.targetGroupArn, port: 8080, state: "healthy" }],
  });
  expect(leftovers).toEqual([]);
  expect(leakedVolumes).toEqual([]);
});

test("terminating what is still registered is seen, and the capacity it costs", async () => {
  const { aws, terminate, invariants, broken } = setUp();
  const [old = ""] = aws.oldInstanceIds;
  await terminate(old);
  expect(broken()).toEqual(["terminated-in-service", "capacity-lost"]);
  expect(invariants.violations[0]).toEqual({
    rule: "terminated-in-service",
    atMs: aws.world.startMs,
    message: `${old}:8080 of my-targets was healthy when it was terminated`,
  });
});

test("terminating before the deregistration delay has passed is seen", async () => {
  const { clock, aws, replace, deregister, terminate, invariants } = setUp();
  const [old = ""] = aws.oldInstanceIds;
  await replace(old);
  await deregister(old);
  await clock.sleep(299 * SECONDS);
  await terminate(old);
  expect(invariants.violations.map(({ message }) => message)).toEqual([
    `${old}:8080 of my-targets was terminated 299 s after it was deregistered, not 300 s`,
  ]);
});

test.each([
  ["application", 29, ["terminated-in-service"]],
  ["application", 30, []],
  ["network", 149, ["terminated-in-service"]],
  ["network", 150, []],
] as const)(
  "behind an %s load balancer a delay of 0 s is not enough after %i s: %o",
  async (loadBalancerType, seconds, rules) => {
    const { clock, aws, replace, deregister, terminate, broken } = setUp({
      loadBalancerType,
      deregistrationDelaySeconds: 0,
    });
    const [old = ""] = aws.oldInstanceIds;
    const id = await replace(old);
    // A network load balancer takes minutes to register a target.
    await clock.sleep(5 * MINUTES);
    expect(id).not.toBe("");
    await deregister(old);
    await clock.sleep(seconds * SECONDS);
    await terminate(old);
    expect(broken()).toEqual(rules);
  },
);

test("a registration in a second group counts too", async () => {
  const { clock, aws, elb, replace, deregister, terminate, broken } = setUp({ secondPort: 9090 });
  const [old = ""] = aws.oldInstanceIds;
  const id = await replace(old);
  await elb.send(
    new RegisterTargetsCommand({
      TargetGroupArn: aws.secondTargetGroupArn,
      Targets: [{ Id: id, Port: 9090 }],
    }),
  );
  await clock.sleep(1 * MINUTES);
  await deregister(old);
  await clock.sleep(300 * SECONDS);
  await terminate(old);
  expect(broken()).toEqual(["terminated-in-service"]);
});

test("deregistering a healthy target without a replacement is seen", async () => {
  const { aws, deregister, broken } = setUp();
  await deregister(aws.oldInstanceIds[0] ?? "");
  expect(broken()).toEqual(["capacity-lost"]);
});

test("an instance that fails by itself is nobody's fault, and may leave", async () => {
  const { clock, aws, deregister, terminate, broken } = setUp();
  const [first = "", second = "", third = ""] = aws.oldInstanceIds;
  forceAnswer(aws.world, first, 503);
  terminateInstance(aws.world, second);
  await clock.sleep(5 * MINUTES);
  expect(countHealthy(aws, aws.targetGroupArn)).toBe(1);
  await deregister(first);
  await clock.sleep(300 * SECONDS);
  await terminate(first);
  expect(broken()).toEqual([]);
  await deregister(third);
  expect(broken()).toEqual(["capacity-lost"]);
});

test("more instances than the surge allows are seen", async () => {
  const { launch, broken } = setUp({}, 2);
  await launch("i-1");
  await launch("i-2");
  expect(broken()).toEqual([]);
  await launch("i-3");
  expect(broken()).toEqual(["surge-exceeded"]);
});

test("two live replacements of one instance are seen; one that is going does not count", async () => {
  const { launch, terminate, broken } = setUp({}, 3);
  const first = await launch("i-1");
  await terminate(first);
  await launch("i-1");
  expect(broken()).toEqual([]);
  await launch("i-1");
  expect(broken()).toEqual(["launched-twice"]);
});

test("a forgotten instance and a leaked volume show in the summary, and a stopped watch is silent", async () => {
  const { clock, aws, ec2, launch, terminate, invariants, broken } = setUp({}, 9);
  const forgotten = await launch("i-1");
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
      BlockDeviceMappings: [{ DeviceName: "/dev/sdf", Ebs: { VolumeSize: 5 } }],
    }),
  );
  await terminate(Instances?.[0]?.InstanceId ?? "");
  await clock.sleep(2 * MINUTES);
  const { leftovers, leakedVolumes } = summariseFleet(aws);
  expect(leftovers).toEqual([forgotten]);
  expect(leakedVolumes).toHaveLength(1);
  invariants.stop();
  await terminate(aws.oldInstanceIds[0] ?? "");
  expect(broken()).toEqual([]);
});
