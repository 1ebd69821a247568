import { asForwarding, isForwarding } from "./forwarding.ts";
import type { Registration } from "./slots.ts";
import {
  type Instance,
  isGone,
  isRegistered,
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
  readonly registered: Map<string, { target: TargetRef; atMs: number }>;
  readonly deregistered: Map<string, { target: TargetRef; atMs: number }>;
  readonly terminated: Map<string, { atMs: number }>;
  /** Instances whose source/destination check was turned off. */
  readonly configured: Map<string, { atMs: number }>;
  /** Instances whose termination protection this run lifted; `isSure` unless the answer to that was lost. */
  readonly unprotected: Map<string, { isSure: boolean }>;
  /** Instances that were seen with that check off. */
  readonly forwarding: Set<string>;
  /** Instances that this run may have registered, whether or not it got an answer. */
  readonly touched: Set<string>;
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
    terminated: new Map(),
    configured: new Map(),
    unprotected: new Map(),
    forwarding: new Set(),
    touched: new Set(),
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
    expected.registered.set(targetKey(target), { target, atMs });
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

/** The later of two sights of an instance: the end of one is final, and none is pending again after it ran. */
function latest(read: Instance, seen: Instance | undefined): Instance {
  if (seen === undefined) return read;
  const wentBack =
    seen.state === "terminated" ||
    (isGone(seen) && !isGone(read)) ||
    (seen.state === "running" && read.state === "pending");
  return wentBack ? { ...read, state: seen.state, stateReason: seen.stateReason } : read;
}

function reconcileTargets(read: readonly Target[], expected: Expectations, now: number): Target[] {
  const recent = (entry: { atMs: number } | undefined) =>
    entry !== undefined && now - entry.atMs < settleMs;
  const targets = read.map((target) =>
    isRegistered(target) && recent(expected.deregistered.get(targetKey(target)))
      ? { ...target, state: "draining", reason: "Target.DeregistrationInProgress" }
      : target,
  );
  const known = new Set(read.map(targetKey));
  const missing = [...expected.registered].filter(
    ([key, entry]) => recent(entry) && !known.has(key),
  );
  return [
    ...targets,
    ...missing.map(([, { target }]) => ({
      ...target,
      state: "initial",
      reason: "Elb.RegistrationInProgress",
    })),
  ];
}
