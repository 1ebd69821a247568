import { changeAttribute, runInstance, terminateInstance } from "./aws/ec2.ts";
import { deregisterTargets, registerTargets } from "./aws/elbv2.ts";
import {
  awsErrorCode,
  isOutOfCapacity,
  isProtected,
  isTransient,
  isUnknownInstance,
} from "./aws/errors.ts";
import type { Clock } from "./clock.ts";
import { DeployError } from "./errors.ts";
import {
  type Expectations,
  expectConfigured,
  expectDeregistered,
  expectLaunched,
  expectRegistered,
  expectTerminated,
} from "./expectations.ts";
import { clientToken, type Launch, type Launches, type LaunchTemplate } from "./launch.ts";
import type { Step } from "./needs.ts";
import { type AwsClients, deriveLaunches } from "./observe.ts";
import type { Refusal } from "./room.ts";
import type { Slot } from "./slots.ts";
import { type Instance, isGone, ownTags, type TargetRef } from "./snapshot.ts";

/** What steps need, and where they note what they did. */
export interface Workbench {
  readonly aws: AwsClients;
  readonly clock: Clock;
  readonly template: LaunchTemplate;
  readonly expected: Expectations;
  /** The launches derived so far, by old instance. */
  readonly launches: Map<string, Launches>;
  /** Which of its launches is to be asked for, by old instance; absent: the first. */
  readonly turns: Map<string, number>;
  /** Refusals of launches before one that failed otherwise, by old instance: no outcome tells of them. */
  readonly untold: Map<string, Outcome>;
  /** How many idempotency tokens of a launch are known to be used up, by its spec. */
  readonly attempts: Map<string, number>;
}

/** What came of a step that AWS answered. */
export interface Outcome {
  readonly launched?: Instance;
  /** Launches that were refused for want of room; without `launched`, all there are. */
  readonly refusals?: readonly Refusal[];
  /** The subnet of the launch that was asked for after them. */
  readonly nextSubnetId?: string;
}

/** More failed launches of the same kind than this, within the life of EC2's tokens, and something else is wrong. */
const attemptsLimit = 50;

/**
 * Carries out one step; carried out twice, it changes nothing more.
 * @throws whatever the SDK throws, or DeployError
 */
export async function act(step: Step, bench: Workbench): Promise<Outcome> {
  const { aws, clock, expected } = bench;
  const atMs = clock.now();
  switch (step.kind) {
    case "launch":
      return launch(step.slot, bench);
    case "configure":
      await changeAttribute(aws.ec2, step.instanceId, "forward");
      expectConfigured(expected, step.instanceId, atMs);
      return {};
    case "register":
      // Before the calls, whose answers may be lost.
      for (const { instanceId } of step.targets) {
        expected.touched.add(instanceId);
        expected.asked.set(instanceId, step.targets);
      }
      for (const [arn, targets] of byGroup(step.targets)) {
        await registerTargets(aws.elbv2, arn, targets);
        expectRegistered(expected, targets, atMs);
      }
      return {};
    case "deregister":
      for (const [arn, targets] of byGroup(step.targets)) {
        await deregisterTargets(aws.elbv2, arn, targets);
        expectDeregistered(expected, targets, atMs);
      }
      return {};
    case "terminate":
      await terminate(step.instanceId, bench);
      expectTerminated(expected, step.instanceId, atMs);
      return {};
    case "protect":
      await changeAttribute(aws.ec2, step.instanceId, "protect");
      expected.unprotected.delete(step.instanceId);
      return {};
  }
}

/**
 * Protection is lifted only of what is refused for it, and only for its end. It is noted before anything else can fail:
 * what still stands has to be told of, and to be protected again should it come back.
 */
