import type { ActionContext } from "../action.ts";
import { AwsError } from "../errors.ts";
import { isId } from "../ids.ts";
import { INSTANCE_STATE_CODES, type Instance } from "../records.ts";
import type { FilterFields } from "./filters.ts";

/**
 * Filters of DescribeInstances and DescribeInstanceStatus that are understood, beside tag:KEY and
 * tag-key.
 */
export const INSTANCE_FILTERS: FilterFields<Instance> = {
  "instance-id": (instance) => [instance.id],
  "instance-state-name": (instance) => [instance.state],
  "instance-state-code": (instance) => [String(INSTANCE_STATE_CODES[instance.state])],
  "instance-lifecycle": (instance) => [instance.lifecycle],
  "launch-time": (instance) => [new Date(instance.launchTimeMs).toISOString()],
  "client-token": (instance) => [instance.clientToken],
  "image-id": (instance) => [instance.imageId],
  "instance-type": (instance) => [instance.instanceType],
  "key-name": (instance) => [instance.keyName],
  "availability-zone": (instance) => [instance.zone],
  "subnet-id": (instance) => [instance.networkInterfaces[0]?.subnetId],
  "vpc-id": (instance) => [instance.vpcId],
  "private-ip-address": (instance) => [instance.networkInterfaces[0]?.privateIp],
  "network-interface.addresses.private-ip-address": ({ networkInterfaces }) =>
    networkInterfaces.flatMap(({ privateIp, secondaryIps = [] }) => [privateIp, ...secondaryIps]),
  "ip-address": (instance) => [instance.publicIp],
  "operator.managed": (instance) => [String(instance.operator?.managed ?? false)],
  "operator.principal": (instance) => [instance.operator?.principal],
  "instance.group-id": (instance) => instance.networkInterfaces[0]?.groupIds ?? [],
  "iam-instance-profile.arn": (instance) => [instance.iamInstanceProfileArn],
  "block-device-mapping.volume-id": (instance) => instance.volumeIds,
  "reservation-id": (instance) => [instance.reservationId],
};

/**
 * The instances with these ids in the order of their launch, or all when none is named. Throws
 * AwsError InvalidInstanceID.Malformed or InvalidInstanceID.NotFound: one bad id fails the whole
 * call (API reference, DescribeInstances and TerminateInstances).
 */
export function findInstances(
  { world, asOfMs }: ActionContext,
  ids: readonly string[] | undefined,
): readonly Instance[] {
  if (ids === undefined || ids.length === 0) return world.instances.list(asOfMs);
  const malformed = ids.find((id) => !isId("i", id));
  if (malformed !== undefined) {
    throw new AwsError("InvalidInstanceID.Malformed", `Invalid id: "${malformed}"`);
  }
  const wanted = [...new Set(ids)];
  const missing = wanted.filter((id) => world.instances.get(id, asOfMs) === undefined);
  if (missing.length > 0) throw notFound(missing);
  return wanted
    .map((id) => world.instances.get(id, asOfMs))
    .filter((instance) => instance !== undefined)
    .sort((left, right) => left.launchOrder - right.launchOrder);
}

function notFound(ids: readonly string[]): AwsError {
  const text =
    ids.length === 1
      ? `The instance ID '${ids[0]}' does not exist`
      : `The instance IDs '${ids.join(", ")}' do not exist`;
  return new AwsError("InvalidInstanceID.NotFound", text);
}
