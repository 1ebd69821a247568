import { arrive, within } from "./arrive.ts";
import { type Capacity, capacityOf, leave } from "./leave.ts";
import { type Need, type Situation, secondsIn, secondsSinceFirst } from "./needs.ts";
import {
  type Fleet,
  healthyTargets,
  isHealthyAt,
  isInService,
  type Slot,
  slotsOf,
} from "./slots.ts";
import { type Instance, isAlive, isServing } from "./snapshot.ts";

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
  const fleet = slotsOf(snapshot, { ...plan, ...expected });
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
  return { fleet, queued, needs: needs.length > 0 ? needs : whole(fleet, queued, situation) };
}

function roll(slot: Slot, situation: Situation, capacity: Capacity): Need | undefined {
  const { old, replacement, retiring, ending } = slot;
  if (replacement === undefined) {
    if (old === undefined || isLost(old, situation)) return lost(slot, situation);
    // A leftover costs a place of max-surge, so it goes before anything new comes.
    if (retiring[0] !== undefined) return leave(slot, retiring[0], situation, capacity);
    return launch(slot, old, situation);
  }
  const { targetGroupArn } = situation.plan.config;
  const serves = isInService(situation.snapshot, replacement.id, targetGroupArn);
  const arriving = old !== undefined || !serves ? arrive(slot, replacement, situation) : undefined;
  if (arriving !== undefined) return arriving;
  const leaving = old ?? retiring[0];
  if (leaving === undefined) return ending[0] && end(slot, ending[0], situation);
  const need = leave(slot, leaving, situation, capacity);
  const isLast = need.step?.kind === "terminate" && situation.expected.launched.has(leaving.id);
  return isLast && !isWell(slot, situation) ? holdOn(slot, replacement, situation) : need;
}

/**
 * After a failure or a signal: nothing new, and no old one leaves that is not leaving already. One that has left for a
 * replacement that is lost or ill comes back.
 */
function wrapUp(slot: Slot, situation: Situation, capacity: Capacity): Need | undefined {
  const { snapshot, plan, mode, gaveUp } = situation;
  const { old, replacement, retiring, ending } = slot;
  if (gaveUp.has(slot.id)) return undefined;
  const comingBack = old || isWell(slot, situation) ? undefined : comeBack(slot, situation);
  if (comingBack !== undefined) return comingBack;
  const inService = (id: string) => isInService(snapshot, id, plan.config.targetGroupArn);
  const abandoned = [replacement, ...retiring].find((one) => {
    if (one === undefined) return false;
    if (old !== undefined) return !isHealthyAt(snapshot, one.id, slot.wanted);
    return isOurs(one, situation) && !(isAlive(one) && inService(one.id));
  });
  if (abandoned !== undefined) return leave(slot, abandoned, situation, capacity);
  if (mode === "interrupted") return undefined;
  if (!old && replacement && retiring[0]) return leave(slot, retiring[0], situation, capacity);
  return ending[0] && end(slot, ending[0], situation);
}

/** Whether the replacement serves wherever the old one did. */
function isWell({ replacement, wanted }: Slot, { snapshot }: Situation): boolean {
  return replacement !== undefined && isHealthyAt(snapshot, replacement.id, wanted);
}

/** Launched or adopted by this run. */
function isOurs({ id }: Instance, { expected }: Situation): boolean {
  return [...expected.launched.values()].some(({ instanceId }) => instanceId === id);
}

