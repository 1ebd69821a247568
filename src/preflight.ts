import type { Image, InstanceTypeInfo, SecurityGroup } from "@aws-sdk/client-ec2";
import { describeAnyStatus } from "./aws/ec2.ts";
import {
  type BareTargetGroup,
  describeLoadBalancer,
  describeTargetGroup,
  describeTargetGroups,
  describeTargets,
  type LoadBalancer,
  withAttributes,
} from "./aws/elbv2.ts";
import {
  awsErrorCode,
  explain,
  isAwsError,
  isUnusableEndpoint,
  toDeployError,
} from "./aws/errors.ts";
import {
  describeImage,
  describeImages,
  describeInstanceType,
  describeKeyPair,
  describeSecurityGroup,
  describeSubnets,
} from "./aws/resources.ts";
import type { Config } from "./config.ts";
import { DeployError } from "./errors.ts";
import { noExpectations } from "./expectations.ts";
import type { LaunchTemplate } from "./launch.ts";
import { volumesLeftBehind } from "./launch-volumes.ts";
import type { Plan } from "./needs.ts";
import { type AwsClients, observe } from "./observe.ts";
import {
  dryRuns,
  elasticIpProblems,
  protectionProblems,
  strangerProblems,
} from "./preflight-probes.ts";
import { compatibilityProblems, fleetProblems, groupProblems } from "./preflight-rules.ts";
import { type Fleet, healthyAtStart, isUnfinished, slotsOf } from "./slots.ts";
import { isGone, type Snapshot, type Target, type TargetGroup } from "./snapshot.ts";

/** What a run needs to know before its first change. */
export interface Preflight {
  readonly plan: Plan;
  readonly template: LaunchTemplate;
  /** How many places of the fleet need something, and how many do not. */
  readonly pending: number;
  readonly upToDate: number;
  /** Ids of the instances in service. */
  readonly served: ReadonlySet<string>;
  /** What the user should know though it stops nothing. */
  readonly notices: readonly string[];
}

/**
 * How long load balancers go on sending requests after DeregisterTargets, and half a minute for the last of them to end:
 * up to 20 s and 120 s have been measured by their users, documented is neither.
 */
const drainFloorSeconds = { application: 30, other: 150 };

/**
 * Every check before the first change; itself it changes nothing.
 * @throws DeployError with every problem found at once
 */
export async function preflight(config: Config, ami: string, aws: AwsClients): Promise<Preflight> {
  const problems: string[] = [];
  const basics = await readBasics(config, ami, aws, problems);
  const { group, loadBalancer } = basics;
  problems.push(...compatibilityProblems(config, basics));
  if (group === undefined || loadBalancer === undefined) throw refusal(config, problems);
  const targets = await describeTargets(aws.elbv2, group.arn);
  problems.push(...groupProblems(config, group, loadBalancer, targets));
  if (group.targetType !== "instance" || targets.length === 0) throw refusal(config, problems);
  const groups = await describeTargetGroups(aws.elbv2);
  const targetGroups = await relevantGroups(group, groups, targets, aws);
  const scope = { config, ami, targetGroupArns: targetGroups.map(({ arn }) => arn) };
  const first = await observe(scope, noExpectations(), new Map(), aws, 0);
  const template = await readTemplate(basics, first, config, ami, aws);
  // Looked at again with the template: leftovers of an earlier run are told apart by their launch spec.
  const expected = noExpectations();
  const seen = await observe({ ...scope, template }, expected, new Map(), aws, 0);
  const fleet = slotsOf(seen, { config, ami, ...expected });
  const toReplace = fleet.slots.flatMap(({ old }) => old ?? []);
  const others = groups.filter(({ arn }) => !scope.targetGroupArns.includes(arn));
  problems.push(
    ...fleetProblems(config, fleet, template, loadBalancer),
    ...(await strangerProblems(toReplace, others, group, aws)),
    ...(await elasticIpProblems(toReplace, aws)),
    ...(await protectionProblems(fleet, aws)),
  );
  // With a part of the launch known to be wrong, EC2 would only say so again.
  if (problems.length === 0) problems.push(...(await dryRuns(fleet, template, aws)));
  if (problems.length > 0) throw refusal(config, problems);
  const pending = fleet.slots.filter((slot) => isUnfinished(slot) || slot.ending.length > 0);
  const floor = loadBalancer.type === "application" ? "application" : "other";
  const healthy = targetGroups.map(({ arn }) => [arn, healthyAtStart(fleet, seen, arn)] as const);
  return {
    template,
    plan: {
      config,
      ami,
      targetGroups,
      drainFloorSeconds: drainFloorSeconds[floor],
      healthyAtStart: new Map(healthy),
    },
    pending: pending.length,
    upToDate: fleet.slots.length - pending.length,
    served: expected.served,
    notices: noticesOf(fleet, template),
  };
}

/** What can be read without knowing the fleet; undefined where it could not, which is then among the problems. */
export interface Basics {
  readonly group?: BareTargetGroup;
  readonly loadBalancer?: LoadBalancer;
  readonly image?: Image;
  readonly instanceType?: InstanceTypeInfo;
  readonly securityGroups: readonly SecurityGroup[];
}

