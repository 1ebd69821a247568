import type { Subnet } from "@aws-sdk/client-ec2";
import type { LoadBalancer } from "../aws/elbv2.ts";
import type { Config } from "../config.ts";
import { type LaunchTemplate, subnetsFor } from "../launch.ts";
import type { Fleet } from "../slots.ts";
import type { Instance } from "../snapshot.ts";
import type { Basics } from "./basics.ts";

/** What is wrong with where replacements would be launched. */
export function subnetProblems(
  toLaunch: readonly Instance[],
  { slots }: Fleet,
  config: Config,
  template: LaunchTemplate,
  { loadBalancer, zonesOfType }: Basics,
): string[] {
  const missing = config.subnetIds.filter(
    (id) => !template.subnets.some((one) => one.SubnetId === id),
  );
  const choices = toLaunch.map(({ source }) => subnetsFor(source, template));
  const vpc = toLaunch[0]?.source.VpcId;
  // What is on its way out already gives its address back.
  const leaving = slots.flatMap(({ old, replacement, retiring, ending }) => [
    ...(replacement && old ? [old] : []),
    ...retiring,
    ...ending,
  ]);
  const freed = new Set(leaving.map(({ source }) => source.SubnetId));
  const hasAddress = ({ SubnetId, Ipv6Native, AvailableIpAddressCount = 1 }: Subnet) =>
    Ipv6Native || AvailableIpAddressCount > 0 || freed.has(SubnetId);
  return [
    ...missing.map(
      (id) => `subnet-ids: ${id} does not exist in ${config.region} and this account; correct it`,
    ),
    ...[...new Set(choices.flat())].flatMap((subnet) => [
      ...placeProblems(subnet, vpc, loadBalancer),
      ...offerProblems(subnet, config, zonesOfType),
    ]),
    ...choices.flatMap((subnets) => (subnets.some(hasAddress) ? [] : addressProblems(subnets))),
  ];
}

function placeProblems(
  { SubnetId, AvailabilityZone = "", VpcId }: Subnet,
  vpc: string | undefined,
  loadBalancer: LoadBalancer | undefined,
): string[] {
  if (vpc !== undefined && VpcId !== undefined && VpcId !== vpc) {
    return [`subnet ${SubnetId}: is in ${VpcId}, but the fleet is in ${vpc}; correct subnet-ids`];
  }
  return loadBalancer === undefined || loadBalancer.zones.includes(AvailabilityZone)
    ? []
    : [
        `subnet ${SubnetId}: is in ${AvailabilityZone}, where the load balancer sends nothing (it has ${loadBalancer.zones.join(", ")}); correct subnet-ids, or enable the zone`,
      ];
}

function offerProblems(
  { SubnetId, AvailabilityZone = "" }: Subnet,
  { instanceType }: Config,
  zones: ReadonlySet<string> | undefined,
): string[] {
  // A type that no zone offers is one that does not exist, which is told already.
  return zones === undefined || zones.size === 0 || zones.has(AvailabilityZone)
    ? []
    : [
        `instance-type: ${instanceType} is not offered in ${AvailabilityZone}, the zone of ${SubnetId}, but in ${[...zones].sort().join(", ")}; choose another instance-type or subnet-ids`,
      ];
}

function addressProblems(subnets: readonly Subnet[]): string[] {
  return subnets.map(
    ({ SubnetId }) =>
      `subnet ${SubnetId}: has no free address left; free one, or name another in subnet-ids`,
  );
}
