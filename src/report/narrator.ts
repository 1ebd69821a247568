import type { Outcome } from "../act.ts";
import type { Caller } from "../aws/sts.ts";
import type { Decision } from "../decide.ts";
import type { Deployment, Deps } from "../deploy.ts";
import { duration } from "../duration.ts";
import type { Need, Phase, Plan, Situation } from "../needs.ts";
import { drainSecondsOf } from "../plan/estimate.ts";
import type { Preflight } from "../preflight.ts";
import { reasonOf } from "../room.ts";
import type { Fleet, Slot } from "../slots.ts";
import type { Snapshot, TargetRef } from "../snapshot.ts";
import { wholeFleet } from "../turns.ts";
import { announcement, passedBetween, placesOf } from "./announcement.ts";
import { leftovers } from "./leftovers.ts";

/** Tells what a run does, as it does it. */
export interface Narrator {
  /** Whom the credentials belong to. */
  caller(caller: Caller): void;
  /** Everything was checked: what is going to be done. */
  checked(checked: Preflight): void;
  /** AWS has stopped answering. */
  outage(reason: string): void;
  interrupted(): void;
  /** What each slot needs now: what is new since the last decision, and what has lasted too long to stay silent. */
  decision(decision: Decision, situation: Situation): void;
  /** Launches were refused for want of room. */
  refused(need: Need, outcome: Outcome): void;
  /** The termination protection of the instance that this is about was lifted; told once. */
  unprotected(need: Need): void;
  /** A step was carried out. */
  done(need: Need, outcome: Outcome): void;
  failed(need: Need, failure: string): void;
  /** What is not as it should be though the rollout is complete is told too. */
  completed(fleet?: Fleet, snapshot?: Snapshot): void;
}

/** A wait says something again after this long. */
const silenceMs = 30_000;

