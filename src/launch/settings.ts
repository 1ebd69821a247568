import type {
  Instance as Ec2Instance,
  InstanceTypeInfo,
  RunInstancesCommandInput,
  Subnet,
} from "@aws-sdk/client-ec2";
import { isBurstable, type LaunchSource } from "../aws/ec2.ts";

/** The hop limit EC2 gives an instance where neither request, AMI nor account says anything. */
const defaultHopLimit = 1;

/** Tenancy, group, partition and host; the zone follows from the subnet. */
export function placement(old: Ec2Instance) {
  const { Tenancy, GroupName, GroupId, PartitionNumber, HostId, HostResourceGroupArn, Affinity } =
    old.Placement ?? {};
  return withoutEmpty({
    Tenancy: Tenancy === "default" ? undefined : Tenancy,
    GroupName,
    // EC2 takes one of the two.
    GroupId: GroupName ? undefined : GroupId,
    PartitionNumber,
    // A host resource group chooses the host itself.
    HostId: HostResourceGroupArn ? undefined : HostId,
    HostResourceGroupArn,
    Affinity: Affinity === "default" ? undefined : Affinity,
  });
}

/**
 * Never weaker than the old one's. Required tokens go with the exact hop limit, which is then a protection. Optional
 * ones are no decision: AMI and account may ask for more, and where they do, one hop would cut off containers.
 */
export function metadataOptions(old: Ec2Instance) {
  const options = old.MetadataOptions ?? {};
  // EC2 takes the others only together with an enabled endpoint.
  if (options.HttpEndpoint === "disabled") return { HttpEndpoint: "disabled" };
  const isRequired = options.HttpTokens === "required";
  const hopLimit = options.HttpPutResponseHopLimit ?? defaultHopLimit;
  const wanted = withoutEmpty({
    HttpTokens: isRequired && "required",
    HttpPutResponseHopLimit: (isRequired || hopLimit > defaultHopLimit) && hopLimit,
    HttpProtocolIpv6: options.HttpProtocolIpv6 === "enabled" && "enabled",
    InstanceMetadataTags: options.InstanceMetadataTags === "enabled" && "enabled",
  });
  return Object.keys(wanted).length === 0 ? undefined : { HttpEndpoint: "enabled", ...wanted };
}

/** Sent also where it is the usual: the account may have another default. */
export function creditSpecification({ cpuCredits }: LaunchSource, newType: string) {
  return cpuCredits !== undefined && isBurstable(newType) ? { CpuCredits: cpuCredits } : undefined;
}

/** Whether to ask for EBS optimisation: EC2 refuses it for types that have none. */
export function ebsOptimized(old: Ec2Instance, { EbsInfo }: InstanceTypeInfo) {
  return old.EbsOptimized && EbsInfo?.EbsOptimizedSupport !== "unsupported";
}

/** A bandwidth weighting that was chosen, where the new type can have it. */
export function networkPerformance(old: Ec2Instance, { NetworkInfo }: InstanceTypeInfo) {
  const weighting = old.NetworkPerformanceOptions?.BandwidthWeighting;
  if (weighting === undefined || weighting === "default") return undefined;
  return NetworkInfo?.BandwidthWeightings?.includes(weighting)
    ? { BandwidthWeighting: weighting }
    : undefined;
}

/** Cores and threads mean something for the same instance type only. */
export function cpuOptions(old: Ec2Instance, instanceType: InstanceTypeInfo) {
  const { CoreCount, ThreadsPerCore, AmdSevSnp, NestedVirtualization } = old.CpuOptions ?? {};
  const usual = instanceType.VCpuInfo;
  if (old.InstanceType !== instanceType.InstanceType || usual === undefined) return undefined;
  const isUsual =
    CoreCount === usual.DefaultCores && ThreadsPerCore === usual.DefaultThreadsPerCore;
  return withoutEmpty({
    CoreCount: isUsual ? undefined : CoreCount,
    ThreadsPerCore: isUsual ? undefined : ThreadsPerCore,
    AmdSevSnp: AmdSevSnp === "enabled" && "enabled",
    NestedVirtualization: NestedVirtualization === "enabled" && "enabled",
  });
}

/** A reservation that was asked for; the one an instance happens to run in is not. */
export function capacityReservation(old: Ec2Instance) {
  const { CapacityReservationPreference: preference, CapacityReservationTarget } =
    old.CapacityReservationSpecification ?? {};
  // Beside a target EC2 takes no other preference than this one.
  const isOnly = preference === "capacity-reservations-only";
  if (CapacityReservationTarget !== undefined) {
    return {
      CapacityReservationPreference: isOnly ? preference : undefined,
      CapacityReservationTarget,
    };
  }
  return preference === undefined || preference === "open"
    ? undefined
    : { CapacityReservationPreference: preference };
}

/**
 * A one-time Spot Instance is replaced by one, an instance of a capacity block by another of it. No maximum price: what
 * DescribeSpotInstanceRequests shows may be nobody's choice, and AWS advises against one.
 */
export function marketOptions(old: Ec2Instance): RunInstancesCommandInput["InstanceMarketOptions"] {
  switch (old.InstanceLifecycle) {
    case "spot":
      return { MarketType: "spot", SpotOptions: { SpotInstanceType: "one-time" } };
    case "capacity-block":
    case "interruptible-capacity-reservation":
      return { MarketType: old.InstanceLifecycle };
    default:
      return undefined;
  }
}

/** Host name and its DNS records, all three of them where the subnet would decide otherwise about one. */
export function privateDnsName(old: Ec2Instance, subnet: Subnet | undefined) {
  if (old.PrivateDnsNameOptions === undefined) return undefined;
  const wanted = dnsOptions(old.PrivateDnsNameOptions);
  const given = dnsOptions(subnet?.PrivateDnsNameOptionsOnLaunch);
  const isGiven =
    wanted.HostnameType === given.HostnameType &&
    wanted.EnableResourceNameDnsARecord === given.EnableResourceNameDnsARecord &&
    wanted.EnableResourceNameDnsAAAARecord === given.EnableResourceNameDnsAAAARecord;
  return isGiven ? undefined : wanted;
}

function dnsOptions(options: Ec2Instance["PrivateDnsNameOptions"] = {}) {
  return {
    HostnameType: options.HostnameType ?? "ip-name",
    EnableResourceNameDnsARecord: options.EnableResourceNameDnsARecord ?? false,
    EnableResourceNameDnsAAAARecord: options.EnableResourceNameDnsAAAARecord ?? false,
  };
}

/** Drops what is undefined, false, "" or an empty list or object: what RunInstances is better not told. */
export function withoutEmpty<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(value).filter(
      ([, part]) =>
        part === 0 || (part && !(typeof part === "object" && Object.keys(part).length === 0)),
    ),
  ) as Partial<T>;
}
