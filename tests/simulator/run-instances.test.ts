import {
  DescribeAddressesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  type EC2Client,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { setCapacity } from "../../src/simulator/controls.ts";
import type { SimulatedAws } from "../../src/simulator/fleet.ts";
import { addSecurityGroup } from "../../src/simulator/network.ts";
import { errorOf, setUp } from "./clients.ts";

function launchInput(aws: SimulatedAws): RunInstancesCommandInput {
  return {
    ImageId: IMAGES.good,
    InstanceType: "t3.micro",
    KeyName: aws.keyName,
    SecurityGroupIds: [aws.securityGroupId],
    SubnetId: subnetOf(aws, 0),
    MinCount: 1,
    MaxCount: 1,
  };
}

function subnetOf(aws: SimulatedAws, index: number) {
  return [...aws.world.subnets.keys()][index];
}

const run = (ec2: EC2Client, input: RunInstancesCommandInput) =>
  ec2.send(new RunInstancesCommand(input));

describe("a client token", () => {
  test("makes a launch happen once, and answers it as it is by then", async () => {
    const { clock, aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    const first = await run(ec2, input);
    await clock.sleep(60_000);
    const again = await run(ec2, input);
    expect(again.ReservationId).toBe(first.ReservationId);
    expect(again.Instances?.map(({ InstanceId }) => InstanceId)).toEqual(
      first.Instances?.map(({ InstanceId }) => InstanceId),
    );
    expect(again.Instances?.[0]?.State?.Name).toBe("running");
    expect(aws.world.instances.list()).toHaveLength(4);
  });

  test("does not make a launch of a dry run", async () => {
    const { aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    await run(ec2, input);
    const dry = await errorOf(run(ec2, { ...input, DryRun: true }));
    expect(dry).toMatchObject({ name: "DryRunOperation", status: 412 });
  });

  test("does not tolerate another parameter", async () => {
    const { aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    await run(ec2, input);
    expect(await errorOf(run(ec2, { ...input, EbsOptimized: true }))).toMatchObject({
      name: "IdempotentParameterMismatch",
      message:
        "Arguments on this idempotent request are inconsistent with arguments used in previous " +
        "request(s).",
      status: 400,
    });
    expect(aws.world.instances.list()).toHaveLength(4);
  });

  test("is good for one zone only", async () => {
    const { aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    await run(ec2, input);
    await run(ec2, { ...input, SubnetId: subnetOf(aws, 1) });
    expect(aws.world.instances.list()).toHaveLength(5);
  });

  test("of a terminated instance is used up; while it shuts down it still answers", async () => {
    const { clock, aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    const { Instances } = await run(ec2, input);
    const InstanceIds = [Instances?.[0]?.InstanceId ?? ""];
    await ec2.send(new TerminateInstancesCommand({ InstanceIds }));
    expect((await run(ec2, input)).Instances?.[0]?.State?.Name).toBe("shutting-down");
    for (const laterMs of [60_000, 4_000_000]) {
      await clock.sleep(laterMs);
      expect(await errorOf(run(ec2, input))).toMatchObject({
        name: "IdempotentInstanceTerminated",
      });
    }
  });

  test("is bound by an attempt that found no capacity, which may be repeated as it was", async () => {
    const { aws, ec2 } = setUp();
    const input = { ...launchInput(aws), ClientToken: "token" };
    setCapacity(aws.world, "eu-west-1a", false);
    expect(await errorOf(run(ec2, input))).toMatchObject({
      name: "InsufficientInstanceCapacity",
      message: expect.stringContaining("We currently do not have sufficient t3.micro capacity"),
      status: 500,
    });
    setCapacity(aws.world, "eu-west-1a", true);
    expect(await errorOf(run(ec2, { ...input, InstanceType: "t3.medium" }))).toMatchObject({
      name: "IdempotentParameterMismatch",
    });
    expect((await run(ec2, input)).Instances).toHaveLength(1);
  });

  test("finds the instance whose answer was lost", async () => {
    const { aws, ec2 } = setUp();
    const { Instances } = await run(ec2, { ...launchInput(aws), ClientToken: "token" });
    const found = await ec2.send(
      new DescribeInstancesCommand({ Filters: [{ Name: "client-token", Values: ["token"] }] }),
    );
    expect(found.Reservations?.[0]?.Instances?.[0]?.InstanceId).toBe(Instances?.[0]?.InstanceId);
  });
});

const refusals: readonly [
  name: string,
  code: string,
  change: (aws: SimulatedAws) => Partial<RunInstancesCommandInput>,
][] = [
  ["an AMI nobody has", "InvalidAMIID.NotFound", () => ({ ImageId: "ami-0123456789abcdef0" })],
  ["what is no AMI id", "InvalidAMIID.Malformed", () => ({ ImageId: "ami-123" })],
  ["an unknown type", "InvalidParameterValue", () => ({ InstanceType: "t9.micro" as "t3.micro" })],
  [
    "a type of another architecture",
    "InvalidParameterValue",
    () => ({ InstanceType: "t4g.micro" }),
  ],
  ["a lost key pair", "InvalidKeyPair.NotFound", () => ({ KeyName: "lost" })],
  ["a lost subnet", "InvalidSubnetID.NotFound", () => ({ SubnetId: "subnet-0123456789abcdef0" })],
  ["a lost group", "InvalidGroup.NotFound", () => ({ SecurityGroupIds: ["sg-0123456789abcdef0"] })],
  ["what is no group id", "InvalidGroupId.Malformed", () => ({ SecurityGroupIds: ["web"] })],
  [
    "a group of another VPC",
    "InvalidParameter",
    (aws) => ({ SecurityGroupIds: [addSecurityGroup(aws.world, "vpc-0fedcba9876543210", "far")] }),
  ],
  ["an unknown profile", "InvalidParameterValue", () => ({ IamInstanceProfile: { Name: "lost" } })],
  [
    "a disk smaller than its snapshot",
    "InvalidBlockDeviceMapping",
    () => ({ BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs: { VolumeSize: 4 } }] }),
  ],
  [
    "a reserved tag",
    "InvalidParameterValue",
    () => ({
      TagSpecifications: [{ ResourceType: "instance", Tags: [{ Key: "aws:x", Value: "" }] }],
    }),
  ],
  [
    "51 tags",
    "TagLimitExceeded",
    () => ({
      TagSpecifications: [
        {
          ResourceType: "volume",
          Tags: Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: "" })),
        },
      ],
    }),
  ],
  ["user data that is not base64", "InvalidParameterValue", () => ({ UserData: "#!/bin/sh" })],
  [
    "credits of a type that has none",
    "InvalidParameterCombination",
    () => ({ InstanceType: "m6i.large", CreditSpecification: { CpuCredits: "standard" } }),
  ],
  [
    "a network interface beside a subnet",
    "InvalidParameterCombination",
    () => ({ NetworkInterfaces: [{ DeviceIndex: 0, AssociatePublicIpAddress: true }] }),
  ],
  ["a long token", "InvalidClientToken", () => ({ ClientToken: "x".repeat(65) })],
  ["too many", "InsufficientFreeAddressesInSubnet", () => ({ MinCount: 251, MaxCount: 251 })],
];

test.each(refusals)("refuses %s with %s and launches nothing", async (_name, code, change) => {
  const { aws, ec2 } = setUp();
  const error = await errorOf(run(ec2, { ...launchInput(aws), ...change(aws) }));
  expect(error).toMatchObject({ name: code, status: 400 });
  expect(aws.world.instances.list()).toHaveLength(3);
});

test("shows back what a launch said, and AWS's defaults for what it did not", async () => {
  const { clock, aws, ec2 } = setUp();
  const tags = [{ Key: "Name", Value: "v2" }];
  const { Instances } = await run(ec2, {
    ...launchInput(aws),
    SubnetId: undefined,
    SecurityGroupIds: undefined,
    IamInstanceProfile: { Name: "app" },
    Monitoring: { Enabled: true },
    EbsOptimized: true,
    MetadataOptions: { HttpTokens: "required", HttpEndpoint: "enabled" },
    CreditSpecification: { CpuCredits: "standard" },
    PrivateDnsNameOptions: { HostnameType: "resource-name" },
    Placement: { Tenancy: "default", GroupName: "spread" },
    CpuOptions: { CoreCount: 1, ThreadsPerCore: 1 },
    CapacityReservationSpecification: { CapacityReservationPreference: "none" },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: true },
    MaintenanceOptions: { AutoRecovery: "disabled" },
    LicenseSpecifications: [{ LicenseConfigurationArn: "arn:aws:license-manager:x" }],
    InstanceInitiatedShutdownBehavior: "terminate",
    DisableApiTermination: true,
    DisableApiStop: true,
    UserData: Buffer.from("hello").toString("base64"),
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: subnetOf(aws, 1),
        Groups: [aws.securityGroupId],
        AssociatePublicIpAddress: true,
        Ipv6AddressCount: 2,
      },
    ],
    BlockDeviceMappings: [
      { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 20, VolumeType: "gp3" } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 5 } },
    ],
    TagSpecifications: [
      { ResourceType: "instance", Tags: tags },
      { ResourceType: "volume", Tags: tags },
    ],
  });
  const id = Instances?.[0]?.InstanceId ?? "";
  await clock.sleep(30_000);
  const found = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const instance = found.Reservations?.[0]?.Instances?.[0];
  expect(instance).toMatchObject({
    IamInstanceProfile: { Arn: "arn:aws:iam::123456789012:instance-profile/app" },
    Monitoring: { State: "enabled" },
    EbsOptimized: true,
    MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1, State: "applied" },
    PrivateDnsNameOptions: { HostnameType: "resource-name", EnableResourceNameDnsARecord: false },
    Placement: { AvailabilityZone: "eu-west-1b", GroupName: "spread", Tenancy: "default" },
    SubnetId: subnetOf(aws, 1),
    SecurityGroups: [{ GroupId: aws.securityGroupId, GroupName: "app" }],
    NetworkInterfaces: [{ Association: { IpOwnerId: "amazon" } }],
    CpuOptions: { CoreCount: 1, ThreadsPerCore: 1 },
    CapacityReservationSpecification: { CapacityReservationPreference: "none" },
    HibernationOptions: { Configured: false },
    EnclaveOptions: { Enabled: true },
    MaintenanceOptions: { AutoRecovery: "disabled" },
    Licenses: [{ LicenseConfigurationArn: "arn:aws:license-manager:x" }],
    Tags: tags,
  });
  expect(instance?.NetworkInterfaces?.[0]?.Ipv6Addresses).toHaveLength(2);
  const attributes = await Promise.all(
    (
      [
        "userData",
        "disableApiTermination",
        "disableApiStop",
        "instanceInitiatedShutdownBehavior",
      ] as const
    ).map((Attribute) =>
      ec2.send(new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute })),
    ),
  );
  expect(Object.assign({}, ...attributes)).toMatchObject({
    UserData: { Value: "aGVsbG8=" },
    DisableApiTermination: { Value: true },
    DisableApiStop: { Value: true },
    InstanceInitiatedShutdownBehavior: { Value: "terminate" },
  });
  expect(instance?.PublicIpAddress).toMatch(/^203\.0\.113\./);
  // An automatic address is not one of the account's own.
  expect((await ec2.send(new DescribeAddressesCommand({}))).Addresses).toEqual([]);
  const { Volumes = [] } = await ec2.send(
    new DescribeVolumesCommand({ Filters: [{ Name: "attachment.instance-id", Values: [id] }] }),
  );
  expect(Volumes).toMatchObject([
    { Size: 20, Tags: tags, Attachments: [{ Device: "/dev/xvda", DeleteOnTermination: true }] },
    { Size: 5, Tags: tags, Attachments: [{ Device: "/dev/sdf", DeleteOnTermination: false }] },
  ]);
});

test("launches as many as fit between the two counts, in one reservation", async () => {
  const { aws, ec2 } = setUp();
  const { Instances = [] } = await run(ec2, { ...launchInput(aws), MinCount: 2, MaxCount: 300 });
  expect(Instances).toHaveLength(250);
  expect(new Set(Instances.map(({ InstanceId }) => InstanceId)).size).toBe(250);
});
