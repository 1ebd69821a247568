import type { Config } from "./config.ts";
import type { Expectations } from "./expectations.ts";
import type { Shortage } from "./room.ts";
import type { Slot } from "./slots.ts";
import type { Snapshot, TargetGroup, TargetRef } from "./snapshot.ts";

/** A change to be made in AWS; every one can be made twice. */
export type Step =
  | { readonly kind: "launch"; readonly slot: Slot }
  | { readonly kind: "configure"; readonly instanceId: string }
  | { readonly kind: "register" | "deregister"; readonly targets: readonly TargetRef[] }
  | { readonly kind: "terminate" | "protect"; readonly instanceId: string };

/** Where a slot stands, in the order of the rolling update. */
export type Phase =
  | "launch"
  | "room"
  | "run"
  | "configure"
  | "checks"
  | "impaired"
  | "register"
  | "health"
  | "bake"
  | "capacity"
  | "deregister"
  | "drain"
  | "terminate"
  | "protect"
  | "end";

/** What a slot needs next: a step, or time, or it has failed. */
export interface Need {
  readonly slotId: string;
  readonly phase: Phase;
  /** The instance it is about: the replacement's, or the one that leaves. */
  readonly instanceId: string;
  readonly step?: Step;
  /** What is waited for and what was seen last, as one phrase: "health check: initial, Elb.RegistrationInProgress". */
  readonly seen: string;
  /** Absent where what it waits for has limits of its own. */
  readonly limitSeconds?: number;
  /** When to look again. */
  readonly pollSeconds: number;
  /** Why this cannot succeed any more, as a sentence. */
  readonly failure?: string;
}

/** When a slot entered its phase, and each phase for the first time. */
export interface Progress {
  readonly phase: Phase;
  readonly instanceId: string;
  readonly sinceMs: number;
  readonly first: Readonly<Partial<Record<string, number>>>;
}

/**
 * rolling: going on. failed: nothing new, what is leaving leaves, what is not healthy goes. interrupted: only the last.
 */
export type Mode = "rolling" | "failed" | "interrupted";

/** What does not change during a run. */
export interface Plan {
  readonly config: Config;
  readonly ami: string;
  /** The group to be updated first, then every other one of its load balancer that holds its instances. */
  readonly targetGroups: readonly TargetGroup[];
  /**
   * How long a load balancer may go on sending requests after DeregisterTargets answered.
   * Network load balancers take minutes: https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html
   */
  readonly drainFloorSeconds: number;
  /** application, network or gateway. */
  readonly loadBalancerType: string;
  /** Healthy targets by target group that must not be undercut. */
  readonly healthyAtStart: ReadonlyMap<string, number>;
}

/** Everything a decision rests on; it is a pure function of this. */
export interface Situation {
  readonly plan: Plan;
  readonly snapshot: Snapshot;
  readonly expected: Expectations;
  readonly progress: ReadonlyMap<string, Progress>;
  readonly mode: Mode;
  /** What is known of launches that were refused for want of room, by the id of the instance to be replaced. */
  readonly shortages: ReadonlyMap<string, Shortage>;
  /** Slots that could not be brought to an end after a failure or a signal. */
  readonly gaveUp: ReadonlySet<string>;
  /** Milliseconds in which AWS answered; outages do not count against any limit. */
  readonly nowMs: number;
  /** For how long this run has been looking, in milliseconds. */
  readonly lookedForMs: number;
}

/** Seconds since a slot entered this phase with this instance; 0 where it just does. */
export function secondsIn(
  situation: Situation,
  slotId: string,
  phase: Phase,
  instanceId: string,
): number {
  const progress = situation.progress.get(slotId);
  return progress?.phase === phase && progress.instanceId === instanceId
    ? (situation.nowMs - progress.sinceMs) / 1000
    : 0;
}

/** Seconds since a slot entered any of these phases for the first time with this instance. */
export function secondsSinceFirst(
  situation: Situation,
  slotId: string,
  phases: readonly Phase[],
  instanceId: string,
): number {
  const first = situation.progress.get(slotId)?.first ?? {};
  const times = phases.flatMap((phase) => first[`${phase} ${instanceId}`] ?? []);
  return times.length === 0 ? 0 : (situation.nowMs - Math.min(...times)) / 1000;
}

/** The progress of every slot after these needs; a slot that needs nothing is forgotten. */
export function advance(situation: Situation, needs: readonly Need[]): Map<string, Progress> {
  return new Map(
    needs.map(({ slotId, phase, instanceId }) => {
      const before = situation.progress.get(slotId);
      const stays = before?.phase === phase && before.instanceId === instanceId;
      const key = `${phase} ${instanceId}`;
      return [
        slotId,
        {
          phase,
          instanceId,
          sinceMs: stays ? before.sinceMs : situation.nowMs,
          first: { [key]: situation.nowMs, ...before?.first },
        },
      ];
    }),
  );
}
