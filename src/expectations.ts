import { asForwarding, isForwarding } from "./forwarding.ts";
import type { Registration } from "./slots.ts";
import {
  type Instance,
  isGone,
  isRegistered,
  ownTags,
  type Snapshot,
  type Target,
  type TargetRef,
  targetKey,
} from "./snapshot.ts";

/**
 * How long what this run did outweighs reads that do not show it. EC2's and ELBv2's reads lag behind their writes,
 * by seconds as a rule. After that the reads count, and what they say is missing is done again.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
 */
export const settleMs = 60_000;

/** A replacement that this run launched, or found on its way. */
export interface Launched {
  readonly instanceId: string;
  readonly atMs: number;
  /** Launched by an earlier run: its end says nothing of the AMI, so another is launched. */
  readonly isAdopted: boolean;
  /** As RunInstances answered, or as it was found. */
  readonly instance: Instance;
  /** Where it will have to be registered, remembered in case the old one vanishes first. */
  readonly wanted: readonly Registration[];
}

/** What this run knows it did, until the reads show it. */
export interface Expectations {
  /** By the id of the instance replaced. */
  readonly launched: Map<string, Launched>;
  /** Instances for which a launch was asked for, but not answered: it may exist. */
  readonly unanswered: Set<string>;
  /** `isAgain`: it had been seen healthy before, so that a read of it as healthy may be one of then. */
  readonly registered: Map<string, { target: TargetRef; atMs: number; isAgain: boolean }>;
  readonly deregistered: Map<string, { target: TargetRef; atMs: number }>;
  /** What this run set out to register, by instance: a call of it may have failed, or have got no answer. */
  readonly asked: Map<string, readonly TargetRef[]>;
  readonly terminated: Map<string, { atMs: number }>;
  /** Instances whose source/destination check was turned off. */
  readonly configured: Map<string, { atMs: number }>;
  /** Instances whose termination protection this run lifted; `isSure` unless the answer to that was lost. */
  readonly unprotected: Map<string, { isSure: boolean }>;
  /** Instances that were seen with that check off. */
  readonly forwarding: Set<string>;
  /** When a target was last seen healthy, by its key. */
  readonly healthy: Map<string, { atMs: number }>;
  /** Instances that were seen as targets, or that this run may have registered, whether or not it got an answer. */
  readonly touched: Set<string>;
  /** Where replacements will have to be registered, by the id of the instance to be replaced. */
  readonly wanted: Map<string, readonly Registration[]>;
  /** Instances that were in service at some time of this run. */
  readonly served: Set<string>;
  /** Instances as they were last seen: reads may go back in time. */
  readonly seen: Map<string, Instance>;
}

/** Nothing done yet. */
export function noExpectations(): Expectations {
  return {
    launched: new Map(),
    unanswered: new Set(),
    registered: new Map(),
    deregistered: new Map(),
    asked: new Map(),
    terminated: new Map(),
    configured: new Map(),
    unprotected: new Map(),
    forwarding: new Set(),
    healthy: new Map(),
    touched: new Set(),
    wanted: new Map(),
    served: new Set(),
    seen: new Map(),
  };
}

/** Notes a launch, or an adoption; `atMs` is the time before the call. */
export function expectLaunched(expected: Expectations, replaces: string, launched: Launched): void {
  expected.launched.set(replaces, launched);
  expected.unanswered.delete(replaces);
  expected.seen.set(launched.instanceId, launched.instance);
}

/** Notes targets as registered. */
export function expectRegistered(
  expected: Expectations,
  targets: readonly TargetRef[],
  atMs: number,
): void {
  for (const target of targets) {
    expected.deregistered.delete(targetKey(target));
    const isAgain = expected.healthy.has(targetKey(target));
    expected.registered.set(targetKey(target), { target, atMs, isAgain });
  }
}

/** Notes targets as deregistered. */
export function expectDeregistered(
  expected: Expectations,
  targets: readonly TargetRef[],
  atMs: number,
): void {
  for (const target of targets) {
    expected.registered.delete(targetKey(target));
    expected.deregistered.set(targetKey(target), { target, atMs });
  }
}

/** Notes an instance as accepted for termination. */
export function expectTerminated(expected: Expectations, instanceId: string, atMs: number): void {
  expected.terminated.set(instanceId, { atMs });
}

