import type { Instance as Ec2Instance, RunInstancesCommandInput, Tag } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { LaunchSource } from "../../src/aws/ec2.ts";
import { type LaunchTemplate, launchOf } from "../../src/launch.ts";
import { config, sourceOf, template } from "./source.ts";

function launch(
  instance: Partial<Ec2Instance> = {},
  rest: Partial<LaunchSource> = {},
  changes: Partial<LaunchTemplate> = {},
): RunInstancesCommandInput {
  return launchOf(sourceOf(instance, rest), { ...template, ...changes }).input;
}

function tagsOn(
  resource: "instance" | "volume",
  input: RunInstancesCommandInput,
): Record<string, string> {
  const [tags, ...others] = (input.TagSpecifications ?? [])
    .filter(({ ResourceType }) => ResourceType === resource)
    .map(({ Tags = [] }) => Tags);
  expect(others).toEqual([]);
  return Object.fromEntries((tags ?? []).map(({ Key = "", Value = "" }: Tag) => [Key, Value]));
}

describe("the replacement of an instance with EC2's defaults", () => {
  test("is what config.json says, in the old one's subnet, and says nothing else", () => {
    const { TagSpecifications, ...input } = launch();
    expect(input).toEqual({
      ImageId: "ami-new",
      InstanceType: "m5.large",
      KeyName: "new-key",
      MinCount: 1,
      MaxCount: 1,
      SubnetId: "subnet-old",
      SecurityGroupIds: ["sg-new1", "sg-new2"],
    });
  });
});

/** What the old instance has, and what its replacement is to be launched with. */
const copied: [name: string, old: Partial<Ec2Instance>, wanted: RunInstancesFragment][] = [
  [
    "the instance profile, by its ARN",
    { IamInstanceProfile: { Arn: "arn:profile", Id: "AIPAEXAMPLE" } },
    { IamInstanceProfile: { Arn: "arn:profile" } },
  ],
  ["detailed monitoring", { Monitoring: { State: "enabled" } }, { Monitoring: { Enabled: true } }],
  ["EBS optimisation", { EbsOptimized: true }, { EbsOptimized: true }],
  [
    "dedicated tenancy",
    { Placement: { AvailabilityZone: "eu-west-1a", Tenancy: "dedicated" } },
    { Placement: { Tenancy: "dedicated" } },
  ],
  [
    "a placement group and partition",
    { Placement: { GroupName: "apart", GroupId: "pg-1", PartitionNumber: 2, Tenancy: "default" } },
    { Placement: { GroupName: "apart", PartitionNumber: 2 } },
  ],
  [
    "a placement group that shows no name",
    { Placement: { GroupName: "", GroupId: "pg-1", Tenancy: "default" } },
    { Placement: { GroupId: "pg-1" } },
  ],
  [
    "a dedicated host",
    { Placement: { Tenancy: "host", HostId: "h-1", Affinity: "host" } },
    { Placement: { Tenancy: "host", HostId: "h-1", Affinity: "host" } },
  ],
  [
    "a host resource group, which chooses the host",
    { Placement: { Tenancy: "host", HostId: "h-1", HostResourceGroupArn: "arn:hosts" } },
    { Placement: { Tenancy: "host", HostResourceGroupArn: "arn:hosts" } },
  ],
  [
    "cores and threads that differ from the type's",
    { CpuOptions: { CoreCount: 1, ThreadsPerCore: 1 } },
    { CpuOptions: { CoreCount: 1, ThreadsPerCore: 1 } },
  ],
  [
    "a capacity reservation that was asked for",
    {
      CapacityReservationId: "cr-landed",
      CapacityReservationSpecification: {
        CapacityReservationTarget: { CapacityReservationId: "cr-asked" },
      },
    },
    {
      CapacityReservationSpecification: {
        CapacityReservationTarget: { CapacityReservationId: "cr-asked" },
      },
    },
  ],
  [
    "a capacity reservation that is the only choice",
    {
      CapacityReservationSpecification: {
        CapacityReservationPreference: "capacity-reservations-only",
        CapacityReservationTarget: { CapacityReservationId: "cr-asked" },
      },
    },
    {
      CapacityReservationSpecification: {
        CapacityReservationPreference: "capacity-reservations-only",
        CapacityReservationTarget: { CapacityReservationId: "cr-asked" },
      },
    },
  ],
  [
    "that no capacity reservation is to be used",
    { CapacityReservationSpecification: { CapacityReservationPreference: "none" } },
    { CapacityReservationSpecification: { CapacityReservationPreference: "none" } },
  ],
  [
    "hibernation",
    { HibernationOptions: { Configured: true } },
    { HibernationOptions: { Configured: true } },
  ],
  ["an enclave", { EnclaveOptions: { Enabled: true } }, { EnclaveOptions: { Enabled: true } }],
  [
    "that it is not to recover by itself",
    { MaintenanceOptions: { AutoRecovery: "disabled" } },
    { MaintenanceOptions: { AutoRecovery: "disabled" } },
  ],
  [
    "a host name by resource",
    {
      PrivateDnsNameOptions: { HostnameType: "resource-name", EnableResourceNameDnsARecord: true },
    },
    {
      PrivateDnsNameOptions: {
        HostnameType: "resource-name",
        EnableResourceNameDnsARecord: true,
        EnableResourceNameDnsAAAARecord: false,
      },
    },
  ],
  [
    "licences",
    { Licenses: [{ LicenseConfigurationArn: "arn:licence" }] },
    { LicenseSpecifications: [{ LicenseConfigurationArn: "arn:licence" }] },
  ],
];

