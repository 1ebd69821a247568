import type { Instance as Ec2Instance } from "@aws-sdk/client-ec2";

/** An EC2 instance as the last reads showed it, corrected by what this run knows it did. */
export interface Instance {
  readonly id: string;
  /** EC2's instance state name, verbatim. */
  readonly state: string;
  /** EC2's StateReason; a launch that fails after RunInstances answered is explained here only. */
  readonly stateReason?: { readonly code: string; readonly message: string };
  readonly zone: string;
  readonly imageId: string;
  readonly instanceType: string;
  readonly keyName: string | undefined;
  readonly securityGroupIds: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
  readonly launchedAtMs: number;
  /** EC2's own answer, from which a replacement's launch is derived. */
  readonly source: Ec2Instance;
}

/** A target's place: the same instance may be registered several times, with different ports. */
export interface TargetRef {
  readonly targetGroupArn: string;
  readonly instanceId: string;
  readonly port: number;
}

/** A target with its health, in ELBv2's words. */
export interface Target extends TargetRef {
  readonly state: string;
  readonly reason?: string;
  readonly description?: string;
  /** Not healthy in this read, but in one of a moment ago: either may be the later one. */
  readonly mayBeHealthy?: true;
}

/** A target group that holds one of our instances. */
export interface TargetGroup {
  readonly arn: string;
  readonly name: string;
  readonly port: number;
  readonly vpcId: string | undefined;
  readonly targetType: string;
  readonly loadBalancerArns: readonly string[];
  /** What a failed health check's message names: "HTTP on port traffic-port, path /health, matcher 200". */
  readonly healthCheck: string;
  readonly healthCheckIntervalSeconds: number;
  readonly deregistrationDelaySeconds: number;
  readonly slowStartSeconds: number;
}

/** EC2's status checks of an instance: ok, impaired, initializing, insufficient-data or not-applicable. */
export interface InstanceStatus {
  readonly instance: string;
  readonly system: string;
}

/** What AWS shows at one moment. */
export interface Snapshot {
  readonly instances: ReadonlyMap<string, Instance>;
  readonly targets: readonly Target[];
  /** Of replacements that are not in service yet; of others absent. */
  readonly statuses: ReadonlyMap<string, InstanceStatus>;
  /** Launch spec hashes that a replacement of this instance may carry, by instance id; only where they were needed. */
  readonly specs: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The tags that every replacement carries from its launch on. */
export const ownTags = {
  targetGroup: "zero-deploy:target-group",
  replaces: "zero-deploy:replaces",
  spec: "zero-deploy:spec",
  previousAmi: "zero-deploy:previous-ami",
  previousName: "zero-deploy:previous-name",
} as const;

/** Pending or running: it costs a place of `max-surge`. */
export function isAlive(instance: Instance): boolean {
  return instance.state === "pending" || instance.state === "running";
}

/** Shutting-down or terminated: it never comes back. */
export function isGone(instance: Instance): boolean {
  return instance.state === "shutting-down" || instance.state === "terminated";
}

/** Registered and not on its way out, healthy or not. */
export function isRegistered(target: Target): boolean {
  return target.state !== "draining" && target.reason !== "Target.NotRegistered";
}

/** Takes requests: healthy, and its instance is not dying already, which health checks notice only later. */
export function isServing({ instances }: Pick<Snapshot, "instances">, target: Target): boolean {
  const instance = instances.get(target.instanceId);
  return target.state === "healthy" && instance !== undefined && isAlive(instance);
}

/** A key that tells two targets apart. */
export function targetKey(target: TargetRef): string {
  return `${target.targetGroupArn} ${target.instanceId} ${target.port}`;
}

/** All entries of an instance, draining ones too. */
export function targetsOf(snapshot: Snapshot, instanceId: string): Target[] {
  return snapshot.targets.filter((target) => target.instanceId === instanceId);
}
