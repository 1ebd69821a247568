import type { LoadBalancer, TargetGroup } from "../balancer-records.ts";
import { AwsError } from "../errors.ts";
import type { Listener } from "../listener-records.ts";
import { required } from "../params.ts";
import type { World } from "../world.ts";

const ELB = "elasticloadbalancing";

/** What an ARN of each kind of resource says after region and account. */
const RESOURCES = {
  "load balancer": /^loadbalancer\/(app|net|gwy)\/[^/]+\/[^/]+$/,
  "target group": /^targetgroup\/[^/]+\/[^/]+$/,
  listener: /^listener\/(app|net|gwy)\/[^/]+\/[^/]+\/[^/]+$/,
  "listener rule": /^listener-rule\/(app|net|gwy)\/[^/]+\/[^/]+\/[^/]+\/[^/]+$/,
} as const;

/** A kind of resource that Elastic Load Balancing has. */
export type ResourceKind = keyof typeof RESOURCES;

/** What kind of resource an ARN is of; undefined when it is no ARN of Elastic Load Balancing. */
export function kindOf(arn: string): ResourceKind | undefined {
  const resource = /^arn:aws[^:]*:elasticloadbalancing:[^:]+:\d{12}:(.*)$/.exec(arn)?.[1] ?? "";
  return (Object.keys(RESOURCES) as ResourceKind[]).find((kind) => RESOURCES[kind].test(resource));
}

/** Throws AwsError ValidationError for what is no ARN of this kind. */
export function checkArn(kind: ResourceKind, arn: string): void {
  if (kindOf(arn) === kind) return;
  throw new AwsError("ValidationError", `'${arn}' is not a valid ${kind} ARN`);
}

/**
 * The target group of this ARN. Throws AwsError ValidationError for what is no target group ARN,
 * TargetGroupNotFound for one that names none.
 */
export function findTargetGroup(world: World, arn: string | undefined): TargetGroup {
  const given = required(ELB, "TargetGroupArn", arn);
  checkArn("target group", given);
  const group = world.targetGroups.get(given);
  if (group === undefined) {
    throw new AwsError("TargetGroupNotFound", "One or more target groups not found");
  }
  return group;
}

/**
 * The load balancer of this ARN. Throws AwsError ValidationError for what is no load balancer ARN,
 * LoadBalancerNotFound for one that names none.
 */
export function findLoadBalancer(world: World, arn: string | undefined): LoadBalancer {
  const given = required(ELB, "LoadBalancerArn", arn);
  checkArn("load balancer", given);
  const balancer = world.loadBalancers.get(given);
  if (balancer === undefined) {
    throw new AwsError("LoadBalancerNotFound", `Load balancer '${given}' not found`);
  }
  return balancer;
}

/**
 * The listener of this ARN. Throws AwsError ValidationError for what is no listener ARN,
 * ListenerNotFound for one that names none.
 */
export function findListener(world: World, arn: string | undefined): Listener {
  const given = required(ELB, "ListenerArn", arn);
  checkArn("listener", given);
  const listener = world.listeners.get(given);
  if (listener === undefined) {
    throw new AwsError("ListenerNotFound", "One or more listeners not found");
  }
  return listener;
}
