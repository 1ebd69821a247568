import {
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  type EC2Client,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import {
  associateElasticIp,
  editInstance,
  impairInstance,
  stopInstance,
} from "../../src/simulator/controls.ts";
import type { SimulatedAws } from "../../src/simulator/fleet.ts";
import { errorOf, setUp } from "./clients.ts";

const SECONDS = 1000;
const MINUTES = 60 * SECONDS;

/** Times without chance, so that a test can look a moment before and a moment after. */
const timings = {
  pendingToRunning: [15 * SECONDS, 15 * SECONDS],
  pendingToTerminated: [8 * SECONDS, 8 * SECONDS],
  statusChecks: [3 * MINUTES, 3 * MINUTES],
  shuttingDown: [50 * SECONDS, 50 * SECONDS],
  terminatedShowsTags: [30 * MINUTES, 30 * MINUTES],
  terminatedIsVisible: [60 * MINUTES, 60 * MINUTES],
} as const;

function launchInput(aws: SimulatedAws): RunInstancesCommandInput {
  return {
    ImageId: IMAGES.good,
    InstanceType: "t3.micro",
    KeyName: aws.keyName,
    SecurityGroupIds: [aws.securityGroupId],
    SubnetId: [...aws.world.subnets.keys()][0],
    MinCount: 1,
    MaxCount: 1,
  };
}

async function launch(ec2: EC2Client, input: RunInstancesCommandInput) {
  const { Instances } = await ec2.send(new RunInstancesCommand(input));
  const id = Instances?.[0]?.InstanceId;
  if (id === undefined) throw new Error("nothing was launched");
  return id;
}

async function describe(ec2: EC2Client, id: string) {
  const answer = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const instance = answer.Reservations?.[0]?.Instances?.[0];
  if (instance === undefined) throw new Error("no such instance");
  return instance;
}

async function stateOf(ec2: EC2Client, id: string) {
  return (await describe(ec2, id)).State?.Name;
}

async function checksOf(ec2: EC2Client, id: string, IncludeAllInstances?: boolean) {
  const { InstanceStatuses = [] } = await ec2.send(
    new DescribeInstanceStatusCommand({ InstanceIds: [id], IncludeAllInstances }),
  );
  return InstanceStatuses.map(
    ({ SystemStatus, InstanceStatus }) => `${SystemStatus?.Status} ${InstanceStatus?.Status}`,
  );
}

test("a launch is pending, then running, and passes its status checks minutes later", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const { Instances, ReservationId } = await ec2.send(
    new RunInstancesCommand({ ...launchInput(aws), ClientToken: "token-1" }),
  );
  expect(ReservationId).toMatch(/^r-0[0-9a-f]{16}$/);
  expect(Instances?.[0]).toMatchObject({
    InstanceId: expect.stringMatching(/^i-0[0-9a-f]{16}$/),
    State: { Code: 0, Name: "pending" },
    StateReason: { Code: "pending", Message: "pending" },
    ClientToken: "token-1",
    BlockDeviceMappings: [],
    MetadataOptions: { State: "pending" },
  });
  const id = Instances?.[0]?.InstanceId ?? "";
  expect(await checksOf(ec2, id)).toEqual([]);
  expect(await checksOf(ec2, id, true)).toEqual(["not-applicable not-applicable"]);
  await clock.sleep(15 * SECONDS - 1);
  expect(await stateOf(ec2, id)).toBe("pending");
  await clock.sleep(1);
  const running = await describe(ec2, id);
  expect(running).toMatchObject({
    State: { Code: 16, Name: "running" },
    BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { DeleteOnTermination: true } }],
    MetadataOptions: { State: "applied" },
  });
  expect(running.StateReason).toBeUndefined();
  await clock.sleep(3 * MINUTES - 1);
  expect(await checksOf(ec2, id)).toEqual(["initializing initializing"]);
  await clock.sleep(1);
  expect(await checksOf(ec2, id)).toEqual(["ok ok"]);
});

