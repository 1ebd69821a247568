import { createHash } from "node:crypto";
import type {
  Instance as Ec2Instance,
  Image,
  InstanceTypeInfo,
  RunInstancesCommandInput,
  Subnet,
} from "@aws-sdk/client-ec2";
import type { LaunchSource } from "./aws/ec2.ts";
import type { Config } from "./config.ts";
import { network } from "./launch/network.ts";
import {
  capacityReservation,
  cpuOptions,
  creditSpecification,
  ebsOptimized,
  marketOptions,
  metadataOptions,
  networkPerformance,
  placement,
  privateDnsName,
  withoutEmpty,
} from "./launch/settings.ts";
import { instanceTags, volumeTags } from "./launch/tags.ts";
import { blockDeviceMappings } from "./launch/volumes.ts";
import { type Instance, ownTags } from "./snapshot.ts";

/** What every launch of a run has in common. */
export interface LaunchTemplate {
  readonly config: Config;
  readonly image: Image;
  /** AMIs of the instances to be replaced, as far as they still exist; tell what was chosen at their launch. */
  readonly oldImages: readonly Image[];
  readonly instanceType: InstanceTypeInfo;
  /** Those of `subnet-ids`, or those of the instances to be replaced. */
  readonly subnets: readonly Subnet[];
}

/** A RunInstances request that lacks only its ClientToken. */
export interface Launch {
  readonly input: RunInstancesCommandInput;
  /** Hash of the request; two launches with the same one are the same launch. */
  readonly spec: string;
  /** What it was derived from. */
  readonly source: LaunchSource;
}

/**
 * The launch of a replacement: what config.json says, everything else as the old instance has it.
 * Sent is only what is known to be wanted: an explicit default would override the AMI's or the account's own.
 */
export function launchOf(
  source: LaunchSource,
  template: LaunchTemplate,
  subnet = subnetFor(source.instance, template),
): Launch {
  const input = settingsOf(source, template, subnet);
  const tags = instanceTags(source.instance, template.config);
  const tagsOfVolumes = volumeTags(source, template.config);
  const spec = hash({ input, tags, tagsOfVolumes }).slice(0, 32);
  const specTag = { Key: ownTags.spec, Value: spec };
  return {
    spec,
    source,
    input: {
      ...input,
      TagSpecifications: [
        { ResourceType: "instance", Tags: [...tags, specTag] },
        { ResourceType: "volume", Tags: [...tagsOfVolumes, specTag] },
      ],
    },
  };
}

function settingsOf(
  source: LaunchSource,
  template: LaunchTemplate,
  subnet: Subnet | undefined,
): RunInstancesCommandInput {
  const { config, image, instanceType } = template;
  const old = source.instance;
  const place = {
    subnetId: subnet?.SubnetId ?? old.SubnetId,
    subnet,
    securityGroupIds: config.securityGroupIds,
  };
  return withoutEmpty({
    ImageId: image.ImageId,
    InstanceType: config.instanceType as RunInstancesCommandInput["InstanceType"],
    KeyName: config.keyName,
    MinCount: 1,
    MaxCount: 1,
    ...network(old, place),
    IamInstanceProfile: old.IamInstanceProfile?.Arn && { Arn: old.IamInstanceProfile.Arn },
    UserData: source.userData,
    BlockDeviceMappings: blockDeviceMappings(source, image, template.oldImages),
    Monitoring: old.Monitoring?.State === "enabled" && { Enabled: true },
    EbsOptimized: ebsOptimized(old, instanceType),
    Placement: placement(old),
    MetadataOptions: metadataOptions(old),
    CreditSpecification: creditSpecification(source, config.instanceType),
    CpuOptions: cpuOptions(old, instanceType),
    CapacityReservationSpecification: capacityReservation(old),
    HibernationOptions: old.HibernationOptions?.Configured && { Configured: true },
    EnclaveOptions: old.EnclaveOptions?.Enabled && { Enabled: true },
    InstanceMarketOptions: marketOptions(old),
    MaintenanceOptions: old.MaintenanceOptions?.AutoRecovery === "disabled" && {
      AutoRecovery: "disabled",
    },
    NetworkPerformanceOptions: networkPerformance(old, instanceType),
    PrivateDnsNameOptions: privateDnsName(old, subnet),
    LicenseSpecifications: old.Licenses?.map(({ LicenseConfigurationArn }) => ({
      LicenseConfigurationArn,
    })),
    InstanceInitiatedShutdownBehavior: source.shutdownBehavior === "terminate" && "terminate",
    DisableApiStop: source.disableApiStop,
    // Protected, the old one could not go, nor could a replacement that fails, unless that may be lifted.
    DisableApiTermination: config.liftTerminationProtection && source.disableApiTermination,
  }) as RunInstancesCommandInput;
}

