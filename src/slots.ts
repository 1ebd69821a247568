import type { Config } from "./config.ts";
import { isUpToDate } from "./launch.ts";
import {
  type Instance,
  isAlive,
  isGone,
  isRegistered,
  isServing,
  ownTags,
  type Snapshot,
  targetsOf,
} from "./snapshot.ts";

/** A place in a target group: what has to be registered for it. */
export interface Registration {
  readonly targetGroupArn: string;
  readonly port: number;
}

/** One place of the fleet: an instance, what replaces it, and what is left of earlier ones. */
export interface Slot {
  /** The id of the instance that is replaced here, also when that is gone; of one that is up to date, its own. */
  readonly id: string;
  /** Serves and is to be replaced. */
  readonly old?: Instance;
  /** Is what this run would launch: on its way, or in service. */
  readonly replacement?: Instance;
  /** Neither: deregistered already, or left by another rollout. */
  readonly retiring: readonly Instance[];
  /** Accepted for termination, but not terminated yet. */
  readonly ending: readonly Instance[];
  /** Where the replacement has to be registered: as the old one is. */
  readonly wanted: readonly Registration[];
}

/** What tells a replacement of ours from a stranger. */
export interface SlotContext {
  readonly config: Config;
  readonly ami: string;
  /** Replacements this run launched or adopted, by the id of the instance they replace. */
  readonly launched: ReadonlyMap<string, { instanceId: string; wanted: readonly Registration[] }>;
  /** Instances that were in service at some time of this run. */
  readonly served: ReadonlySet<string>;
  /** Where their replacements have to be registered, as far as that was seen before, by the id of an instance. */
  readonly wanted: ReadonlyMap<string, readonly Registration[]>;
}

/** The places of the fleet, and instances that carry our tags, or were in service, but belong to none of them. */
export interface Fleet {
  readonly slots: readonly Slot[];
  readonly strays: readonly Instance[];
}

/**
 * Sorts the instances of a snapshot into slots, by nothing but what AWS shows and what this run launched.
 * An instance and the one tagged as its replacement share a slot for as long as both exist.
 */
export function slotsOf(snapshot: Snapshot, context: SlotContext): Fleet {
  const slots: Slot[] = [];
  const strays: Instance[] = [];
  for (const members of placesOf(snapshot, context)) {
    const slot = toSlot(members, snapshot, context);
    if (slot !== undefined) slots.push(slot);
    else strays.push(...members.filter((member) => !isGone(member)));
  }
  return { slots, strays };
}

/** Whether anything stands in this slot that a finished rollout would not leave. */
export function isUnfinished({ old, retiring }: Slot): boolean {
  return old !== undefined || retiring.length > 0;
}

/** Whether an instance is a registered, not draining, target of the group to be updated. */
export function isInService(snapshot: Snapshot, id: string, targetGroupArn: string): boolean {
  return targetsOf(snapshot, id).some(
    (target) => target.targetGroupArn === targetGroupArn && isRegistered(target),
  );
}

/** Whether an instance is healthy at every one of these places. */
export function isHealthyAt(
  snapshot: Snapshot,
  id: string,
  places: readonly Registration[],
): boolean {
  const healthy = targetsOf(snapshot, id).filter((target) => isServing(snapshot, target));
  return (
    places.length > 0 &&
    places.every((place) =>
      healthy.some(
        (target) => target.targetGroupArn === place.targetGroupArn && target.port === place.port,
      ),
    )
  );
}

/** Whether the replacement serves wherever the old one did. */
export function isWell({ replacement, wanted }: Slot, snapshot: Snapshot): boolean {
  return replacement !== undefined && isHealthyAt(snapshot, replacement.id, wanted);
}

/**
 * Healthy targets of a group as the fleet needs them: a slot that two serve at once counts as one, since the second
 * is a replacement on its way.
 */
export function healthyAtStart(fleet: Fleet, snapshot: Snapshot, targetGroupArn: string): number {
  const ours = new Set<string>();
  let count = 0;
  for (const { old, replacement, retiring } of fleet.slots) {
    const present = [old, replacement, ...retiring].flatMap((member) => member ?? []);
    for (const { id } of present) ours.add(id);
    const most = (members: readonly Instance[]) =>
      Math.max(0, ...members.map(({ id }) => healthyTargets(snapshot, id, targetGroupArn)));
    // Beside an old one that serves there, what another rollout left is a surplus that will go.
    const kept = old === undefined ? [] : present.filter((one) => !retiring.includes(one));
    count += most(kept) || most(present);
  }
  const others = snapshot.targets.filter(
    (target) =>
      target.targetGroupArn === targetGroupArn &&
      isServing(snapshot, target) &&
      !ours.has(target.instanceId),
  );
  return count + others.length;
}

/** How many healthy targets an instance has in a group: one for each port. */
export function healthyTargets(snapshot: Snapshot, id: string, targetGroupArn: string): number {
  return targetsOf(snapshot, id).filter(
    (target) => target.targetGroupArn === targetGroupArn && isServing(snapshot, target),
  ).length;
}