test("without chosen timings an instance runs after 10-20 s and is checked 2-4 minutes later", async () => {
  const { clock, aws, ec2 } = setUp();
  const id = await launch(ec2, launchInput(aws));
  await clock.sleep(10 * SECONDS - 1);
  expect(await stateOf(ec2, id)).toBe("pending");
  await clock.sleep(10 * SECONDS + 1);
  expect(await stateOf(ec2, id)).toBe("running");
  await clock.sleep(100 * SECONDS);
  expect(await checksOf(ec2, id)).toEqual(["initializing initializing"]);
  await clock.sleep(140 * SECONDS);
  expect(await checksOf(ec2, id)).toEqual(["ok ok"]);
});

test("a launch that dies ends terminated without ever running, and both reason fields say why", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const id = await launch(ec2, { ...launchInput(aws), ImageId: IMAGES.dies });
  await clock.sleep(8 * SECONDS - 1);
  expect(await stateOf(ec2, id)).toBe("pending");
  await clock.sleep(1);
  expect(await describe(ec2, id)).toMatchObject({
    State: { Code: 48, Name: "terminated" },
    StateReason: {
      Code: "Server.InternalError",
      Message: "Client.VolumeLimitExceeded: Volume limit exceeded",
    },
  });
});

test("an impaired image fails the instance check and passes the system check", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const id = await launch(ec2, { ...launchInput(aws), ImageId: IMAGES.impaired });
  await clock.sleep(4 * MINUTES);
  const { InstanceStatuses } = await ec2.send(
    new DescribeInstanceStatusCommand({ InstanceIds: [id] }),
  );
  expect(InstanceStatuses?.[0]).toMatchObject({
    SystemStatus: { Status: "ok", Details: [{ Name: "reachability", Status: "passed" }] },
    InstanceStatus: {
      Status: "impaired",
      Details: [{ Name: "reachability", Status: "failed", ImpairedSince: expect.any(Date) }],
    },
  });
});

test("terminating is idempotent, takes a while, and shows for an hour; tags go before that", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const [id = ""] = aws.oldInstanceIds;
  const terminate = () => ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  const first = await terminate();
  expect(first.TerminatingInstances).toEqual([
    {
      InstanceId: id,
      CurrentState: { Code: 32, Name: "shutting-down" },
      PreviousState: { Code: 16, Name: "running" },
    },
  ]);
  const second = await terminate();
  expect(second.TerminatingInstances?.[0]?.PreviousState?.Name).toBe("shutting-down");
  await clock.sleep(50 * SECONDS - 1);
  expect(await stateOf(ec2, id)).toBe("shutting-down");
  await clock.sleep(1);
  const gone = await describe(ec2, id);
  expect(gone).toMatchObject({
    State: { Name: "terminated" },
    StateReason: { Code: "Client.UserInitiatedShutdown" },
    StateTransitionReason: "User initiated (2026-01-05 09:00:00 GMT)",
    Tags: expect.arrayContaining([{ Key: "Name", Value: "v1" }]),
  });
  expect(gone.SubnetId).toBeUndefined();
  const { Volumes } = await ec2.send(
    new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [id] }] }),
  );
  expect(Volumes).toEqual([]);
  await clock.sleep(31 * MINUTES);
  expect((await describe(ec2, id)).Tags).toEqual([]);
  expect((await terminate()).TerminatingInstances?.[0]?.CurrentState?.Name).toBe("terminated");
  await clock.sleep(29 * MINUTES);
  expect(await errorOf(terminate())).toMatchObject({ name: "InvalidInstanceID.NotFound" });
});

test("an instance terminated while pending never runs", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const id = await launch(ec2, launchInput(aws));
  await clock.sleep(10 * SECONDS);
  const { TerminatingInstances } = await ec2.send(
    new TerminateInstancesCommand({ InstanceIds: [id] }),
  );
  expect(TerminatingInstances?.[0]?.PreviousState?.Name).toBe("pending");
  await clock.sleep(10 * SECONDS);
  expect(await stateOf(ec2, id)).toBe("shutting-down");
  await clock.sleep(40 * SECONDS);
  expect(await stateOf(ec2, id)).toBe("terminated");
});

