import type { Transition } from "../../../src/simulator/world.ts";
import type { CheckedRun } from "./ground.ts";

/** What others than the runs did to a fleet, which no run has to answer for. */
export interface Others {
  onTransition(transition: Transition): void;
  /** When they last did something to an instance, or to a target of it; undefined: never. */
  touchedMs(instanceId: string): number | undefined;
  /** Whether they took an instance, or what it takes the place of, out of service or of its tags. */
  hasPutAside(instanceId: string): boolean;
  /** Whether they took its tags away: nothing tells any more whose it is. */
  isUntagged(instanceId: string): boolean;
  /** Places that they emptied, and that they added: what has no tags may take one of its own. */
  readonly losses: number;
  readonly gains: number;
}

/** Watches what others do. */
export function watchOthers(
  runOf: (transition: Transition) => CheckedRun | undefined,
  replacedBy: (instanceId: string) => string | undefined,
): Others {
  const touched = new Map<string, number>();
  const aside = new Set<string>();
  const untagged = new Set<string>();
  let losses = 0;
  let gains = 0;

  function putAside(id: string): void {
    aside.add(id);
    aside.add(replacedBy(id) ?? "");
  }

  return {
    touchedMs: (id) => touched.get(id),
    hasPutAside: (id) => aside.has(id),
    isUntagged: (id) => untagged.has(id),
    get losses() {
      return losses;
    },
    get gains() {
      return gains;
    },
    onTransition(transition) {
      const { atMs, cause } = transition;
      const isByRun = runOf(transition) !== undefined;
      if (transition.kind === "instance") {
        const { before, after } = transition;
        const id = (after ?? before)?.id ?? "";
        const hasDied = before?.state === "running" && after?.state === "shutting-down";
        if (cause.by === "control" || (hasDied && !isByRun)) touched.set(id, atMs);
        if (hasDied && !isByRun) losses += 1;
        if (cause.by === "control" && (before?.tags.length ?? 0) > (after?.tags.length ?? 0)) {
          untagged.add(id);
          putAside(id);
          gains += 1;
        }
      }
      if (transition.kind === "target") {
        const { before, after } = transition;
        const id = (after ?? before)?.instanceId ?? "";
        const wasRegistered = before?.registered === true;
        const isRegistered = after?.registered === true;
        if (cause.by === "control") touched.set(id, atMs);
        if (wasRegistered && !isRegistered && !isByRun) {
          putAside(id);
          losses += 1;
        }
        if (!wasRegistered && isRegistered) {
          if (isByRun) aside.delete(id);
          else gains += 1;
        }
      }
    },
  };
}
