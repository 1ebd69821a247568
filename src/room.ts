import { explain } from "./aws/errors.ts";
import { settleMs } from "./expectations.ts";
import { within } from "./limits.ts";
import type { Need, Situation } from "./needs.ts";
import type { Fleet, Slot } from "./slots.ts";
import type { Instance, Snapshot } from "./snapshot.ts";

/** A definite refusal of one launch for want of capacity, quota or addresses. */
export interface Refusal {
  readonly subnetId: string | undefined;
  readonly error: unknown;
}

/** What a slot waits for whose every launch was refused for want of room. Times as in {@link Situation}. */
export interface Shortage {
  /** What AWS answered last, as one phrase. */
  readonly reason: string;
  readonly askedMs: number;
  /** Instances that were shutting down then: when one of them has ended, it is time to ask again. */
  readonly ending: readonly string[];
  /** Until when it was sure that instances of ours will still end. */
  readonly hopefulMs: number;
  /** Since when AWS has not answered the question at all. */
  readonly unansweredMs?: number;
}

/** How often to ask again while instances of ours are ending. */
const askAgainSeconds = 20;

/**
 * The shortage after all launches of a slot were refused; undefined where waiting is of no use, as nothing of ours is
 * on its way out. A drain, and a replacement on its way, have limits of their own; an instance that shuts down is given
 * `waitingPeriodSeconds`, and what has ended a minute, as it may still count against a quota.
 */
export function shortageAfter(
  before: Shortage | undefined,
  refusals: readonly Refusal[],
  slot: Slot,
  fleet: Fleet,
  { plan, snapshot, nowMs }: Situation,
): Shortage | undefined {
  const ending = fleet.slots.flatMap((one) => one.ending.map(({ id }) => id));
  const isHopeful = leavingFor(slot, fleet).length > 0 || hasEnded(before, snapshot);
  const hopefulMs = isHopeful ? nowMs : (before?.hopefulMs ?? nowMs);
  const limitMs =
    ending.length > 0 ? plan.config.waitingPeriodSeconds * 1000 : before ? settleMs : 0;
  if (!isHopeful && nowMs - hopefulMs >= limitMs) return undefined;
  return { reason: reasonOf(refusals), askedMs: nowMs, ending, hopefulMs };
}

/**
 * A shortage as it stands with a decision, asked or not: a slot may have lost its turn to another. AWS is not silent
 * where it is not asked, and hope goes on for as long as instances of ours leave.
 * @param id of the instance to be replaced
 */
export function shortageNow(
  id: string,
  { unansweredMs, ...shortage }: Shortage,
  { needs, fleet }: { readonly needs: readonly Need[]; readonly fleet: Fleet },
  nowMs: number,
): Shortage {
  const isAsked = needs.some(
    ({ step, instanceId }) => step?.kind === "launch" && instanceId === id,
  );
  const hopefulMs = leavingFor({ id }, fleet).length > 0 ? nowMs : shortage.hopefulMs;
  return isAsked && unansweredMs !== undefined
    ? { ...shortage, hopefulMs, unansweredMs }
    : { ...shortage, hopefulMs };
}

/** To ask again, or to wait until that makes sense. */
export function findRoom(
  slot: Slot,
  old: Instance,
  shortage: Shortage,
  fleet: Fleet,
  situation: Situation,
): Need {
  const { reason, askedMs, unansweredMs } = shortage;
  const { nowMs, snapshot } = situation;
  const seconds = askAgainSeconds - (nowMs - askedMs) / 1000;
  const isDue = seconds <= 0 || hasEnded(shortage, snapshot);
  const wait = {
    phase: "room" as const,
    instanceId: old.id,
    step: isDue ? { kind: "launch" as const, slot } : undefined,
    seen: `${reason}; ${outlook(slot, fleet)}`,
    pollSeconds: isDue ? 3 : Math.max(1, seconds),
  };
  const unanswered = unansweredMs === undefined ? 0 : (nowMs - unansweredMs) / 1000;
  // As long as AWS answers, the limits of what is waited for are its limits.
  return { ...within(slot, situation, wait, unanswered), limitSeconds: undefined };
}

/** What AWS answered, each text once, with the subnets it is about. */
export function reasonOf(refusals: readonly Refusal[]): string {
  const subnets = new Map<string, string[]>();
  for (const { subnetId = "the default subnet", error } of refusals) {
    const text = explain(error);
    subnets.set(text, [...(subnets.get(text) ?? []), subnetId]);
  }
  return [...subnets].map(([text, ids]) => `${text} (${ids.join(", ")})`).join("; ");
}

function outlook(slot: Slot, fleet: Fleet): string {
  const ids = [
    ...leavingFor(slot, fleet),
    ...fleet.slots.flatMap(({ ending }) => ending.map(({ id }) => id)),
  ];
  return ids.length === 0 ? "what has ended may still count" : `until ${ids.join(", ")} has ended`;
}

/** Instances of other slots that drain already, or will when their replacement is in service. */
function leavingFor({ id }: Pick<Slot, "id">, { slots }: Fleet): string[] {
  return slots
    .filter((one) => one.id !== id)
    .flatMap(({ old, replacement, retiring }) => [
      ...(replacement && old ? [old] : []),
      ...retiring,
    ])
    .map((one) => one.id);
}

function hasEnded(shortage: Shortage | undefined, { instances }: Snapshot): boolean {
  return (shortage?.ending ?? []).some((id) => instances.get(id)?.state !== "shutting-down");
}
