import {
  CreateTagsCommand,
  DescribeImagesCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeSecurityGroupsCommand,
  DescribeVolumesCommand,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  AddTagsCommand,
  DeregisterTargetsCommand,
  DescribeLoadBalancersCommand,
  DescribeTagsCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
  RemoveTagsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { answerCall, parseCall } from "../../src/simulator/api.ts";
import { takeTokens } from "../../src/simulator/token-buckets.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

type Send = () => Promise<unknown>;

const THROTTLED = ["RequestLimitExceeded", "Throttling"];

/** Whether a request was let through, whatever else was wrong with it. */
async function isGranted(send: Send): Promise<boolean> {
  return send().then(
    () => true,
    // The SDK gives the error its code as a name.
    ({ name, code = name }: Error & { code?: string }) => !THROTTLED.includes(code),
  );
}

/** How many of a thousand requests at one moment are let through before one is not. */
async function countGranted(send: Send): Promise<number> {
  let granted = 0;
  while (granted < 1000 && (await isGranted(send))) granted += 1;
  return granted;
}

/** A fleet, and one request of every kind there is a bucket for. */
function setUp() {
  const base = setUpAny();
  const { aws, ec2, elb } = base;
  const [id = ""] = aws.oldInstanceIds;
  const TargetGroupArn = aws.targetGroupArn;
  const targets = { TargetGroupArn, Targets: [{ Id: id, Port: 8080 }] };
  const ResourceArns = [TargetGroupArn];
  const Filters = [{ Name: "instance-id", Values: [id] }];
  const launch = (count: number, DryRun?: boolean) =>
    ec2.send(
      // No such AMI: whether it is let through is all that counts.
      new RunInstancesCommand({
        ImageId: "ami-0123456789abcdef0",
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: count,
        DryRun,
      }),
    );
  const terminate = (count: number) => {
    const InstanceIds = Array.from(
      { length: count },
      (_, index) => `i-${String(index).padStart(17, "0")}`,
    );
    return ec2.send(new TerminateInstancesCommand({ InstanceIds }));
  };
  const requests = {
    DescribeInstances: () => ec2.send(new DescribeInstancesCommand({})),
    "DescribeInstances by ids": () => ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] })),
    "DescribeInstances by filter": () => ec2.send(new DescribeInstancesCommand({ Filters })),
    "DescribeInstances in pages": () => ec2.send(new DescribeInstancesCommand({ MaxResults: 5 })),
    DescribeInstanceStatus: () => ec2.send(new DescribeInstanceStatusCommand({})),
    DescribeSecurityGroups: () => ec2.send(new DescribeSecurityGroupsCommand({})),
    DescribeVolumes: () => ec2.send(new DescribeVolumesCommand({})),
    DescribeImages: () => ec2.send(new DescribeImagesCommand({})),
    RunInstances: () => launch(1),
    "RunInstances, DryRun": () => launch(1, true),
    TerminateInstances: () => terminate(1),
    CreateTags: () =>
      ec2.send(new CreateTagsCommand({ Resources: [id], Tags: [{ Key: "a", Value: "b" }] })),
    RegisterTargets: () => elb.send(new RegisterTargetsCommand(targets)),
    DeregisterTargets: () => elb.send(new DeregisterTargetsCommand(targets)),
    DescribeTargetHealth: () => elb.send(new DescribeTargetHealthCommand({ TargetGroupArn })),
    DescribeLoadBalancers: () => elb.send(new DescribeLoadBalancersCommand({})),
    DescribeTags: () => elb.send(new DescribeTagsCommand({ ResourceArns })),
    AddTags: () => elb.send(new AddTagsCommand({ ResourceArns, Tags: [{ Key: "a" }] })),
    RemoveTags: () => elb.send(new RemoveTagsCommand({ ResourceArns, TagKeys: ["a"] })),
  } satisfies Record<string, Send>;
  return { ...base, requests, launch, terminate };
}

test.each([
  ["DescribeInstances", 50, 10],
  ["DescribeInstances by ids", 50, 10],
  ["DescribeInstances by filter", 100, 20],
  ["DescribeInstances in pages", 100, 20],
  ["DescribeInstanceStatus", 50, 10],
  ["DescribeSecurityGroups", 50, 10],
  ["DescribeVolumes", 50, 10],
  ["DescribeImages", 100, 20],
  ["RunInstances", 5, 2],
  ["RunInstances, DryRun", 5, 2],
  ["TerminateInstances", 100, 5],
  ["CreateTags", 100, 10],
  ["RegisterTargets", 20, 4],
  ["DeregisterTargets", 20, 4],
  ["DescribeTargetHealth", 40, 10],
  ["AddTags", 20, 3],
  ["RemoveTags", 20, 3],
] as const)("%s: %i at once, then %i a second", async (name, maximum, perSecond) => {
  const { clock, requests } = setUp();
  const send = requests[name];
  expect(await countGranted(send)).toBe(maximum);
  // What is refused takes nothing.
  for (let count = 0; count < 5; count += 1) expect(await isGranted(send)).toBe(false);
  await clock.sleep(1000);
  expect(await countGranted(send)).toBe(perSecond);
  await clock.sleep(60 * 60_000);
  expect(await countGranted(send)).toBe(maximum);
});

