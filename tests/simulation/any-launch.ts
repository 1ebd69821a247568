import type { RunInstancesCommandInput, Tag } from "@aws-sdk/client-ec2";
import fc from "fast-check";
import { INSTANCE_TYPES, makeImage } from "../../src/simulator/catalog.ts";
import type { BlockDevice, Image, InstanceType, Subnet } from "../../src/simulator/records.ts";

/** Everything a replacement's settings may depend on, chosen at random and valid to AWS. */
export interface Case {
  /** What the subnets of old and new instance give by themselves. */
  readonly oldSubnet: SubnetTraits;
  readonly newSubnet: SubnetTraits;
  /** Whether config.json names the new one; else the replacement stays in the old one's. */
  readonly isMoved: boolean;
  readonly oldImage: ImageTraits;
  readonly newImage: ImageTraits;
  readonly newType: string;
  /** RunInstances of the old instance, without AMI, key pair, groups, counts and subnet. */
  readonly launch: Partial<RunInstancesCommandInput>;
  /** Whether its groups and subnet stand in a network interface, and then whether it wants a public address. */
  readonly publicIp: boolean | undefined;
  readonly configTags: Record<string, string>;
}

export type SubnetTraits = Pick<
  Subnet,
  "mapPublicIpOnLaunch" | "assignIpv6AddressOnCreation" | "privateDnsNameOptionsOnLaunch"
>;
export type ImageTraits = Pick<Image, "rootDeviceName" | "imdsSupport"> & {
  readonly root: Omit<BlockDevice, "deviceName" | "snapshotId">;
};

/** An AMI of these traits, its root device under its own name. */
export function imageOf(id: string, { root, ...traits }: ImageTraits): Image {
  const image = makeImage(id, "good");
  const [device] = image.blockDevices;
  if (device === undefined) throw new Error("an AMI has a root device");
  return {
    ...image,
    ...traits,
    blockDevices: [{ ...device, ...root, deviceName: traits.rootDeviceName }],
  };
}

const maybe = <T>(some: fc.Arbitrary<T>) => fc.option(some, { nil: undefined });
const state = fc.constantFrom("enabled" as const, "disabled" as const);

const subnetTraits: fc.Arbitrary<SubnetTraits> = fc.record({
  mapPublicIpOnLaunch: fc.boolean(),
  assignIpv6AddressOnCreation: fc.boolean(),
  privateDnsNameOptionsOnLaunch: maybe(
    fc.record({
      hostnameType: fc.constantFrom("ip-name", "resource-name"),
      enableResourceNameDnsARecord: fc.boolean(),
      enableResourceNameDnsAAAARecord: fc.boolean(),
    }),
  ),
});

const speeds = fc.oneof(
  fc.constantFrom({ volumeType: "gp2" }, { volumeType: "gp3" }, { volumeType: "standard" }),
  fc.record({
    volumeType: fc.constant("gp3"),
    iops: fc.constantFrom(3000, 4000),
    throughputMibps: fc.constantFrom(125, 250),
  }),
  fc.record({
    volumeType: fc.constantFrom("io1", "io2"),
    iops: fc.constantFrom(100, 400),
  }),
);

const imageTraits: fc.Arbitrary<ImageTraits> = fc
  .record({
    rootDeviceName: fc.constantFrom("/dev/xvda", "/dev/sda1"),
    imdsSupport: maybe(fc.constant("v2.0" as const)),
    sizeGib: fc.constantFrom(8, 20, 30),
    encrypted: fc.boolean(),
    deleteOnTermination: fc.boolean(),
    speed: speeds,
  })
  .map(({ rootDeviceName, imdsSupport, speed, ...root }) => ({
    rootDeviceName,
    imdsSupport,
    root: { ...root, ...speed },
  }));

const metadata = fc.oneof(
  fc.constant({ HttpEndpoint: "disabled" as const }),
  fc.record(
    {
      HttpEndpoint: fc.constant("enabled" as const),
      HttpTokens: fc.constantFrom("optional" as const, "required" as const),
      HttpPutResponseHopLimit: fc.integer({ min: 1, max: 5 }),
      HttpProtocolIpv6: state,
      InstanceMetadataTags: state,
    },
    { requiredKeys: ["HttpEndpoint"] },
  ),
);

const placement = fc.constantFrom(
  { Tenancy: "dedicated" as const },
  { Tenancy: "host" as const, HostId: "h-0123456789abcdef0", Affinity: "host" },
  { Tenancy: "host" as const, HostResourceGroupArn: "arn:aws:resource-groups:hosts" },
  { GroupName: "apart" },
  { GroupName: "parts", PartitionNumber: 2 },
  { GroupId: "pg-0123456789abcdef0" },
);

const reservation = fc.constantFrom(
  { CapacityReservationPreference: "none" as const },
  { CapacityReservationPreference: "open" as const },
  { CapacityReservationPreference: "capacity-reservations-only" as const },
  { CapacityReservationTarget: { CapacityReservationId: "cr-0123456789abcdef0" } },
  {
    CapacityReservationPreference: "capacity-reservations-only" as const,
    CapacityReservationTarget: { CapacityReservationResourceGroupArn: "arn:aws:reservations" },
  },
);

const tagKeys = fc.constantFrom("Team", "Stage", "Backup", "cost-centre", "zero-deploy:spec");

/** Keys of config.json cannot be Name or ours; those of an instance are whatever they are. */
const tagsOf = (keys: fc.Arbitrary<string>) =>
  fc.dictionary(keys, fc.string({ maxLength: 5 }), { maxKeys: 5 });

const specification = (ResourceType: "instance" | "volume") =>
  tagsOf(fc.oneof(tagKeys, fc.constant("Name"))).map((tags) => ({
    ResourceType,
    Tags: Object.entries(tags).map(([Key, Value]): Tag => ({ Key, Value })),
  }));