/** The old one could still come back, so it is not terminated while its replacement is ill. */
function holdOn(slot: Slot, { id }: Instance, situation: Situation): Need {
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

function launch(slot: Slot, old: Instance, situation: Situation): Need {
  return within(slot, situation, {
    phase: "launch",
    instanceId: old.id,
    step: { kind: "launch", slot },
    seen: "RunInstances has not succeeded yet",
    pollSeconds: 3,
  });
}

/** Whether this run has launched a replacement for an instance that is none any more: it is not launched again. */
function isLost({ id }: Instance, { expected }: Situation): boolean {
  return expected.launched.get(id)?.isAdopted === false;
}

/** A slot whose replacement died, the old one perhaps having left for it. EC2 explains that in two fields. */
function lost({ id: slotId, old, retiring }: Slot, situation: Situation): Need {
  const { snapshot, expected, plan } = situation;
  const [replaced, id] = [...expected.launched]
    .map(([replaces, { instanceId }]) => [replaces, instanceId] as const)
    .find((pair) => [old, ...retiring].some((one) => one && pair.includes(one.id))) ?? ["", ""];
  const instance = snapshot.instances.get(id);
  const { code, message } = instance?.stateReason ?? {};
  const why = [code, message].filter(Boolean).join(", ") || "EC2 gives no reason";
  const state = instance === undefined ? "unknown to EC2" : `${instance.state} (${why})`;
  const after = old === undefined ? ", after that one had left" : "";
  return {
    slotId,
    phase: "launch",
    instanceId: replaced,
    seen: `instance state: ${state}`,
    limitSeconds: plan.config.waitingPeriodSeconds,
    pollSeconds: 3,
    failure: `instance ${id}, launched to replace ${replaced}${after}, is ${state}`,
  };
}

/** Registers an old one again, which a draining target allows, where it still runs. */
function comeBack(slot: Slot, situation: Situation): Need | undefined {
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

/** EC2 finishes a termination it has accepted, however long that takes: not to see its end is no failure. */
function end(slot: Slot, { id, state }: Instance, situation: Situation): Need | undefined {
  const limitSeconds = situation.plan.config.waitingPeriodSeconds;
  if (secondsIn(situation, slot.id, "end", id) >= limitSeconds) return undefined;
  const seen = `instance state: ${state}`;
  return { slotId: slot.id, phase: "end", instanceId: id, seen, limitSeconds, pollSeconds: 5 };
}

/**
 * The slots that may launch now: unhealthy ones first, then the oldest. Pending and running instances never exceed the
 * number of slots by more than max-surge, until one replacement has proven itself, it goes alone, and while one that had
 * is not healthy any more, none goes.
 * Example: 3 slots and max-surge 2 allow 5 instances. At the start 3 run: one launches, as the first goes alone. Once
 * its old one leaves, 4 run, so one more may launch; once that old one is terminated, 2.
 */
function launchesNow({ slots }: Fleet, situation: Situation): Set<Slot> {
  const { plan, snapshot, expected } = situation;
  const { targetGroupArn, maxSurge } = plan.config;
  const alive = slots.flatMap(({ old, replacement, retiring }) =>
    [old, replacement, ...retiring].filter((one) => one !== undefined && isAlive(one)),
  );
  const room = slots.length + maxSurge - alive.length;
  const finished = slots.filter(({ old, replacement }) => replacement && !old);
  const ours = new Set([...expected.launched.values()].map(({ instanceId }) => instanceId));
  if (finished.some((slot) => ours.has(slot.replacement?.id ?? "") && !isWell(slot, situation))) {
    return new Set();
  }
  const onTheirWay = slots.filter(({ old, replacement }) => old && replacement).length;
  const limit = finished.some((slot) => isWell(slot, situation))
    ? room
    : Math.min(room, 1 - onTheirWay);
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
  return new Set(waiting.slice(0, Math.max(0, limit)));
}

/**
 * With nothing left that any slot needs: wait until as many targets are healthy as were at the start, or until there is
 * room to launch again.
 */
function whole({ slots }: Fleet, queued: readonly Slot[], situation: Situation): Need[] {
  const { plan, snapshot, mode } = situation;
  const healthyCount = (arn: string) =>
    snapshot.targets.filter((one) => one.targetGroupArn === arn && isServing(snapshot, one)).length;
  const short = plan.targetGroups.find(
    ({ arn }) => healthyCount(arn) < (plan.healthyAtStart.get(arn) ?? 0),
  );
  if (mode !== "rolling" || (short === undefined && queued.length === 0)) return [];
  const seen =
    short === undefined
      ? "healthy targets: a new instance is not healthy any more"
      : `healthy targets: ${short.name} has ${healthyCount(short.arn)}, at the start it had ${plan.healthyAtStart.get(short.arn)}`;
  const need = within({ id: wholeFleet }, situation, {
    phase: "capacity",
    instanceId: "",
    seen,
    pollSeconds: 5,
  });
  const done = `${slots.length - queued.length} of ${slots.length} instances are up to date`;
  return [
    need.failure === undefined
      ? need
      : { ...need, failure: `${done}, but not all stay well (${seen})` },
  ];
}
