import {
  type Action,
  AddTagsCommand,
  DeregisterTargetsCommand,
  DescribeLoadBalancersCommand,
  DescribeTagsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  type ElasticLoadBalancingV2Client,
  type TargetGroup as ElbTargetGroup,
  paginateDescribeListeners,
  paginateDescribeRules,
  paginateDescribeTargetGroups,
  RegisterTargetsCommand,
  RemoveTagsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { Target, TargetGroup, TargetRef } from "../snapshot.ts";
import { chunk } from "./chunk.ts";

/** The load balancer in front of the fleet. */
export interface LoadBalancer {
  readonly arn: string;
  /** application, network or gateway. */
  readonly type: string;
  /** active, provisioning, active_impaired or failed. */
  readonly state: string;
  /** Zones it sends traffic to; targets elsewhere stay `unused`. */
  readonly zones: readonly string[];
}

/** Several load balancers' or none is the error `LoadBalancerNotFound`. */
export async function describeLoadBalancer(
  elbv2: ElasticLoadBalancingV2Client,
  arn: string,
): Promise<LoadBalancer> {
  const answer = await elbv2.send(new DescribeLoadBalancersCommand({ LoadBalancerArns: [arn] }));
  const found = answer.LoadBalancers?.[0];
  return {
    arn,
    type: found?.Type ?? "application",
    state: found?.State?.Code ?? "active",
    zones: (found?.AvailabilityZones ?? []).flatMap((zone) => zone.ZoneName ?? []),
  };
}

/**
 * Whether a listener of a load balancer forwards requests to a target group, by default or by one of its rules. Rules
 * are only read where no listener does by default; those of a network load balancer have no others.
 */
export async function isForwardedTo(
  elbv2: ElasticLoadBalancingV2Client,
  loadBalancer: LoadBalancer,
  targetGroupArn: string,
): Promise<boolean> {
  const listenerArns: string[] = [];
  const pages = paginateDescribeListeners({ client: elbv2 }, { LoadBalancerArn: loadBalancer.arn });
  for await (const { Listeners = [] } of pages) {
    for (const { DefaultActions, ListenerArn } of Listeners) {
      if (forwards(DefaultActions, targetGroupArn)) return true;
      listenerArns.push(ListenerArn ?? "");
    }
  }
  if (loadBalancer.type !== "application") return false;
  for (const ListenerArn of listenerArns) {
    for await (const { Rules = [] } of paginateDescribeRules({ client: elbv2 }, { ListenerArn })) {
      if (Rules.some(({ Actions }) => forwards(Actions, targetGroupArn))) return true;
    }
  }
  return false;
}

function forwards(actions: readonly Action[] = [], targetGroupArn: string): boolean {
  return actions.some(
    ({ TargetGroupArn, ForwardConfig }) =>
      TargetGroupArn === targetGroupArn ||
      ForwardConfig?.TargetGroups?.some((one) => one.TargetGroupArn === targetGroupArn),
  );
}

/** A target group as the load balancer's configuration has it, without its attributes. */
export type BareTargetGroup = Omit<TargetGroup, "deregistrationDelaySeconds" | "slowStartSeconds">;

/** One target group; an unknown one is the error `TargetGroupNotFound`. */
export async function describeTargetGroup(
  elbv2: ElasticLoadBalancingV2Client,
  arn: string,
): Promise<BareTargetGroup> {
  const answer = await elbv2.send(new DescribeTargetGroupsCommand({ TargetGroupArns: [arn] }));
  return toTargetGroup(answer.TargetGroups?.[0] ?? { TargetGroupArn: arn });
}

/** Every target group of the region and account. */
export async function describeTargetGroups(
  elbv2: ElasticLoadBalancingV2Client,
): Promise<BareTargetGroup[]> {
  const found: ElbTargetGroup[] = [];
  const pages = paginateDescribeTargetGroups({ client: elbv2 }, {});
  for await (const page of pages) found.push(...(page.TargetGroups ?? []));
  return found.map(toTargetGroup);
}

function toTargetGroup(group: ElbTargetGroup): BareTargetGroup {
  const arn = group.TargetGroupArn ?? "";
  return {
    arn,
    name: group.TargetGroupName ?? arn,
    port: group.Port ?? 0,
    vpcId: group.VpcId,
    targetType: group.TargetType ?? "instance",
    loadBalancerArns: group.LoadBalancerArns ?? [],
    healthCheck: describeHealthCheck(group),
    healthCheckIntervalSeconds: group.HealthCheckIntervalSeconds ?? 30,
  };
}

/** Adds what DescribeTargetGroupAttributes says; an old group may lack an attribute, then AWS's default holds. */
export async function withAttributes(
  elbv2: ElasticLoadBalancingV2Client,
  group: BareTargetGroup,
): Promise<TargetGroup> {
  const answer = await elbv2.send(
    new DescribeTargetGroupAttributesCommand({ TargetGroupArn: group.arn }),
  );
  const attributes = new Map(answer.Attributes?.map(({ Key, Value }) => [Key, Value]));
  const seconds = (key: string, absent: number) => Number(attributes.get(key) ?? absent);
  return {
    ...group,
    deregistrationDelaySeconds: seconds("deregistration_delay.timeout_seconds", 300),
    slowStartSeconds: seconds("slow_start.duration_seconds", 0),
  };
}

function describeHealthCheck(group: ElbTargetGroup): string {
  const matcher = group.Matcher?.HttpCode ?? group.Matcher?.GrpcCode;
  return [
    `${group.HealthCheckProtocol ?? "unknown protocol"} on port ${group.HealthCheckPort ?? "traffic-port"}`,
    group.HealthCheckPath && `path ${group.HealthCheckPath}`,
    matcher && `matcher ${matcher}`,
  ]
    .filter(Boolean)
    .join(", ");
}

/**
 * All targets of a group, draining ones too.
 * Never asked by id: for an instance terminated while registered that answer is `draining` for ever.
 */
export async function describeTargets(
  elbv2: ElasticLoadBalancingV2Client,
  targetGroupArn: string,
): Promise<Target[]> {
  const answer = await elbv2.send(
    new DescribeTargetHealthCommand({ TargetGroupArn: targetGroupArn }),
  );
  return (answer.TargetHealthDescriptions ?? []).map(
    ({ Target: target, TargetHealth: health }) => ({
      targetGroupArn,
      instanceId: target?.Id ?? "",
      port: target?.Port ?? 0,
      state: health?.State ?? "unknown",
      reason: health?.Reason,
      description: health?.Description,
    }),
  );
}

/** Registers targets of one group; one that is registered already stays as it is. */
export async function registerTargets(
  elbv2: ElasticLoadBalancingV2Client,
  targetGroupArn: string,
  targets: readonly TargetRef[],
): Promise<void> {
  await elbv2.send(new RegisterTargetsCommand(toInput(targetGroupArn, targets)));
}

/** Deregisters targets of one group. The port matters: without the one it was registered with, nothing happens. */
export async function deregisterTargets(
  elbv2: ElasticLoadBalancingV2Client,
  targetGroupArn: string,
  targets: readonly TargetRef[],
): Promise<void> {
  await elbv2.send(new DeregisterTargetsCommand(toInput(targetGroupArn, targets)));
}

function toInput(TargetGroupArn: string, targets: readonly TargetRef[]) {
  return {
    TargetGroupArn,
    Targets: targets.map(({ instanceId, port }) => ({ Id: instanceId, Port: port })),
  };
}

/** Resources of one call about tags (API reference, AddTags, DescribeTags and RemoveTags). */
const taggedLimit = 20;

/** All tags of load balancers, target groups or listeners, by ARN, in the order asked for. */
export async function describeTags(
  elbv2: ElasticLoadBalancingV2Client,
  arns: readonly string[],
): Promise<Map<string, Map<string, string>>> {
  const found = new Map(arns.map((arn) => [arn, new Map<string, string>()]));
  for (const ResourceArns of chunk(arns, taggedLimit)) {
    const answer = await elbv2.send(new DescribeTagsCommand({ ResourceArns }));
    for (const { ResourceArn = "", Tags = [] } of answer.TagDescriptions ?? []) {
      found.set(ResourceArn, new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value])));
    }
  }
  return found;
}

/** Adds tags, or gives those that are there new values: of up to 20 resources all of them or, where it fails, none. */
export async function addTags(
  elbv2: ElasticLoadBalancingV2Client,
  arns: readonly string[],
  tags: Readonly<Record<string, string>>,
): Promise<void> {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  for (const ResourceArns of chunk(arns, taggedLimit)) {
    await elbv2.send(new AddTagsCommand({ ResourceArns, Tags }));
  }
}

/** Removes tags; one that is not there is no error. */
export async function removeTags(
  elbv2: ElasticLoadBalancingV2Client,
  arns: readonly string[],
  TagKeys: readonly string[],
): Promise<void> {
  for (const ResourceArns of chunk(arns, taggedLimit)) {
    await elbv2.send(new RemoveTagsCommand({ ResourceArns, TagKeys: [...TagKeys] }));
  }
}
