import {
  type BareTargetGroup,
  describeTargetGroups,
  describeTargets,
  withAttributes,
} from "./aws/elbv2.ts";
import { describeImages, describeSubnets } from "./aws/resources.ts";
import type { Caller } from "./aws/sts.ts";
import type { Config } from "./config.ts";
import { DeployError } from "./errors.ts";
import { noExpectations } from "./expectations.ts";
import type { Launches, LaunchTemplate } from "./launch.ts";
import type { Plan } from "./needs.ts";
import { type AwsClients, deriveLaunches, observe, type Scope } from "./observe.ts";
import { accountProblems, type Basics, readBasics, readCaller } from "./preflight/basics.ts";
import { frontProblems, type Sight, targetProblems } from "./preflight/front-rules.ts";
import { oldInstanceProblems, protectionProblems } from "./preflight/instance-rules.ts";
import { launchProblems } from "./preflight/launch-rules.ts";
import { noticesOf } from "./preflight/notices.ts";
import {
  dryRunProblems,
  inTurns,
  readInstanceFacts,
  strangerProblems,
  targetsIfThere,
} from "./preflight/probes.ts";
import { createReader, type Reader } from "./preflight/reader.ts";
import { subnetProblems } from "./preflight/subnet-rules.ts";
import { type Fleet, healthyAtStart, isUnfinished, slotsOf } from "./slots.ts";
import { isGone, type Snapshot, type TargetGroup } from "./snapshot.ts";

/** What a run needs to know before its first change. */
export interface Preflight {
  readonly plan: Plan;
  readonly template: LaunchTemplate;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  /** The launches of replacements, made or still to be made, by the id of the instance replaced. */
  readonly launches: ReadonlyMap<string, Launches>;
  /** How many places of the fleet need something, and how many do not. */
  readonly pending: number;
  readonly upToDate: number;
  /** Ids of the instances in service. */
  readonly served: ReadonlySet<string>;
  /** What the user should know though it stops nothing. */
  readonly notices: readonly string[];
}

/** What a preflight goes by. */
export interface PreflightRequest {
  readonly config: Config;
  readonly ami: string;
  readonly isUnhealthyAllowed: boolean;
  /** The instance that the program runs on, if it runs on one. */
  readonly ownInstanceId: Promise<string | undefined>;
  readonly nowMs: number;
  /** Told whom the credentials belong to, as soon as that is known. */
  readonly onCaller: (caller: Caller) => void;
}

/**
 * How long load balancers go on sending requests after DeregisterTargets, and half a minute for the last of them to end:
 * up to 20 s and 120 s have been measured by their users, documented is neither.
 */
const drainFloorSeconds = { application: 30, other: 150 };

/** Problems of what a launch is made of, by what they begin with. */
const ofLaunch = /^(AMI |AMIs |ssh-key|security-group-id|instance-type|subnet)/;

/**
 * Every check before the first change; itself it changes nothing.
 * @throws DeployError with every problem found at once
 */
export async function preflight(request: PreflightRequest, aws: AwsClients): Promise<Preflight> {
  const { config, ami, isUnhealthyAllowed } = request;
  const reader = createReader();
  const { report, problems } = reader;
  const [caller, basics] = await Promise.all([
    readCaller(aws),
    readBasics(config, ami, aws, reader),
  ]);
  if (typeof caller !== "string") request.onCaller(caller);
  report(...accountProblems(config, caller));
  report(...launchProblems(config, basics), ...frontProblems(config, basics));
  const sight = await readFleet(config, ami, basics, aws, reader);
  // Without the fleet nothing more can be said.
  if (sight === undefined) throw refusal(config, problems);
  const { fleet, snapshot, template, launches, served } = sight;
  const olds = fleet.slots.flatMap(({ old }) => old ?? []);
  const toLaunch = fleet.slots.flatMap(({ old, replacement }) => (old && !replacement ? old : []));
  const leaving = [...olds, ...fleet.slots.flatMap(({ retiring }) => retiring)];
  await inTurns(toLaunch, (old) => deriveLaunches(old, template, launches, aws, reader.read));
  const facts = {
    ...(await readInstanceFacts(olds, leaving, launches, aws, reader)),
    ownInstanceId: await request.ownInstanceId,
  };
  report(
    // Who has nothing to replace needs nobody to stand in for it.
    ...targetProblems(sight, basics, olds.length > 0 && !isUnhealthyAllowed),
    ...olds.flatMap((old) => oldInstanceProblems(old, facts, config)),
    ...protectionProblems(leaving, facts, config),
    ...subnetProblems(toLaunch, fleet, config, template, basics),
    ...(await strangerProblems(olds, sight.others, sight.group, aws, reader)),
  );
  const isLaunchWrong = [...problems].some((problem) => ofLaunch.test(problem));
  const requests = { launches: [...launches.values()].flat(), olds, leaving, facts };
  report(...(await dryRunProblems(requests, config, isLaunchWrong, aws)));
  if (problems.size > 0) throw refusal(config, problems);
  const pending = fleet.slots.filter((slot) => isUnfinished(slot) || slot.ending.length > 0);
  return {
    template,
    fleet,
    snapshot,
    launches,
    plan: planOf(request, sight, basics.loadBalancer?.type ?? "application"),
    pending: pending.length,
    upToDate: fleet.slots.length - pending.length,
    served,
    notices: noticesOf(sight, template, caller, request.nowMs),
  };
}

function planOf(
  { config, ami }: PreflightRequest,
  { fleet, snapshot, targetGroups }: FleetSight,
  loadBalancerType: string,
): Plan {
  const floor = loadBalancerType === "application" ? "application" : "other";
  const healthy = targetGroups.map(
    ({ arn }) => [arn, healthyAtStart(fleet, snapshot, arn)] as const,
  );
  return {
    config,
    ami,
    targetGroups,
    loadBalancerType,
    drainFloorSeconds: drainFloorSeconds[floor],
    healthyAtStart: new Map(healthy),
  };
}

/** The fleet as it stands, and what belongs to it. */
interface FleetSight extends Sight {
  readonly group: BareTargetGroup;
  /** Every other target group of the region and account. */
  readonly others: readonly BareTargetGroup[];
  readonly template: LaunchTemplate;
  /** Those derived so far: of instances that an earlier run launched replacements for. */
  readonly launches: Map<string, Launches>;
  readonly served: ReadonlySet<string>;
}

async function readFleet(
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

/** The group itself and every other one of its load balancer that holds one of its instances. */
async function relevantGroups(
  group: BareTargetGroup,
  groups: readonly BareTargetGroup[],
  aws: AwsClients,
): Promise<TargetGroup[]> {
  const targets = await describeTargets(aws.elbv2, group.arn);
  const ids = new Set(targets.map(({ instanceId }) => instanceId));
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

function refusal(config: Config, problems: ReadonlySet<string>): DeployError {
  const count = problems.size;
  return new DeployError(
    "PreflightFailed",
    `The rolling update cannot start: ${count} problem${count === 1 ? "" : "s"} in ${config.region}`,
    // They are found several at a time, in whatever order AWS answers.
    { problems: [...problems].sort(), hint: "correct this and run it again; nothing was changed" },
  );
}
