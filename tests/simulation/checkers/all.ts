import type { FaultRequest } from "../../../src/simulator/faults.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import { checkCapacity } from "./capacity.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";
import { checkInstances } from "./instances.ts";
import { checkInterruption } from "./interruption.ts";
import { checkLikeness } from "./likeness.ts";
import { checkLock } from "./lock.ts";
import { checkOutcome } from "./outcome.ts";
import { checkRequests } from "./requests.ts";

/** All checkers as one. */
export interface Checkers {
  onTransition(transition: Transition): void;
  /** A request that AWS got. */
  onRequest(request: FaultRequest, run: CheckedRun): void;
  /** A run has made its first change of the fleet. */
  onFirstChange(run: CheckedRun): void;
  /** A run has ended. */
  onEnd(run: CheckedRun): void;
  /** The last run has ended in 0, and no fault has stood in its way. */
  onConverged(run: CheckedRun): void;
}

/**
 * Sets up all checkers over a fleet.
 * @param runOf the run whose request caused a change; undefined: no request did
 */
export function checkAll(
  ground: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  report: Report,
): Checkers {
  const instances = checkInstances(ground, runOf, report);
  const placeOf = (id: string): string => {
    const replaced = instances.replacedBy(id);
    return replaced === undefined ? id : placeOf(replaced);
  };
  const capacity = checkCapacity(ground, runOf, placeOf, report);
  const inFlight = checkRequests(ground, runOf, instances.others, report);
  const lock = checkLock(ground, runOf, report);
  const outcome = checkOutcome(ground, runOf, instances, report);
  const likeness = checkLikeness(ground, runOf, instances, report);
  const interruption = checkInterruption(ground, runOf, instances.others, report);
  const all = [instances, capacity, inFlight, lock, outcome, likeness, interruption];
  return {
    onTransition(transition) {
      for (const checker of all) checker.onTransition(transition);
    },
    onRequest: lock.onRequest,
    onFirstChange: capacity.onFirstChange,
    onEnd(run) {
      for (const checker of [capacity, outcome, likeness, interruption]) checker.onEnd(run);
    },
    onConverged(run) {
      outcome.onConverged(run);
      likeness.onConverged();
    },
  };
}
