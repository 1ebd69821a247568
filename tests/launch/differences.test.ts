import type { Instance as Ec2Instance, Volume } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { LaunchSource } from "../../src/aws/ec2.ts";
import type { Config } from "../../src/config.ts";
import { differences } from "../../src/launch/differences.ts";
import { type LaunchTemplate, launchOf } from "../../src/launch.ts";
import { config, plainInstance, sourceOf, template } from "./source.ts";

/** An instance of which config.json says nothing new but the version. */
const like: Partial<Config> = {
  keyName: "old-key",
  securityGroupIds: ["sg-old"],
  version: "shop-1",
};

interface Changes {
  readonly old?: Partial<Ec2Instance>;
  readonly source?: Partial<LaunchSource>;
  readonly config?: Partial<Config>;
  readonly template?: Partial<LaunchTemplate>;
}

/** Each difference as a line, without that of the AMI, which is always there. */
function linesOf({ old, source, config: changes, template: rest }: Changes): string[] {
  const given = { ...template, ...rest, config: { ...config, ...like, ...changes } };
  const from = sourceOf(old, source);
  const { input } = launchOf(from, given);
  return differences(from, input, given)
    .map((one) => `${one.setting}: ${one.from} -> ${one.to}${one.reason ? ` (${one.reason})` : ""}`)
    .filter((line) => line !== "AMI: ami-old -> ami-new");
}

const image = { ...template.image };
const gp3Image = imageWith({ VolumeSize: 8, VolumeType: "gp3" });

function imageWith(Ebs: object, more: object = {}): LaunchTemplate["image"] {
  return { ...image, BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs }], ...more };
}

function withVolumes(volumes: Record<string, Volume & { outlives?: boolean }>): Changes {
  const BlockDeviceMappings = Object.entries(volumes).map(([DeviceName, { outlives }]) => ({
    DeviceName,
    Ebs: { VolumeId: `vol-${DeviceName.slice(5)}`, DeleteOnTermination: !outlives },
  }));
  return {
    old: { BlockDeviceMappings },
    source: {
      volumes: Object.entries(volumes).map(([name, { outlives: _, ...volume }]) => ({
        ...volume,
        VolumeId: `vol-${name.slice(5)}`,
      })),
    },
  };
}

const gp3: Volume = { Size: 8, VolumeType: "gp3", Iops: 3000, Throughput: 125, Encrypted: false };
const ofAmi = { template: { image: gp3Image } };
const anotherType: Changes = {
  config: { instanceType: "m5.xlarge" },
  template: {
    instanceType: {
      InstanceType: "m5.xlarge",
      VCpuInfo: { DefaultCores: 2, DefaultThreadsPerCore: 2 },
      EbsInfo: { EbsOptimizedSupport: "unsupported" },
    },
  },
};
const nic = plainInstance.NetworkInterfaces?.[0];
const primaryWith = (changes: object): Changes => ({
  old: { NetworkInterfaces: [{ ...nic, ...changes }] },
});