/** Notes the source/destination check of an instance as turned off. */
export function expectConfigured(expected: Expectations, instanceId: string, atMs: number): void {
  expected.configured.set(instanceId, { atMs });
}

/** Corrects what was read by what this run did, and remembers what it saw. */
export function reconcile(
  read: Pick<Snapshot, "instances" | "targets">,
  expected: Expectations,
  now: number,
): Pick<Snapshot, "instances" | "targets"> {
  return {
    instances: reconcileInstances(read.instances, expected, now),
    targets: reconcileTargets(read.targets, expected, now),
  };
}

function reconcileInstances(
  read: ReadonlyMap<string, Instance>,
  expected: Expectations,
  now: number,
): Map<string, Instance> {
  const instances = new Map<string, Instance>();
  for (const [id, instance] of read) instances.set(id, latest(instance, expected.seen.get(id)));
  for (const { instanceId, instance, atMs } of expected.launched.values()) {
    if (!instances.has(instanceId) && now - atMs < settleMs) {
      instances.set(instanceId, expected.seen.get(instanceId) ?? instance);
    }
  }
  for (const { instanceId, instance: launched } of expected.launched.values()) {
    const instance = instances.get(instanceId);
    if (instance !== undefined) instances.set(instanceId, withTagsOf(instance, launched));
  }
  // Before our own expectations: what AWS has not shown is not remembered as seen.
  for (const [id, instance] of instances) {
    expected.seen.set(id, instance);
    if (isForwarding(instance)) expected.forwarding.add(id);
  }
  for (const [id, { atMs }] of expected.configured) {
    const instance = instances.get(id);
    if (instance !== undefined && now - atMs < settleMs) instances.set(id, asForwarding(instance));
  }
  for (const [id, { atMs }] of expected.terminated) {
    const instance = instances.get(id);
    if (instance !== undefined && !isGone(instance) && now - atMs < settleMs) {
      instances.set(id, { ...instance, state: "shutting-down" });
    }
  }
  return instances;
}

/** Whose place a replacement takes is known of what this run launched, whoever takes its tags away. */
function withTagsOf(instance: Instance, launched: Instance): Instance {
  const own = Object.values(ownTags).filter((key) => instance.tags[key] === undefined);
  const missing = own.filter((key) => launched.tags[key] !== undefined);
  if (missing.length === 0) return instance;
  const tags = Object.fromEntries(missing.map((key) => [key, launched.tags[key] ?? ""]));
  return { ...instance, tags: { ...instance.tags, ...tags } };
}

/** The later of two sights of an instance: the end of one is final, and none is pending again after it ran. */
function latest(read: Instance, seen: Instance | undefined): Instance {
  if (seen === undefined) return read;
  const wentBack =
    seen.state === "terminated" ||
    (isGone(seen) && !isGone(read)) ||
    (seen.state === "running" && read.state === "pending");
  return wentBack ? { ...read, state: seen.state, stateReason: seen.stateReason } : read;
}

const arriving = { state: "initial", reason: "Elb.RegistrationInProgress" };
const mayBeHealthy = true as const;

function reconcileTargets(read: readonly Target[], expected: Expectations, now: number): Target[] {
  const recent = (entry: { atMs: number } | undefined) =>
    entry !== undefined && now - entry.atMs < settleMs;
  for (const target of read) {
    expected.touched.add(target.instanceId);
    if (target.state === "healthy") expected.healthy.set(targetKey(target), { atMs: now });
  }
  const targets = read.map((target) => {
    if (!isRegistered(target)) return target;
    if (recent(expected.deregistered.get(targetKey(target)))) {
      return { ...target, state: "draining", reason: "Target.DeregistrationInProgress" };
    }
    if (!recent(expected.healthy.get(targetKey(target)))) return target;
    const registered = expected.registered.get(targetKey(target));
    if (registered?.isAgain && recent(registered)) return { ...target, ...arriving, mayBeHealthy };
    return target.state === "healthy" ? target : { ...target, mayBeHealthy };
  });
  const known = new Set(read.map(targetKey));
  const missing = [...expected.registered].filter(
    ([key, entry]) => recent(entry) && !known.has(key),
  );
  return [
    ...targets,
    ...missing.map(([key, { target }]) => {
      const isRecent = recent(expected.healthy.get(key));
      return { ...target, ...arriving, ...(isRecent ? { mayBeHealthy } : {}) };
    }),
  ];
}
