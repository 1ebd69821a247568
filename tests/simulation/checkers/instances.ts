import type { Target } from "../../../src/simulator/balancer-records.ts";
import type { Instance } from "../../../src/simulator/records.ts";
import { deregistrationDelaySeconds } from "../../../src/simulator/targets.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import { type CheckedRun, floorSeconds, type Ground, type Report } from "./ground.ts";
import { type Others, watchOthers } from "./others.ts";

/** Looks after launches and terminations. */
export interface InstanceChecker {
  onTransition(transition: Transition): void;
  /** What an instance was launched to replace, however its tags have changed since. */
  replacedBy(instanceId: string): string | undefined;
  /** Ids of all instances that runs have launched, with the run. */
  readonly launched: ReadonlyMap<string, CheckedRun>;
  /** What others did meanwhile. */
  readonly others: Others;
}

interface Registration {
  readonly target: Target;
  /** Whether a request of ours was the last to change whether it is registered. */
  readonly byRun: boolean;
  readonly atMs: number;
  /** When a request of ours last did. */
  readonly ownMs: number;
}

/** For so long what a run did itself counts for it, whatever reads show: they may be older. */
const settleMs = 60_000;

/**
 * Nothing is terminated while registered, draining or within the floor; never more than the starting number and
 * `max-surge` are pending or running; no two stand in for one; the first replacement goes alone; nothing is touched that
 * is not ours to touch.
 */
export function checkInstances(
  { world, groups, places, initial, bystanders }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  report: Report,
): InstanceChecker {
  const registrations = new Map<string, Registration>();
  const launched = new Map<string, CheckedRun>();
  const replaces = new Map<string, string>();
  const everHealthy = new Set<string>();
  for (const target of world.targets.list()) {
    registrations.set(target.id, {
      target,
      byRun: false,
      atMs: target.registeredAtMs,
      ownMs: Number.NEGATIVE_INFINITY,
    });
  }

  const others = watchOthers(runOf, (id) => replaces.get(id));

  const live = () =>
    world.instances
      .list()
      .filter(
        ({ id, state }) =>
          isLive(state) && (initial.has(id) || launched.has(id)) && !others.isUntagged(id),
      );

  function onLaunch(instance: Instance, run: CheckedRun): void {
    launched.set(instance.id, run);
    const isServed = (id: string) =>
      world.targets.list().some(({ instanceId, registered }) => instanceId === id && registered);
    const limit = initial.size + others.gains + run.maxSurge;
    const count = live().filter(({ id }) => !others.hasPutAside(id) || isServed(id)).length;
    if (count > limit) {
      report(
        "surge-exceeded",
        `${run.name} launched ${instance.id}: ${count} instances are pending or running, the limit is ${limit}`,
      );
    }
    onFirstOnes(instance, run);
    const old = instance.tags.find(({ key }) => key === "zero-deploy:replaces")?.value;
    if (old === undefined) return;
    replaces.set(instance.id, old);
    const twins = live().filter(({ id }) => id !== instance.id && replaces.get(id) === old);
    for (const { id } of twins) {
      report(
        "launched-twice",
        `${run.name} launched ${instance.id}, but ${id} replaces ${old} too`,
      );
    }
  }

  /** Until one of its kind has been healthy, a run's replacements go one by one. */
  function onFirstOnes({ id }: Instance, run: CheckedRun): void {
    if (run.losesAnswers) return;
    const isOfKind = (one: Instance | undefined) =>
      one?.imageId === run.ami && nameOf(one) === run.version;
    if ([...everHealthy].some((each) => isOfKind(world.instances.get(each)))) return;
    const unproven = live().filter(
      (one) =>
        one.id !== id &&
        launched.get(one.id) === run &&
        isOfKind(one) &&
        world.nowMs() - (others.touchedMs(one.id) ?? Number.NEGATIVE_INFINITY) > run.blindMs,
    );
    for (const one of unproven) {
      report(
        "first-not-alone",
        `${run.name} launched ${id} beside ${one.id}, and none of its kind was ever healthy`,
      );
    }
  }

  function onTermination({ id }: Instance, run: CheckedRun): void {
    if (!initial.has(id) && !launched.has(id)) {
      report("not-ours", `${run.name} terminated ${id}, which is not of this fleet`);
    }
    for (const { target, byRun, atMs, ownMs } of registrations.values()) {
      const group = world.targetGroups.get(target.targetGroupArn);
      if (target.instanceId !== id || group === undefined) continue;
      // What others have only just done a run cannot know of, nor what they undid of its own doing.
      const isKnown = byRun || world.nowMs() - atMs > run.blindMs;
      if (!isKnown || (!byRun && atMs - ownMs <= settleMs + run.blindMs)) continue;
      const where = `${id}:${target.port} of ${group.name}`;
      if (target.registered) {
        report("terminated-in-service", `${run.name} terminated ${where} while ${target.state}`);
        continue;
      }
      const type = world.loadBalancers.get(group.loadBalancerArn ?? "")?.type ?? "application";
      const neededSeconds = Math.max(deregistrationDelaySeconds(group), floorSeconds[type]);
      const seconds = (world.nowMs() - (target.deregisteredAtMs ?? world.nowMs())) / 1000;
      if (seconds >= neededSeconds) continue;
      report(
        "terminated-in-service",
        `${run.name} terminated ${where} ${seconds} s after it was deregistered, not ${neededSeconds} s`,
      );
    }
  }

  function onTarget(target: Target, run: CheckedRun): void {
    const where = `${target.instanceId}:${target.port} of ${target.targetGroupArn.split("/")[1]}`;
    const isPlace = places.some(
      ({ targetGroupArn, port }) =>
        targetGroupArn === target.targetGroupArn && port === target.port,
    );
    if (!groups.includes(target.targetGroupArn) || !isPlace || bystanders.has(target.instanceId)) {
      report("not-ours", `${run.name} changed target ${where}, which is not of this fleet`);
    }
  }

  return {
    launched,
    others,
    replacedBy: (id) => replaces.get(id),
    onTransition(transition) {
      others.onTransition(transition);
      const run = runOf(transition);
      if (transition.kind === "target") {
        const { before, after, atMs } = transition;
        if (after?.state === "healthy") everHealthy.add(after.instanceId);
        if (after !== undefined && before?.registered !== after.registered) {
          const byRun = run !== undefined;
          const ownMs = byRun
            ? atMs
            : (registrations.get(after.id)?.ownMs ?? Number.NEGATIVE_INFINITY);
          registrations.set(after.id, { target: after, byRun, atMs, ownMs });
        } else if (after !== undefined) {
          const known = registrations.get(after.id);
          if (known !== undefined) registrations.set(after.id, { ...known, target: after });
        }
        if (run !== undefined && after !== undefined) onTarget(after, run);
      }
      if (transition.kind !== "instance") return;
      const { before, after } = transition;
      if (after === undefined) return;
      if (run === undefined) return;
      if (before === undefined) onLaunch(after, run);
      else if (!isEnding(before.state) && isEnding(after.state)) onTermination(after, run);
      else if (!initial.has(after.id) && !launched.has(after.id)) {
        report("not-ours", `${run.name} changed ${after.id}, which is not of this fleet`);
      }
    },
  };
}

function nameOf({ tags }: Instance): string | undefined {
  return tags.find(({ key }) => key === "Name")?.value;
}

function isLive(state: Instance["state"]): boolean {
  return state === "pending" || state === "running";
}

function isEnding(state: Instance["state"]): boolean {
  return state === "shutting-down" || state === "terminated";
}
