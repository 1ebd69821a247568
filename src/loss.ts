import type { Expectations } from "./expectations.ts";
import { within } from "./limits.ts";
import { type Need, type Situation, secondsSinceFirst } from "./needs.ts";
import type { Slot } from "./slots.ts";
import { type Instance, isRegistered, ownTags, targetKey, targetsOf } from "./snapshot.ts";

/** Whether this run has launched a replacement for an instance that is none any more: it is not launched again. */
export function isLost({ id }: Instance, { expected }: Situation): boolean {
  return expected.launched.get(id)?.isAdopted === false;
}

/** A slot whose replacement died, the old one perhaps having left for it. EC2 explains that in two fields. */
export function lost(slot: Slot, { snapshot, expected, plan }: Situation): Need {
  const pair = launchOf(slot, expected);
  const id = pair?.instanceId ?? slot.id;
  const instance = snapshot.instances.get(id);
  const { code, message } = instance?.stateReason ?? {};
  const why = [code, message].filter(Boolean).join(", ") || "EC2 gives no reason";
  const state = instance === undefined ? "unknown to EC2" : `${instance.state} (${why})`;
  const after = slot.old === undefined ? ", after that one had left" : "";
  return {
    slotId: slot.id,
    phase: "launch",
    instanceId: pair?.replaces ?? slot.id,
    seen: `instance state: ${state}`,
    limitSeconds: plan.config.waitingPeriodSeconds,
    pollSeconds: 3,
    failure:
      pair === undefined
        ? `instance ${id} (${instance?.state ?? "unknown to EC2"}) is all that is left in its place: neither an old instance nor a replacement serves there`
        : `instance ${id}, launched to replace ${pair.replaces}${after}, is ${state}`,
  };
}

/** What this run launched or adopted for a slot; the instances it is about may be gone, and be named by tags alone. */
function launchOf({ id, old, retiring, ending }: Slot, { launched }: Expectations) {
  const present = [old, ...retiring, ...ending].filter((one) => one !== undefined);
  const members = [id, ...present.flatMap((one) => [one.id, one.tags[ownTags.replaces] ?? ""])];
  return [...launched]
    .map(([replaces, { instanceId }]) => ({ replaces, instanceId }))
    .find(({ replaces, instanceId }) => members.includes(replaces) || members.includes(instanceId));
}

/** Registers an old one again, which a draining target allows, where it still runs. */
export function comeBack(slot: Slot, situation: Situation): Need | undefined {
  const instance = slot.retiring.find(({ id }) => situation.expected.launched.has(id));
  if (instance?.state !== "running" || slot.wanted.length === 0) return undefined;
  return within(slot, situation, {
    phase: "register",
    instanceId: instance.id,
    step: {
      kind: "register",
      targets: slot.wanted.map((place) => ({ ...place, instanceId: instance.id })),
    },
    seen: "registered targets: none",
    pollSeconds: 3,
  });
}

/**
 * An old one that is registered again, but not wherever this run had deregistered it, or asked for that: of several calls
 * one may have failed.
 */
export function comeBackWhole(
  slot: Slot,
  { id }: Instance,
  situation: Situation,
): Need | undefined {
  const { deregistered, asked } = situation.expected;
  const registered = targetsOf(situation.snapshot, id).filter(isRegistered).map(targetKey);
  const wanted = [
    ...[...deregistered.values()].flatMap(({ target }) => (target.instanceId === id ? target : [])),
    ...(asked.get(id) ?? []),
  ];
  const missing = wanted.filter((target) => !registered.includes(targetKey(target)));
  const targets = [...new Map(missing.map((target) => [targetKey(target), target])).values()];
  if (targets.length === 0) return undefined;
  return within(slot, situation, {
    phase: "register",
    instanceId: id,
    step: { kind: "register", targets },
    seen: "registered targets: not all",
    pollSeconds: 3,
  });
}

/** What stays is protected as it was before this run. */
export function protectAgain(slot: Slot, { id }: Instance, situation: Situation): Need | undefined {
  if (!situation.expected.unprotected.has(id)) return undefined;
  return within(slot, situation, {
    phase: "protect",
    instanceId: id,
    step: { kind: "protect", instanceId: id },
    seen: "termination protection: lifted",
    pollSeconds: 3,
  });
}

/** The old one could still come back, so it is not terminated while its replacement is ill. */
export function holdOn(slot: Slot, { id }: Instance, situation: Situation): Need {
  const need = within(
    slot,
    situation,
    {
      phase: "capacity",
      instanceId: id,
      seen: `healthy targets: replacement ${id} is not healthy any more`,
      pollSeconds: 5,
    },
    secondsSinceFirst(situation, slot.id, ["capacity"], id),
  );
  if (need.failure === undefined) return need;
  return {
    ...need,
    failure: `instance ${id} became unhealthy while the one it replaces was draining`,
  };
}

/** Launched or adopted by this run. */
export function isOurs({ id }: Instance, { expected }: Situation): boolean {
  return [...expected.launched.values()].some(({ instanceId }) => instanceId === id);
}
