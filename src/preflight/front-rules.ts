import type { BareTargetGroup, LoadBalancer } from "../aws/elbv2.ts";
import type { Config } from "../config.ts";
import type { Fleet } from "../slots.ts";
import {
  type Instance,
  isRegistered,
  isServing,
  type Snapshot,
  type Target,
  type TargetGroup,
} from "../snapshot.ts";
import type { Basics } from "./basics.ts";

/** What is wrong with the target group and its load balancer, whatever is registered there. */
export function frontProblems(config: Config, basics: Basics): string[] {
  const { group, loadBalancer } = basics;
  return [
    ...(loadBalancer === undefined ? [] : stateProblems(loadBalancer)),
    ...(group === undefined ? [] : groupProblems(config, group, basics)),
  ];
}

function stateProblems({ arn, state }: LoadBalancer): string[] {
  // One that is impaired still routes; it only lacks the room to grow.
  if (state === "active" || state === "active_impaired") return [];
  return [
    `load balancer ${arn}: is ${state}, not active; ${state === "provisioning" ? "wait until it is" : "mend it first"}`,
  ];
}

function groupProblems(
  { loadBalancerArn }: Config,
  group: BareTargetGroup,
  { loadBalancer, isForwardedTo }: Basics,
): string[] {
  if (group.targetType !== "instance") {
    return [
      `target group ${group.name}: its targets are of type ${group.targetType}; only instances can be replaced`,
    ];
  }
  if (!group.loadBalancerArns.includes(loadBalancerArn)) {
    const used = group.loadBalancerArns[0];
    return [
      `target group ${group.name}: is not used by load balancer ${loadBalancerArn}, but by ${used ?? "none"}; correct target-group.arn or loadbalancer.arn`,
    ];
  }
  return loadBalancer !== undefined && isForwardedTo === false
    ? [
        `target group ${group.name}: no listener of its load balancer forwards to it, so a replacement would never become healthy; add it to a listener or a rule`,
      ]
    : [];
}

/** What is registered, and what it makes up. */
export interface Sight {
  readonly snapshot: Snapshot;
  /** The group to be updated first. */
  readonly targetGroups: readonly TargetGroup[];
  readonly fleet: Fleet;
}

/** What is wrong with what is registered: nothing to replace, nothing healthy, or where no request ever goes. */
export function targetProblems(
  { snapshot: seen, targetGroups, fleet }: Sight,
  { loadBalancer, isForwardedTo: isUsed = true }: Basics,
  isHealthNeeded: boolean,
): string[] {
  const [group] = targetGroups;
  const registered = seen.targets.filter(isRegistered);
  const ofGroup = (arn?: string) => registered.filter((one) => one.targetGroupArn === arn);
  if (group === undefined || ofGroup(group.arn).length === 0) {
    return [
      `target group ${group?.name}: has no registered targets, so there is nothing to replace; register some first`,
    ];
  }
  if (fleet.slots.length === 0) {
    return [`target group ${group.name}: has targets, but no instance of them runs; start one`];
  }
  return [
    ...(isUsed
      ? registered.flatMap((target) =>
          unusedProblem(target, seen.instances.get(target.instanceId), loadBalancer),
        )
      : []),
    ...targetGroups.flatMap(({ arn, name }) =>
      isHealthNeeded ? healthProblems(name, ofGroup(arn), seen) : [],
    ),
  ];
}

function unusedProblem(
  { instanceId, reason, description }: Target,
  instance: Instance | undefined,
  loadBalancer: LoadBalancer | undefined,
): string[] {
  const what = "gets no requests, and its replacement would never become healthy";
  if (loadBalancer && instance?.zone && !loadBalancer.zones.includes(instance.zone)) {
    return [
      `target ${instanceId}: is in ${instance.zone}, which is not enabled for the load balancer (${loadBalancer.zones.join(", ")} are), so it ${what}; enable the zone, or deregister it`,
    ];
  }
  return reason === "Target.NotInUse"
    ? [
        `target ${instanceId}: is unused (${description ?? reason}), so it ${what}; find out why, or deregister it`,
      ]
    : [];
}

/**
 * With no healthy target, load balancers send requests to all of them: none could be spared.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health.html (fail-open)
 */
function healthProblems(name: string, targets: readonly Target[], seen: Snapshot): string[] {
  if (targets.length === 0 || targets.some((target) => isServing(seen, target))) return [];
  const states = targets.map(({ state, reason }) => [state, reason].filter(Boolean).join(", "));
  const counted = [...new Set(states)].map(
    (state) => `${states.filter((one) => one === state).length} ${state}`,
  );
  return [
    `target group ${name}: none of its targets is healthy (${counted.join("; ")}); mend them first, or go ahead all the same with --allow-unhealthy`,
  ];
}
