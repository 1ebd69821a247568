import type { Plan } from "../needs.ts";
import type { Fleet, Slot } from "../slots.ts";
import { type Instance, type Snapshot, targetsOf } from "../snapshot.ts";

/** The fleet as it stands, a line an instance: what it is, how it is, and what this run made of it. */
export function fleetLines(fleet: Fleet, snapshot: Snapshot, plan: Plan): string[] {
  return [
    ...fleet.slots.flatMap((slot) => slotLines(slot, snapshot, plan)),
    ...fleet.strays.map((one) => `${describe(one, snapshot)}: in no target group, left alone`),
  ];
}

function slotLines({ old, replacement, retiring }: Slot, snapshot: Snapshot, plan: Plan): string[] {
  const lines: string[] = [];
  if (old) lines.push(`${describe(old, snapshot)}: not replaced`);
  if (replacement) {
    const what = old ? `replacement of ${old.id}, left in place` : `on ${plan.ami}`;
    lines.push(`${describe(replacement, snapshot)}: ${what}`);
  }
  for (const one of retiring) lines.push(`${describe(one, snapshot)}: to be terminated`);
  return lines;
}

function describe(instance: Instance, snapshot: Snapshot): string {
  const health = [...new Set(targetsOf(snapshot, instance.id).map(({ state }) => state))];
  const target = health.length === 0 ? "not a target" : health.join(" and ");
  return `${instance.id} (${instance.imageId}, ${instance.zone}) ${instance.state}, ${target}`;
}