type RunInstancesFragment = Partial<RunInstancesCommandInput>;

describe("what the old instance has and its replacement gets", () => {
  test.each(copied)("%s", (_name, old, wanted) => {
    const [key = ""] = Object.keys(wanted);
    expect(launch(old)).toHaveProperty(key, wanted[key as keyof RunInstancesFragment]);
    expect(launch()).not.toHaveProperty(key);
  });

  test("user data, as EC2 keeps it: in base64", () => {
    expect(launch({}, { userData: "IyEvYmluL3No" }).UserData).toBe("IyEvYmluL3No");
  });

  test("its end when it is shut down from within", () => {
    const input = launch({}, { shutdownBehavior: "terminate" });
    expect(input.InstanceInitiatedShutdownBehavior).toBe("terminate");
  });

  test("protection against being stopped", () => {
    expect(launch({}, { disableApiStop: true }).DisableApiStop).toBe(true);
  });
});

describe("what no replacement ever gets", () => {
  const old: Partial<Ec2Instance> = {
    PrivateIpAddress: "10.0.0.7",
    Ipv6Address: "2001:db8::7",
    NetworkInterfaces: [
      {
        NetworkInterfaceId: "eni-7",
        PrivateIpAddress: "10.0.0.7",
        PrivateIpAddresses: [{ PrivateIpAddress: "10.0.0.7" }, { PrivateIpAddress: "10.0.0.8" }],
        Ipv6Addresses: [{ Ipv6Address: "2001:db8::7" }],
        Association: { PublicIp: "203.0.113.7", IpOwnerId: "amazon" },
        Attachment: { DeviceIndex: 0, AttachmentId: "eni-attach-7" },
      },
    ],
    BlockDeviceMappings: [
      { DeviceName: "/dev/xvda", Ebs: { VolumeId: "vol-7", DeleteOnTermination: true } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeId: "vol-8", DeleteOnTermination: true } },
    ],
    ClientToken: "token-of-the-old-one",
    SpotInstanceRequestId: "sir-7",
  };
  const volumes = [
    { VolumeId: "vol-7", Size: 100, VolumeType: "gp3" as const, SnapshotId: "snap-7" },
    { VolumeId: "vol-8", Size: 20, VolumeType: "gp2" as const, SnapshotId: "snap-8" },
  ];

  test.each([
    ["its private addresses", /10\.0\.0\.[78]/],
    ["its IPv6 address", /2001:db8/],
    ["its public address", /203\.0\.113/],
    ["its network interface", /eni-/],
    ["a volume of it", /vol-[78]/],
    ["a snapshot of a volume", /snap-[78]/],
    ["the token of its launch", /token-of-the-old-one/],
    ["its spot request", /sir-7/],
  ])("%s", (_name, pattern) => {
    const shared = [{ SubnetId: "subnet-old", MapPublicIpOnLaunch: true }];
    expect(JSON.stringify(launch(old, { volumes }))).not.toMatch(pattern);
    expect(JSON.stringify(launch(old, { volumes }, { subnets: shared }))).not.toMatch(pattern);
  });
});

