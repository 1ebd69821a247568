import { dryRunLaunch, dryRunTerminate, isTerminationProtected } from "./aws/ec2.ts";
import { type BareTargetGroup, describeTargets } from "./aws/elbv2.ts";
import { awsErrorCode, explain, isAwsError, toDeployError } from "./aws/errors.ts";
import { describeElasticIps } from "./aws/resources.ts";
import { type LaunchTemplate, subnetFor } from "./launch.ts";
import { type AwsClients, deriveLaunches } from "./observe.ts";
import type { Fleet } from "./slots.ts";
import { type Instance, isRegistered } from "./snapshot.ts";

/** Calls under way at once where there is one for each instance: EC2 grants 20 reads a second, 100 at first. */
const parallelCalls = 10;

/** TerminateInstances takes a thousand ids a call. */
const terminateIdsLimit = 1000;

/**
 * An instance that another load balancer sends requests to, or this one by its address, would be terminated without
 * being deregistered there.
 */
export async function strangerProblems(
  olds: readonly Instance[],
  groups: readonly BareTargetGroup[],
  { vpcId }: BareTargetGroup,
  aws: AwsClients,
): Promise<string[]> {
  const idByTarget = new Map(
    olds.flatMap(({ id, source }) => [
      [id, id] as const,
      [source.PrivateIpAddress ?? id, id] as const,
    ]),
  );
  const problems: string[] = [];
  for (const { arn, name, vpcId: itsVpcId, loadBalancerArns } of groups) {
    if (loadBalancerArns.length === 0 || itsVpcId !== vpcId) continue;
    for (const target of await describeTargets(aws.elbv2, arn)) {
      const id = idByTarget.get(target.instanceId);
      if (id === undefined || !isRegistered(target)) continue;
      problems.push(
        `instance ${id}: is a target of ${name} too (as ${target.instanceId}), which belongs to ${loadBalancerArns[0]}; its requests there would be lost, so deregister it first`,
      );
    }
  }
  return problems;
}

/** An Elastic IP address is lost with its instance, and cannot be with the replacement while both serve. */
export async function elasticIpProblems(
  olds: readonly Instance[],
  aws: AwsClients,
): Promise<string[]> {
  const addresses = await describeElasticIps(
    aws.ec2,
    olds.map(({ id }) => id),
  );
  return [...addresses].map(
    ([id, address]) =>
      `instance ${id}: has the Elastic IP address ${address}, which its replacement would not have; disassociate it first`,
  );
}

/** A protected instance would stop the rolling update half-way. */
export async function protectionProblems({ slots }: Fleet, aws: AwsClients): Promise<string[]> {
  const leaving = slots.flatMap(({ old, retiring }) =>
    [old, ...retiring].flatMap((one) => one?.id ?? []),
  );
  const problems: string[] = [];
  for (let next = 0; next < leaving.length; next += parallelCalls) {
    const ids = leaving.slice(next, next + parallelCalls);
    const answers = await Promise.all(ids.map((id) => isTerminationProtected(aws.ec2, id)));
    problems.push(
      ...ids
        .filter((_, index) => answers[index])
        .map(
          (id) => `instance ${id}: has termination protection; turn it off (disableApiTermination)`,
        ),
    );
  }
  return problems;
}

/**
 * Asks EC2 whether it would launch, in each subnet, and terminate; ELBv2 has no such question.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html (DryRun)
 */
export async function dryRuns(
  { slots }: Fleet,
  template: LaunchTemplate,
  aws: AwsClients,
): Promise<string[]> {
  const problems = new Set<string>();
  const toLaunch = slots.flatMap(({ old, replacement }) => (old && !replacement ? old : []));
  const bySubnet = new Map(toLaunch.map((old) => [subnetFor(old.source, template)?.SubnetId, old]));
  for (const [subnet, old] of bySubnet) {
    const [{ input, spec }] = await deriveLaunches(old, template, new Map(), aws);
    // Not the launch's own token, and no random one either: the same run makes the same requests.
    const refusal = await dryRunLaunch(aws.ec2, { ...input, ClientToken: `dry-run-${spec}` });
    // Addresses have been counted, with those that will be free by then.
    const isCounted = awsErrorCode(refusal) === "InsufficientFreeAddressesInSubnet";
    if (refusal !== undefined && !isCounted) {
      problems.add(refused(refusal, `launch a replacement in ${subnet}`));
    }
  }
  const leaving = slots.flatMap(({ old, retiring }) =>
    [old, ...retiring].flatMap((one) => one?.id ?? []),
  );
  for (let next = 0; next < leaving.length; next += terminateIdsLimit) {
    const refusal = await dryRunTerminate(aws.ec2, leaving.slice(next, next + terminateIdsLimit));
    if (refusal !== undefined) problems.add(refused(refusal, "terminate the old instances"));
  }
  return [...problems];
}

function refused(refusal: unknown, what: string): string {
  if (!isAwsError(refusal)) throw refusal;
  const failure = toDeployError(refusal, what);
  if (failure.code === "CredentialsMissing") throw failure;
  return `EC2 would not ${what}: ${explain(refusal)}`;
}