const cases: [name: string, changes: Changes, lines: string[]][] = [
  ["nothing but the AMI", {}, []],
  [
    "what config.json says",
    { config: { ...config, version: "shop-2" } },
    [
      "key pair: old-key -> new-key",
      "security groups: sg-old -> sg-new1, sg-new2",
      'Name: "shop-1" -> "shop-2"',
    ],
  ],
  [
    "no key pair and no Name before",
    { old: { KeyName: undefined, Tags: [] } },
    ["key pair: none -> old-key", 'Name: none -> "shop-1"'],
  ],
  [
    "another subnet in another zone",
    {
      config: { subnetIds: ["subnet-new"] },
      template: { subnets: [{ SubnetId: "subnet-new", AvailabilityZone: "eu-west-1b" }] },
    },
    ["subnet: subnet-old -> subnet-new", "Availability Zone: eu-west-1a -> eu-west-1b"],
  ],
  [
    "another subnet of a network interface",
    {
      config: { subnetIds: ["subnet-new"] },
      template: {
        subnets: [
          {
            SubnetId: "subnet-new",
            AvailabilityZone: "eu-west-1a",
            MapPublicIpOnLaunch: true,
          },
        ],
      },
    },
    ["subnet: subnet-old -> subnet-new"],
  ],
  [
    "tags of config.json that are new or have another value",
    {
      old: {
        Tags: [
          { Key: "Name", Value: "shop-1" },
          { Key: "Team", Value: "payments" },
          { Key: "Stage", Value: "live" },
        ],
      },
      config: { tags: { Team: "checkout", Stage: "live", Release: "7" } },
    },
    ['tag Team: "payments" -> "checkout"', 'tag Release: none -> "7"'],
  ],
  ["a root volume as the AMI's", merged(withVolumes({ "/dev/xvda": gp3 }), ofAmi), []],
  [
    "a root volume bigger and faster than the AMI's, as it stays",
    merged(withVolumes({ "/dev/xvda": { ...gp3, Size: 50, Iops: 6000, Throughput: 500 } }), ofAmi),
    [],
  ],
  [
    "a root volume smaller than the AMI's, not encrypted as that is, and of another name",
    merged(withVolumes({ "/dev/sda1": gp3 }), {
      old: { RootDeviceName: "/dev/sda1" },
      template: { image: imageWith({ VolumeSize: 30, VolumeType: "gp2", Encrypted: true }) },
    }),
    [
      "root device: /dev/sda1 -> /dev/xvda (the AMI's own)",
      "root volume size: 8 GiB -> 30 GiB (the AMI's is larger)",
      "root volume encryption: off -> on (the AMI's is encrypted)",
    ],
  ],
  [
    "more tags of its root volume than a volume takes",
    merged(
      withVolumes({
        "/dev/xvda": {
          ...gp3,
          Tags: Array.from({ length: 45 }, (_, index) => ({ Key: `k${index + 10}`, Value: "v" })),
        },
      }),
      ofAmi,
    ),
    ['volume tag k54: "v" -> none (a volume takes 50 tags)'],
  ],
  [
    "an AMI made for IMDSv2",
    { template: { image: { ...image, ImdsSupport: "v2.0" } } },
    [
      "metadata tokens: optional -> required (the AMI says so, unless the account says otherwise)",
      "metadata hop limit: 1 -> 2 (the AMI says so, unless the account says otherwise)",
    ],
  ],
  [
    "an AMI made for IMDSv2, where the hop limit is the old one's",
    {
      old: { MetadataOptions: { HttpTokens: "optional", HttpPutResponseHopLimit: 3 } },
      template: { image: { ...image, ImdsSupport: "v2.0" } },
    },
    ["metadata tokens: optional -> required (the AMI says so, unless the account says otherwise)"],
  ],
  [
    "an AMI made for IMDSv2, where the old one asks for tokens too or has no metadata",
    {
      old: { MetadataOptions: { HttpTokens: "required", HttpPutResponseHopLimit: 1 } },
      template: { image: { ...image, ImdsSupport: "v2.0" } },
    },
    [],
  ],
  [
    "another instance type, which cannot have what the old one has",
    {
      ...anotherType,
      old: {
        InstanceType: "m5.large",
        CpuOptions: {
          CoreCount: 1,
          ThreadsPerCore: 1,
          AmdSevSnp: "enabled",
          NestedVirtualization: "enabled",
        },
        EbsOptimized: true,
        NetworkPerformanceOptions: { BandwidthWeighting: "vpc-1" },
      },
    },
    [
      "instance type: m5.large -> m5.xlarge",
      "threads per core: 1 -> 2 (CPU options are copied to the same instance type only)",
      "AMD SEV-SNP: on -> off (CPU options are copied to the same instance type only)",
      "nested virtualization: on -> off (CPU options are copied to the same instance type only)",
      "EBS optimisation: on -> off (m5.xlarge does not have it)",
      "bandwidth weighting: vpc-1 -> default (m5.xlarge does not have it)",
    ],
  ],
  [
    "another instance type, where there is nothing to lose",
    anotherType,
    ["instance type: m5.large -> m5.xlarge"],
  ],
  [
    "a type without CPU credits",
    { old: { InstanceType: "t3.large" }, source: { cpuCredits: "unlimited" } },
    ["instance type: t3.large -> m5.large", "CPU credits: unlimited -> none (m5.large has none)"],
  ],
  [
    "a type with CPU credits",
    { config: { instanceType: "t3.large" } },
    [
      "instance type: m5.large -> t3.large",
      "CPU credits: none -> the account's default (m5.large has none)",
    ],
  ],
  [
    "what cannot be asked for at launch",
    {
      old: {
        InstanceLifecycle: "scheduled",
        MaintenanceOptions: { AutoRecovery: "disabled", RebootMigration: "disabled" },
        NetworkInterfaces: [
          {
            ...nic,
            InterfaceType: "efa",
            Attachment: { DeviceIndex: 0, EnaSrdSpecification: { EnaSrdEnabled: true } },
            ConnectionTrackingConfiguration: { UdpTimeout: 40 },
          },
        ],
      },
    },
    [
      "purchasing option: scheduled -> on demand (there are no new Scheduled Instances)",
      "reboot migration: disabled -> default (it cannot be asked for at launch)",
      "interface type: efa -> interface (settings of network interfaces are not copied)",
      "ENA Express: on -> off (settings of network interfaces are not copied)",
      "connection tracking: of its own -> default (settings of network interfaces are not copied)",
    ],
  ],
  [
    "volumes beside the root: one comes again, one stays behind, one the AMI brings",
    merged(
      withVolumes({
        "/dev/sdf": { Size: 200, VolumeType: "st1" },
        "/dev/sdg": { Size: 20, VolumeType: "gp2", outlives: true },
        "/dev/sdh": { Size: 5, VolumeType: "gp2" },
      }),
      {
        template: {
          image: {
            ...image,
            BlockDeviceMappings: ["/dev/sdh", "/dev/sdi"].map((DeviceName) => ({
              DeviceName,
              Ebs: { SnapshotId: "snap-1", VolumeSize: 9, DeleteOnTermination: true },
            })),
          },
        },
      },
    ),
    [
      "volume /dev/sdf: vol-sdf, 200 GiB -> empty, 200 GiB (its data is lost)",
      "volume /dev/sdg: vol-sdg, 20 GiB -> none (its data stays behind on it)",
      "volume /dev/sdh: vol-sdh, 5 GiB -> as the AMI brings it, 9 GiB (its data is lost)",
      "volume /dev/sdi: none -> 9 GiB (the AMI brings it)",
    ],
  ],
  [
    "an Elastic IP address",
    merged(primaryWith({ Association: { PublicIp: "198.51.100.7", IpOwnerId: "123456789012" } })),
    [
      "Elastic IP address: 198.51.100.7 -> a public address of Amazon's pool (two instances cannot have it at once)",
    ],
  ],
  [
    "no Elastic IP address, but one of Amazon's pool",
    primaryWith({ Association: { PublicIp: "198.51.100.7", IpOwnerId: "amazon" } }),
    [],
  ],
  [
    "secondary addresses and delegated prefixes",
    primaryWith({
      PrivateIpAddresses: [
        { PrivateIpAddress: "10.0.0.7", Primary: true },
        { PrivateIpAddress: "10.0.0.9", Primary: false },
        { PrivateIpAddress: "10.0.0.8", Primary: false },
      ],
      Ipv4Prefixes: [{ Ipv4Prefix: "10.0.0.16/28" }],
    }),
    [
      "secondary addresses: 10.0.0.8, 10.0.0.9 -> none (two instances cannot have it at once)",
      "delegated prefixes: 10.0.0.16/28 -> none (two instances cannot have it at once)",
    ],
  ],
  [
    "further network interfaces",
    {
      old: {
        NetworkInterfaces: [
          { NetworkInterfaceId: "eni-2", Attachment: { DeviceIndex: 1 } },
          { NetworkInterfaceId: "eni-1", Attachment: { DeviceIndex: 0 } },
        ],
      },
    },
    ["network interface 1: eni-2 -> none (two instances cannot have it at once)"],
  ],
];

/** Changes of which each has parts of its own. */
function merged(...all: Changes[]): Changes {
  return all.reduce((sum, one) => ({
    old: { ...sum.old, ...one.old },
    source: { ...sum.source, ...one.source },
    config: { ...sum.config, ...one.config },
    template: { ...sum.template, ...one.template },
  }));
}

describe("what differs from the old instance", () => {
  test.each(cases)("%s", (_name, changes, lines) => {
    expect(linesOf(changes)).toEqual(lines);
  });

  test("always is the AMI, which has no reason but the command itself", () => {
    const source = sourceOf();
    const { input } = launchOf(source, template);
    expect(differences(source, input, template)[0]).toEqual({
      setting: "AMI",
      from: "ami-old",
      to: "ami-new",
    });
  });

  test("never tells user data", () => {
    const source = sourceOf({}, { userData: "c2VjcmV0" });
    const { input } = launchOf(source, template);
    expect(JSON.stringify(differences(source, input, template))).not.toContain("c2VjcmV0");
  });
});