test("one bad id spares all; protection spares its zone and fails the request", async () => {
  const { aws, ec2 } = setUp({ instances: 4, zones: 3 });
  const [first = "", second = "", , fourth = ""] = aws.oldInstanceIds;
  const terminate = (...InstanceIds: string[]) =>
    errorOf(ec2.send(new TerminateInstancesCommand({ InstanceIds })));
  expect(await terminate(first, "i-0123456789abcdef0", "i-0123456789abcdef1")).toMatchObject({
    message: "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist",
  });
  expect(await terminate(first, "web-1")).toMatchObject({ name: "InvalidInstanceID.Malformed" });
  expect(await stateOf(ec2, first)).toBe("running");
  // The fourth lives in the zone of the first; the second does not.
  editInstance(aws.world, fourth, { disableApiTermination: true });
  expect(await terminate(first, second, fourth)).toMatchObject({
    name: "OperationNotPermitted",
    message:
      `The instance '${fourth}' may not be terminated. Modify its 'disableApiTermination' ` +
      "instance attribute and try again.",
    status: 400,
  });
  expect(await stateOf(ec2, first)).toBe("running");
  expect(await stateOf(ec2, second)).toBe("shutting-down");
});

test("a dry run changes nothing and says that it would have worked", async () => {
  const { aws, ec2 } = setUp();
  const success = { name: "DryRunOperation", status: 412 };
  const input = { ...launchInput(aws), DryRun: true };
  expect(await errorOf(ec2.send(new RunInstancesCommand(input)))).toMatchObject(success);
  const [id = ""] = aws.oldInstanceIds;
  expect(
    await errorOf(ec2.send(new TerminateInstancesCommand({ InstanceIds: [id], DryRun: true }))),
  ).toMatchObject(success);
  expect(await errorOf(ec2.send(new DescribeInstancesCommand({ DryRun: true })))).toMatchObject(
    success,
  );
  expect(
    await errorOf(ec2.send(new RunInstancesCommand({ ...input, KeyName: "lost" }))),
  ).toMatchObject({ name: "InvalidKeyPair.NotFound" });
  expect(aws.world.instances.list()).toHaveLength(3);
  expect(await stateOf(ec2, id)).toBe("running");
});

test("what a test does to an instance from outside shows", async () => {
  const { clock, aws, ec2 } = setUp();
  const [first = "", second = "", third = ""] = aws.oldInstanceIds;
  stopInstance(aws.world, first);
  expect(await stateOf(ec2, first)).toBe("stopping");
  await clock.sleep(40 * SECONDS);
  expect(await stateOf(ec2, first)).toBe("stopped");
  impairInstance(aws.world, second);
  expect(await checksOf(ec2, second)).toEqual(["ok impaired"]);
  editInstance(aws.world, third, {
    lifecycle: "spot",
    tags: [{ key: "aws:autoscaling:groupName", value: "web" }],
  });
  expect(await describe(ec2, third)).toMatchObject({
    InstanceLifecycle: "spot",
    Tags: [{ Key: "aws:autoscaling:groupName", Value: "web" }],
  });
});

test("an Elastic IP shows with its instance, and is free again once that is terminated", async () => {
  const { clock, aws, ec2 } = setUp({ timings });
  const [id = ""] = aws.oldInstanceIds;
  associateElasticIp(aws.world, id, "198.51.100.7");
  const addresses = async () => {
    const Filters = [{ Name: "instance-id", Values: [...aws.oldInstanceIds] }];
    return (await ec2.send(new DescribeAddressesCommand({ Filters }))).Addresses;
  };
  expect(await addresses()).toMatchObject([{ InstanceId: id, PublicIp: "198.51.100.7" }]);
  expect(await describe(ec2, id)).toMatchObject({
    PublicIpAddress: "198.51.100.7",
    NetworkInterfaces: [{ Association: { IpOwnerId: "123456789012" } }],
  });
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
  await clock.sleep(1 * MINUTES);
  expect(await addresses()).toEqual([]);
});

