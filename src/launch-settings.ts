import type { Instance as Ec2Instance, InstanceTypeInfo } from "@aws-sdk/client-ec2";
import { isBurstable, type LaunchSource } from "./aws/ec2.ts";

/** The hop limit EC2 gives an instance where neither request, AMI nor account says anything. */
const defaultHopLimit = 1;

/** Tenancy, group, partition and host; the zone follows from the subnet. */
export function placement(old: Ec2Instance) {
  const { Tenancy, GroupName, PartitionNumber, HostId, HostResourceGroupArn, Affinity } =
    old.Placement ?? {};
  return withoutEmpty({
    Tenancy: Tenancy === "default" ? undefined : Tenancy,
    GroupName,
    PartitionNumber,
    // A host resource group chooses the host itself.
    HostId: HostResourceGroupArn ? undefined : HostId,
    HostResourceGroupArn,
    Affinity: Affinity === "default" ? undefined : Affinity,
  });
}

/** Never loosens: HttpTokens "optional" and a short hop limit are old defaults, not decisions. */
export function metadataOptions(old: Ec2Instance) {
  const options = old.MetadataOptions ?? {};
  if (options.HttpEndpoint === "disabled") return { HttpEndpoint: "disabled" };
  const wanted = withoutEmpty({
    HttpTokens: options.HttpTokens === "required" && "required",
    HttpPutResponseHopLimit:
      (options.HttpPutResponseHopLimit ?? defaultHopLimit) > defaultHopLimit &&
      options.HttpPutResponseHopLimit,
    HttpProtocolIpv6: options.HttpProtocolIpv6 === "enabled" && "enabled",
    InstanceMetadataTags: options.InstanceMetadataTags === "enabled" && "enabled",
  });
  // EC2 takes these only together with an enabled endpoint.
  return Object.keys(wanted).length === 0 ? undefined : { HttpEndpoint: "enabled", ...wanted };
}

/** T2 launches as standard, its successors as unlimited, unless told otherwise. */
export function creditSpecification(source: LaunchSource, newType: string) {
  const credits = source.cpuCredits;
  if (credits === undefined || !isBurstable(newType)) return undefined;
  const usual = newType.startsWith("t2.") ? "standard" : "unlimited";
  return credits === usual ? undefined : { CpuCredits: credits };
}

/** Cores and threads mean something for the same instance type only. */
export function cpuOptions(old: Ec2Instance, instanceType: InstanceTypeInfo) {
  const { CoreCount, ThreadsPerCore, AmdSevSnp } = old.CpuOptions ?? {};
  const usual = instanceType.VCpuInfo;
  if (old.InstanceType !== instanceType.InstanceType || usual === undefined) return undefined;
  const isUsual =
    CoreCount === usual.DefaultCores && ThreadsPerCore === usual.DefaultThreadsPerCore;
  return withoutEmpty({
    CoreCount: isUsual ? undefined : CoreCount,
    ThreadsPerCore: isUsual ? undefined : ThreadsPerCore,
    AmdSevSnp: AmdSevSnp === "enabled" && "enabled",
  });
}

/** A reservation that was asked for; the one an instance happens to run in is not. */
export function capacityReservation(old: Ec2Instance) {
  const { CapacityReservationPreference, CapacityReservationTarget } =
    old.CapacityReservationSpecification ?? {};
  if (CapacityReservationTarget !== undefined) return { CapacityReservationTarget };
  return CapacityReservationPreference === undefined || CapacityReservationPreference === "open"
    ? undefined
    : { CapacityReservationPreference };
}

/** Host names by resource, where they are on. */
export function privateDnsName(old: Ec2Instance) {
  const { HostnameType, EnableResourceNameDnsARecord, EnableResourceNameDnsAAAARecord } =
    old.PrivateDnsNameOptions ?? {};
  return withoutEmpty({
    HostnameType: HostnameType === "resource-name" && "resource-name",
    EnableResourceNameDnsARecord,
    EnableResourceNameDnsAAAARecord,
  });
}

/** Drops what is undefined, false, "" or an empty list or object: what RunInstances is better not told. */
export function withoutEmpty<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(
      ([, part]) => part && !(typeof part === "object" && Object.keys(part).length === 0),
    ),
  ) as Partial<T>;
}
