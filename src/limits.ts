import { type Need, type Phase, type Situation, secondsIn } from "./needs.ts";
import type { Slot } from "./slots.ts";

/** A need whose limit is not settled yet. */
export type Wait = Pick<Need, "phase" | "instanceId" | "step" | "seen" | "pollSeconds">;

/** A need that fails once it has lasted longer than its limit. */
export function within(
  slot: Pick<Slot, "id">,
  situation: Situation,
  need: Wait,
  elapsedSeconds = secondsIn(situation, slot.id, need.phase, need.instanceId),
  limitSeconds = situation.plan.config.waitingPeriodSeconds,
): Need {
  if (elapsedSeconds >= limitSeconds) {
    return fail(
      slot,
      situation,
      need,
      `${overdue[need.phase]} within ${limitSeconds} s (${need.seen})`,
    );
  }
  return { ...need, slotId: slot.id, limitSeconds };
}

/** What did not happen in time, as it stands after the id of the instance. */
const overdue: Partial<Record<Phase, string>> = {
  launch: "could not be replaced",
  room: "could not be replaced",
  run: "was not running",
  configure: "could not have its source/destination check turned off",
  checks: "did not pass its status checks",
  impaired: "did not pass its status checks",
  register: "could not be registered",
  health: "was not healthy",
  capacity: "could not leave without too few healthy targets remaining",
  deregister: "could not be deregistered",
  drain: "was still draining, not done",
  terminate: "could not be terminated",
  protect: "could not be protected from termination again",
};

/** A need that has failed: the instance, and what became of it. */
export function fail(slot: Pick<Slot, "id">, { plan }: Situation, need: Wait, what: string): Need {
  return {
    ...need,
    slotId: slot.id,
    limitSeconds: plan.config.waitingPeriodSeconds,
    failure: `instance ${need.instanceId} ${what}`,
  };
}
