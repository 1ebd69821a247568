import type { LoadBalancer } from "./balancer-records.ts";
import { DEFAULT_BEHAVIOURS, INSTANCE_TYPES, makeImage } from "./catalog.ts";
import { newId } from "./ids.ts";
import {
  addListener,
  addLoadBalancer,
  addNetwork,
  addSecurityGroup,
  addTargetGroup,
  type TargetGroupOptions,
} from "./network.ts";
import { addHealthyTarget, addOldInstance } from "./old-instances.ts";
import type { Prober } from "./probe.ts";
import type { ImageBehaviour, Subnet } from "./records.ts";
import { attachTargets } from "./targets.ts";
import type { Timings } from "./timings.ts";
import { createWorld, type World } from "./world.ts";

/** What a simulated fleet can be told to be; everything has a default. */
export interface SimulatedAwsOptions extends TargetGroupOptions {
  readonly clock: { now(): number };
  /** Decides every id and every time that is drawn. Default 1. */
  readonly seed?: number;
  readonly region?: string;
  /** Old instances, spread over the zones in turn. Default 3. */
  readonly instances?: number;
  /** Zones, one subnet each, all enabled for the load balancer. Default 3. */
  readonly zones?: number;
  /** The port old instances are registered on. Default 8080. */
  readonly port?: number;
  /** The target group's own port. Default 80. */
  readonly targetGroupPort?: number;
  readonly loadBalancerType?: LoadBalancer["type"];
  /**
   * A second target group of the same load balancer holds every old instance too, on this port.
   * Default: none.
   */
  readonly secondPort?: number;
  readonly instanceType?: string;
  /** AMIs and what they do, beside those of IMAGES. */
  readonly imageBehaviours?: Readonly<Record<string, ImageBehaviour>>;
  readonly timings?: Partial<Timings>;
  readonly prober?: Prober;
  /** Tags of old instances beside Name. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** A simulated account with a fleet that has been serving for days. */
export interface SimulatedAws {
  readonly world: World;
  readonly vpcId: string;
  readonly loadBalancerArn: string;
  readonly targetGroupArn: string;
  /** Undefined unless a second target group was asked for. */
  readonly secondTargetGroupArn?: string;
  readonly securityGroupId: string;
  readonly keyName: string;
  readonly instanceType: string;
  /** In the order of their launch. */
  readonly oldInstanceIds: readonly string[];
}

const KEY_NAME = "my-key";

/**
 * Makes a world with a load balancer, its target group and a healthy fleet of IMAGES.old behind it.
 */
export function createSimulatedAws(options: SimulatedAwsOptions): SimulatedAws {
  const { clock, seed = 1, region = "eu-west-1", timings, prober } = options;
  const world = createWorld({ clock, seed, region, timings, prober });
  const { instanceType = "t3.micro" } = options;
  const vpcId = newId(world, "vpc");
  const subnets = addNetwork(world, vpcId, options.zones ?? 3);
  const securityGroupId = addSecurityGroup(world, vpcId, "app");
  world.keyPairs.set(KEY_NAME, { name: KEY_NAME, id: newId(world, "key") });
  world.instanceProfiles.add(`arn:aws:iam::${world.accountId}:instance-profile/app`);
  for (const type of INSTANCE_TYPES) world.instanceTypes.set(type.name, type);
  const { port = 8080, secondPort, healthCheck } = options;
  for (const open of [port, secondPort, Number(healthCheck?.port)]) {
    if (open) world.applicationPorts.add(open);
  }
  const behaviours = { ...DEFAULT_BEHAVIOURS, ...options.imageBehaviours };
  for (const [id, behaviour] of Object.entries(behaviours)) {
    world.images.set(id, makeImage(id, behaviour));
  }
  const balancer = addLoadBalancer(
    world,
    vpcId,
    subnets,
    options.loadBalancerType ?? "application",
  );
  const group = addTargetGroup(
    world,
    balancer,
    "my-targets",
    options.targetGroupPort ?? 80,
    options,
  );
  const second =
    options.secondPort === undefined
      ? undefined
      : addTargetGroup(world, balancer, "my-second-targets", options.secondPort, options);
  addListener(world, balancer, group, 80);
  if (second !== undefined) addListener(world, balancer, second, second.port);
  attachTargets(world);
  const oldInstanceIds = Array.from({ length: options.instances ?? 3 }, (_, index) => {
    const subnet = subnets[index % subnets.length] as Subnet;
    const tags = options.tags ?? DEFAULT_TAGS;
    const instance = addOldInstance(world, {
      instanceType,
      keyName: KEY_NAME,
      subnet,
      securityGroupId,
      index,
      tags,
    });
    if (group.type !== "instance") return instance.id;
    addHealthyTarget(world, group, instance, port);
    if (second !== undefined) addHealthyTarget(world, second, instance, second.port);
    return instance.id;
  });
  return {
    world,
    vpcId,
    loadBalancerArn: balancer.arn,
    targetGroupArn: group.arn,
    secondTargetGroupArn: second?.arn,
    securityGroupId,
    keyName: KEY_NAME,
    instanceType,
    oldInstanceIds,
  };
}

const DEFAULT_TAGS: Readonly<Record<string, string>> = { Team: "payments", "cost-centre": "4711" };

/**
 * The object of a config.json that fits the fleet; `version` becomes the Name tag of what is
 * launched.
 */
export function configFor(aws: SimulatedAws, version = "v2") {
  return {
    region: aws.world.region,
    "ssh-key": aws.keyName,
    "security-group-id": [aws.securityGroupId],
    "instance-type": aws.instanceType,
    "target-group": { arn: aws.targetGroupArn },
    loadbalancer: { arn: aws.loadBalancerArn },
    version,
  };
}