async function readBasics(
  config: Config,
  ami: string,
  aws: AwsClients,
  problems: string[],
): Promise<Basics> {
  const look = <T>(what: string, read: () => Promise<T>) => orProblem(what, read, problems);
  const [group, loadBalancer, image, instanceType, , , ...securityGroups] = await Promise.all([
    look(`target-group.arn: target group ${config.targetGroupArn}`, () =>
      describeTargetGroup(aws.elbv2, config.targetGroupArn),
    ),
    look(`loadbalancer.arn: load balancer ${config.loadBalancerArn}`, () =>
      describeLoadBalancer(aws.elbv2, config.loadBalancerArn),
    ),
    look(`AMI ${ami}`, async () => {
      const found = await describeImage(aws.ec2, ami);
      if (found === undefined) problems.push(`AMI ${ami}: has been deregistered`);
      return found;
    }),
    look(`instance-type: ${config.instanceType}`, () =>
      describeInstanceType(aws.ec2, config.instanceType),
    ),
    look(`ssh-key: key pair ${config.keyName}`, () => describeKeyPair(aws.ec2, config.keyName)),
    // Needed only once an instance runs that is not in service yet; that would be late to learn of a missing permission.
    look("status checks", () => describeAnyStatus(aws.ec2)),
    ...config.securityGroupIds.map((id) =>
      look(`security-group-id: ${id}`, () => describeSecurityGroup(aws.ec2, id)),
    ),
  ]);
  return {
    group,
    loadBalancer,
    image,
    instanceType,
    securityGroups: securityGroups.flatMap((found) => found ?? []),
  };
}

/** The group itself and every other one of its load balancer that holds one of its instances. */
async function relevantGroups(
  group: BareTargetGroup,
  groups: readonly BareTargetGroup[],
  targets: readonly Target[],
  aws: AwsClients,
): Promise<TargetGroup[]> {
  const ids = new Set(targets.map(({ instanceId }) => instanceId));
  const [loadBalancerArn = ""] = group.loadBalancerArns;
  const relevant: BareTargetGroup[] = [group];
  for (const sibling of groups) {
    const isCandidate =
      sibling.arn !== group.arn &&
      sibling.targetType === "instance" &&
      sibling.loadBalancerArns.includes(loadBalancerArn);
    if (!isCandidate) continue;
    const held = await describeTargets(aws.elbv2, sibling.arn);
    if (held.some(({ instanceId }) => ids.has(instanceId))) relevant.push(sibling);
  }
  return Promise.all(relevant.map((one) => withAttributes(aws.elbv2, one)));
}

async function readTemplate(
  { image, instanceType }: Basics,
  { instances }: Snapshot,
  config: Config,
  ami: string,
  aws: AwsClients,
): Promise<LaunchTemplate> {
  const present = [...instances.values()].filter((instance) => !isGone(instance));
  const own = present.flatMap(({ source }) => source.SubnetId ?? []);
  const subnetIds = config.subnetIds.length > 0 ? config.subnetIds : own;
  return {
    config,
    image: image ?? { ImageId: ami },
    oldImages: await describeImages(aws.ec2, [...new Set(present.map((one) => one.imageId))]),
    instanceType: instanceType ?? {},
    subnets: await describeSubnets(aws.ec2, [...new Set(subnetIds)]),
  };
}

/** Turns what AWS refuses into a problem; without credentials all else would fail too, so that ends the preflight. */
async function orProblem<T>(
  what: string,
  read: () => Promise<T>,
  problems: string[],
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!isAwsError(error)) throw error;
    const failure = toDeployError(error, `read ${what}`);
    if (failure.code === "CredentialsMissing" || isUnusableEndpoint(error)) throw failure;
    const isUnknown = /NotFound|InvalidInstanceType|Unavailable/.test(awsErrorCode(error));
    problems.push(
      `${what}: ${isUnknown ? "does not exist, or not in this region and account" : "could not be read"} (${explain(error)})`,
    );
    return undefined;
  }
}

function noticesOf(fleet: Fleet, { image }: LaunchTemplate): string[] {
  const volumes = fleet.slots.flatMap(({ old }) =>
    volumesLeftBehind(old?.source.BlockDeviceMappings ?? []).map(
      (volume) =>
        `volume ${volume} stays behind when ${old?.id} is terminated: it is not deleted on termination`,
    ),
  );
  const strays = fleet.strays.map(
    ({ id, state }) =>
      `instance ${id} (${state}) carries tags of an earlier rollout but is in no target group; it is left alone`,
  );
  const isDeprecated = Date.parse(image.DeprecationTime ?? "") < Date.now();
  return [
    ...volumes,
    ...strays,
    ...(isDeprecated ? [`AMI ${image.ImageId} is deprecated since ${image.DeprecationTime}`] : []),
  ];
}

function refusal(config: Config, problems: readonly string[]): DeployError {
  return new DeployError(
    "PreflightFailed",
    `The rolling update cannot start: ${problems.length} problem${problems.length === 1 ? "" : "s"} in ${config.region}`,
    // They are found several at a time, in whatever order AWS answers.
    { problems: [...problems].sort(), hint: "correct this and run it again; nothing was changed" },
  );
}
