import type { WireRecord, WireValue } from "../records.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import { privateDnsNameOptions } from "./network-actions.ts";
import type { RunParameters } from "./run-parameters.ts";

/**
 * What DescribeInstances shows of a launch besides what this world acts on: as asked for, else
 * AWS's defaults.
 */
export function shownOptions(
  parameters: RunParameters,
  { image, type, subnet }: Pick<LaunchPlan, "image" | "type" | "subnet">,
): WireRecord {
  const imdsV2 = image.imdsSupport === "v2.0";
  return {
    monitoring: { state: parameters.Monitoring?.Enabled === true ? "enabled" : "disabled" },
    ebsOptimized: parameters.EbsOptimized ?? false,
    placement: { groupName: "", tenancy: "default", ...shown(parameters.Placement) },
    metadataOptions: {
      // An image made for IMDSv2 asks for tokens, and lets containers reach the service.
      httpTokens: imdsV2 ? "required" : "optional",
      httpPutResponseHopLimit: imdsV2 ? 2 : 1,
      httpEndpoint: "enabled",
      httpProtocolIpv6: "disabled",
      instanceMetadataTags: "disabled",
      ...shown(parameters.MetadataOptions),
    },
    cpuOptions: {
      coreCount: Math.max(1, type.vcpus / 2),
      threadsPerCore: type.vcpus > 1 ? 2 : 1,
      ...shown(parameters.CpuOptions),
    },
    capacityReservationSpecification: {
      capacityReservationPreference: "open",
      ...shown(parameters.CapacityReservationSpecification),
    },
    hibernationOptions: { configured: false, ...shown(parameters.HibernationOptions) },
    enclaveOptions: { enabled: false, ...shown(parameters.EnclaveOptions) },
    privateDnsNameOptions: {
      ...privateDnsNameOptions(subnet),
      ...shown(parameters.PrivateDnsNameOptions),
    },
    maintenanceOptions: { autoRecovery: "default", ...shown(parameters.MaintenanceOptions) },
    networkPerformanceOptions: {
      bandwidthWeighting: "default",
      ...shown(parameters.NetworkPerformanceOptions),
    },
    licenseSet: (parameters.LicenseSpecification ?? []).map((license) => shown(license)),
  };
}

/** Answers carry the members of a request under the same names, begun in lower case. */
function shown(parameters: object | undefined): WireRecord {
  return Object.fromEntries(
    Object.entries(parameters ?? {}).map(([name, value]: [string, unknown]) => [
      name.charAt(0).toLowerCase() + name.slice(1),
      (typeof value === "object" && value !== null ? shown(value) : value) as WireValue,
    ]),
  );
}
