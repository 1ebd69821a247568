import type { RunInstancesCommandInput } from "@aws-sdk/client-ec2";
import { dryRunChange, dryRunLaunch, dryRunTerminate, isTerminationProtected } from "../aws/ec2.ts";
import { type BareTargetGroup, describeTargets } from "../aws/elbv2.ts";
import {
  awsErrorCode,
  explain,
  isAwsError,
  isOutOfCapacity,
  isProtected,
  toDeployError,
} from "../aws/errors.ts";
import { describeElasticIps, describePersistentSpotRequests } from "../aws/resources.ts";
import type { Config } from "../config.ts";
import type { DeployError } from "../errors.ts";
import { isForwarding } from "../forwarding.ts";
import { type Launch, type Launches, subnetOf } from "../launch.ts";
import type { AwsClients } from "../observe.ts";
import { type Instance, isRegistered, type Target } from "../snapshot.ts";
import type { InstanceFacts } from "./instance-rules.ts";
import type { Reader } from "./reader.ts";

/**
 * Calls under way at once where there is one for each instance or target group: EC2 grants 20 reads a second, 100 at
 * first, Elastic Load Balancing 10, 40 at first, and both to everybody in the account together.
 */
const parallelCalls = 4;

/** TerminateInstances takes a thousand ids a call. */
const terminateIdsLimit = 1000;

/** Asks what DescribeInstances does not say of the instances that are to leave. */
export async function readInstanceFacts(
  olds: readonly Instance[],
  leaving: readonly Instance[],
  launches: ReadonlyMap<string, Launches>,
  aws: AwsClients,
  { read }: Reader,
): Promise<Omit<InstanceFacts, "ownInstanceId">> {
  const requests = olds.flatMap(({ source }) => source.SpotInstanceRequestId ?? []);
  const [elasticIps, persistentRequests, protectedIds] = await Promise.all([
    read("Elastic IP addresses", () =>
      describeElasticIps(
        aws.ec2,
        olds.map(({ id }) => id),
      ),
    ),
    read("Spot requests", () => describePersistentSpotRequests(aws.ec2, requests)),
    read("termination protection", async () => {
      const found = await inTurns(leaving, async ({ id }) => {
        const known = launches.get(id)?.[0].source.disableApiTermination;
        return (known ?? (await isTerminationProtected(aws.ec2, id))) ? [id] : [];
      });
      return new Set(found.flat());
    }),
  ]);
  return {
    elasticIps: elasticIps ?? new Map(),
    persistentRequests: persistentRequests ?? new Set(),
    protectedIds: protectedIds ?? new Set(),
  };
}

/** The answers of a call for each item, so many at a time, in the order of the items. */
export async function inTurns<T, R>(
  items: readonly T[],
  ask: (item: T) => Promise<R>,
): Promise<R[]> {
  const answers: R[] = [];
  for (let next = 0; next < items.length; next += parallelCalls) {
    answers.push(...(await Promise.all(items.slice(next, next + parallelCalls).map(ask))));
  }
  return answers;
}

/**
 * An instance that another load balancer sends requests to, or this one by its address, would be terminated without
 * being deregistered there.
 */
export async function strangerProblems(
  olds: readonly Instance[],
  groups: readonly BareTargetGroup[],
  { vpcId }: BareTargetGroup,
  aws: AwsClients,
  { read }: Reader,
): Promise<string[]> {
  const idByTarget = new Map(
    olds.flatMap(({ id, source }) => [
      [id, id] as const,
      [source.PrivateIpAddress ?? id, id] as const,
    ]),
  );
  if (olds.length === 0) return [];
  const others = groups.filter(
    ({ loadBalancerArns, targetType, ...group }) =>
      loadBalancerArns.length > 0 &&
      group.vpcId === vpcId &&
      ["instance", "ip"].includes(targetType),
  );
  const problems = await inTurns(others, async ({ arn, name, loadBalancerArns }) => {
    const targets = await read(`targets of ${name}`, () => targetsIfThere(arn, aws));
    return (targets ?? []).flatMap((target) => {
      const id = idByTarget.get(target.instanceId);
      return id === undefined || !isRegistered(target)
        ? []
        : `instance ${id}: is a target of ${name} too (as ${target.instanceId}), which belongs to ${loadBalancerArns[0]}; its requests there would be lost, so deregister it first`;
    });
  });
  return problems.flat();
}

