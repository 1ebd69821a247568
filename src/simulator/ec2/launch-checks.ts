import { AwsError } from "../errors.ts";
import type { Image } from "../records.ts";
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
  if (UserData === undefined) return;
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(UserData)) {
    throw new AwsError("InvalidParameterValue", "Invalid BASE64 encoding of user data.");
  }
  if (Buffer.from(UserData, "base64").length > MAX_USER_DATA_BYTES) {
    throw new AwsError("InvalidParameterValue", "User data is limited to 16384 bytes");
  }
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
