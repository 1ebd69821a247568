import type { FaultRequest } from "../../../src/simulator/faults.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";

/** Looks after the lock. */
export interface LockChecker {
  onTransition(transition: Transition): void;
  /** A request that AWS got. */
  onRequest(request: FaultRequest, run: CheckedRun): void;
}

/** A lease whose holder gave a sign of life within this is nobody else's to remove, in milliseconds. */
const livingMs = 60_000;

/**
 * A lock is respected: nobody changes the fleet as long as the lease of another that has lives; once another run has, the
 * one before never does again; and nobody removes the lease of a run that lives, or writes one in its name.
 */
export function checkLock(
  { world, groups }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  report: Report,
): LockChecker {
  const runs = new Map<string, { readonly run: CheckedRun; aliveMs: number }>();
  const past = new Set<string>();
  let last: CheckedRun | undefined;

  function isHeldBy({ name, ending }: CheckedRun): boolean {
    const aliveMs = runs.get(name)?.aliveMs ?? Number.NEGATIVE_INFINITY;
    const tags = world.elbTags.get(groups[0] ?? "") ?? [];
    // A renewal that comes late may write one of its tags, but never this one.
    const hasLease = tags.some(({ key }) => key === `zero-deploy:lock:${name}:since`);
    return ending === undefined && hasLease && world.nowMs() - aliveMs <= livingMs;
  }

  return {
    onTransition(transition) {
      if (transition.kind === "volume") return;
      const run = runOf(transition);
      if (run === undefined || run === last) return;
      if (last !== undefined && isHeldBy(last)) {
        report("lock-ignored", `${run.name} changed the fleet while ${last.name} held the lock`);
      }
      if (last !== undefined) past.add(last.name);
      if (past.has(run.name)) {
        report("lock-ignored", `${run.name} changed the fleet after ${last?.name} had begun to`);
      }
      last = run;
    },
    onRequest({ action, params }, run) {
      if (action !== "AddTags" && action !== "RemoveTags") return;
      for (const [name, key] of params) {
        if (/^ResourceArns\.member\.\d+$/.test(name) && !groups.includes(key)) {
          report(
            "not-ours",
            `${run.name} called ${action} for ${key}, which does not hold the fleet`,
          );
        }
        if (!/^(Tags\.member\.\d+\.Key|TagKeys\.member\.\d+)$/.test(name)) continue;
        const owner = /^zero-deploy:lock:([^:]+):/.exec(key)?.[1];
        if (owner === undefined) {
          report("not-ours", `${run.name} called ${action} for the tag ${key}`);
        } else if (action === "AddTags" && owner !== run.name) {
          report("lock-ignored", `${run.name} wrote a tag of the lease of ${owner}`);
        } else if (action === "AddTags") {
          // Its last word is that it has ended.
          const [process = ""] = [...params].find(([, one]) => one.endsWith(":process")) ?? [];
          const hasEnded = params.get(process.replace(/Key$/, "Value")) === "ended";
          runs.set(owner, { run, aliveMs: hasEnded ? Number.NEGATIVE_INFINITY : world.nowMs() });
        } else if (owner !== run.name) {
          const other = runs.get(owner);
          if (other === undefined || other.run.ending !== undefined) continue;
          if (world.nowMs() - other.aliveMs > livingMs) continue;
          report("lock-ignored", `${run.name} removed the lease of ${owner}, which lives`);
        }
      }
    },
  };
}
