import { runInstance, terminateInstance } from "./aws/ec2.ts";
import { deregisterTargets, registerTargets } from "./aws/elbv2.ts";
import { awsErrorCode, isUnknownInstance } from "./aws/errors.ts";
import type { Clock } from "./clock.ts";
import { DeployError } from "./errors.ts";
import {
  type Expectations,
  expectDeregistered,
  expectLaunched,
  expectRegistered,
  expectTerminated,
} from "./expectations.ts";
import { clientToken, type Launch, type LaunchTemplate } from "./launch.ts";
import type { Step } from "./needs.ts";
import { type AwsClients, deriveLaunch } from "./observe.ts";
import type { Slot } from "./slots.ts";
import { type Instance, isGone, type TargetRef } from "./snapshot.ts";

/** What steps need, and where they note what they did. */
export interface Workbench {
  readonly aws: AwsClients;
  readonly clock: Clock;
  readonly template: LaunchTemplate;
  readonly expected: Expectations;
  /** The launches derived so far, by old instance. */
  readonly launches: Map<string, Launch>;
  /** How many idempotency tokens of a launch are known to be used up, by old instance. */
  readonly attempts: Map<string, number>;
}

/** More failed launches of the same kind than this, within the life of EC2's tokens, and something else is wrong. */
const attemptsLimit = 50;

/**
 * Carries out one step; carried out twice, it changes nothing more.
 * @returns the instance launched, where it was a launch
 * @throws whatever the SDK throws, or DeployError
 */
export async function act(step: Step, bench: Workbench): Promise<Instance | undefined> {
  const { aws, clock, expected } = bench;
  const atMs = clock.now();
  switch (step.kind) {
    case "launch":
      return launch(step.slot, bench);
    case "register":
      for (const [arn, targets] of byGroup(step.targets)) {
        // Before the call, whose answer may be lost.
        for (const { instanceId } of targets) expected.touched.add(instanceId);
        await registerTargets(aws.elbv2, arn, targets);
        expectRegistered(expected, targets, atMs);
      }
      return undefined;
    case "deregister":
      for (const [arn, targets] of byGroup(step.targets)) {
        await deregisterTargets(aws.elbv2, arn, targets);
        expectDeregistered(expected, targets, atMs);
      }
      return undefined;
    case "terminate":
      await terminateInstance(aws.ec2, step.instanceId);
      expectTerminated(expected, step.instanceId, atMs);
      return undefined;
  }
}

/**
 * Errors that say no more than that something is still on its way: one service has not heard yet what another one
 * knows (RegisterTargets of an instance that EC2 shows as running), or an instance that ends still holds its address.
 */
export function isSettling(step: Step, error: unknown): boolean {
  return (
    isUnknownInstance(error) ||
    (step.kind === "register" && awsErrorCode(error) === "InvalidTarget") ||
    (step.kind === "launch" && awsErrorCode(error) === "InsufficientFreeAddressesInSubnet")
  );
}

/**
 * Launches with the first token that is not used up. All of them are derived from the launch, so a run that crashed
 * after its launch, or lost the answer to it, gets the same instance when it asks again.
 */
async function launch({ old, wanted }: Slot, bench: Workbench): Promise<Instance | undefined> {
  if (old === undefined) throw new Error("a slot without an old instance has nothing to launch");
  const { aws, clock, expected, attempts } = bench;
  const { input, spec } = await deriveLaunch(old, bench.template, bench.launches, aws);
  for (let attempt = attempts.get(old.id) ?? 0; attempt < attemptsLimit; attempt++) {
    attempts.set(old.id, attempt);
    const atMs = clock.now();
    const instance = await runOnce({ ...input, ClientToken: clientToken(spec, attempt) }, aws);
    if (instance === undefined) continue;
    // One that is further than pending was launched by an earlier run: it is adopted when the reads show it.
    if (instance.state === "pending") {
      expectLaunched(expected, old.id, {
        instanceId: instance.id,
        atMs,
        isAdopted: false,
        instance,
        wanted,
      });
    }
    return instance;
  }
  throw new DeployError(
    "AwsError",
    `${attemptsLimit} launches to replace ${old.id} have come to an end within a day`,
    {
      hint: "find out why they do before running the same command again",
    },
  );
}

/** Undefined where the instance of this token has come to its end; EC2 says so in either of two ways. */
async function runOnce(input: Launch["input"], aws: AwsClients): Promise<Instance | undefined> {
  try {
    const instance = await runInstance(aws.ec2, input);
    return isGone(instance) ? undefined : instance;
  } catch (error) {
    if (awsErrorCode(error) === "IdempotentInstanceTerminated") return undefined;
    throw error;
  }
}

function byGroup(targets: readonly TargetRef[]): Map<string, TargetRef[]> {
  const groups = new Map<string, TargetRef[]>();
  for (const target of targets) {
    groups.set(target.targetGroupArn, [...(groups.get(target.targetGroupArn) ?? []), target]);
  }
  return groups;
}
