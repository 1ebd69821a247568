import { AwsError } from "../errors.ts";
import { required } from "../params.ts";
import type { Image, InstanceType, Subnet, Tag } from "../records.ts";
import type { World } from "../world.ts";
import { groupNotFound, imageNotFound, keyPairNotFound, subnetNotFound } from "./find.ts";
import { checkCompatibility } from "./image-checks.ts";
import { checkBlockDevices, checkNetwork, checkOptions, checkType } from "./launch-checks.ts";
import { freeAddresses } from "./network-actions.ts";
import type { RunParameters } from "./run-parameters.ts";
import { checkTags } from "./tag-actions.ts";

/** A RunInstances request that AWS would accept, with everything its names stand for. */
export interface LaunchPlan {
  readonly image: Image;
  readonly type: InstanceType;
  readonly subnet: Subnet;
  readonly groupIds: readonly string[];
  readonly keyName?: string;
  readonly profileArn?: string;
  readonly instanceTags: readonly Tag[];
  readonly volumeTags: readonly Tag[];
  readonly count: number;
}

/**
 * Checks a request against this world. Throws the AwsError that AWS answers for the first thing
 * that is wrong.
 */
export function planLaunch(world: World, parameters: RunParameters): LaunchPlan {
  const minCount = required("ec2", "MinCount", parameters.MinCount);
  const maxCount = required("ec2", "MaxCount", parameters.MaxCount);
  if (minCount < 1 || maxCount < minCount) {
    throw new AwsError(
      "InvalidParameterValue",
      `Value (${minCount}) for parameter minCount is invalid. It must be between 1 and maxCount.`,
    );
  }
  checkNetwork(parameters);
  checkOptions(parameters);
  const image = findImage(world, required("ec2", "ImageId", parameters.ImageId));
  const type = findType(world, required("ec2", "InstanceType", parameters.InstanceType));
  checkCompatibility(image, type);
  checkType(parameters, type);
  const { KeyName: keyName } = parameters;
  if (keyName !== undefined && !world.keyPairs.has(keyName)) throw keyPairNotFound(keyName);
  const subnet = findSubnet(world, parameters);
  const groupIds = findGroups(world, parameters, subnet);
  const profileArn = findProfile(world, parameters);
  checkBlockDevices(parameters, image);
  const instanceTags = tagsFor(parameters, "instance");
  const volumeTags = tagsFor(parameters, "volume");
  const count = countThatFits(world, subnet, minCount, maxCount);
  if (type.missingInZones.includes(subnet.zone)) throw unsupportedInZone(world, type, subnet.zone);
  return { image, type, subnet, groupIds, keyName, profileArn, instanceTags, volumeTags, count };
}

function findImage(world: World, id: string): Image {
  const image = world.images.get(id);
  if (image === undefined) throw imageNotFound(id);
  if (image.state === "available") return image;
  throw new AwsError(
    "InvalidAMIID.Unavailable",
    `The image ID '${id}' is not available (state: ${image.state})`,
  );
}

function findType(world: World, name: string): InstanceType {
  const type = world.instanceTypes.get(name);
  if (type === undefined) {
    throw new AwsError("InvalidParameterValue", `Invalid value '${name}' for InstanceType.`);
  }
  return type;
}

/**
 * The subnet named, in the first network interface or beside it, else one of the zone named, else
 * the first of all.
 */
function findSubnet(world: World, parameters: RunParameters): Subnet {
  const id = parameters.NetworkInterface?.[0]?.SubnetId ?? parameters.SubnetId;
  const zone = parameters.Placement?.AvailabilityZone;
  const subnet =
    id === undefined
      ? [...world.subnets.values()].find(
          (candidate) => zone === undefined || candidate.zone === zone,
        )
      : world.subnets.get(id);
  if (subnet === undefined) throw subnetNotFound(id ?? `default subnet of ${zone}`);
  if (zone === undefined || subnet.zone === zone) return subnet;
  throw new AwsError(
    "InvalidParameterValue",
    `The availability zone '${zone}' does not match the zone of subnet '${subnet.id}'`,
  );
}

function findGroups(world: World, parameters: RunParameters, subnet: Subnet): readonly string[] {
  const ids = parameters.NetworkInterface?.[0]?.SecurityGroupId ?? parameters.SecurityGroupId ?? [];
  for (const id of ids) {
    const group = world.securityGroups.get(id);
    if (group === undefined) throw groupNotFound(id);
    if (group.vpcId !== subnet.vpcId) {
      throw new AwsError(
        "InvalidParameter",
        `Security group ${id} and subnet ${subnet.id} belong to different networks.`,
      );
    }
  }
  return ids;
}

function findProfile(world: World, parameters: RunParameters): string | undefined {
  const { Arn: arn, Name: name } = parameters.IamInstanceProfile ?? {};
  if (arn === undefined && name === undefined) return undefined;
  if (arn !== undefined && name !== undefined) {
    throw new AwsError(
      "InvalidParameterCombination",
      "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
    );
  }
  const known = [...world.instanceProfiles].find(
    (profile) => profile === arn || profile.endsWith(`/${name}`),
  );
  if (known !== undefined) return known;
  const [field, value] = arn === undefined ? ["name", name] : ["arn", arn];
  throw new AwsError(
    "InvalidParameterValue",
    `Value (${value}) for parameter iamInstanceProfile.${field} is invalid. Invalid IAM Instance Profile ` +
      (field === "arn" ? "ARN" : "name"),
  );
}

function tagsFor(parameters: RunParameters, resourceType: string): readonly Tag[] {
  const tags = (parameters.TagSpecification ?? [])
    .filter((specification) => specification.ResourceType === resourceType)
    .flatMap((specification) => specification.Tag ?? [])
    .map(({ Key = "", Value = "" }) => ({ key: Key, value: Value }));
  checkTags(tags);
  return tags;
}

/** As many as fit between the two counts; throws when not even the smaller fits. */
function countThatFits(world: World, subnet: Subnet, minCount: number, maxCount: number): number {
  const free = freeAddresses(world, subnet);
  if (free >= minCount) return Math.min(free, maxCount);
  throw new AwsError(
    "InsufficientFreeAddressesInSubnet",
    `There are not enough free addresses in subnet '${subnet.id}' to satisfy the requested number of instances.`,
  );
}

function unsupportedInZone(world: World, type: InstanceType, zone: string): AwsError {
  const others = [...world.subnets.values()]
    .map((subnet) => subnet.zone)
    .filter((candidate) => !type.missingInZones.includes(candidate));
  return new AwsError(
    "Unsupported",
    `Your requested instance type (${type.name}) is not supported in your requested Availability Zone (${zone}). ` +
      `Please retry your request by not specifying an Availability Zone or choosing ${others.join(", ")}.`,
  );
}