describe("tags", () => {
  const old: Partial<Ec2Instance> = {
    Tags: [
      { Key: "Team", Value: "payments" },
      { Key: "Name", Value: "shop-1" },
      { Key: "Backup", Value: "daily" },
      { Key: "aws:cloudformation:stack-name", Value: "stack" },
      { Key: "zero-deploy:replaces", Value: "i-older" },
      { Key: "zero-deploy:spec", Value: "spec of an older one" },
    ],
  };
  const withTags = { config: { ...config, tags: { Team: "checkout", Stage: "live" } } };

  test("of the instance are the old one's, those of config.json, the version and our own", () => {
    const source = sourceOf(old);
    const { input, spec } = launchOf(source, { ...template, ...withTags });
    expect(tagsOn("instance", input)).toEqual({
      Backup: "daily",
      Name: "shop-2",
      Stage: "live",
      Team: "checkout",
      "zero-deploy:target-group": "arn:group",
      "zero-deploy:replaces": "i-old",
      "zero-deploy:spec": spec,
      "zero-deploy:previous-ami": "ami-old",
      "zero-deploy:previous-name": "shop-1",
    });
  });

  test("of its volumes are those of the old root volume, of config.json, the version and our own", () => {
    const volumes = [
      { VolumeId: "vol-data", Tags: [{ Key: "Kind", Value: "data" }] },
      {
        VolumeId: "vol-root",
        Tags: [
          { Key: "Kind", Value: "root" },
          { Key: "Team", Value: "payments" },
          { Key: "Name", Value: "shop-1-root" },
          { Key: "aws:dlm:policy", Value: "daily" },
          { Key: "zero-deploy:replaces", Value: "i-older" },
        ],
      },
    ];
    const BlockDeviceMappings = [
      { DeviceName: "/dev/sdf", Ebs: { VolumeId: "vol-data" } },
      { DeviceName: "/dev/xvda", Ebs: { VolumeId: "vol-root" } },
    ];
    const input = launch({ ...old, BlockDeviceMappings }, { volumes }, withTags);
    const { Backup, ...others } = tagsOn("instance", input);
    expect(Backup).toBe("daily");
    expect(tagsOn("volume", input)).toEqual({ ...others, Kind: "root" });
  });

  test("of its volumes are never more than a resource takes, with ours and config.json's all there", () => {
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `key-${index}`, Value: "x" }));
    const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs: { VolumeId: "vol-root" } }];
    const source = { volumes: [{ VolumeId: "vol-root", Tags }] };
    const tags = tagsOn("volume", launch({ ...old, BlockDeviceMappings }, source, withTags));
    expect(Object.keys(tags)).toHaveLength(50);
    const { Backup: _, ...ours } = tagsOn(
      "instance",
      launch({ ...old, BlockDeviceMappings }, source, withTags),
    );
    expect(tags).toMatchObject(ours);
  });

  test("name no previous name where there was none", () => {
    const tags = tagsOn("instance", launch({ Tags: [] }));
    expect(tags).not.toHaveProperty("zero-deploy:previous-name");
    expect(tags.Name).toBe("shop-2");
  });

  test("have one key each, as RunInstances wants it", () => {
    const keys =
      launch(old, {}, withTags).TagSpecifications?.[0]?.Tags?.map(({ Key }) => Key) ?? [];
    expect(new Set(keys).size).toBe(keys.length);
  });
});
