import { arrive, within } from "./arrive.ts";
import { type Capacity, capacityOf, leave } from "./leave.ts";
import { type Need, type Situation, secondsIn } from "./needs.ts";
import {
  type Fleet,
  healthyTargets,
  isHealthyAt,
  isInService,
  type Slot,
  slotsOf,
} from "./slots.ts";
import { type Instance, isAlive } from "./snapshot.ts";

/** What every slot needs next, and whether anything is left to do at all. */
export interface Decision {
  readonly fleet: Fleet;
  readonly needs: readonly Need[];
  /** Slots whose turn has not come. */
  readonly queued: readonly Slot[];
}

/** The slot name of a need that concerns the whole fleet. */
export const wholeFleet = "fleet";

/** The rolling update: what each slot needs next. Pure: the same situation, the same decision. */
export function decide(situation: Situation): Decision {
  const { snapshot, plan, expected } = situation;
  const fleet = slotsOf(snapshot, { ...plan, launched: expected.launched });
  const capacity = capacityOf(situation);
  const next = situation.mode === "rolling" ? roll : wrapUp;
  const wanted = fleet.slots.flatMap((slot) => next(slot, situation, capacity) ?? []);
  const turns = launchesNow(fleet, situation);
  const needs = wanted.filter(
    ({ step, failure }) => failure || step?.kind !== "launch" || turns.has(step.slot),
  );
  const queued = wanted.flatMap((need) =>
    need.step?.kind === "launch" && !needs.includes(need) ? need.step.slot : [],
  );
  const idle = needs.length + queued.length === 0;
  return { fleet, queued, needs: idle ? recover(situation) : needs };
}

function roll(slot: Slot, situation: Situation, capacity: Capacity): Need | undefined {
  const { old, replacement, retiring, ending } = slot;
  if (replacement === undefined) {
    // A leftover costs a place of max-surge, so it goes before anything new comes.
    if (retiring[0] !== undefined && !isLost(slot, situation))
      return leave(slot, retiring[0], situation, capacity);
    return old && launch(slot, old, situation);
  }
  const serves = isInService(
    situation.snapshot,
    replacement.id,
    situation.plan.config.targetGroupArn,
  );
  const arriving = old !== undefined || !serves ? arrive(slot, replacement, situation) : undefined;
  if (arriving !== undefined) return arriving;
  const leaving = old ?? retiring[0];
  if (leaving !== undefined) return leave(slot, leaving, situation, capacity);
  return ending[0] && end(slot, ending[0], situation);
}

/** After a failure or a signal: nothing new, and no old one leaves that is not leaving already. */
function wrapUp(slot: Slot, situation: Situation, capacity: Capacity): Need | undefined {
  const { snapshot, plan, mode, gaveUp } = situation;
  const { old, replacement, retiring, ending } = slot;
  if (gaveUp.has(slot.id)) return undefined;
  const serves = replacement && isInService(snapshot, replacement.id, plan.config.targetGroupArn);
  const abandoned =
    old !== undefined
      ? [replacement, ...retiring].find((one) => one && !isHealthyAt(snapshot, one.id, slot.wanted))
      : serves
        ? undefined
        : replacement;
  if (abandoned !== undefined) return leave(slot, abandoned, situation, capacity);
  if (mode === "interrupted") return undefined;
  if (old === undefined && retiring[0]) return leave(slot, retiring[0], situation, capacity);
  return ending[0] && end(slot, ending[0], situation);
}

function launch(slot: Slot, old: Instance, situation: Situation): Need {
  const need = within(slot, situation, {
    phase: "launch",
    instanceId: old.id,
    step: { kind: "launch", slot },
    seen: "RunInstances has not succeeded yet",
    pollSeconds: 3,
  });
  return isLost(slot, situation) ? { ...need, failure: epitaph(old, situation) } : need;
}

