import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { InstanceType, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { pick } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/** What MaxResults may be in DescribeInstanceTypes (API reference). */
const TYPE_PAGE_BOUNDS = { lowest: 5, highest: 100 };

/** DescribeInstanceTypes, by name or all that this world knows. */
export const describeInstanceTypes = defineAction({
  fields: { ...PAGED, InstanceType: { list: "string" }, Filter: FILTERS },
  run({ world }, parameters) {
    const found = pick(
      world.instanceTypes,
      parameters.InstanceType,
      (name) =>
        new AwsError(
          "InvalidInstanceType",
          `The following supplied instance types do not exist: [${name}]`,
        ),
    );
    const matching = applyFilters(found, parameters.Filter, TYPE_FILTERS);
    const page = pageOf(matching, parameters, byPosition, TYPE_PAGE_BOUNDS);
    return { instanceTypeSet: page.items.map(typeView), nextToken: page.nextToken };
  },
});

/** On-demand and Spot: what every type can be bought as. */
const USAGE_CLASSES = ["on-demand", "spot"] as const;

const TYPE_FILTERS: FilterFields<InstanceType> = {
  "instance-type": ({ name }) => [name],
  hypervisor: ({ hypervisor }) => [hypervisor],
  "processor-info.supported-architecture": ({ architecture }) => [architecture],
  "burstable-performance-supported": ({ burstable }) => [String(burstable)],
  "hibernation-supported": ({ hibernationSupported }) => [String(hibernationSupported)],
  "supported-boot-mode": ({ supportedBootModes }) => supportedBootModes,
  "supported-root-device-type": ({ supportedRootDeviceTypes }) => supportedRootDeviceTypes,
  "supported-virtualization-type": ({ supportedVirtualizationTypes }) =>
    supportedVirtualizationTypes,
  "supported-usage-class": () => USAGE_CLASSES,
  "network-info.ena-support": ({ enaSupport }) => [enaSupport],
  "nitro-tpm-support": ({ nitroTpmSupport }) => [nitroTpmSupport],
  "ebs-info.ebs-optimized-support": ({ ebsOptimized }) => [ebsOptimized],
};

function typeView(type: InstanceType): WireRecord {
  const isNitro = type.hypervisor === "nitro";
  const hasTpm = type.nitroTpmSupport === "supported";
  return {
    instanceType: type.name,
    currentGeneration: isNitro || type.name.startsWith("t2."),
    supportedUsageClasses: USAGE_CLASSES,
    supportedRootDeviceTypes: type.supportedRootDeviceTypes,
    supportedVirtualizationTypes: type.supportedVirtualizationTypes,
    bareMetal: false,
    hypervisor: type.hypervisor,
    processorInfo: { supportedArchitectures: [type.architecture] },
    vCpuInfo: {
      defaultVCpus: type.vcpus,
      defaultCores: Math.max(1, type.vcpus / 2),
      defaultThreadsPerCore: type.vcpus > 1 ? 2 : 1,
    },
    memoryInfo: { sizeInMiB: type.memoryMib },
    ebsInfo: {
      ebsOptimizedSupport: type.ebsOptimized,
      encryptionSupport: "supported",
      nvmeSupport: isNitro ? "required" : "unsupported",
    },
    networkInfo: {
      enaSupport: type.enaSupport,
      bandwidthWeightings: type.bandwidthWeightings ?? ["default"],
    },
    hibernationSupported: type.hibernationSupported,
    burstablePerformanceSupported: type.burstable,
    supportedBootModes: type.supportedBootModes,
    nitroTpmSupport: type.nitroTpmSupport,
    nitroTpmInfo: hasTpm ? { supportedVersions: ["2.0"] } : undefined,
  };
}

/** One place that an instance type can be had at, as LocationType asks for them. */
interface Offering {
  readonly instanceType: string;
  readonly locationType: string;
  readonly location: string;
}

const OFFERING_FILTERS: FilterFields<Offering> = {
  "instance-type": ({ instanceType }) => [instanceType],
  location: ({ location }) => [location],
};

/**
 * DescribeInstanceTypeOfferings: which types the region has, or each of its zones. The zones are
 * those that have a subnet; there are no Outposts.
 */
export const describeInstanceTypeOfferings = defineAction({
  fields: { ...PAGED, LocationType: "string", Filter: FILTERS },
  run({ world }, parameters) {
    const { LocationType: locationType = "region" } = parameters;
    const locations = locationsOf(world, locationType);
    const offerings = [...world.instanceTypes.values()].flatMap(({ name, missingInZones }) =>
      [...locations]
        .filter(([, zones]) => zones.some((zone) => !missingInZones.includes(zone)))
        .map(([location]) => ({ instanceType: name, locationType, location })),
    );
    const matching = applyFilters(offerings, parameters.Filter, OFFERING_FILTERS);
    const page = pageOf(matching, parameters, byPosition);
    return {
      instanceTypeOfferingSet: page.items.map((offering) => ({ ...offering })),
      nextToken: page.nextToken,
    };
  },
});

/** The locations of a type, each with the zones in it. Throws AwsError InvalidParameterValue for another type. */
function locationsOf(world: World, locationType: string): ReadonlyMap<string, readonly string[]> {
  const subnets = [...world.subnets.values()];
  switch (locationType) {
    case "region":
      return new Map([[world.region, subnets.map(({ zone }) => zone)]]);
    case "availability-zone":
      return new Map(subnets.map(({ zone }) => [zone, [zone]]));
    case "availability-zone-id":
      return new Map(subnets.map(({ zone, zoneId }) => [zoneId, [zone]]));
    case "outpost":
      return new Map();
    default:
      throw new AwsError(
        "InvalidParameterValue",
        `Value (${locationType}) for parameter locationType is invalid.`,
      );
  }
}
