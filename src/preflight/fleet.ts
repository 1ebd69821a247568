import { describeInstancesByTag } from "../aws/ec2.ts";
import {
  type BareTargetGroup,
  describeTargetGroups,
  describeTargets,
  withAttributes,
} from "../aws/elbv2.ts";
import { describeImages, describeSubnets } from "../aws/resources.ts";
import type { Config } from "../config.ts";
import { noExpectations } from "../expectations.ts";
import type { Launches, LaunchTemplate } from "../launch.ts";
import { type AwsClients, observe, type Scope } from "../observe.ts";
import { slotsOf } from "../slots.ts";
import { isGone, ownTags, type Snapshot, type TargetGroup } from "../snapshot.ts";
import type { Basics } from "./basics.ts";
import type { Sight } from "./front-rules.ts";
import { inTurns, targetsIfThere } from "./probes.ts";
import type { Reader } from "./reader.ts";

/** The fleet as it stands, and what belongs to it. */
export interface FleetSight extends Sight {
  readonly group: BareTargetGroup;
  /** Every other target group of the region and account. */
  readonly others: readonly BareTargetGroup[];
  readonly template: LaunchTemplate;
  /** Those derived so far: of instances that an earlier run launched replacements for. */
  readonly launches: Map<string, Launches>;
  readonly served: ReadonlySet<string>;
}

/** Reads the fleet; undefined where it cannot be read, which is then among the problems. */
export async function readFleet(
  config: Config,
  ami: string,
  basics: Basics,
  aws: AwsClients,
  { read }: Reader,
): Promise<FleetSight | undefined> {
  const { group } = basics;
  if (group?.targetType !== "instance") return undefined;
  const groups = await read("target groups", () => describeTargetGroups(aws.elbv2));
  const targetGroups = await read("target groups of the fleet", () =>
    relevantGroups(group, groups ?? [], aws),
  );
  if (targetGroups === undefined) return undefined;
  const scope: Scope = { config, ami, targetGroupArns: targetGroups.map(({ arn }) => arn) };
  const first = await read("instances and targets", () =>
    observe(scope, noExpectations(), new Map(), aws, 0),
  );
  if (first === undefined) return undefined;
  const template = await readTemplate(basics, first, config, ami, aws, read);
  // Looked at again with the template: leftovers of an earlier run are told apart by their launch spec.
  const expected = noExpectations();
  const launches = new Map<string, Launches>();
  const snapshot = await read("instances and targets", () =>
    observe({ ...scope, template }, expected, launches, aws, 0),
  );
  if (snapshot === undefined) return undefined;
  return {
    group,
    targetGroups,
    // Those of the same load balancer that hold instances have been looked at.
    others: (groups ?? []).filter((one) => one.arn !== group.arn && !isSibling(one, group)),
    template,
    launches,
    snapshot,
    fleet: slotsOf(snapshot, { config, ami, ...expected }),
    served: expected.served,
  };
}

/**
 * The group itself and every other one of its load balancer that holds one of its instances, or one that our tags name:
 * what a replacement took the place of may be registered there alone.
 */
async function relevantGroups(
  group: BareTargetGroup,
  groups: readonly BareTargetGroup[],
  aws: AwsClients,
): Promise<TargetGroup[]> {
  const [targets, tagged] = await Promise.all([
    describeTargets(aws.elbv2, group.arn),
    describeInstancesByTag(aws.ec2, ownTags.targetGroup, group.arn),
  ]);
  const ids = new Set([
    ...targets.map(({ instanceId }) => instanceId),
    ...tagged.flatMap(({ id, tags }) => [id, tags[ownTags.replaces]]),
  ]);
  const siblings = groups.filter((one) => isSibling(one, group));
  const holding = await inTurns(siblings, async (sibling) => {
    const held = await targetsIfThere(sibling.arn, aws);
    return held.some(({ instanceId }) => ids.has(instanceId)) ? [sibling] : [];
  });
  return inTurns([group, ...holding.flat()], (one) => withAttributes(aws.elbv2, one));
}

/** Another target group of instances of the same load balancer. */
function isSibling(one: BareTargetGroup, group: BareTargetGroup): boolean {
  const [loadBalancerArn = ""] = group.loadBalancerArns;
  return (
    one.arn !== group.arn &&
    one.targetType === "instance" &&
    one.loadBalancerArns.includes(loadBalancerArn)
  );
}

async function readTemplate(
  { image, instanceType }: Basics,
  { instances }: Snapshot,
  config: Config,
  ami: string,
  aws: AwsClients,
  read: Reader["read"],
): Promise<LaunchTemplate> {
  const present = [...instances.values()].filter((instance) => !isGone(instance));
  const own = present.flatMap(({ source }) => source.SubnetId ?? []);
  const subnetIds = config.subnetIds.length > 0 ? config.subnetIds : own;
  const imageIds = [...new Set(present.map((one) => one.imageId))];
  const [oldImages, subnets] = await Promise.all([
    read("AMIs of the fleet", () => describeImages(aws.ec2, imageIds)),
    read("subnets", () => describeSubnets(aws.ec2, [...new Set(subnetIds)])),
  ]);
  return {
    config,
    image: image ?? { ImageId: ami },
    oldImages: oldImages ?? [],
    instanceType: instanceType ?? {},
    subnets: subnets ?? [],
  };
}
