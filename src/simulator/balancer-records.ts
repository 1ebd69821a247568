/**
 * The records of load balancers, target groups and targets. They are never changed in place; times are
 * in milliseconds since the epoch.
 */

export interface LoadBalancer {
  readonly arn: string;
  readonly name: string;
  readonly type: "application" | "network";
  readonly vpcId: string;
  readonly dnsName: string;
  readonly zones: readonly { readonly zone: string; readonly subnetId: string }[];
  readonly securityGroupIds: readonly string[];
  readonly createdAtMs: number;
  readonly stateCode: LoadBalancerState;
}

/** ELBv2's states of a load balancer (API reference, LoadBalancerState). */
export type LoadBalancerState = "active" | "provisioning" | "active_impaired" | "failed";

export interface HealthCheck {
  readonly protocol: string;
  /** "traffic-port", or a port number as text. */
  readonly port: string;
  readonly path?: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
  /** HTTP codes that pass, such as "200", "200-399" or "200,302". */
  readonly matcher?: string;
}

export interface TargetGroup {
  readonly arn: string;
  readonly name: string;
  readonly type: "instance" | "ip" | "lambda" | "alb";
  readonly protocol: string;
  readonly port: number;
  readonly vpcId: string;
  readonly loadBalancerArn?: string;
  readonly healthCheck: HealthCheck;
  /**
   * Passing checks a new target needs; 1 by the guides, more in reports about network load
   * balancers.
   */
  readonly firstHealthyPasses: number;
  /** Every attribute as text; deregistration_delay.timeout_seconds is read from here. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** ELBv2's states of a target (API reference, TargetHealth). */
export type TargetState = "initial" | "healthy" | "unhealthy" | "unused" | "draining";

export interface Target {
  readonly id: string;
  readonly targetGroupArn: string;
  readonly instanceId: string;
  readonly port: number;
  readonly zone: string;
  /** False from the moment it is deregistered. */
  readonly registered: boolean;
  readonly state: TargetState;
  readonly reason?: string;
  readonly description?: string;
  readonly registeredAtMs: number;
  /** Counts registrations, so that what was scheduled for an earlier one is ignored. */
  readonly registration: number;
  /**
   * When health checks start; they go on at the group's interval. Undefined: none yet, or not
   * checked at all.
   */
  readonly firstCheckAtMs?: number;
  readonly deregisteredAtMs?: number;
  readonly passes: number;
  readonly failures: number;
  /**
   * True when its instance terminated while registered: gone from lists, for ever `draining` when
   * asked for by id.
   */
  readonly abandoned: boolean;
}