/** The targets of a group that may have been deleted since it was listed, as controllers do; then there are none. */
export async function targetsIfThere(arn: string, aws: AwsClients): Promise<Target[]> {
  try {
    return await describeTargets(aws.elbv2, arn);
  } catch (error) {
    if (awsErrorCode(error) === "TargetGroupNotFound") return [];
    throw error;
  }
}

/** What a rollout is going to ask of EC2. */
export interface Requests {
  readonly launches: readonly Launch[];
  readonly olds: readonly Instance[];
  readonly leaving: readonly Instance[];
  readonly facts: Pick<InstanceFacts, "protectedIds">;
}

/**
 * Asks EC2 whether it would launch, change and terminate; ELBv2 has no such question. Launches that are alike but for
 * whom they replace are asked for once.
 * @param isLaunchWrong with a part of the launch known to be wrong, EC2 would only repeat that: then it counts what is
 * not permitted
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html (DryRun)
 */
export async function dryRunProblems(
  { launches, olds, leaving, facts }: Requests,
  { liftTerminationProtection }: Config,
  isLaunchWrong: boolean,
  aws: AwsClients,
): Promise<string[]> {
  const problems = new Set<string>();
  const note = (refusal: unknown, what: string, where = "", isExpected = false) => {
    if (refusal === undefined) return;
    const isDenied = codeOf(refusal, what) === "AccessDenied";
    // What is not permitted is so everywhere, as a rule: then it is told once.
    if (isDenied)
      problems.add(`EC2 would not ${what}: ${explain(refusal)}; allow it in the IAM policy`);
    else if (!isExpected) problems.add(`EC2 would not ${what}${where}: ${explain(refusal)}`);
  };
  const byKind = new Map(launches.map((launch) => [kindOf(launch.input), launch]));
  for (const { input, spec } of byKind.values()) {
    // Not the launch's own token, and no random one either: the same run makes the same requests.
    const request = { ...input, ClientToken: `dry-run-${spec}` };
    const where = ` in ${subnetOf(input)}`;
    const refusal = await dryRunLaunch(aws.ec2, request);
    // For room a rollout waits, or looks elsewhere; addresses and tags have been counted.
    const isCounted = isOutOfCapacity(refusal) || awsErrorCode(refusal) === "TagLimitExceeded";
    note(refusal, "launch replacements", where, isLaunchWrong || isCounted);
  }
  // Who is managed by another is refused for that already.
  const own = leaving.filter(({ source }) => source.Operator?.Managed !== true);
  for (let next = 0; next < own.length; next += terminateIdsLimit) {
    const ids = own.slice(next, next + terminateIdsLimit).map(({ id }) => id);
    const refusal = await dryRunTerminate(aws.ec2, ids);
    // Protection is lifted, or a problem that is known already.
    note(refusal, "terminate the old instances", "", isProtected(refusal));
  }
  // Of the old ones, as there is nobody else yet; what there is to be changed is changed of their replacements too.
  const [forwarding] = olds.filter(isForwarding);
  const [guarded] = liftTerminationProtection
    ? leaving.filter(({ id }) => facts.protectedIds.has(id))
    : [];
  const forward = "turn off the source/destination check";
  if (forwarding) {
    const refusal = await dryRunChange(aws.ec2, forwarding.id, "forward");
    // An old one with several network interfaces is asked in vain; its replacement has one.
    note(refusal, forward, "", awsErrorCode(refusal) === "InvalidInstanceID");
  }
  const unprotect = "lift termination protection";
  if (guarded) note(await dryRunChange(aws.ec2, guarded.id, "unprotect"), unprotect);
  return [...problems];
}

/** The same text for launches that differ in nothing that EC2 would judge them by. */
function kindOf({ TagSpecifications = [], UserData, ...input }: RunInstancesCommandInput): string {
  // Of tags and user data, permissions and limits may look at keys and size.
  const tags = TagSpecifications.map(({ ResourceType, Tags = [] }) => ({
    ResourceType,
    keys: Tags.map(({ Key = "" }) => Key),
  }));
  return JSON.stringify({ ...input, tags, userData: UserData?.length });
}

/** @throws what is no refusal of AWS, and DeployError where it is the credentials that it refuses */
function codeOf(refusal: unknown, what: string): DeployError["code"] {
  if (!isAwsError(refusal)) throw refusal;
  const failure = toDeployError(refusal, what);
  if (failure.code === "CredentialsMissing") throw failure;
  return failure.code;
}
