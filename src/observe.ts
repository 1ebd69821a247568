import type { EC2Client } from "@aws-sdk/client-ec2";
import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { STSClient } from "@aws-sdk/client-sts";
import {
  type Ask,
  describeInstances,
  describeInstancesByTag,
  describeLaunchSource,
  describeStatuses,
} from "./aws/ec2.ts";
import { describeTargets } from "./aws/elbv2.ts";
import type { Config } from "./config.ts";
import { type Expectations, reconcile } from "./expectations.ts";
import { isUpToDate, type Launches, type LaunchTemplate, launchesOf } from "./launch.ts";
import { isInService } from "./slots.ts";
import { type Instance, isAlive, isGone, ownTags, type Snapshot } from "./snapshot.ts";

/** The services, as clients. */
export interface AwsClients {
  readonly ec2: EC2Client;
  readonly elbv2: ElasticLoadBalancingV2Client;
  readonly sts: STSClient;
}

/** What to look at. */
export interface Scope {
  readonly config: Config;
  readonly ami: string;
  /** The group to be updated, and every other one of its load balancer that holds one of its instances. */
  readonly targetGroupArns: readonly string[];
  /** Absent until it is known: then no instance is recognised as a replacement by its launch spec. */
  readonly template?: LaunchTemplate;
}

/**
 * Reads AWS once: one call a target group, and of EC2 two for instances and one for status checks where any are due.
 * @param launches the launches derived so far, by old instance; filled as needed
 * @throws whatever the SDK throws
 */
export async function observe(
  scope: Scope,
  expected: Expectations,
  launches: Map<string, Launches>,
  aws: AwsClients,
  now: number,
): Promise<Snapshot> {
  const { config, ami } = scope;
  const [targets, tagged] = await Promise.all([
    Promise.all(scope.targetGroupArns.map((arn) => describeTargets(aws.elbv2, arn))),
    describeInstancesByTag(aws.ec2, ownTags.targetGroup, config.targetGroupArn),
  ]);
  const seen = new Set(tagged.map(({ id }) => id));
  const mentioned = [
    ...targets.flat().map(({ instanceId }) => instanceId),
    ...tagged.flatMap(({ tags }) => tags[ownTags.replaces] ?? []),
    ...[...expected.launched].flatMap(([old, { instanceId }]) => [old, instanceId]),
    ...expected.served,
  ];
  const rest = [...new Set(mentioned)].filter((id) => id !== "" && !seen.has(id));
  const described = [...tagged, ...(await describeInstances(aws.ec2, rest))];
  const read = {
    instances: new Map(described.map((instance) => [instance.id, instance])),
    targets: targets.flat(),
  };
  const world = { ...reconcile(read, expected, now), statuses: new Map(), specs: new Map() };
  for (const { id } of world.instances.values()) {
    if (isInService(world, id, config.targetGroupArn)) expected.served.add(id);
  }
  const launched = new Set([...expected.launched.values()].map(({ instanceId }) => instanceId));
  const arriving = [...world.instances.values()].filter(
    (instance) =>
      isAlive(instance) &&
      !isInService(world, instance.id, config.targetGroupArn) &&
      (launched.has(instance.id) ||
        (instance.tags[ownTags.targetGroup] === config.targetGroupArn &&
          isUpToDate(instance, config, ami))),
  );
  const running = arriving.filter(({ state }) => state === "running").map(({ id }) => id);
  return {
    ...world,
    statuses: await describeStatuses(aws.ec2, running),
    specs: await specsFor(arriving, world, scope, expected, launches, aws),
  };
}

/** The launch specs that decide whether replacements of an earlier run are still what this one would launch. */
async function specsFor(
  arriving: readonly Instance[],
  world: Snapshot,
  { template }: Scope,
  expected: Expectations,
  launches: Map<string, Launches>,
  aws: AwsClients,
): Promise<Map<string, ReadonlySet<string>>> {
  const specs = new Map<string, ReadonlySet<string>>();
  for (const { id, tags } of arriving) {
    const old = world.instances.get(tags[ownTags.replaces] ?? "");
    if (template === undefined || old === undefined || isGone(old)) continue;
    if (expected.launched.get(old.id)?.instanceId === id) continue;
    const possible = await deriveLaunches(old, template, launches, aws);
    specs.set(old.id, new Set(possible.map(({ spec }) => spec)));
  }
  return specs;
}

/** The launches of an instance's replacement, one for each subnet it may go to, derived once a run. */
export async function deriveLaunches(
  old: Instance,
  template: LaunchTemplate,
  launches: Map<string, Launches>,
  aws: AwsClients,
  read?: Ask,
): Promise<Launches> {
  const known = launches.get(old.id);
  if (known !== undefined) return known;
  const derived = launchesOf(await describeLaunchSource(aws.ec2, old.source, read), template);
  launches.set(old.id, derived);
  return derived;
}