test("any other change of EC2: 50 at once, then 5 a second", async () => {
  const { clock, aws } = setUp();
  const stop = async () =>
    takeTokens(aws.world, { service: "ec2", action: "StopInstances", parameters: new Map() });
  expect(await countGranted(stop)).toBe(50);
  await clock.sleep(1000);
  expect(await countGranted(stop)).toBe(5);
});

test("tokens come back by the millisecond, and none gets lost on the way", async () => {
  const { clock, requests } = setUp();
  await countGranted(requests.AddTags);
  let granted = 0;
  for (let ms = 0; ms < 1000; ms += 1) {
    await clock.sleep(1);
    granted += await countGranted(requests.AddTags);
  }
  expect(granted).toBe(3);
});

test("every action of EC2 has a bucket of its own, and reads of everything have another", async () => {
  const { requests } = setUp();
  await countGranted(requests.DescribeInstances);
  expect(await countGranted(requests["DescribeInstances by filter"])).toBe(100);
  expect(await countGranted(requests.DescribeVolumes)).toBe(50);
});

test("actions of ELB share theirs: targets, reads, and every other change", async () => {
  const { requests } = setUp();
  for (let count = 0; count < 15; count += 1) await requests.RegisterTargets();
  expect(await countGranted(requests.DeregisterTargets)).toBe(5);
  for (let count = 0; count < 15; count += 1) await requests.DescribeLoadBalancers();
  for (let count = 0; count < 15; count += 1) await requests.DescribeTags();
  expect(await countGranted(requests.DescribeTargetHealth)).toBe(10);
  for (let count = 0; count < 15; count += 1) await requests.AddTags();
  expect(await countGranted(requests.RemoveTags)).toBe(5);
});

test("a launch takes a token for every instance: 1000 at once, then 2 a second", async () => {
  const { clock, launch } = setUp();
  expect(await isGranted(() => launch(1001))).toBe(false);
  // A DryRun launches nothing.
  expect(await isGranted(() => launch(1000, true))).toBe(true);
  expect(await isGranted(() => launch(1000))).toBe(true);
  expect(await isGranted(() => launch(1))).toBe(false);
  await clock.sleep(1000);
  expect(await isGranted(() => launch(3))).toBe(false);
  expect(await isGranted(() => launch(2))).toBe(true);
});

test("so does a termination: 1000 at once, then 20 a second", async () => {
  const { clock, terminate } = setUp();
  expect(await isGranted(() => terminate(1000))).toBe(true);
  expect(await isGranted(() => terminate(1))).toBe(false);
  await clock.sleep(1000);
  expect(await isGranted(() => terminate(21))).toBe(false);
  expect(await isGranted(() => terminate(20))).toBe(true);
});

test("STS lets every request through", () => {
  const { aws } = setUp();
  const call = parseCall("Action=GetCallerIdentity&Version=2011-06-15", undefined)!;
  const statuses = Array.from({ length: 500 }, () => answerCall(aws.world, call).status);
  expect(new Set(statuses)).toEqual(new Set([200]));
});

test("who comes too soon is told so in the words of each service", async () => {
  const { requests } = setUp();
  await countGranted(requests.RunInstances);
  await countGranted(requests.RegisterTargets);
  expect(await errorOf(requests.RunInstances())).toMatchObject({
    name: "RequestLimitExceeded",
    status: 503,
    message:
      "Request limit exceeded. Account 123456789012 has been throttled on ec2:RunInstances " +
      "because it exceeded its request rate limit.",
  });
  expect(await errorOf(requests.RegisterTargets())).toMatchObject({
    name: "Throttling",
    status: 400,
    message: "Rate exceeded",
  });
});

test("a request that is refused has done nothing", async () => {
  const { aws, requests } = setUp();
  await countGranted(requests.RegisterTargets);
  await errorOf(requests.DeregisterTargets());
  expect(aws.world.targets.list().map(({ state }) => state)).toEqual([
    "healthy",
    "healthy",
    "healthy",
  ]);
});

test("a launch refused for want of tokens for its instances takes none for the request either", async () => {
  const { launch } = setUp();
  for (let time = 0; time < 10; time += 1) expect(await isGranted(() => launch(1001))).toBe(false);
  expect(await isGranted(() => launch(1))).toBe(true);
});
