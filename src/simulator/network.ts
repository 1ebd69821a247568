import type { HealthCheck, LoadBalancer, TargetGroup } from "./balancer-records.ts";
import { newId } from "./ids.ts";
import type { Listener } from "./listener-records.ts";
import { forwardTo, setListener } from "./listeners.ts";
import type { Subnet } from "./records.ts";
import type { World } from "./world.ts";

/** How long the load balancer has been there: 90 days. */
const AGE_MS = 90 * 24 * 60 * 60 * 1000;

/** Adds subnets of a VPC, one per zone: a, b, c, ... */
export function addNetwork(world: World, vpcId: string, zones: number): readonly Subnet[] {
  return Array.from({ length: zones }, (_, index) => {
    const letter = String.fromCharCode("a".charCodeAt(0) + index);
    const subnet: Subnet = {
      id: newId(world, "subnet"),
      vpcId,
      zone: `${world.region}${letter}`,
      zoneId: `euw1-az${index + 1}`,
      prefix: `10.0.${index}`,
      // A /24 without the five addresses AWS keeps for itself.
      usableAddresses: 251,
      mapPublicIpOnLaunch: false,
    };
    world.subnets.set(subnet.id, subnet);
    return subnet;
  });
}

/** Adds another subnet in the zone of one that is there. */
export function addSubnetBeside(world: World, subnetId: string): Subnet {
  const beside = world.subnets.get(subnetId);
  if (beside === undefined) throw new Error(`there is no subnet ${subnetId}`);
  const prefix = `10.0.${world.subnets.size}`;
  const subnet: Subnet = { ...beside, id: newId(world, "subnet"), prefix, usableAddresses: 251 };
  world.subnets.set(subnet.id, subnet);
  return subnet;
}

/** Adds a security group to a VPC; answers its id. */
export function addSecurityGroup(world: World, vpcId: string, name: string): string {
  const id = newId(world, "sg");
  world.securityGroups.set(id, { id, name, vpcId });
  return id;
}

/** Adds a load balancer that all these subnets are enabled for. */
export function addLoadBalancer(
  world: World,
  vpcId: string,
  subnets: readonly Subnet[],
  type: LoadBalancer["type"],
): LoadBalancer {
  const kind = type === "application" ? "app" : "net";
  const arn =
    `arn:aws:elasticloadbalancing:${world.region}:${world.accountId}:loadbalancer/` +
    `${kind}/my-load-balancer/${world.random.hex("load-balancer", 16)}`;
  const balancer: LoadBalancer = {
    arn,
    name: "my-load-balancer",
    type,
    vpcId,
    dnsName: `my-load-balancer-1234567890.${world.region}.elb.amazonaws.com`,
    zones: subnets.map(({ zone, id }) => ({ zone, subnetId: id })),
    // Network load balancers may have none.
    securityGroupIds: type === "application" ? [addSecurityGroup(world, vpcId, "alb")] : [],
    createdAtMs: world.nowMs() - AGE_MS,
    stateCode: "active",
  };
  world.loadBalancers.set(arn, balancer);
  return balancer;
}

/**
 * Health checks as both kinds of load balancer have them by default (ELB guides,
 * CreateTargetGroup).
 */
const DEFAULT_HEALTH_CHECKS: Readonly<Record<LoadBalancer["type"], HealthCheck>> = {
  application: {
    protocol: "HTTP",
    port: "traffic-port",
    path: "/",
    intervalSeconds: 30,
    timeoutSeconds: 5,
    healthyThreshold: 5,
    unhealthyThreshold: 2,
    matcher: "200",
  },
  network: {
    protocol: "HTTP",
    port: "traffic-port",
    path: "/",
    intervalSeconds: 30,
    timeoutSeconds: 6,
    healthyThreshold: 5,
    unhealthyThreshold: 2,
    matcher: "200-399",
  },
};

/** What a target group can be told to be. */
export interface TargetGroupOptions {
  readonly deregistrationDelaySeconds?: number;
  readonly healthCheck?: Partial<HealthCheck>;
  readonly targetType?: TargetGroup["type"];
  /**
   * Passing checks a new target needs; the guides say 1, reports about network load balancers say
   * more. Default 1.
   */
  readonly firstHealthyPasses?: number;
}

/**
 * Adds a target group to a load balancer, or to none when `balancer` is undefined. It stays the load
 * balancer's for as long as no listener or rule that forwards to it is changed or removed.
 */
export function addTargetGroup(
  world: World,
  balancer: LoadBalancer | undefined,
  name: string,
  port: number,
  options: TargetGroupOptions = {},
): TargetGroup {
  const arn =
    `arn:aws:elasticloadbalancing:${world.region}:${world.accountId}:targetgroup/` +
    `${name}/${world.random.hex(`target-group:${name}`, 16)}`;
  const type = balancer?.type ?? "application";
  const vpcId = balancer?.vpcId ?? [...world.subnets.values()][0]?.vpcId ?? "";
  const group: TargetGroup = {
    arn,
    name,
    type: options.targetType ?? "instance",
    protocol: type === "application" ? "HTTP" : "TCP",
    port,
    vpcId,
    loadBalancerArn: balancer?.arn,
    healthCheck: { ...DEFAULT_HEALTH_CHECKS[type], ...options.healthCheck },
    firstHealthyPasses: options.firstHealthyPasses ?? 1,
    attributes: {
      "deregistration_delay.timeout_seconds": String(options.deregistrationDelaySeconds ?? 300),
      "stickiness.enabled": "false",
      ...(type === "application"
        ? {
            "slow_start.duration_seconds": "0",
            "load_balancing.algorithm.type": "round_robin",
            "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
          }
        : { "deregistration_delay.connection_termination.enabled": "false" }),
    },
  };
  world.targetGroups.set(arn, group);
  return group;
}

/** Adds a listener to a load balancer: what comes in on `port` is forwarded to a target group. */
export function addListener(
  world: World,
  balancer: LoadBalancer,
  group: TargetGroup,
  port: number,
): Listener {
  const id = (kind: string) => world.random.hex(`${kind}:${balancer.arn}:${port}`, 16);
  const arn = `${balancer.arn.replace(":loadbalancer/", ":listener/")}/${id("listener")}`;
  const listener: Listener = {
    arn,
    loadBalancerArn: balancer.arn,
    protocol: balancer.type === "application" ? "HTTP" : "TCP",
    port,
    defaultActions: [forwardTo(group.arn)],
    defaultRuleArn: `${arn.replace(":listener/", ":listener-rule/")}/${id("listener-rule")}`,
    rules: [],
  };
  setListener(world, arn, listener);
  return listener;
}
