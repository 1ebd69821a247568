import {
  DescribeInstancesCommand,
  type EC2Client,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  DeregisterTargetsCommand,
  DescribeTargetHealthCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import {
  type Fault,
  faultWhen,
  firstOf,
  firstRequests,
  randomFaults,
} from "../../src/simulator/faults.ts";
import { connect, errorOf, setUp } from "./clients.ts";

const always = (fault: Fault) => faultWhen(() => true, fault);

function launch(ec2: EC2Client) {
  return ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    }),
  );
}

test.each([
  [{ kind: "throttle" }, "RequestLimitExceeded", 503, 3],
  [{ kind: "serverError" }, "InternalError", 500, 3],
  [
    { kind: "error", status: 403, code: "UnauthorizedOperation", message: "No." },
    "UnauthorizedOperation",
    403,
    3,
  ],
] as const)("%o is answered with %s and not executed", async (fault, name, status, instances) => {
  const { aws, ec2, handler } = setUp({ faults: always(fault) });
  expect(await errorOf(launch(ec2))).toMatchObject({
    name,
    status,
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  expect(aws.world.instances.list()).toHaveLength(instances);
  expect(handler.requests.map(({ outcome }) => outcome)).toEqual([status]);
});

test("ELB throttles with a code, text and status of its own", async () => {
  const { aws, elb } = setUp({ faults: always({ kind: "throttle" }) });
  const describe = new DescribeTargetHealthCommand({ TargetGroupArn: aws.targetGroupArn });
  expect(await errorOf(elb.send(describe))).toMatchObject({
    name: "Throttling",
    message: "Rate exceeded",
    status: 400,
  });
});

test.each([
  ["reset", 3],
  ["lostResponse", 4],
] as const)(
  "%s looks like a reset connection, and leaves %i instances",
  async (kind, instances) => {
    const { aws, ec2, handler } = setUp({ faults: always({ kind }) });
    expect(await errorOf(launch(ec2))).toMatchObject({ code: "ECONNRESET", status: undefined });
    expect(aws.world.instances.list()).toHaveLength(instances);
    expect(handler.requests.map(({ outcome }) => outcome)).toEqual(["reset"]);
  },
);

test.each([
  ["crashBefore", 3],
  ["crashAfter", 4],
] as const)(
  "after %s both clients are dead, and another process goes on",
  async (kind, instances) => {
    const { aws, ec2, elb, handler } = setUp({
      faults: faultWhen(({ sequence }) => sequence === 2, { kind }),
    });
    await ec2.send(new DescribeInstancesCommand({}));
    expect(await errorOf(launch(ec2))).toMatchObject({ name: "SimulatedCrash" });
    const deregister = new DeregisterTargetsCommand({
      TargetGroupArn: aws.targetGroupArn,
      Targets: [{ Id: aws.oldInstanceIds[0], Port: 8080 }],
    });
    expect(await errorOf(elb.send(deregister))).toMatchObject({ name: "SimulatedCrash" });
    expect(handler.requests.map(({ action, outcome }) => `${action} ${outcome}`)).toEqual([
      "DescribeInstances 200",
      "RunInstances crash",
    ]);
    expect(aws.world.targets.list().every(({ state }) => state === "healthy")).toBe(true);
    const { Reservations = [] } = await connect(aws).ec2.send(new DescribeInstancesCommand({}));
    expect(Reservations).toHaveLength(instances);
  },
);

test("faults see service, action, parameters, time and a count over both services", async () => {
  const seen: unknown[] = [];
  const { clock, aws, ec2, elb } = setUp({
    faults: ({ service, action, sequence, params, atMs }) => {
      seen.push({ service, action, sequence, atMs, id: params.get("InstanceId.1") });
      return undefined;
    },
  });
  const [id = ""] = aws.oldInstanceIds;
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await clock.sleep(1000);
  await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn: aws.targetGroupArn }));
  const atMs = aws.world.startMs;
  expect(seen).toEqual([
    { service: "ec2", action: "TerminateInstances", sequence: 1, atMs, id },
    {
      service: "elasticloadbalancing",
      action: "DescribeTargetHealth",
      sequence: 2,
      atMs: atMs + 1000,
      id: undefined,
    },
  ]);
});

test("the first requests of an action can fail, and the first fault of several wins", async () => {
  const { ec2 } = setUp({
    faults: firstOf(
      firstRequests("RunInstances", 1, { kind: "throttle" }),
      firstRequests("RunInstances", 2, { kind: "serverError" }),
    ),
  });
  expect(await errorOf(launch(ec2))).toMatchObject({ name: "RequestLimitExceeded" });
  expect(await errorOf(launch(ec2))).toMatchObject({ name: "InternalError" });
  expect(await errorOf(launch(ec2))).toMatchObject({ name: "InternalError" });
  expect((await launch(ec2)).Instances).toHaveLength(1);
});

test("faults by chance come at their rates, the same for the same seed", () => {
  const kindsOf = (seed: number) => {
    const faults = randomFaults(seed, { throttle: 0.2, reset: 0.1 });
    return Array.from({ length: 2000 }, (_, index) => {
      const params = new Map<string, string>();
      const like = { service: "ec2", action: "RunInstances", name: "launch", atMs: 0 } as const;
      const request = { ...like, params };
      return faults({ ...request, sequence: index + 1 })?.kind;
    });
  };
  const kinds = kindsOf(7);
  const share = (of: string) => kinds.filter((kind) => kind === of).length / kinds.length;
  expect(share("throttle")).toBeCloseTo(0.2, 1);
  expect(share("reset")).toBeCloseTo(0.1, 1);
  expect(kindsOf(7)).toEqual(kinds);
  expect(kindsOf(8)).not.toEqual(kinds);
});