test("attributes and credits that DescribeInstances does not show can be asked for", async () => {
  const { aws, ec2 } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  const attribute = (Attribute: "userData" | "disableApiTermination" | "disableApiStop") =>
    ec2.send(new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute }));
  const { UserData } = await attribute("userData");
  expect(Buffer.from(UserData?.Value ?? "", "base64").toString()).toContain("systemctl start app");
  expect((await attribute("disableApiTermination")).DisableApiTermination?.Value).toBe(false);
  expect((await attribute("disableApiStop")).DisableApiStop?.Value).toBe(false);
  const credits = await ec2.send(
    new DescribeInstanceCreditSpecificationsCommand({ InstanceIds: [id] }),
  );
  expect(credits.InstanceCreditSpecifications).toEqual([
    { InstanceId: id, CpuCredits: "unlimited" },
  ]);
  const big = setUp({ instanceType: "m6i.large" });
  expect(
    await errorOf(
      big.ec2.send(
        new DescribeInstanceCreditSpecificationsCommand({
          InstanceIds: [...big.aws.oldInstanceIds],
        }),
      ),
    ),
  ).toMatchObject({ name: "InstanceCreditSpecification.NotSupported" });
});

test("what a launch needs can be looked up, and each unknown name has its own error", async () => {
  const { aws, ec2 } = setUp();
  const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [IMAGES.good] }));
  expect(Images?.[0]).toMatchObject({ State: "available", RootDeviceName: "/dev/xvda" });
  const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}));
  expect(Subnets?.[0]).toMatchObject({
    AvailabilityZone: "eu-west-1a",
    AvailableIpAddressCount: 250,
    MapPublicIpOnLaunch: false,
    VpcId: aws.vpcId,
  });
  const { InstanceTypes } = await ec2.send(
    new DescribeInstanceTypesCommand({ InstanceTypes: ["t3.micro"] }),
  );
  expect(InstanceTypes?.[0]).toMatchObject({
    BurstablePerformanceSupported: true,
    ProcessorInfo: { SupportedArchitectures: ["x86_64"] },
  });
  const { Volumes } = await ec2.send(
    new DescribeVolumesCommand({
      Filters: [{ Name: "attachment.instance-id", Values: [aws.oldInstanceIds[0] ?? ""] }],
    }),
  );
  expect(Volumes).toMatchObject([{ Size: 20, VolumeType: "gp3", Iops: 3000, Throughput: 125 }]);
  const codes = await Promise.all([
    errorOf(ec2.send(new DescribeImagesCommand({ ImageIds: ["ami-0123456789abcdef0"] }))),
    errorOf(ec2.send(new DescribeImagesCommand({ ImageIds: ["ami-123"] }))),
    errorOf(ec2.send(new DescribeSubnetsCommand({ SubnetIds: ["subnet-0123456789abcdef0"] }))),
    errorOf(ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: ["sg-0123456789abcdef0"] }))),
    errorOf(ec2.send(new DescribeKeyPairsCommand({ KeyNames: ["lost"] }))),
    errorOf(ec2.send(new DescribeVolumesCommand({ VolumeIds: ["vol-0123456789abcdef0"] }))),
  ]);
  expect(codes.map(({ name, message }) => `${name}: ${message}`)).toEqual([
    "InvalidAMIID.NotFound: The image id '[ami-0123456789abcdef0]' does not exist",
    'InvalidAMIID.Malformed: Invalid id: "ami-123" (expecting "ami-...")',
    "InvalidSubnetID.NotFound: The subnet ID 'subnet-0123456789abcdef0' does not exist",
    "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist",
    "InvalidKeyPair.NotFound: The key pair 'lost' does not exist",
    "InvalidVolume.NotFound: The volume 'vol-0123456789abcdef0' does not exist.",
  ]);
});
