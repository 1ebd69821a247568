import { isForwarding } from "./forwarding.ts";
import { fail, type Wait, within } from "./limits.ts";
import { type Need, type Phase, type Situation, secondsIn, secondsSinceFirst } from "./needs.ts";
import { isHealthyAt, isInService, type Slot } from "./slots.ts";
import { type Instance, isRegistered, type TargetRef, targetsOf } from "./snapshot.ts";

/** How long a status check may fail before the instance counts as lost: two of EC2's checks, which run every minute. */
const impairedLimitSeconds = 120;

/** How often to look while something may be due at any moment. */
const pollSeconds = { launch: 3, checks: 5, health: 3 };

/**
 * What a replacement needs until it has been in service long enough for the old one to leave; undefined when it has.
 *
 *     running -> source/destination check as the old one's -> instance and system status checks pass -> register
 *             -> healthy -> bake time
 */
export function arrive(slot: Slot, replacement: Instance, situation: Situation): Need | undefined {
  const { plan, snapshot } = situation;
  const missing = missingTargets(slot, replacement, situation);
  const inService = isInService(snapshot, replacement.id, plan.config.targetGroupArn);
  if (!inService && replacement.state !== "running") return running(slot, replacement, situation);
  if (isToForward(slot, situation) && !isForwarding(replacement))
    return configure(slot, replacement, situation);
  if (!inService && !checksPass(replacement, situation))
    return checks(slot, replacement, situation);
  if (missing.length > 0) {
    return again(slot, situation, {
      phase: "register",
      instanceId: replacement.id,
      step: { kind: "register", targets: missing },
      seen: "registered targets: not all",
      pollSeconds: pollSeconds.health,
    });
  }
  if (!isHealthyAt(snapshot, replacement.id, slot.wanted))
    return health(slot, replacement, situation);
  return bake(slot, replacement, situation);
}

function running(slot: Slot, replacement: Instance, situation: Situation): Need {
  const need = {
    phase: "run" as const,
    instanceId: replacement.id,
    seen: `instance state: ${replacement.state}`,
    pollSeconds: pollSeconds.launch,
  };
  const elapsed = secondsSinceFirst(situation, slot.id, ["run"], replacement.id);
  return within(slot, situation, need, elapsed);
}

/**
 * A phase that may come back after others: somebody undoes what was done. Its limit counts from its first time, or it
 * and the phases after it would alternate for ever.
 */
function again(slot: Slot, situation: Situation, need: Wait): Need {
  const elapsed = secondsSinceFirst(situation, slot.id, [need.phase], need.instanceId);
  return within(slot, situation, need, elapsed, limitOf(slot, situation, need.instanceId));
}

/** What was in service once has its bake time and its wait for capacity to come back in, but no new limit. */
function limitOf({ id, old }: Slot, situation: Situation, replacementId: string): number {
  const first = situation.progress.get(id)?.first ?? {};
  const { waitingPeriodSeconds } = situation.plan.config;
  const hasBaked = first[`bake ${replacementId}`] !== undefined;
  const hasWaited = old !== undefined && first[`capacity ${old.id}`] !== undefined;
  return (
    waitingPeriodSeconds +
    (hasBaked ? bakeSeconds(situation) : 0) +
    (hasWaited ? waitingPeriodSeconds : 0)
  );
}

/** The old one may be gone by now; then what was seen of it counts. */
function isToForward({ id, old }: Slot, { expected }: Situation): boolean {
  return old === undefined ? expected.forwarding.has(id) : isForwarding(old);
}

/** RunInstances cannot be asked for this. */
function configure(slot: Slot, { id }: Instance, situation: Situation): Need {
  return again(slot, situation, {
    phase: "configure",
    instanceId: id,
    step: { kind: "configure", instanceId: id },
    seen: "source/destination check: on",
    pollSeconds: pollSeconds.launch,
  });
}

function checksPass({ id }: Instance, { snapshot }: Situation): boolean {
  const status = snapshot.statuses.get(id);
  return status?.instance === "ok" && status.system === "ok";
}

function checks(slot: Slot, { id }: Instance, situation: Situation): Need {
  const status = situation.snapshot.statuses.get(id);
  const seen = status
    ? `instance status: ${status.instance}, system status: ${status.system}`
    : "status checks: none reported yet";
  const isImpaired = status?.instance === "impaired" || status?.system === "impaired";
  const phase: Phase = isImpaired ? "impaired" : "checks";
  const need = { phase, instanceId: id, seen, pollSeconds: pollSeconds.checks };
  if (isImpaired && secondsIn(situation, slot.id, "impaired", id) >= impairedLimitSeconds) {
    return fail(
      slot,
      situation,
      need,
      `failed its status checks for ${impairedLimitSeconds} s (${seen})`,
    );
  }
  const elapsed = secondsSinceFirst(situation, slot.id, ["checks", "impaired"], id);
  return within(slot, situation, need, elapsed);
}

function health(slot: Slot, { id }: Instance, situation: Situation): Need {
  const { plan, snapshot } = situation;
  const targets = targetsOf(snapshot, id).filter((target) => target.state !== "healthy");
  const seen = targets
    .map((target) => {
      const group = plan.targetGroups.find(({ arn }) => arn === target.targetGroupArn);
      const health = [target.state, target.reason, target.description].filter(Boolean).join(", ");
      return `target health: ${health} (port ${target.port} of ${group?.name}; health check: ${group?.healthCheck})`;
    })
    .join("; ");
  const elapsed = secondsSinceFirst(situation, slot.id, ["health", "bake"], id);
  const need = { phase: "health" as const, instanceId: id, seen, pollSeconds: pollSeconds.health };
  return within(slot, situation, need, elapsed, limitOf(slot, situation, id));
}

function bake(slot: Slot, { id }: Instance, situation: Situation): Need | undefined {
  const total = bakeSeconds(situation);
  const remaining = total - secondsIn(situation, slot.id, "bake", id);
  const isOver = total === 0 || remaining <= 0 || hasLeftBehind(slot, situation);
  if (isOver) return undefined;
  return {
    slotId: slot.id,
    phase: "bake",
    instanceId: id,
    seen: `healthy, ${Math.ceil(remaining)} s of the bake time left`,
    limitSeconds: total,
    pollSeconds: Math.min(10, Math.max(1, remaining)),
  };
}

/** Whether this run is past the bake time of this slot: phases after it do not lead back into it. */
function hasLeftBehind(slot: Slot, { progress }: Situation): boolean {
  const phase = progress.get(slot.id)?.phase;
  return (
    phase !== undefined && ["capacity", "deregister", "drain", "terminate", "end"].includes(phase)
  );
}

/**
 * A target that is healthy gets its full share of requests only after the group's slow start.
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#slow-start-mode
 */
function bakeSeconds({ plan }: Situation): number {
  return Math.max(
    plan.config.bakeTimeSeconds,
    ...plan.targetGroups.map((group) => group.slowStartSeconds),
  );
}

/** Where an instance of a slot would have to be registered, and is not. */
export function missingTargets(
  slot: Slot,
  { id }: Instance,
  { snapshot }: Situation,
): readonly TargetRef[] {
  const registered = targetsOf(snapshot, id).filter(isRegistered);
  return slot.wanted
    .filter(
      ({ targetGroupArn, port }) =>
        !registered.some((one) => one.targetGroupArn === targetGroupArn && one.port === port),
    )
    .map((place) => ({ ...place, instanceId: id }));
}
