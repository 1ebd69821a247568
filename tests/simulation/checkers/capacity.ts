import type { Target } from "../../../src/simulator/balancer-records.ts";
import type { Transition, World } from "../../../src/simulator/world.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";

/** Looks after what serves. */
export interface CapacityChecker {
  onTransition(transition: Transition): void;
  /** A run has made its first change of the fleet. */
  onFirstChange(run: CheckedRun): void;
  /** A run has ended. */
  onEnd(run: CheckedRun): void;
}

interface Serving {
  readonly target: Target;
  readonly sinceMs: number;
}

/** A target that stopped serving, and not through a request of ours. */
interface Loss {
  readonly target: Target;
  readonly atMs: number;
}

/** How many places served, since when. */
interface Count {
  readonly fromMs: number;
  readonly places: number;
}

/**
 * Healthy targets never fall below the starting number through an act of ours, and a run that says 0 leaves as many. What
 * others took out of service a moment
 * ago a run cannot know of: it counts for as long as the run may be blind.
 * @param runOf the run whose request caused a change; undefined: no request did
 * @param placeOf the instance at the beginning of the place that an instance takes
 */
export function checkCapacity(
  { world, groups, places }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  placeOf: (instanceId: string) => string,
  report: Report,
): CapacityChecker {
  const serving = new Map<string, Serving>();
  const losses: Loss[] = [];
  const counts = new Map<string, Count[]>(groups.map((arn) => [arn, []]));
  const startingNumbers = new Map<string, ReadonlyMap<string, number>>();

  const ofGroup = (arn: string) =>
    [...serving.values()].map(({ target }) => target).filter((one) => one.targetGroupArn === arn);

  function count(arn: string): void {
    const held = new Set(ofGroup(arn).map((one) => `${placeOf(one.instanceId)} ${one.port}`));
    counts.get(arn)?.push({ fromMs: world.nowMs(), places: held.size });
  }

  /** The fewest that a run may have read as its starting number; two that serve one place count once. */
  function startingNumber({ startedMs, blindMs }: CheckedRun, arn: string): number {
    const all = counts.get(arn) ?? [];
    const last = all.findLastIndex(({ fromMs }) => fromMs <= startedMs - blindMs);
    const read = all.slice(Math.max(0, last)).map((one) => one.places);
    return Math.min(...read, places.filter((one) => one.targetGroupArn === arn).length * 1000);
  }

  function startingNumbersOf(run: CheckedRun): ReadonlyMap<string, number> {
    const known = startingNumbers.get(run.name);
    const numbers = known ?? new Map(groups.map((arn) => [arn, startingNumber(run, arn)]));
    startingNumbers.set(run.name, numbers);
    return numbers;
  }

  /** How many serve in a group, as far as a run can know. */
  function healthyIn(arn: string, { blindMs }: CheckedRun, lost?: Target): number {
    const isUnknown = ({ target, atMs }: Loss) =>
      target.targetGroupArn === arn &&
      target.id !== lost?.id &&
      !serving.has(target.id) &&
      world.nowMs() - atMs <= blindMs;
    const unknown = new Set(losses.filter(isUnknown).map(({ target }) => target.id));
    return ofGroup(arn).length + unknown.size;
  }

  function check(run: CheckedRun, { target: lost, sinceMs }: Serving): void {
    // That it has begun to serve is not known yet either.
    if (world.nowMs() - sinceMs <= run.blindMs) return;
    const arn = lost.targetGroupArn;
    const healthy = healthyIn(arn, run, lost);
    const start = startingNumbersOf(run).get(arn) ?? 0;
    if (healthy >= start) return;
    const name = world.targetGroups.get(arn)?.name;
    report(
      "capacity-lost",
      `${run.name} took ${lost.instanceId}:${lost.port} of ${name} out of service, which leaves ${healthy}; it started with ${start}`,
    );
  }

  for (const target of world.targets.list()) {
    if (groups.includes(target.targetGroupArn) && isServing(world, target)) {
      serving.set(target.id, { target, sinceMs: Number.NEGATIVE_INFINITY });
    }
  }
  for (const arn of groups) count(arn);

  return {
    onTransition(transition) {
      const touched = touchedBy(transition, world).filter(({ targetGroupArn }) =>
        groups.includes(targetGroupArn),
      );
      const run = runOf(transition);
      for (const { id, targetGroupArn } of touched) {
        const target = world.targets.get(id);
        const before = serving.get(id);
        const serves = target !== undefined && isServing(world, target);
        if (serves === (before !== undefined)) continue;
        if (serves) serving.set(id, { target, sinceMs: world.nowMs() });
        else serving.delete(id);
        count(targetGroupArn);
        if (before === undefined) continue;
        if (run === undefined) losses.push({ target: before.target, atMs: world.nowMs() });
        else check(run, before);
      }
    },
    onFirstChange: (run) => void startingNumbersOf(run),
    onEnd(run) {
      if (run.ending?.error !== undefined) return;
      for (const [arn, start] of startingNumbers.get(run.name) ?? []) {
        const healthy = healthyIn(arn, run);
        if (healthy >= start) continue;
        const name = world.targetGroups.get(arn)?.name;
        report(
          "capacity-lost",
          `${run.name} said 0 with ${healthy} healthy targets in ${name}; it started with ${start}`,
        );
      }
    },
  };
}

function touchedBy(transition: Transition, world: World): Target[] {
  switch (transition.kind) {
    case "target":
      return [transition.after ?? transition.before].flatMap((one) => one ?? []);
    case "instance": {
      const id = (transition.after ?? transition.before)?.id;
      if (transition.before?.state === transition.after?.state) return [];
      return world.targets.list().filter(({ instanceId }) => instanceId === id);
    }
    case "volume":
      return [];
  }
}

/** Whether a target truly takes requests: a dying instance answers none. */
function isServing(world: World, { registered, state, instanceId }: Target): boolean {
  return registered && state === "healthy" && world.instances.get(instanceId)?.state === "running";
}
