import type { Tag } from "@aws-sdk/client-ec2";
import { isBurstable, type LaunchSource } from "../aws/ec2.ts";
import type { LaunchTemplate } from "../launch.ts";
import {
  type Comparison,
  type Difference,
  differ,
  gib,
  listed,
  none,
  onOff,
  volumeAt,
} from "./difference.ts";
import { inAddresses, inOtherVolumes } from "./losses.ts";
import { primaryInterface } from "./network.ts";
import { rootVolume, tagsLimit } from "./tags.ts";

/** All that a launch (of `launchOf`) makes otherwise than the old instance has it. No user data is in it. */
export function differences(
  source: LaunchSource,
  input: Comparison["input"],
  template: LaunchTemplate,
): Difference[] {
  const comparison = { source, old: source.instance, input, template };
  return [
    ...asConfigured(comparison),
    ...inTags(comparison),
    ...inRootVolume(comparison),
    ...inMetadata(comparison),
    ...byInstanceType(comparison),
    ...notAtLaunch(comparison),
    ...inOtherVolumes(comparison),
    ...inAddresses(comparison),
  ];
}

function asConfigured({ old, input, template }: Comparison): Difference[] {
  const [nic] = input.NetworkInterfaces ?? [];
  const subnetId = nic?.SubnetId ?? input.SubnetId;
  const subnet = template.subnets.find(({ SubnetId }) => SubnetId === subnetId);
  const zone = old.Placement?.AvailabilityZone;
  return [
    ...differ("AMI", old.ImageId, input.ImageId),
    ...differ("instance type", old.InstanceType, input.InstanceType),
    ...differ("key pair", old.KeyName, input.KeyName),
    ...differ(
      "security groups",
      listed((old.SecurityGroups ?? []).flatMap(({ GroupId }) => GroupId ?? [])),
      listed(nic?.Groups ?? input.SecurityGroupIds ?? []),
    ),
    ...differ("subnet", old.SubnetId, subnetId),
    ...differ("Availability Zone", zone, subnet?.AvailabilityZone ?? zone),
  ];
}

/** Name and what config.json adds or changes; our own tags are every instance's. */
function inTags({ source, old, input, template }: Comparison): Difference[] {
  const before = valuesOf(old.Tags);
  const after = valuesOf(tagsFor(input, "instance"));
  const kept = valuesOf(tagsFor(input, "volume"));
  const lost = Object.entries(valuesOf(rootVolume(source)?.Tags)).filter(
    ([key]) => !(key in kept) && !key.startsWith("aws:") && !key.startsWith("zero-deploy:"),
  );
  return [
    ...differ("Name", quoted(before.Name), quoted(after.Name)),
    ...Object.keys(template.config.tags).flatMap((key) =>
      differ(`tag ${key}`, quoted(before[key]), quoted(after[key])),
    ),
    ...lost.flatMap(([key, value]) =>
      differ(`volume tag ${key}`, quoted(value), none, `a volume takes ${tagsLimit} tags`),
    ),
  ];
}

function inRootVolume(comparison: Comparison): Difference[] {
  const { source, old, template } = comparison;
  const before = rootVolume(source);
  const device = template.image.RootDeviceName;
  const after = volumeAt(comparison, device);
  const byAmi = "the AMI's own";
  const rootDevice = differ("root device", old.RootDeviceName, device ?? old.RootDeviceName, byAmi);
  if (before === undefined || after === undefined) return rootDevice;
  const isGp3 = before.VolumeType === "gp3";
  const isProvisioned = isGp3 || before.VolumeType?.startsWith("io");
  return [
    ...rootDevice,
    ...differ("root volume size", gib(before.Size), gib(after.VolumeSize), "the AMI's is larger"),
    ...differ("root volume type", before.VolumeType, after.VolumeType ?? before.VolumeType, byAmi),
    ...(isProvisioned
      ? differ("root volume iops", before.Iops, after.Iops ?? (isGp3 ? 3000 : none), byAmi)
      : []),
    ...(isGp3
      ? differ("root volume throughput", before.Throughput ?? 125, after.Throughput ?? 125, byAmi)
      : []),
    ...differ(
      "root volume encryption",
      onOff(before.Encrypted),
      onOff(before.Encrypted || after.Encrypted),
      "the AMI's is encrypted",
    ),
  ];
}

