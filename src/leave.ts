import { settleMs } from "./expectations.ts";
import { within } from "./limits.ts";
import { type Need, type Situation, secondsIn, secondsSinceFirst } from "./needs.ts";
import { drainSecondsOf } from "./plan/estimate.ts";
import { healthyTargets, type Slot } from "./slots.ts";
import { type Instance, isRegistered, isServing, targetsOf } from "./snapshot.ts";

/** Margin on top of the deregistration delay before a drain counts as stuck. */
const drainMarginSeconds = 60;

/** How often to look when the end of a drain is not near, and when it is. */
const drainPollSeconds = { far: 15, near: 3 };

/** Tells whether an instance can be spared, and keeps account of those let go in one decision. */
export interface Capacity {
  /** Undefined where it can be spared; otherwise which group would have how many healthy targets. */
  shortfallWithout(instance: Instance): string | undefined;
  /** From now on, it does not count. */
  release(instance: Instance): void;
}

/**
 * Healthy targets, group by group, against what was healthy at the start.
 * Example: 3 at the start, now 4 with a replacement. One healthy old instance can be spared: 3 remain. A second one
 * in the same decision cannot: 2 would remain.
 */
export function capacityOf({ plan, snapshot }: Situation): Capacity {
  const healthy = new Map<string, number>();
  for (const target of snapshot.targets) {
    if (!isServing(snapshot, target)) continue;
    healthy.set(target.targetGroupArn, (healthy.get(target.targetGroupArn) ?? 0) + 1);
  }
  const remainingWithout = (id: string, arn: string) =>
    (healthy.get(arn) ?? 0) - healthyTargets(snapshot, id, arn);
  const mayServe = (id: string, arn: string) =>
    healthyTargets(snapshot, id, arn) > 0 ||
    targetsOf(snapshot, id).some((one) => one.targetGroupArn === arn && one.mayBeHealthy);
  return {
    shortfallWithout({ id }) {
      const short = plan.targetGroups.find(
        ({ arn }) =>
          mayServe(id, arn) && remainingWithout(id, arn) < (plan.healthyAtStart.get(arn) ?? 0),
      );
      return (
        short &&
        `${short.name} would have ${remainingWithout(id, short.arn)} healthy targets, at the start it had ${plan.healthyAtStart.get(short.arn)}`
      );
    },
    release({ id }) {
      for (const { arn } of plan.targetGroups) healthy.set(arn, remainingWithout(id, arn));
    },
  };
}

/**
 * What an instance needs to leave without a lost request.
 *
 *     deregister -> drained -> terminate
 */
export function leave(
  slot: Slot,
  instance: Instance,
  situation: Situation,
  capacity: Capacity,
): Need {
  const { id } = instance;
  const entries = targetsOf(situation.snapshot, id);
  const registered = entries.filter(isRegistered);
  if (registered.length > 0) {
    const shortfall = capacity.shortfallWithout(instance);
    if (shortfall !== undefined) {
      return within(
        slot,
        situation,
        {
          phase: "capacity",
          instanceId: id,
          seen: `healthy targets: without ${id}, ${shortfall}`,
          pollSeconds: 5,
        },
        secondsSinceFirst(situation, slot.id, ["capacity"], id),
      );
    }
    capacity.release(instance);
    // Somebody may register it again while it drains, and again; its drain is no reason to fail.
    const hasDrained = situation.progress.get(slot.id)?.first[`drain ${id}`] !== undefined;
    const limitSeconds =
      situation.plan.config.waitingPeriodSeconds +
      (hasDrained ? drainSecondsOf(situation.plan) : 0);
    return within(
      slot,
      situation,
      {
        phase: "deregister",
        instanceId: id,
        step: { kind: "deregister", targets: registered },
        seen: `target health: ${registered[0]?.state}`,
        pollSeconds: 3,
      },
      secondsSinceFirst(situation, slot.id, ["deregister"], id),
      limitSeconds,
    );
  }
  const drain = drainOf(slot, instance, situation);
  if (drain !== undefined) return drain;
  return within(slot, situation, {
    phase: "terminate",
    instanceId: id,
    step: { kind: "terminate", instanceId: id },
    seen: `instance state: ${instance.state}`,
    pollSeconds: 3,
  });
}

/**
 * Drained is what no target group lists any more, but not before the load balancer has stopped sending: a group
 * without requests may be done at once while some of its nodes still send, for which the API has no word.
 */
function drainOf(slot: Slot, { id }: Instance, situation: Situation): Need | undefined {
  const { plan, snapshot } = situation;
  const entries = targetsOf(snapshot, id);
  const elapsed = secondsIn(situation, slot.id, "drain", id);
  const floor = wasNeverRegistered(id, situation) ? 0 : drainFloorSeconds(situation);
  // A termination that was not accepted yet is tried again; it does not begin the drain anew.
  const last = situation.progress.get(slot.id);
  const isDrained = last?.phase === "terminate" && last.instanceId === id;
  if (entries.length === 0 && (elapsed >= floor || isDrained)) return undefined;
  const groups = plan.targetGroups.filter(({ arn }) =>
    entries.some((entry) => entry.targetGroupArn === arn),
  );
  const delay = Math.max(0, ...groups.map((group) => group.deregistrationDelaySeconds));
  const remaining = Math.max(delay, floor) - elapsed;
  const seen =
    entries.length > 0 ? [...new Set(entries.map(({ state }) => state))].join() : "deregistered";
  return within(
    slot,
    situation,
    {
      phase: "drain",
      instanceId: id,
      seen: remaining > 0 ? `${seen}, up to ${Math.ceil(remaining)} s left` : seen,
      pollSeconds:
        remaining > drainPollSeconds.near
          ? Math.min(remaining, drainPollSeconds.far)
          : drainPollSeconds.near,
    },
    elapsed,
    Math.max(plan.config.waitingPeriodSeconds, Math.max(delay, floor) + drainMarginSeconds),
  );
}

/** That no target group lists it says nothing as long as the reads may be from before it was registered. */
function drainFloorSeconds({ plan }: Situation): number {
  return Math.max(plan.drainFloorSeconds, Math.min(settleMs / 1000, drainSecondsOf(plan)));
}

/** Only of an instance launched by this run can it be known that no load balancer ever sent it anything. */
function wasNeverRegistered(id: string, { expected }: Situation): boolean {
  const isOurs = [...expected.launched.values()].some(
    (launched) => launched.instanceId === id && !launched.isAdopted,
  );
  return isOurs && !expected.touched.has(id);
}
