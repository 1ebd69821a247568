import { within } from "./limits.ts";
import { type Need, type Situation, secondsSinceFirst } from "./needs.ts";
import type { Slot } from "./slots.ts";
import type { Instance } from "./snapshot.ts";

/** Whether this run has launched a replacement for an instance that is none any more: it is not launched again. */
export function isLost({ id }: Instance, { expected }: Situation): boolean {
  return expected.launched.get(id)?.isAdopted === false;
}

/** A slot whose replacement died, the old one perhaps having left for it. EC2 explains that in two fields. */
export function lost({ id: slotId, old, retiring, ending }: Slot, situation: Situation): Need {
  const { snapshot, expected, plan } = situation;
  const members = [slotId, ...[old, ...retiring, ...ending].flatMap((one) => one?.id ?? [])];
  const [replaced, id] = [...expected.launched]
    .map(([replaces, { instanceId }]) => [replaces, instanceId] as const)
    .find((pair) => pair.some((one) => members.includes(one))) ?? [undefined, slotId];
  const instance = snapshot.instances.get(id);
  const { code, message } = instance?.stateReason ?? {};
  const why = [code, message].filter(Boolean).join(", ") || "EC2 gives no reason";
  const state = instance === undefined ? "unknown to EC2" : `${instance.state} (${why})`;
  const after = old === undefined ? ", after that one had left" : "";
  return {
    slotId,
    phase: "launch",
    instanceId: replaced ?? slotId,
    seen: `instance state: ${state}`,
    limitSeconds: plan.config.waitingPeriodSeconds,
    pollSeconds: 3,
    failure:
      replaced === undefined
        ? `instance ${id} is ${state}, and nothing is in its place`
        : `instance ${id}, launched to replace ${replaced}${after}, is ${state}`,
  };
}

/** Registers an old one again, which a draining target allows, where it still runs. */
export function comeBack(slot: Slot, situation: Situation): Need | undefined {
  const instance = slot.retiring.find(({ id }) => situation.expected.launched.has(id));
  if (instance?.state !== "running" || slot.wanted.length === 0) return undefined;
  return within(slot, situation, {
    phase: "register",
    instanceId: instance.id,
    step: {
      kind: "register",
      targets: slot.wanted.map((place) => ({ ...place, instanceId: instance.id })),
    },
    seen: "registered targets: none",
    pollSeconds: 3,
  });
}

/** What stays is protected as it was before this run. */
export function protectAgain(slot: Slot, { id }: Instance, situation: Situation): Need | undefined {
  if (!situation.expected.unprotected.has(id)) return undefined;
  return within(slot, situation, {
    phase: "protect",
    instanceId: id,
    step: { kind: "protect", instanceId: id },
    seen: "termination protection: lifted",
    pollSeconds: 3,
  });
}

/** The old one could still come back, so it is not terminated while its replacement is ill. */
export function holdOn(slot: Slot, { id }: Instance, situation: Situation): Need {
  const need = within(
    slot,
    situation,
    {
      phase: "capacity",
      instanceId: id,
      seen: `healthy targets: replacement ${id} is not healthy any more`,
      pollSeconds: 5,
    },
    secondsSinceFirst(situation, slot.id, ["capacity"], id),
  );
  if (need.failure === undefined) return need;
  return {
    ...need,
    failure: `instance ${id} became unhealthy while the one it replaces was draining`,
  };
}

/** Launched or adopted by this run. */
export function isOurs({ id }: Instance, { expected }: Situation): boolean {
  return [...expected.launched.values()].some(({ instanceId }) => instanceId === id);
}
