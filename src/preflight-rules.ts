import type { BareTargetGroup, LoadBalancer } from "./aws/elbv2.ts";
import type { Config } from "./config.ts";
import { instanceTags, type LaunchTemplate, subnetFor, tagsLimit } from "./launch.ts";
import type { Basics } from "./preflight.ts";
import type { Fleet } from "./slots.ts";
import { type Instance, isRegistered, type Target } from "./snapshot.ts";

/** What is wrong with AMI, instance type and security groups, by themselves and together. */
export function compatibilityProblems(
  config: Config,
  { image, instanceType, securityGroups, group }: Basics,
): string[] {
  const problems: string[] = [];
  if (image !== undefined && image.State !== "available") {
    problems.push(
      `AMI ${image.ImageId}: is ${image.State}, not available; wait until it is, or choose another`,
    );
  }
  if (image !== undefined && instanceType !== undefined) {
    const unsupported = [
      [image.Architecture, instanceType.ProcessorInfo?.SupportedArchitectures],
      [image.VirtualizationType, instanceType.SupportedVirtualizationTypes],
      [image.RootDeviceType, instanceType.SupportedRootDeviceTypes],
    ] as const;
    for (const [has, supported] of unsupported) {
      if (has !== undefined && supported !== undefined && !(supported as string[]).includes(has)) {
        problems.push(
          `AMI ${image.ImageId}: is ${has}, but ${config.instanceType} takes ${supported.join(" or ")}`,
        );
      }
    }
    if (instanceType.NetworkInfo?.EnaSupport === "required" && image.EnaSupport === false) {
      problems.push(
        `AMI ${image.ImageId}: lacks ENA support, which ${config.instanceType} requires`,
      );
    }
  }
  for (const { GroupId, VpcId } of securityGroups) {
    if (group?.vpcId !== undefined && VpcId !== undefined && VpcId !== group.vpcId) {
      problems.push(
        `security-group-id: ${GroupId} is in ${VpcId}, but the target group is in ${group.vpcId}`,
      );
    }
  }
  return problems;
}

/** What is wrong with the target group, its load balancer and its targets. */
export function groupProblems(
  config: Config,
  group: BareTargetGroup,
  loadBalancer: LoadBalancer,
  targets: readonly Target[],
): string[] {
  if (group.targetType !== "instance") {
    return [
      `target group ${group.name}: its targets are of type ${group.targetType}; only instances can be replaced`,
    ];
  }
  if (!group.loadBalancerArns.includes(loadBalancer.arn)) {
    const used = group.loadBalancerArns[0];
    return [
      `target group ${group.name}: is not used by load balancer ${config.loadBalancerArn}, but by ${used ?? "none"}; correct target-group.arn or loadbalancer.arn`,
    ];
  }
  if (!targets.some(isRegistered)) {
    return [
      `target group ${group.name}: has no registered targets, so there is nothing to replace`,
    ];
  }
  return targets
    .filter(({ reason }) => reason === "Target.NotInUse")
    .map(
      ({ instanceId, description }) =>
        `target ${instanceId}: is unused (${description ?? "Target.NotInUse"}), so its replacement would never become healthy`,
    );
}

/** What is wrong with the instances to be replaced, and with where their replacements would go. */
export function fleetProblems(
  config: Config,
  { slots }: Fleet,
  template: LaunchTemplate,
  loadBalancer: LoadBalancer,
): string[] {
  if (slots.length === 0) return ["the target group has targets, but no instance of them runs"];
  const toReplace = slots.flatMap(({ old }) => old ?? []);
  const toLaunch = slots.flatMap(({ old, replacement }) => (old && !replacement ? old : []));
  const leftovers = slots.flatMap(({ retiring }) => retiring);
  return [
    ...toReplace.flatMap((old) => instanceProblems(old, config)),
    ...subnetProblems(toLaunch, leftovers, config, template, loadBalancer),
  ];
}

/** What a replacement could not take over, or somebody else would undo. */
function instanceProblems(old: Instance, config: Config): string[] {
  const { source, tags } = old;
  const group = tags["aws:autoscaling:groupName"];
  const problems: (string | false | undefined)[] = [
    group &&
      `belongs to Auto Scaling group ${group}, which would replace it itself; use its instance refresh`,
    source.Operator?.Managed &&
      `is managed by ${source.Operator.Principal}, which would replace it itself`,
    source.InstanceLifecycle === "spot" &&
      `is a Spot instance (${source.SpotInstanceRequestId}), whose request may launch another when it is terminated`,
    !["pending", "running"].includes(old.state) &&
      `is ${old.state}; start it, or deregister it from the target group`,
    (source.NetworkInterfaces?.length ?? 0) > 1 &&
      `has ${source.NetworkInterfaces?.length} network interfaces; a replacement would have one`,
    instanceTags(source, config).length + 1 > tagsLimit &&
      `would pass on more than ${tagsLimit} tags with those of config.json and zero-deploy's own; remove some`,
  ];
  return problems.flatMap((problem) => (problem ? `instance ${old.id}: ${problem}` : []));
}

function subnetProblems(
  toLaunch: readonly Instance[],
  leftovers: readonly Instance[],
  config: Config,
  template: LaunchTemplate,
  loadBalancer: LoadBalancer,
): string[] {
  const missing = config.subnetIds.filter(
    (id) => !template.subnets.some((one) => one.SubnetId === id),
  );
  if (missing.length > 0) {
    return missing.map(
      (id) => `subnet-ids: ${id} does not exist in ${config.region} and this account`,
    );
  }
  const chosen = new Set(toLaunch.flatMap(({ source }) => subnetFor(source, template) ?? []));
  const vpc = toLaunch[0]?.source.VpcId;
  return [...chosen].flatMap((subnet) => {
    const { SubnetId, AvailabilityZone = "", AvailableIpAddressCount = 1, VpcId } = subnet;
    if (vpc !== undefined && VpcId !== undefined && VpcId !== vpc) {
      return [`subnet ${SubnetId}: is in ${VpcId}, but the fleet is in ${vpc}`];
    }
    if (!loadBalancer.zones.includes(AvailabilityZone)) {
      return [
        `subnet ${SubnetId}: is in ${AvailabilityZone}, where the load balancer sends nothing (it has ${loadBalancer.zones.join(", ")})`,
      ];
    }
    // What another rollout left goes first, and its address with it.
    const isFreed = leftovers.some(({ source }) => source.SubnetId === SubnetId);
    return AvailableIpAddressCount > 0 || isFreed
      ? []
      : [`subnet ${SubnetId}: has no free address left`];
  });
}
