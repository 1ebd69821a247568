import { AwsError } from "../errors.ts";
import { isId } from "../ids.ts";

/**
 * The entries with these keys, or all when none is named; throws what `missing` makes of the first
 * unknown key.
 */
export function pick<T>(
  entries: ReadonlyMap<string, T>,
  keys: readonly string[] | undefined,
  missing: (key: string) => AwsError,
): readonly T[] {
  if (keys === undefined || keys.length === 0) return [...entries.values()];
  return keys.map((key) => {
    const entry = entries.get(key);
    if (entry === undefined) throw missing(key);
    return entry;
  });
}

/** The error for an AMI id that names no AMI: malformed, or not found (EC2 guide, error codes). */
export function imageNotFound(id: string): AwsError {
  return isId("ami", id)
    ? new AwsError("InvalidAMIID.NotFound", `The image id '[${id}]' does not exist`)
    : new AwsError("InvalidAMIID.Malformed", `Invalid id: "${id}" (expecting "ami-...")`);
}

/** The error for a subnet id that names no subnet. */
export function subnetNotFound(id: string): AwsError {
  return new AwsError("InvalidSubnetID.NotFound", `The subnet ID '${id}' does not exist`);
}

/** The error for a security group id that names no group. */
export function groupNotFound(id: string): AwsError {
  return isId("sg", id)
    ? new AwsError("InvalidGroup.NotFound", `The security group '${id}' does not exist`)
    : new AwsError("InvalidGroupId.Malformed", `Invalid id: "${id}" (expecting "sg-...")`);
}

/** The error for a volume that is not there, or not any more. */
export function volumeNotFound(id: string): AwsError {
  return new AwsError("InvalidVolume.NotFound", `The volume '${id}' does not exist.`);
}

/** The error for a key pair nobody made. */
export function keyPairNotFound(name: string): AwsError {
  return new AwsError("InvalidKeyPair.NotFound", `The key pair '${name}' does not exist`);
}