/** What any instance may be launched with, whatever its type. */
const common: fc.Arbitrary<Partial<RunInstancesCommandInput>> = fc.record(
  {
    Monitoring: fc.record({ Enabled: fc.boolean() }),
    IamInstanceProfile: fc.constant({ Name: "app" }),
    UserData: fc.string({ minLength: 1 }).map((text) => Buffer.from(text).toString("base64")),
    MetadataOptions: metadata,
    Placement: placement,
    CapacityReservationSpecification: reservation,
    MaintenanceOptions: fc.constant({ AutoRecovery: "disabled" as const }),
    LicenseSpecifications: fc.constant([{ LicenseConfigurationArn: "arn:aws:license-manager:x" }]),
    PrivateDnsNameOptions: fc.record({
      HostnameType: fc.constantFrom("ip-name" as const, "resource-name" as const),
      EnableResourceNameDnsARecord: fc.boolean(),
      EnableResourceNameDnsAAAARecord: fc.boolean(),
    }),
    Ipv6AddressCount: fc.integer({ min: 0, max: 3 }),
    EnablePrimaryIpv6: fc.boolean(),
    TagSpecifications: fc.tuple(specification("instance"), specification("volume")),
  },
  { requiredKeys: [] },
);

const hibernationOrEnclave = fc.constantFrom(
  {},
  { HibernationOptions: { Configured: true } },
  { EnclaveOptions: { Enabled: true } },
);

/** A Spot Instance ends when it is shut down, and cannot be protected. */
const market: fc.Arbitrary<Partial<RunInstancesCommandInput>> = fc.oneof(
  fc.constant({ InstanceMarketOptions: { MarketType: "spot" as const } }),
  fc.record(
    {
      InstanceInitiatedShutdownBehavior: fc.constantFrom("stop" as const, "terminate" as const),
      DisableApiStop: fc.boolean(),
      DisableApiTermination: fc.boolean(),
    },
    { requiredKeys: [] },
  ),
);

function ofType(type: InstanceType): fc.Arbitrary<Partial<RunInstancesCommandInput>> {
  const parts = {
    ...(type.burstable
      ? {
          CreditSpecification: fc.record({ CpuCredits: fc.constantFrom("standard", "unlimited") }),
        }
      : {}),
    ...(type.ebsOptimized === "unsupported" ? {} : { EbsOptimized: fc.boolean() }),
    ...(type.bandwidthWeightings === undefined
      ? {}
      : {
          NetworkPerformanceOptions: fc.record({
            BandwidthWeighting: fc.constantFrom(
              "default" as const,
              "vpc-1" as const,
              "ebs-1" as const,
            ),
          }),
          CpuOptions: fc.record(
            {
              ThreadsPerCore: fc.constant(1),
              NestedVirtualization: fc.constant("enabled" as const),
            },
            { requiredKeys: [] },
          ),
        }),
  };
  return fc.record(
    { InstanceType: fc.constant(type.name as RunInstancesCommandInput["InstanceType"]), ...parts },
    { requiredKeys: ["InstanceType"] },
  ) as fc.Arbitrary<Partial<RunInstancesCommandInput>>;
}

const rootVolume = fc.record({
  growthGib: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 })),
  speed: maybe(speeds),
  encrypted: fc.boolean(),
  hasKey: fc.boolean(),
  deleteOnTermination: maybe(fc.boolean()),
  rate: maybe(fc.integer({ min: 100, max: 300 })),
});

const types = INSTANCE_TYPES.filter(({ architecture }) => architecture === "x86_64");
const anyType = fc.constantFrom(...types);

/** Any old instance, with any AMI and place for its replacement. */
export const anyCase: fc.Arbitrary<Case> = anyType.chain((type) =>
  fc
    .record({
      oldSubnet: subnetTraits,
      newSubnet: subnetTraits,
      isMoved: fc.boolean(),
      oldImage: imageTraits,
      newImage: imageTraits,
      isSameKind: fc.boolean(),
      newType: fc.oneof(
        fc.constant(type.name),
        anyType.map(({ name }) => name),
      ),
      publicIp: maybe(fc.boolean()),
      configTags: tagsOf(fc.constantFrom("Team", "Stage", "Release")),
      parts: fc.tuple(common, ofType(type), market, hibernationOrEnclave),
      root: maybe(rootVolume),
    })
    .map(({ parts, root, isSameKind, ...rest }) => ({
      ...rest,
      // As a rule both are baked alike, and little is to be said about the volume.
      newImage: isSameKind ? rest.oldImage : rest.newImage,
      launch: { ...Object.assign({}, ...parts), ...mappingOf(rest.oldImage, root) },
    })),
);

function mappingOf(
  image: ImageTraits,
  wanted: ReturnType<typeof rootVolume.generate>["value"] | undefined,
): Partial<RunInstancesCommandInput> {
  if (wanted === undefined) return {};
  const { growthGib, speed, encrypted, hasKey, deleteOnTermination, rate } = wanted;
  const Ebs = {
    VolumeSize: image.root.sizeGib + growthGib,
    VolumeType: speed?.volumeType as "gp3" | undefined,
    Iops: speed && "iops" in speed ? speed.iops : undefined,
    Throughput: speed && "throughputMibps" in speed ? speed.throughputMibps : undefined,
    Encrypted: encrypted || undefined,
    KmsKeyId: encrypted && hasKey ? "arn:aws:kms:eu-west-1:123456789012:key/own" : undefined,
    DeleteOnTermination: deleteOnTermination,
    VolumeInitializationRate: rate,
  };
  return { BlockDeviceMappings: [{ DeviceName: image.rootDeviceName, Ebs }] };
}