/** Whether this run has launched a replacement for this slot that is none any more: it is not launched again. */
function isLost({ old }: Slot, { expected }: Situation): boolean {
  return old !== undefined && expected.launched.has(old.id);
}

/** EC2 explains a launch that dies in either field of StateReason, so both are told. */
function epitaph(old: Instance, { snapshot, expected }: Situation): string {
  const id = expected.launched.get(old.id)?.instanceId ?? "";
  const instance = snapshot.instances.get(id);
  if (instance === undefined)
    return `instance ${id}, launched to replace ${old.id}, is unknown to EC2`;
  const { code, message } = instance.stateReason ?? {};
  const why = [code, message].filter(Boolean).join(", ") || "EC2 gives no reason";
  return `instance ${id}, launched to replace ${old.id}, is ${instance.state} (${why})`;
}

/** EC2 finishes a termination it has accepted, however long that takes: not to see its end is no failure. */
function end(slot: Slot, { id, state }: Instance, situation: Situation): Need | undefined {
  const limitSeconds = situation.plan.config.waitingPeriodSeconds;
  if (secondsIn(situation, slot.id, "end", id) >= limitSeconds) return undefined;
  const seen = `instance state: ${state}`;
  return { slotId: slot.id, phase: "end", instanceId: id, seen, limitSeconds, pollSeconds: 5 };
}

/**
 * The slots that may launch now: unhealthy ones first, then the oldest. Pending and running instances never exceed the
 * number of slots by more than max-surge, and until one replacement has proven itself, it goes alone.
 * Example: 3 slots and max-surge 2 allow 5 instances. At the start 3 run: one launches, as the first goes alone. Once
 * its old one leaves, 4 run, so one more may launch; once that old one is terminated, 2.
 */
function launchesNow({ slots }: Fleet, { plan, snapshot }: Situation): Set<Slot> {
  const { targetGroupArn, maxSurge } = plan.config;
  const alive = slots.flatMap(({ old, replacement, retiring }) =>
    [old, replacement, ...retiring].filter((one) => one !== undefined && isAlive(one)),
  );
  const room = slots.length + maxSurge - alive.length;
  const isProven = slots.some(
    ({ old, replacement, wanted }) =>
      replacement && !old && isHealthyAt(snapshot, replacement.id, wanted),
  );
  const onTheirWay = slots.filter(({ old, replacement }) => old && replacement).length;
  const isHealthy = ({ old }: Slot) =>
    old && healthyTargets(snapshot, old.id, targetGroupArn) > 0 ? 1 : 0;
  const waiting = slots
    .filter(({ old, replacement }) => old && !replacement)
    .sort(
      (a, b) =>
        isHealthy(a) - isHealthy(b) ||
        (a.old?.launchedAtMs ?? 0) - (b.old?.launchedAtMs ?? 0) ||
        (a.id < b.id ? -1 : 1),
    );
  return new Set(waiting.slice(0, Math.max(0, Math.min(room, isProven ? room : 1 - onTheirWay))));
}

/** With every slot done: wait until as many targets are healthy as were at the start. */
function recover(situation: Situation): Need[] {
  const { plan, snapshot, mode } = situation;
  const short = plan.targetGroups.find(
    ({ arn }) => healthyCount(arn) < (plan.healthyAtStart.get(arn) ?? 0),
  );
  if (short === undefined || mode !== "rolling") return [];
  const seen = `${short.name} has ${healthyCount(short.arn)} healthy targets, at the start it had ${plan.healthyAtStart.get(short.arn)}`;
  const need = within({ id: wholeFleet }, situation, {
    phase: "capacity",
    instanceId: "",
    seen,
    pollSeconds: 5,
  });
  return [
    need.failure === undefined
      ? need
      : { ...need, failure: `every instance is replaced, but ${seen}` },
  ];

  function healthyCount(arn: string) {
    return snapshot.targets.filter((one) => one.targetGroupArn === arn && one.state === "healthy")
      .length;
  }
}