/** A narrator that writes to the log, in the words that users of such tools know. */
export function createNarrator({ config, ami }: Deployment, { clock, log }: Deps): Narrator {
  const numbers = new Map<string, number>();
  const spoken = new Map<
    string,
    { phase: Phase; instanceId: string; atMs: number; sinceMs: number }
  >();
  const ending = new Map<string, string>();
  const changed = new Set<string>();
  const told = new Set<string>();
  let total = 0;
  let startedMs: number | undefined;
  let outageMs = Number.NEGATIVE_INFINITY;

  const slotOf = (slotId: string) =>
    numbers.has(slotId) ? { slot: numbers.get(slotId), slots: total } : {};

  function begin(replacing: number, upToDate: number, plan: Plan): void {
    if (startedMs !== undefined || replacing === 0) return;
    startedMs = clock.now();
    const group = plan.targetGroups[0];
    const drain = drainSecondsOf(plan);
    const rest = upToDate > 0 ? `, ${upToDate} up to date already` : "";
    log({
      event: "started",
      message: `Rolling update started: ${instances(replacing)} of ${group?.name} to ${ami} as "${config.version}"${rest}; each old one drains for ${drain} s`,
      details: {
        ami,
        version: config.version,
        targetGroup: config.targetGroupArn,
        replacing,
        upToDate,
      },
    });
  }

  function announce(need: Need, slot: Slot | undefined, situation: Situation): void {
    const { plan, expected, mode } = situation;
    const places = (targets: readonly TargetRef[]) => placesOf(targets, plan.targetGroups);
    const replacement = slot?.replacement;
    const isNew =
      !spoken.has(need.slotId) && slot?.old !== undefined && replacement?.id === need.instanceId;
    const isOurs = [...expected.launched.values()].some(
      ({ instanceId }) => instanceId === replacement?.id,
    );
    if (isNew && !isOurs) {
      log({
        event: "adopted",
        message: `Adopting instance ${need.instanceId}, launched by an earlier run to replace ${slot.old?.id}`,
        instance: need.instanceId,
        ...slotOf(need.slotId),
      });
    }
    // An old one that comes back has no way to look back on.
    const isBack = need.phase === "register" && need.instanceId !== replacement?.id;
    const before = isBack ? undefined : spoken.get(need.slotId)?.phase;
    const passed = passedBetween(before, need.phase).map((phase) => ({
      ...need,
      phase,
      instanceId: replacement?.id ?? need.instanceId,
    }));
    for (const one of [...passed, need]) {
      const message = announcement(one, slot, places, mode);
      if (message === undefined) continue;
      const about =
        one.phase === "launch" || one.phase === "room"
          ? { details: { replaces: one.instanceId } }
          : { instance: one.instanceId };
      log({ event: one.phase, message, ...about, ...slotOf(need.slotId) });
    }
  }

  function speak(need: Need, slot: Slot | undefined, situation: Situation): void {
    const before = spoken.get(need.slotId);
    const now = clock.now();
    const { phase, instanceId } = need;
    if (before?.phase !== phase || before.instanceId !== instanceId) {
      announce(need, slot, situation);
      spoken.set(need.slotId, { phase, instanceId, atMs: now, sinceMs: now });
    } else if (now - before.atMs >= silenceMs) {
      const elapsed = Math.round((now - before.sinceMs) / 1000);
      const limit = need.limitSeconds === undefined ? "" : ` of at most ${need.limitSeconds} s`;
      log({
        event: "waiting",
        message: `Still waiting (${elapsed} s${limit}${instanceId && `, ${instanceId}`}): ${need.seen}`,
        instance: instanceId,
        ...slotOf(need.slotId),
        details: {
          phase,
          seen: need.seen,
          elapsedSeconds: elapsed,
          limitSeconds: need.limitSeconds,
        },
      });
      spoken.set(need.slotId, { ...before, atMs: now });
    }
  }

  function farewells({ fleet }: Decision, { snapshot }: Situation): void {
    for (const slot of fleet.slots) for (const { id } of slot.ending) ending.set(id, slot.id);
    for (const [id, slotId] of ending) {
      const instance = snapshot.instances.get(id);
      if (instance !== undefined && instance.state !== "terminated") continue;
      ending.delete(id);
      log({
        event: "terminated",
        message: `Instance ${id} terminated`,
        instance: id,
        ...slotOf(slotId),
      });
    }
  }

  return {
    caller({ account, arn }) {
      log({
        event: "account",
        message: `Account ${account}, region ${config.region} (${arn})`,
        details: { account, arn, region: config.region },
      });
    },
    checked({ notices, plan, pending, upToDate }) {
      for (const message of notices) log({ event: "notice", message });
      begin(pending, upToDate, plan);
    },
    outage(reason) {
      // Calls are made several at a time, and each of them meets the same outage.
      if (clock.now() - outageMs < silenceMs) return;
      outageMs = clock.now();
      log({ event: "trouble", message: `AWS does not answer, trying again: ${reason}` });
    },
    interrupted() {
      log({
        event: "stopping",
        message:
          "Interrupted: no more launches; removing replacements that are not healthy yet (a second signal leaves at once)",
      });
    },
    decision(decision, situation) {
      const { needs, queued, fleet } = decision;
      for (const { slotId } of needs) {
        if (slotId !== wholeFleet && !numbers.has(slotId)) numbers.set(slotId, numbers.size + 1);
      }
      // After a failure nobody waits for a turn any more, but the rollout is no smaller for that.
      total = Math.max(total, numbers.size + queued.filter(({ id }) => !numbers.has(id)).length);
      begin(total, fleet.slots.length - total, situation.plan);
      farewells(decision, situation);
      for (const need of needs) {
        speak(
          need,
          fleet.slots.find(({ id }) => id === need.slotId),
          situation,
        );
      }
    },
    refused({ slotId, instanceId }, { refusals = [], nextSubnetId }) {
      for (const [index, refusal] of refusals.entries()) {
        const next = refusals[index + 1]?.subnetId ?? nextSubnetId;
        const message = `Could not launch a replacement of ${instanceId}: ${reasonOf([refusal])}${next ? `; going on to ${next}` : ""}`;
        if (told.has(message)) continue;
        told.add(message);
        const details = { replaces: instanceId };
        log({ event: "trouble", message, ...slotOf(slotId), details });
      }
    },
    unprotected({ slotId, instanceId }) {
      const message = `Lifted the termination protection of instance ${instanceId}`;
      if (told.has(message)) return;
      told.add(message);
      log({ event: "terminate", message, instance: instanceId, ...slotOf(slotId) });
    },
    done(need, { launched }) {
      changed.add(need.slotId);
      if (need.step?.kind === "terminate") ending.set(need.instanceId, need.slotId);
      if (launched?.state !== "pending") return;
      log({
        event: "launched",
        message: `Launched instance ${launched.id} to replace ${need.instanceId}`,
        instance: launched.id,
        ...slotOf(need.slotId),
        details: { replaces: need.instanceId },
      });
    },
    failed(need, failure) {
      if (told.has(failure)) return;
      told.add(failure);
      log({
        event: "stopping",
        message: `Stopping: ${failure}`,
        instance: need.instanceId,
        ...slotOf(need.slotId),
      });
    },
    completed(fleet, snapshot) {
      for (const event of leftovers(fleet, snapshot)) log(event);
      const replaced = changed.size;
      const elapsed = Math.round((clock.now() - (startedMs ?? clock.now())) / 1000);
      if (numbers.size === 0) {
        log({
          event: "nothing-to-do",
          message: `Nothing to do: every instance runs ${ami} as "${config.version}"`,
        });
        return;
      }
      log({
        event: "completed",
        message: `Rolling update completed${replaced > 0 ? `: ${instances(replaced)} replaced` : ""} in ${duration(elapsed)}`,
        details: { replaced, elapsedSeconds: elapsed },
      });
    },
  };
}

function instances(count: number): string {
  return count === 1 ? "1 instance" : `${count} instances`;
}
