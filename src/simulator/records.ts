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
  /** Whether the first of them is the primary one, that stays with the interface. */
  readonly hasPrimaryIpv6?: boolean;
  readonly deleteOnTermination: boolean;
  readonly description: string;
  /** Default: true. */
  readonly sourceDestCheck?: boolean;
  /** Beside `privateIp`. Default: none. */
  readonly secondaryIps?: readonly string[];
  /**
   * Elastic IP addresses by the private address each stands for, but for that of the instance's
   * primary address, which is its `publicIp`. Default: none.
   */
  readonly elasticIps?: Readonly<Record<string, string>>;
}

/** The AWS service that manages an instance for its customer (API reference, OperatorResponse). */
export interface Operator {
  readonly managed: true;
  /** Such as "eks.amazonaws.com". */
  readonly principal: string;
}

/** The request that a Spot Instance was launched for. */
export interface SpotRequest {
  /** A persistent one launches another instance when this one is interrupted or terminated. */
  readonly type: "one-time" | "persistent";
  readonly interruptionBehavior: "terminate" | "stop" | "hibernate";
  /** In dollars an hour. */
  readonly maxPrice?: string;
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
  /** Of a Spot Instance. Default: a one-time request. */
  readonly spotRequest?: SpotRequest;
  readonly operator?: Operator;
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
  readonly initializationRateMibps?: number;
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
  readonly iops?: number;
  readonly throughputMibps?: number;
  readonly encrypted: boolean;
  readonly deleteOnTermination: boolean;
}

/** How an instance starts its operating system. */
export type BootMode = "legacy-bios" | "uefi";

export interface Image {
  readonly id: string;
  readonly name: string;
  readonly state: "available" | "pending" | "failed" | "disabled" | "deregistered";
  readonly architecture: "x86_64" | "arm64";
  readonly virtualizationType: "hvm" | "paravirtual";
  readonly rootDeviceType: "ebs" | "instance-store";
  readonly rootDeviceName: string;
  /** Undefined: the default of whatever instance type it is launched on. */
  readonly bootMode?: BootMode | "uefi-preferred";
  readonly tpmSupport?: "v2.0";
  readonly enaSupport: boolean;
  /** As AWS writes it; an AMI that is deprecated can still be launched. */
  readonly deprecationTime?: string;
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
  readonly hypervisor: "nitro" | "xen";
  readonly supportedBootModes: readonly BootMode[];
  readonly supportedRootDeviceTypes: readonly Image["rootDeviceType"][];
  readonly supportedVirtualizationTypes: readonly Image["virtualizationType"][];
  readonly enaSupport: "unsupported" | "supported" | "required";
  readonly nitroTpmSupport: "unsupported" | "supported";
  /** "default" where it cannot be turned off. */
  readonly ebsOptimized: "unsupported" | "supported" | "default";
  readonly hibernationSupported: boolean;
  /** Ways to share out its bandwidth between network and volumes; others have none. */
  readonly bandwidthWeightings?: readonly string[];
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
  /** Whether an instance gets one IPv6 address without asking. */
  readonly assignIpv6AddressOnCreation?: boolean;
  /** What launches that say nothing of their host names get. Default: "ip-name" and no records. */
  readonly privateDnsNameOptionsOnLaunch?: PrivateDnsNameOptions;
}

/** An instance's host name, and whether its DNS records of this name exist. */
export interface PrivateDnsNameOptions {
  readonly hostnameType: "ip-name" | "resource-name";
  readonly enableResourceNameDnsARecord: boolean;
  readonly enableResourceNameDnsAAAARecord: boolean;
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

/** A RunInstances request that carried a client token, and what came of it. */
export interface LaunchRequest {
  readonly parameters: string;
  readonly reservationId?: string;
  readonly instanceIds: readonly string[];
}