/** An AMI made for IMDSv2 asks for tokens, and for two hops. */
function inMetadata({ old, input, template }: Comparison): Difference[] {
  const { HttpEndpoint, HttpTokens, HttpPutResponseHopLimit: hops } = old.MetadataOptions ?? {};
  const isTightened =
    template.image.ImdsSupport === "v2.0" &&
    HttpEndpoint !== "disabled" &&
    HttpTokens === "optional";
  if (!isTightened) return [];
  const reason = "the AMI says so, unless the account says otherwise";
  return [
    ...differ("metadata tokens", HttpTokens, "required", reason),
    ...differ(
      "metadata hop limit",
      hops,
      input.MetadataOptions?.HttpPutResponseHopLimit ?? 2,
      reason,
    ),
  ];
}

/** What an instance of the new type cannot have, or would have by another measure. */
function byInstanceType({ source, old, input, template }: Comparison): Difference[] {
  const { InstanceType: type = "", CpuOptions } = input;
  const lacksIt = `${type} does not have it`;
  const { ThreadsPerCore, AmdSevSnp, NestedVirtualization } = old.CpuOptions ?? {};
  const isOther = old.InstanceType !== type;
  const usual = template.instanceType.VCpuInfo?.DefaultThreadsPerCore ?? ThreadsPerCore;
  const anotherType = "CPU options are copied to the same instance type only";
  const weighting = old.NetworkPerformanceOptions?.BandwidthWeighting ?? "default";
  const credits = input.CreditSpecification?.CpuCredits;
  return [
    ...(isOther
      ? [
          ...differ("threads per core", ThreadsPerCore, usual, anotherType),
          ...differ("AMD SEV-SNP", onOff(AmdSevSnp === "enabled"), "off", anotherType),
          ...differ(
            "nested virtualization",
            onOff(NestedVirtualization === "enabled"),
            onOff(CpuOptions?.NestedVirtualization === "enabled"),
            anotherType,
          ),
        ]
      : []),
    ...(source.cpuCredits === undefined && isBurstable(type)
      ? differ("CPU credits", none, "the account's default", `${old.InstanceType} has none`)
      : differ("CPU credits", source.cpuCredits, credits, `${type} has none`)),
    ...differ("EBS optimisation", onOff(old.EbsOptimized), onOff(input.EbsOptimized), lacksIt),
    ...differ(
      "bandwidth weighting",
      weighting,
      input.NetworkPerformanceOptions?.BandwidthWeighting ?? "default",
      lacksIt,
    ),
  ];
}

/** Settings that RunInstances has no parameter for, or that go with hardware. */
function notAtLaunch({ old }: Comparison): Difference[] {
  const reason = "it cannot be asked for at launch";
  const nic = primaryInterface(old);
  const migration = old.MaintenanceOptions?.RebootMigration ?? "default";
  const expired = old.InstanceLifecycle === "scheduled" ? "scheduled" : "on demand";
  const notCopied = "settings of network interfaces are not copied";
  const isExpress = nic?.Attachment?.EnaSrdSpecification?.EnaSrdEnabled;
  const isTracked = nic?.ConnectionTrackingConfiguration !== undefined;
  return [
    ...differ("purchasing option", expired, "on demand", "there are no new Scheduled Instances"),
    ...differ("reboot migration", migration, "default", reason),
    ...differ("interface type", nic?.InterfaceType ?? "interface", "interface", notCopied),
    ...differ("ENA Express", onOff(isExpress), "off", notCopied),
    ...differ("connection tracking", isTracked ? "of its own" : "default", "default", notCopied),
  ];
}

function tagsFor({ TagSpecifications = [] }: Comparison["input"], resource: string) {
  return TagSpecifications.find(({ ResourceType }) => ResourceType === resource)?.Tags;
}

function valuesOf(tags: readonly Tag[] = []): Record<string, string> {
  return Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
}

function quoted(value: string | undefined): string | undefined {
  return value === undefined ? undefined : `"${value}"`;
}
