import { DeployError } from "../../../src/errors.ts";
import type { Instance } from "../../../src/simulator/records.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";
import type { InstanceChecker } from "./instances.ts";

/** Looks after what replacements take over, and what is lifted for a while. */
export interface LikenessChecker {
  onTransition(transition: Transition): void;
  /** A run has ended. */
  onEnd(run: CheckedRun): void;
  /** The last run has ended in 0. */
  onConverged(): void;
}

/**
 * What is registered forwards packets where the old ones do. Termination protection is as it was in the end; a run that
 * leaves an instance without says so.
 */
export function checkLikeness(
  { world, isProtected, isForwarding }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  { launched, replacedBy }: InstanceChecker,
  report: Report,
): LikenessChecker {
  /** Instances whose protection a run lifted, and which run. */
  const lifted = new Map<string, CheckedRun>();

  const live = () =>
    world.instances.list().filter(({ state }) => state === "pending" || state === "running");

  /** What a run left so, killed or with a word of it, is what later ones find. */
  function wasLeftLifted(id: string): boolean {
    if (lifted.get(id)?.ending?.error !== undefined) return true;
    const before = replacedBy(id);
    return before !== undefined && wasLeftLifted(before);
  }

  function isOfFleet({ id }: Instance): boolean {
    return launched.has(id) || lifted.has(id);
  }

  return {
    onTransition(transition) {
      const run = runOf(transition);
      if (run === undefined) return;
      if (transition.kind === "instance") {
        const { before, after } = transition;
        if (before?.disableApiTermination && after?.disableApiTermination === false) {
          lifted.set(after.id, run);
        }
      }
      if (transition.kind !== "target" || !isForwarding) return;
      const { before, after } = transition;
      if (before?.registered || !after?.registered || !launched.has(after.instanceId)) return;
      const instance = world.instances.get(after.instanceId);
      if (instance?.networkInterfaces[0]?.sourceDestCheck === false) return;
      report(
        "unlike",
        `${run.name} registered ${after.instanceId}, whose source/destination check is on`,
      );
    },
    onEnd(run) {
      const error = run.ending?.error;
      if (!(error instanceof DeployError)) return;
      for (const { id, disableApiTermination } of live()) {
        if (lifted.get(id) !== run || disableApiTermination) continue;
        const line = error.problems.find((problem) => problem.startsWith(id)) ?? "no line";
        if (/termination protection (was|may have been) lifted/.test(line)) continue;
        report("unlike", `${run.name} left ${id} unprotected, and does not say so: ${line}`);
      }
    },
    onConverged() {
      for (const one of live()) {
        if (!isOfFleet(one) || one.disableApiTermination === isProtected) continue;
        if (isProtected && wasLeftLifted(one.id)) continue;
        const how = one.disableApiTermination ? "protected" : "not protected";
        report("unlike", `in the end ${one.id} is ${how} from termination`);
      }
    },
  };
}
