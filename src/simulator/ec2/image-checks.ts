import { AwsError } from "../errors.ts";
import type { Image, InstanceType } from "../records.ts";

/**
 * Throws the AwsError for an AMI that cannot be launched on an instance type, in AWS's own words as
 * far as they are known (those of NitroTPM and of a type without a BIOS are not).
 */
export function checkCompatibility(image: Image, type: InstanceType): void {
  const problem =
    architectureProblem(image, type) ??
    virtualizationProblem(image, type) ??
    rootDeviceProblem(image, type) ??
    bootProblem(image, type) ??
    enaProblem(image, type);
  if (problem !== undefined) throw problem;
}

function architectureProblem(image: Image, type: InstanceType): AwsError | undefined {
  if (type.architecture === image.architecture) return undefined;
  return new AwsError(
    "InvalidParameterValue",
    `The architecture '${type.architecture}' of the specified instance type does not match the ` +
      `architecture '${image.architecture}' of the specified AMI. Specify an instance type and an AMI that ` +
      "have matching architectures, and try again.",
  );
}

function virtualizationProblem(
  { virtualizationType }: Image,
  { name, supportedVirtualizationTypes }: InstanceType,
): AwsError | undefined {
  if (supportedVirtualizationTypes.includes(virtualizationType)) return undefined;
  return new AwsError(
    "InvalidParameterCombination",
    virtualizationType === "hvm"
      ? "Non-Windows instances with a virtualization type of 'hvm' are currently not supported for this instance type."
      : `Virtualization type 'hvm' is required for instances of type '${name}'.`,
  );
}

function rootDeviceProblem(
  { id, rootDeviceType }: Image,
  { name, supportedRootDeviceTypes }: InstanceType,
): AwsError | undefined {
  if (supportedRootDeviceTypes.includes(rootDeviceType)) return undefined;
  return new AwsError(
    "UnsupportedOperation",
    `AMI '${id}' with an ${rootDeviceType} root device is not supported for the instance type '${name}'.`,
  );
}

function bootProblem(
  { bootMode, tpmSupport }: Image,
  { name, supportedBootModes, nitroTpmSupport }: InstanceType,
): AwsError | undefined {
  if (bootMode === "uefi" && !supportedBootModes.includes("uefi")) {
    return new AwsError(
      "InvalidParameterValue",
      `The ${name} instance type does not support an AMI with a boot mode of UEFI. Only instance types ` +
        "built on the Nitro System support UEFI. Specify an instance type that supports UEFI, and try again.",
    );
  }
  if (bootMode === "legacy-bios" && !supportedBootModes.includes("legacy-bios")) {
    return new AwsError(
      "InvalidParameterValue",
      `The ${name} instance type does not support an AMI with a boot mode of LEGACY_BIOS. Specify an ` +
        "instance type that supports LEGACY_BIOS, and try again.",
    );
  }
  if (tpmSupport === undefined || nitroTpmSupport === "supported") return undefined;
  return new AwsError(
    "UnsupportedOperation",
    `The ${name} instance type does not support an AMI with NitroTPM enabled.`,
  );
}

function enaProblem({ enaSupport }: Image, type: InstanceType): AwsError | undefined {
  if (enaSupport || type.enaSupport !== "required") return undefined;
  return new AwsError(
    "InvalidParameterCombination",
    "Enhanced networking with the Elastic Network Adapter (ENA) is required for the " +
      `'${type.name}' instance type. Ensure that you are using an AMI that is enabled for ENA.`,
  );
}