/** Where a launch goes; undefined: to a default subnet. */
export function subnetOf({
  SubnetId,
  NetworkInterfaces,
}: RunInstancesCommandInput): string | undefined {
  return SubnetId ?? NetworkInterfaces?.[0]?.SubnetId;
}

/** The launches of a replacement, the one that is wanted first; the others are for when there is no capacity. */
export type Launches = readonly [Launch, ...Launch[]];

/** One launch for each subnet that a replacement may go to; they differ in nothing else. */
export function launchesOf(source: LaunchSource, template: LaunchTemplate): Launches {
  const [first, ...others] = subnetsFor(source.instance, template);
  return [
    launchOf(source, template, first),
    ...others.map((subnet) => launchOf(source, template, subnet)),
  ];
}

/**
 * The idempotency token of the n-th attempt at a launch: at most 64 characters, ASCII.
 * It is derived from the whole request, as EC2 refuses a token that comes with another request, and from the attempt,
 * as EC2 refuses the token of an instance that was terminated since.
 * https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
 */
export function clientToken(spec: string, attempt: number): string {
  return `zero-deploy-${spec}-${attempt}`;
}

/** Whether an instance is what this run would launch: AMI, instance type, key pair, security groups and Name. */
export function isUpToDate(instance: Instance, config: Config, ami: string): boolean {
  return (
    instance.imageId === ami &&
    instance.instanceType === config.instanceType &&
    instance.keyName === config.keyName &&
    instance.tags.Name === config.version &&
    [...instance.securityGroupIds].sort().join() === [...config.securityGroupIds].sort().join()
  );
}

/**
 * Where the replacement goes: the old one's own subnet, or of `subnet-ids` one in the old one's zone, else any; the
 * same one each time it is asked for the same instance.
 */
export function subnetFor(
  old: Ec2Instance,
  template: Pick<LaunchTemplate, "config" | "subnets">,
): Subnet | undefined {
  return subnetsFor(old, template)[0];
}

/** Where the replacement goes, and after that where else it may: the others of `subnet-ids` in that one's zone. */
export function subnetsFor(
  old: Ec2Instance,
  template: Pick<LaunchTemplate, "config" | "subnets">,
): readonly Subnet[] {
  const { config, subnets } = template;
  if (config.subnetIds.length === 0) {
    return subnets.filter((subnet) => subnet.SubnetId === old.SubnetId);
  }
  const listed = config.subnetIds.flatMap(
    (id) => subnets.find((subnet) => subnet.SubnetId === id) ?? [],
  );
  const inZone = listed.filter(
    (subnet) => subnet.AvailabilityZone === old.Placement?.AvailabilityZone,
  );
  const choice = inZone.length > 0 ? inZone : listed;
  const start = Number.parseInt(hash(old.InstanceId).slice(0, 8), 16) % choice.length;
  const inTurn = [...choice.slice(start), ...choice.slice(0, start)];
  return inTurn.filter((subnet) => subnet.AvailabilityZone === inTurn[0]?.AvailabilityZone);
}

/** SHA-256 over a form that does not depend on the order of keys. */
function hash(value: unknown): string {
  return createHash("sha256").update(JSON.stringify(value, sortedKeys)).digest("hex");
}

function sortedKeys(_key: string, value: unknown): unknown {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;
}
