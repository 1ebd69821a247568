/**
 * The records a simulated AWS keeps. They are never changed in place; times are in milliseconds
 * since the epoch.
 */

/** EC2's states of an instance (API reference, InstanceState). */
export type InstanceState =
  | "pending"
  | "running"
  | "shutting-down"
  | "terminated"
  | "stopping"
  | "stopped";

/** The number EC2 shows beside each state (API reference, InstanceState; the low byte). */
export const INSTANCE_STATE_CODES: Readonly<Record<InstanceState, number>> = {
  pending: 0,
  running: 16,
  "shutting-down": 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
};

/** Why an instance is in its state: both fields matter, AWS puts the cause in either. */
export interface StateReason {
  readonly code: string;
  readonly message: string;
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** How an instance's application answers a request: an HTTP status, or not at all. */
export type AppAnswer = number | "refused" | "timeout";

/** What an AMI does once launched. */
export type ImageBehaviour = "good" | "never-healthy" | "dies" | "impaired" | "flaky" | "slow";

/** A value that can be written as XML: lists become items, undefined members are left out. */
export type WireValue =
  | string
  | number
  | boolean
  | undefined
  | readonly WireValue[]
  | { readonly [name: string]: WireValue };

/** A structure of wire values, by the names of AWS's answers. */
export type WireRecord = { readonly [name: string]: WireValue };

export interface NetworkInterface {
  readonly id: string;
  readonly deviceIndex: number;
  readonly subnetId: string;
  readonly groupIds: readonly string[];
  readonly privateIp: string;
  readonly ipv6Addresses: readonly string[];
  readonly deleteOnTermination: boolean;
  readonly description: string;
  /** Default: true. */
  readonly sourceDestCheck?: boolean;
}

export interface Instance {
  readonly id: string;
  readonly reservationId: string;
  /** Position in the order of all launches; paging goes by it. */
  readonly launchOrder: number;
  readonly launchIndex: number;
  readonly imageId: string;
  readonly instanceType: string;
  readonly keyName?: string;
  readonly zone: string;
  readonly vpcId: string;
  /** The first is the primary one. */
  readonly networkInterfaces: readonly NetworkInterface[];
  /** Whether it gets a public address of Amazon's pool when it starts to run. */
  readonly wantsPublicIp: boolean;
  readonly publicIp?: string;
  /** "amazon" for an automatic address, an account id for an Elastic IP. */
  readonly publicIpOwner?: string;
  readonly clientToken: string;
  readonly launchTimeMs: number;
  readonly runningAtMs?: number;
  readonly state: InstanceState;
  readonly stateReason?: StateReason;
  readonly stateTransitionReason: string;
  readonly systemCheck: CheckStatus;
  readonly instanceCheck: CheckStatus;
  readonly impairedSinceMs?: number;
  readonly tags: readonly Tag[];
  readonly iamInstanceProfileArn?: string;
  readonly userData?: string;
  readonly disableApiTermination: boolean;
  readonly disableApiStop: boolean;
  readonly shutdownBehavior: string;
  readonly cpuCredits?: string;
  readonly volumeIds: readonly string[];
  readonly lifecycle?: "spot";
  /** Members of DescribeInstances' answer that only repeat what the launch said or its defaults. */
  readonly shown: WireRecord;
  readonly answer: AppAnswer;
  /** True once a test decides how the application answers; the image's own plan is then ignored. */
  readonly answerIsForced: boolean;
}

/** One status check of an instance (API reference, SummaryStatus). */
export type CheckStatus = "initializing" | "ok" | "impaired";

export interface Volume {
  readonly id: string;
  readonly instanceId: string;
  readonly deviceName: string;
  readonly zone: string;
  readonly sizeGib: number;
  readonly volumeType: string;
  readonly iops?: number;
  readonly throughputMibps?: number;
  readonly encrypted: boolean;
  readonly kmsKeyId?: string;
  readonly snapshotId: string;
  readonly deleteOnTermination: boolean;
  readonly createdAtMs: number;
  readonly attached: boolean;
  readonly tags: readonly Tag[];
}

export interface BlockDevice {
  readonly deviceName: string;
  readonly snapshotId: string;
  readonly sizeGib: number;
  readonly volumeType: string;
  readonly encrypted: boolean;
  readonly deleteOnTermination: boolean;
}

export interface Image {
  readonly id: string;
  readonly name: string;
  readonly state: "available" | "pending" | "deregistered";
  readonly architecture: "x86_64" | "arm64";
  readonly rootDeviceName: string;
  readonly blockDevices: readonly BlockDevice[];
  readonly imdsSupport?: "v2.0";
  readonly creationDate: string;
  readonly behaviour: ImageBehaviour;
}

export interface InstanceType {
  readonly name: string;
  readonly architecture: "x86_64" | "arm64";
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly burstable: boolean;
  /** Zones that do not offer it. */
  readonly missingInZones: readonly string[];
}

export interface Subnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly zoneId: string;
  /** The first three numbers of its /24. */
  readonly prefix: string;
  /** Addresses free when no instance lives in it; a /24 has 251. */
  readonly usableAddresses: number;
  readonly mapPublicIpOnLaunch: boolean;
  readonly ipv6Prefix?: string;
}

export interface SecurityGroup {
  readonly id: string;
  readonly name: string;
  readonly vpcId: string;
}

export interface KeyPair {
  readonly name: string;
  readonly id: string;
}

export interface LoadBalancer {
  readonly arn: string;
  readonly name: string;
  readonly type: "application" | "network";
  readonly vpcId: string;
  readonly dnsName: string;
  readonly zones: readonly { readonly zone: string; readonly subnetId: string }[];
  readonly securityGroupIds: readonly string[];
  readonly createdAtMs: number;
}

export interface Listener {
  readonly arn: string;
  readonly loadBalancerArn: string;
  readonly protocol: "HTTP" | "TCP";
  readonly port: number;
  /** Where its default rule, the only one it has, forwards everything to. */
  readonly targetGroupArn: string;
  readonly defaultRuleArn: string;
}

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

/** A RunInstances request that carried a client token, and what came of it. */
export interface LaunchRequest {
  readonly parameters: string;
  readonly reservationId?: string;
  readonly instanceIds: readonly string[];
}
