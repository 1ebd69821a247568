import { missingTargets } from "./arrive.ts";
import { settleMs } from "./expectations.ts";
import { type Capacity, leave } from "./leave.ts";
import { within } from "./limits.ts";
import { isOurs } from "./loss.ts";
import type { Need, Situation } from "./needs.ts";
import { isHealthyAt, type Slot } from "./slots.ts";
import { type Instance, isRegistered, isServing, targetsOf } from "./snapshot.ts";

/** What an earlier run left beside an old one goes: it costs a place of max-surge. */
export function leaveBehind(
  slot: Slot,
  old: Instance,
  leftover: Instance,
  situation: Situation,
  capacity: Capacity,
): Need {
  if (mayBeAllThatServes(leftover, situation)) {
    return {
      slotId: slot.id,
      phase: "capacity",
      instanceId: leftover.id,
      seen: `healthy targets: ${leftover.id} may be all that an earlier rollout left here`,
      pollSeconds: 5,
    };
  }
  return standIn(slot, old, leftover, situation) ?? leave(slot, leftover, situation, capacity);
}

/**
 * Whether the reads may be from before a run that has just ended took the old one out: then the leftover is what it put
 * in its place.
 */
export function mayBeAllThatServes(leftover: Instance, situation: Situation): boolean {
  return (
    situation.lookedForMs < settleMs &&
    !isOurs(leftover, situation) &&
    targetsOf(situation.snapshot, leftover.id).some(isRegistered)
  );
}

/**
 * A leftover that serves where the old one does not cannot be spared: a run was killed before it had deregistered it
 * everywhere, and its replacement is ill. Of the two, the one that is not registered everywhere is so again, and can then
 * stand in for the other.
 */
function standIn(
  slot: Slot,
  old: Instance,
  leftover: Instance,
  situation: Situation,
): Need | undefined {
  const { snapshot } = situation;
  const served = targetsOf(snapshot, leftover.id).filter((target) => isServing(snapshot, target));
  if (served.length === 0 || isHealthyAt(snapshot, old.id, served)) return undefined;
  const one = [old, leftover].find(
    (each) => each.state === "running" && missingTargets(slot, each, situation).length > 0,
  );
  if (one === undefined) return undefined;
  return within(slot, situation, {
    phase: "register",
    instanceId: one.id,
    step: { kind: "register", targets: missingTargets(slot, one, situation) },
    seen: "registered targets: not all",
    pollSeconds: 3,
  });
}
