import type { Config } from "../../src/config.ts";
import { noExpectations } from "../../src/expectations.ts";
import type { Plan, Situation } from "../../src/needs.ts";
import {
  type Instance,
  ownTags,
  type Snapshot,
  type Target,
  type TargetGroup,
} from "../../src/snapshot.ts";

export const ami = "ami-2";
export const groupArn = "arn:group/first";
export const siblingArn = "arn:group/sibling";

export const config: Config = {
  region: "eu-west-1",
  keyName: "key",
  securityGroupIds: ["sg-1"],
  instanceType: "t3.micro",
  targetGroupArn: groupArn,
  loadBalancerArn: "arn:lb",
  version: "v2",
  maxSurge: 1,
  waitingPeriodSeconds: 400,
  bakeTimeSeconds: 0,
  subnetIds: [],
  tags: {},
  liftTerminationProtection: false,
  discardExtraVolumes: false,
  discardExtraAddresses: false,
  lock: true,
};

/** An old instance, running for long. */
export function oldInstance(id: string, changes: Partial<Instance> = {}): Instance {
  return {
    id,
    state: "running",
    zone: "eu-west-1a",
    imageId: "ami-1",
    instanceType: "t3.micro",
    keyName: "key",
    securityGroupIds: ["sg-1"],
    tags: { Name: "v1" },
    launchedAtMs: 0,
    source: {},
    ...changes,
  };
}

/** What this run would launch to replace an instance. */
export function replacementOf(old: string, id: string, changes: Partial<Instance> = {}): Instance {
  return oldInstance(id, {
    imageId: ami,
    tags: {
      Name: "v2",
      [ownTags.targetGroup]: groupArn,
      [ownTags.replaces]: old,
      [ownTags.spec]: `spec of ${old}`,
    },
    launchedAtMs: 1000,
    ...changes,
  });
}

export function target(instanceId: string, state: string, changes: Partial<Target> = {}): Target {
  return { targetGroupArn: groupArn, instanceId, port: 8080, state, ...changes };
}

function group(arn: string): TargetGroup {
  return {
    arn,
    name: arn.split("/")[1] ?? "",
    port: 80,
    vpcId: "vpc-1",
    targetType: "instance",
    loadBalancerArns: ["arn:lb"],
    healthCheckIntervalSeconds: 30,
    healthCheck: "HTTP on port traffic-port, path /health, matcher 200",
    deregistrationDelaySeconds: 300,
    slowStartSeconds: 0,
  };
}

export function plan(changes: Partial<Plan> = {}): Plan {
  return {
    config,
    ami,
    targetGroups: [group(groupArn)],
    loadBalancerType: "application",
    drainFloorSeconds: 30,
    healthyAtStart: new Map(),
    ...changes,
  };
}

export const bothGroups = [group(groupArn), group(siblingArn)];

export function snapshot(
  instances: readonly Instance[],
  targets: readonly Target[],
  changes: Partial<Snapshot> = {},
): Snapshot {
  return {
    instances: new Map(instances.map((instance) => [instance.id, instance])),
    targets,
    statuses: new Map(),
    specs: new Map(instances.map(({ id }) => [id, new Set([`spec of ${id}`])])),
    ...changes,
  };
}

export function situation(seen: Snapshot, changes: Partial<Situation> = {}): Situation {
  return {
    plan: plan(),
    snapshot: seen,
    expected: noExpectations(),
    progress: new Map(),
    mode: "rolling",
    gaveUp: new Set(),
    shortages: new Map(),
    nowMs: 1_000_000,
    lookedForMs: 1_000_000,
    ...changes,
  };
}
