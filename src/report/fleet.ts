import type { Expectations } from "../expectations.ts";
import type { Plan } from "../needs.ts";
import type { Fleet, Slot } from "../slots.ts";
import { type Instance, type Snapshot, targetsOf } from "../snapshot.ts";

/** The fleet as it stands, a line an instance: what it is, how it is, and what this run made of it. */
export function fleetLines(
  fleet: Fleet,
  snapshot: Snapshot,
  plan: Plan,
  expected: Expectations,
): string[] {
  const describe = describer(snapshot, expected);
  return [
    ...fleet.slots.flatMap((slot) => slotLines(slot, describe, plan)),
    ...[...expected.unanswered].map(
      (id) =>
        `a launch to replace ${id} was not answered: it may exist; the same command adopts it`,
    ),
    ...fleet.strays.map((one) => `${describe(one)}: in no target group, left alone`),
  ];
}

function slotLines({ old, replacement, retiring }: Slot, describe: Describe, plan: Plan): string[] {
  const lines: string[] = [];
  if (old) lines.push(`${describe(old)}: not replaced`);
  if (replacement) {
    const what = old ? `replacement of ${old.id}, left in place` : `on ${plan.ami}`;
    lines.push(`${describe(replacement)}: ${what}`);
  }
  for (const one of retiring) lines.push(`${describe(one)}: to be terminated`);
  return lines;
}

type Describe = (instance: Instance) => string;

function describer(snapshot: Snapshot, { unprotected }: Expectations): Describe {
  return ({ id, imageId, zone, state }) => {
    const health = [...new Set(targetsOf(snapshot, id).map((target) => target.state))];
    const target = health.length === 0 ? "not a target" : health.join(" and ");
    const lifted = unprotected.get(id);
    const protection =
      lifted === undefined
        ? ""
        : `, its termination protection ${lifted.isSure ? "was" : "may have been"} lifted`;
    return `${id} (${imageId}, ${zone}) ${state}, ${target}${protection}`;
  };
}