async function terminate(id: string, { aws, template, expected }: Workbench): Promise<void> {
  try {
    await terminateInstance(aws.ec2, id);
    // Then an answer that was lost was a yes.
    if (expected.unprotected.has(id)) expected.unprotected.set(id, { isSure: true });
    return;
  } catch (error) {
    if (!template.config.liftTerminationProtection || !isProtected(error)) throw error;
  }
  try {
    await changeAttribute(aws.ec2, id, "unprotect");
    expected.unprotected.set(id, { isSure: true });
  } catch (error) {
    if (isTransient(error) && !expected.unprotected.has(id)) {
      expected.unprotected.set(id, { isSure: false });
    }
    throw error;
  }
  await terminateInstance(aws.ec2, id);
}

/**
 * Errors that say no more than that something is still on its way: one service has not heard yet what another one
 * knows (RegisterTargets of an instance that EC2 shows as running), or EC2 itself what it was told (protection lifted).
 */
export function isSettling(step: Step, error: unknown, { template }: Workbench): boolean {
  return (
    isUnknownInstance(error) ||
    (step.kind === "register" && awsErrorCode(error) === "InvalidTarget") ||
    (step.kind === "terminate" && template.config.liftTerminationProtection && isProtected(error))
  );
}

/**
 * Asks for one launch after the other, for as long as they are refused for want of room. Only such an answer is the end
 * of one: where there was none it may have launched, and the same has to be asked again, and nothing else.
 */
async function launch(slot: Slot, bench: Workbench): Promise<Outcome> {
  const { old } = slot;
  if (old === undefined) throw new Error("a slot without an old instance has nothing to launch");
  const { turns, launches, template, aws } = bench;
  const possible = await deriveLaunches(old, template, launches, aws);
  const first = turns.get(old.id) ?? 0;
  const refusals: Refusal[] = [];
  bench.untold.delete(old.id);
  for (const [turn, one] of [...possible.entries(), ...possible.entries()].slice(first)) {
    if (refusals.length === possible.length) break;
    turns.set(old.id, turn);
    const nextSubnetId = subnetOf(one);
    try {
      return { launched: await launchOnce(one, old, slot, bench), refusals, nextSubnetId };
    } catch (error) {
      if (!isOutOfCapacity(error)) {
        bench.untold.set(old.id, { refusals, nextSubnetId });
        throw error;
      }
      refusals.push({ subnetId: nextSubnetId, error });
    }
  }
  turns.delete(old.id);
  return { refusals };
}

function subnetOf({ input }: Launch): string | undefined {
  return input.SubnetId ?? input.NetworkInterfaces?.[0]?.SubnetId;
}

/**
 * Launches with the first token that is not used up. All of them are derived from the launch, so a run that crashed
 * after its launch, or lost the answer to it, gets the same instance when it asks again.
 */
async function launchOnce(
  { input, spec }: Launch,
  old: Instance,
  { wanted }: Slot,
  { aws, clock, expected, attempts }: Workbench,
): Promise<Instance> {
  for (let attempt = attempts.get(spec) ?? 0; attempt < attemptsLimit; attempt++) {
    attempts.set(spec, attempt);
    const atMs = clock.now();
    const instance = await runOnce(
      { ...input, ClientToken: clientToken(spec, attempt) },
      aws,
    ).catch((error: unknown) => {
      if (isTransient(error)) expected.unanswered.add(old.id);
      // Other refusals say nothing of a launch before, whose answer was lost.
      else if (isOutOfCapacity(error)) expected.unanswered.delete(old.id);
      throw error;
    });
    if (instance === undefined) {
      expected.unanswered.delete(old.id);
      continue;
    }
    // One that is further than pending was launched before: it is adopted when the reads show it by its tags. Where
    // somebody has taken them, the token tells whose it is.
    const isPending = instance.state === "pending";
    if (isPending || instance.tags[ownTags.replaces] === undefined) {
      expectLaunched(expected, old.id, {
        instanceId: instance.id,
        atMs,
        isAdopted: !isPending,
        instance: { ...instance, tags: { ...tagsOf(input), ...instance.tags } },
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

/** The tags that an instance gets when it is launched. */
function tagsOf({ TagSpecifications = [] }: Launch["input"]): Record<string, string> {
  const tags =
    TagSpecifications.find(({ ResourceType }) => ResourceType === "instance")?.Tags ?? [];
  return Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
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