/** Groups instances that are linked by `zero-deploy:replaces`. */
function placesOf(snapshot: Snapshot, { config, served }: SlotContext): Instance[][] {
  const places = new Map<string, Instance[]>();
  const members = [...snapshot.instances.values()].filter(
    ({ id, tags }) =>
      isInService(snapshot, id, config.targetGroupArn) ||
      tags[ownTags.targetGroup] === config.targetGroupArn ||
      served.has(id),
  );
  const linked = members.flatMap((member) => predecessor(member, snapshot) ?? []);
  for (const member of new Set([...members, ...linked])) {
    const root = rootOf(member, snapshot, config.targetGroupArn).id;
    places.set(root, [...(places.get(root) ?? []), member]);
  }
  return [...places.values()];
}

function predecessor(instance: Instance, snapshot: Snapshot): Instance | undefined {
  return snapshot.instances.get(instance.tags[ownTags.replaces] ?? "");
}

/**
 * Follows the replaced instances back. One in service whose predecessor is gone is the beginning of its own place:
 * its tags may have been copied to another instance, which then has a place too.
 */
function rootOf(instance: Instance, snapshot: Snapshot, targetGroupArn: string): Instance {
  const passed = new Set<string>();
  let root = instance;
  for (;;) {
    const next = predecessor(root, snapshot);
    // Tags are what people make of them: a circle of instances that replace each other must not hang a run.
    if (next === undefined || passed.has(next.id)) return root;
    if (isGone(next) && isInService(snapshot, root.id, targetGroupArn)) return root;
    passed.add(root.id);
    root = next;
  }
}

function toSlot(members: Instance[], snapshot: Snapshot, context: SlotContext): Slot | undefined {
  const { config, launched } = context;
  const present = members.filter((member) => !isGone(member));
  const inService = ({ id }: Instance) => isInService(snapshot, id, config.targetGroupArn);
  const serving = ({ id }: Instance) =>
    targetsOf(snapshot, id).filter((target) => isServing(snapshot, target)).length;
  const ours = new Set([...launched.values()].map(({ instanceId }) => instanceId));
  const replacement = present
    .filter((member) => isReplacement(member, snapshot, context))
    .sort(
      by((one) => [
        -serving(one),
        Number(!inService(one)),
        Number(one.state !== "running"),
        one.launchedAtMs,
        one.id,
      ]),
    )[0];
  const rest = present.filter((member) => member !== replacement);
  // A replacement of this run that has stopped is lost; it is nothing to be replaced in its turn.
  const old = rest
    .filter((one) => inService(one) && (isAlive(one) || !ours.has(one.id)))
    .sort(by((one) => [-serving(one), one.launchedAtMs, one.id]))[0];
  const retiring = rest.filter((member) => member !== old);
  const wanted = registrationsFor(old, members, snapshot, context);
  const isKnown = members.some(({ id }) => launched.has(id)) && present.length > 0;
  const serves = present.some(inService) || (replacement !== undefined && wanted.length > 0);
  if (!serves && !isKnown) return undefined;
  const ends = [...members, ...present.flatMap((member) => predecessor(member, snapshot) ?? [])];
  return {
    id: old?.id ?? replacement?.tags[ownTags.replaces] ?? replacement?.id ?? present[0]?.id ?? "",
    old,
    replacement,
    retiring,
    ending: [...new Set(ends)].filter((one) => one.state === "shutting-down"),
    wanted,
  };
}

/** Up to date, and either serving already or launched for this very slot in this very shape. */
function isReplacement(instance: Instance, snapshot: Snapshot, context: SlotContext): boolean {
  const { config, ami, launched } = context;
  const replaces = instance.tags[ownTags.replaces] ?? "";
  if (!isAlive(instance)) return false;
  if (launched.get(replaces)?.instanceId === instance.id) return true;
  return (
    isUpToDate(instance, config, ami) &&
    (isInService(snapshot, instance.id, config.targetGroupArn) ||
      (snapshot.specs.get(replaces)?.has(instance.tags[ownTags.spec] ?? "") ?? false))
  );
}

function registrationsFor(
  old: Instance | undefined,
  members: readonly Instance[],
  snapshot: Snapshot,
  { launched, wanted }: SlotContext,
): Registration[] {
  // Without an old one in service, one that drains or died still shows where it was registered; with one, what else is
  // registered does: a run may have been killed before it had registered its replacement everywhere.
  const seen = members
    .flatMap(({ id }) => targetsOf(snapshot, id))
    .filter((one) => old === undefined || one.instanceId === old.id || isRegistered(one));
  const ids = new Set(members.map(({ id }) => id));
  const remembered = [...launched]
    .filter(([replaces, { instanceId }]) => ids.has(replaces) || ids.has(instanceId))
    .flatMap(([, { wanted }]) => wanted);
  const places = new Map(
    [...remembered, ...(wanted.get(old?.id ?? "") ?? []), ...seen].map(
      ({ targetGroupArn, port }) => [`${targetGroupArn} ${port}`, { targetGroupArn, port }],
    ),
  );
  return [...places.values()];
}

function by<T>(keysOf: (item: T) => (number | string)[]): (a: T, b: T) => number {
  return (a, b) => {
    const keys = keysOf(b);
    const [key, other] = keysOf(a)
      .map((one, index) => [one, keys[index] ?? one] as const)
      .find(([one, another]) => one !== another) ?? [0, 0];
    return key === other ? 0 : key < other ? -1 : 1;
  };
}
