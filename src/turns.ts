import { within } from "./limits.ts";
import type { Need, Situation } from "./needs.ts";
import { type Fleet, healthyTargets, isWell, type Slot } from "./slots.ts";
import { isAlive, isServing, type Snapshot } from "./snapshot.ts";

/** The slot name of a need that concerns the whole fleet. */
export const wholeFleet = "fleet";

/**
 * The slots that may launch now: unhealthy ones first, then the oldest. Pending and running instances never exceed the
 * number of slots by more than max-surge. Until one replacement has proven itself, it goes alone; while one that had is
 * not healthy any more, none goes.
 * Example: 3 slots and max-surge 2 allow 5 instances. At the start 3 run: one launches, as the first goes alone. Once
 * its old one leaves, 4 run, so one more may launch; once that old one is terminated, 2.
 */
export function launchesNow({ slots }: Fleet, situation: Situation): Set<Slot> {
  const { plan, snapshot, expected } = situation;
  const { targetGroupArn, maxSurge } = plan.config;
  const alive = slots.flatMap(({ old, replacement, retiring }) =>
    [old, replacement, ...retiring].filter((one) => one !== undefined && isAlive(one)),
  );
  const room = slots.length + maxSurge - alive.length;
  const finished = slots.filter(({ old, replacement }) => replacement && !old);
  const ours = new Set([...expected.launched.values()].map(({ instanceId }) => instanceId));
  if (finished.some((slot) => ours.has(slot.replacement?.id ?? "") && !isWell(slot, snapshot))) {
    return new Set();
  }
  const onTheirWay = slots.filter(({ old, replacement }) => old && replacement).length;
  const limit = finished.some((slot) => isWell(slot, snapshot))
    ? room
    : Math.min(room, 1 - onTheirWay);
  const waiting = inTurn(
    slots.filter(({ old, replacement }) => old && !replacement),
    snapshot,
    targetGroupArn,
  );
  return new Set(waiting.slice(0, Math.max(0, limit)));
}

/** Slots in the order in which they are replaced: unhealthy ones first, then the oldest. */
export function inTurn(
  slots: readonly Slot[],
  snapshot: Snapshot,
  targetGroupArn: string,
): readonly Slot[] {
  const isHealthy = ({ old }: Slot) =>
    old && healthyTargets(snapshot, old.id, targetGroupArn) > 0 ? 1 : 0;
  return [...slots].sort(
    (a, b) =>
      isHealthy(a) - isHealthy(b) ||
      (a.old?.launchedAtMs ?? 0) - (b.old?.launchedAtMs ?? 0) ||
      (a.id < b.id ? -1 : 1),
  );
}

/**
 * With nothing left that any slot needs: wait until as many targets are healthy as were at the start, or until there is
 * room to launch again.
 */
export function whole({ slots }: Fleet, queued: readonly Slot[], situation: Situation): Need[] {
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
