import { AwsError } from "../errors.ts";
import type { BlockDevice, Image, InstanceType } from "../records.ts";
import type { EbsParameters } from "./launch-volumes.ts";
import type { RunParameters } from "./run-parameters.ts";

/** EC2's limit of user data, in bytes before they are encoded. */
const MAX_USER_DATA_BYTES = 16_384;

/**
 * Throws AwsError InvalidParameterCombination where network interfaces meet what they make
 * superfluous.
 */
export function checkNetwork(parameters: RunParameters): void {
  const { NetworkInterface: interfaces = [], SubnetId, SecurityGroupId = [] } = parameters;
  if (interfaces.length === 0) return;
  const refused =
    (SubnetId !== undefined && "an instance-level subnet ID") ||
    (SecurityGroupId.length > 0 && "an instance-level security groups");
  if (refused) {
    throw new AwsError(
      "InvalidParameterCombination",
      `Network interfaces and ${refused} may not be specified on the same request`,
    );
  }
  const wantsPublicIp = interfaces.some((nic) => nic.AssociatePublicIpAddress === true);
  if (interfaces.length > 1 && wantsPublicIp) {
    throw new AwsError(
      "InvalidParameterCombination",
      "The associatePublicIPAddress parameter cannot be specified when launching with multiple network interfaces.",
    );
  }
}

/** Throws the AwsError for options that are wrong on their own, whatever else this world has. */
export function checkOptions(parameters: RunParameters): void {
  const { ClientToken = "", UserData, HibernationOptions, EnclaveOptions } = parameters;
  if (ClientToken.length > 64) {
    throw new AwsError("InvalidClientToken", "The client token must be at most 64 characters long");
  }
  if (HibernationOptions?.Configured === true && EnclaveOptions?.Enabled === true) {
    throw new AwsError(
      "InvalidParameterCombination",
      "Hibernation and Nitro Enclaves cannot be enabled on the same instance.",
    );
  }
  checkMetadataOptions(parameters);
  checkMarket(parameters);
  if (UserData === undefined) return;
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(UserData)) {
    throw new AwsError("InvalidParameterValue", "Invalid BASE64 encoding of user data.");
  }
  if (Buffer.from(UserData, "base64").length > MAX_USER_DATA_BYTES) {
    throw new AwsError("InvalidParameterValue", "User data is limited to 16384 bytes");
  }
}

function checkMetadataOptions({ MetadataOptions: options = {} }: RunParameters): void {
  const { HttpEndpoint, HttpPutResponseHopLimit: hopLimit = 1, ...others } = options;
  if (hopLimit < 1 || hopLimit > 64) {
    throw new AwsError(
      "InvalidParameterValue",
      `Value (${hopLimit}) for parameter httpPutResponseHopLimit is invalid. It must be between 1 and 64.`,
    );
  }
  const isMore = options.HttpPutResponseHopLimit !== undefined || Object.keys(others).length > 0;
  if (HttpEndpoint === "disabled" && isMore) {
    throw new AwsError(
      "InvalidParameterCombination",
      "Metadata options may not be specified when the HTTP endpoint is disabled.",
    );
  }
}

/** A persistent request needs an instance that can be stopped (API reference, SpotMarketOptions). */
function checkMarket({ InstanceMarketOptions: market }: RunParameters): void {
  if (market?.MarketType !== undefined && market.MarketType !== "spot") {
    throw new AwsError(
      "InvalidParameterValue",
      `Invalid value '${market.MarketType}' for MarketType.`,
    );
  }
  const { SpotInstanceType, InstanceInterruptionBehavior = "terminate" } =
    market?.SpotOptions ?? {};
  if (SpotInstanceType === "persistent" && InstanceInterruptionBehavior === "terminate") {
    throw new AwsError(
      "InvalidParameterCombination",
      "Persistent Spot Instance requests need the interruption behavior stop or hibernate.",
    );
  }
}

/** Throws the AwsError for what an instance type cannot have. */
export function checkType(parameters: RunParameters, type: InstanceType): void {
  if (parameters.CreditSpecification !== undefined && !type.burstable) {
    throw new AwsError(
      "InvalidParameterCombination",
      `The CreditSpecification parameter is not supported for instance type ${type.name}.`,
    );
  }
  if (parameters.EbsOptimized === true && type.ebsOptimized === "unsupported") {
    throw new AwsError(
      "Unsupported",
      "EBS-optimized instances are not supported for your requested configuration. Please check the " +
        "documentation for supported configurations.",
    );
  }
  const weighting = parameters.NetworkPerformanceOptions?.BandwidthWeighting ?? "default";
  if (weighting !== "default" && !type.bandwidthWeightings?.includes(weighting)) {
    throw new AwsError(
      "InvalidParameterCombination",
      `The bandwidth weighting '${weighting}' is not supported for instance type ${type.name}.`,
    );
  }
}

/** Types of volumes whose operations a second are chosen; those of the others follow from their size. */
const PROVISIONED_TYPES = ["gp3", "io1", "io2"];

/** Throws AwsError InvalidParameterCombination for a performance that a type of volume cannot have. */
function checkVolumeType(ebs: EbsParameters, ofImage: BlockDevice | undefined): void {
  const type = ebs.VolumeType ?? ofImage?.volumeType ?? "gp2";
  const refusal =
    (ebs.Iops !== undefined &&
      !PROVISIONED_TYPES.includes(type) &&
      `The parameter iops is not supported for ${type} volumes.`) ||
    (ebs.Iops === undefined &&
      type.startsWith("io") &&
      (type !== ofImage?.volumeType || ofImage.iops === undefined) &&
      `The parameter iops must be specified for ${type} volumes.`) ||
    (ebs.Throughput !== undefined &&
      type !== "gp3" &&
      "throughput can only be specified for volumeType gp3.");
  if (refusal) throw new AwsError("InvalidParameterCombination", refusal);
}

/** Throws the AwsError for a volume smaller than its snapshot, or a device name given twice. */
export function checkBlockDevices(parameters: RunParameters, image: Image): void {
  const seen = new Set<string>();
  for (const { DeviceName: name = "", Ebs: ebs } of parameters.BlockDeviceMapping ?? []) {
    if (seen.has(name) || name === "") {
      throw new AwsError("InvalidBlockDeviceMapping", `Invalid device name ${name}`);
    }
    seen.add(name);
    const ofImage = image.blockDevices.find(({ deviceName }) => deviceName === name);
    const sizeGib = ebs?.VolumeSize;
    if (ebs !== undefined) checkVolumeType(ebs, ofImage);
    if (ofImage !== undefined && sizeGib !== undefined && sizeGib < ofImage.sizeGib) {
      throw new AwsError(
        "InvalidBlockDeviceMapping",
        `Volume of size ${sizeGib}GB is smaller than snapshot '${ofImage.snapshotId}', ` +
          `expect size >= ${ofImage.sizeGib}GB`,
      );
    }
    if (ofImage === undefined && sizeGib === undefined) {
      throw new AwsError(
        "MissingParameter",
        "The request must contain the parameter size or snapshotId",
      );
    }
  }
}
