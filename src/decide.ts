import { arrive } from "./arrive.ts";
import { type Capacity, capacityOf, leave } from "./leave.ts";
import { leaveBehind, mayBeAllThatServes } from "./leftover.ts";
import { within } from "./limits.ts";
import { comeBack, comeBackWhole, holdOn, isLost, isOurs, lost, protectAgain } from "./loss.ts";
import { type Need, type Situation, secondsIn } from "./needs.ts";
import { findRoom } from "./room.ts";
import { type Fleet, isHealthyAt, isInService, isWell, type Slot, slotsOf } from "./slots.ts";
import { type Instance, isAlive } from "./snapshot.ts";
import { launchesNow, whole } from "./turns.ts";

/** What every slot needs next, and whether anything is left to do at all. */
export interface Decision {
  readonly fleet: Fleet;
  readonly needs: readonly Need[];
  /** Slots whose turn has not come. */
  readonly queued: readonly Slot[];
}

/** The rolling update: what each slot needs next. Pure: the same situation, the same decision. */
export function decide(situation: Situation): Decision {
  const { snapshot, plan, expected } = situation;
  const fleet = slotsOf(snapshot, { ...plan, ...expected });
  const capacity = capacityOf(situation);
  const next = situation.mode === "rolling" ? roll : wrapUp;
  const wanted = fleet.slots.flatMap((slot) => next(slot, situation, capacity, fleet) ?? []);
  const turns = new Set([...launchesNow(fleet, situation)].map(({ id }) => id));
  const isInTurn = ({ phase, failure, slotId }: Need) =>
    failure !== undefined || (phase !== "launch" && phase !== "room") || turns.has(slotId);
  const needs = wanted.filter(isInTurn);
  const waiting = new Set(wanted.filter((need) => !isInTurn(need)).map(({ slotId }) => slotId));
  const queued = fleet.slots.filter(({ id }) => waiting.has(id));
  return { fleet, queued, needs: needs.length > 0 ? needs : whole(fleet, queued, situation) };
}

function roll(
  slot: Slot,
  situation: Situation,
  capacity: Capacity,
  fleet: Fleet,
): Need | undefined {
  const { old, replacement, retiring, ending } = slot;
  if (replacement === undefined) {
    if (old === undefined || isLost(old, situation)) return lost(slot, situation);
    if (retiring[0] !== undefined) return leaveBehind(slot, old, retiring[0], situation, capacity);
    const shortage = situation.shortages.get(old.id);
    return shortage === undefined
      ? launch(slot, old, situation)
      : findRoom(slot, old, shortage, fleet, situation);
  }
  const { targetGroupArn } = situation.plan.config;
  const serves = isInService(situation.snapshot, replacement.id, targetGroupArn);
  const arriving = old !== undefined || !serves ? arrive(slot, replacement, situation) : undefined;
  if (arriving !== undefined) return arriving;
  const leaving = old ?? retiring[0];
  if (leaving === undefined) return ending[0] && end(slot, ending[0], situation);
  const need = leave(slot, leaving, situation, capacity);
  const isLast = need.step?.kind === "terminate" && situation.expected.launched.has(leaving.id);
  return isLast && !isWell(slot, situation.snapshot) ? holdOn(slot, replacement, situation) : need;
}

/**
 * After a failure or a signal: nothing new, and no old one leaves that is not leaving already. One that has left for a
 * replacement that is lost or ill comes back.
 */
function wrapUp(slot: Slot, situation: Situation, capacity: Capacity): Need | undefined {
  const { snapshot, plan, mode, gaveUp } = situation;
  const { old, replacement, retiring, ending } = slot;
  if (gaveUp.has(slot.id)) return undefined;
  const comingBack = old
    ? comeBackWhole(slot, old, situation)
    : isWell(slot, snapshot)
      ? undefined
      : comeBack(slot, situation);
  if (comingBack !== undefined) return comingBack;
  const unprotected = old && protectAgain(slot, old, situation);
  if (unprotected !== undefined) return unprotected;
  const inService = (id: string) => isInService(snapshot, id, plan.config.targetGroupArn);
  const abandoned = [replacement, ...retiring].find((one) => {
    if (one === undefined || mayBeAllThatServes(one, situation)) return false;
    if (old !== undefined) return !isHealthyAt(snapshot, one.id, slot.wanted);
    return isOurs(one, situation) && !(isAlive(one) && inService(one.id));
  });
  if (abandoned !== undefined) return leave(slot, abandoned, situation, capacity);
  if (mode === "interrupted") return undefined;
  if (!old && replacement && retiring[0]) return leave(slot, retiring[0], situation, capacity);
  return ending[0] && end(slot, ending[0], situation);
}

function launch(slot: Slot, old: Instance, situation: Situation): Need {
  return within(slot, situation, {
    phase: "launch",
    instanceId: old.id,
    step: { kind: "launch", slot },
    seen: "RunInstances has not succeeded yet",
    pollSeconds: 3,
  });
}

/** EC2 finishes a termination it has accepted, however long that takes: not to see its end is no failure. */
function end(slot: Slot, { id, state }: Instance, situation: Situation): Need | undefined {
  const limitSeconds = situation.plan.config.waitingPeriodSeconds;
  if (secondsIn(situation, slot.id, "end", id) >= limitSeconds) return undefined;
  const seen = `instance state: ${state}`;
  return { slotId: slot.id, phase: "end", instanceId: id, seen, limitSeconds, pollSeconds: 5 };
}
