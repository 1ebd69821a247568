import type { LogEvent } from "../log.ts";
import {
  minutes,
  type PlannedInstance,
  type PlannedSlot,
  type RolloutPlan,
} from "../plan/rollout-plan.ts";

/** The event that shows a plan: all of it as data, and as lines for a person. */
export function planEvent(plan: RolloutPlan): LogEvent {
  return {
    event: "plan",
    message: headline(plan),
    details: { plan },
    lines: [
      ...slotLines(plan),
      ...fleetLines(plan),
      ...costLines(plan),
      ...plan.hints.map((hint) => `Hint: ${hint}`),
    ],
  };
}

/** Whether a run would change anything. */
export function isAnythingToDo({ slots }: RolloutPlan): boolean {
  return slots.some(({ action }) => action !== "skip");
}

function headline(plan: RolloutPlan): string {
  const { slots, ami, version, targetGroups } = plan;
  const of = `of ${targetGroups[0]?.targetGroup}`;
  if (!isAnythingToDo(plan))
    return `Nothing to do: every instance ${of} runs ${ami} as "${version}"`;
  const count = (action: string) => slots.filter((slot) => slot.action === action).length;
  const parts = [
    [count("replace"), "to replace"],
    [count("adopt"), "with a replacement on its way"],
    [count("finish"), "to finish"],
    [count("skip"), "up to date"],
  ] as const;
  const counted = parts
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`);
  const total = `${slots.length} instance${slots.length === 1 ? "" : "s"} ${of}`;
  return `Plan for ${ami} as "${version}": ${total}, ${counted.join(", ")}`;
}

function slotLines({ slots }: RolloutPlan): string[] {
  const pending = slots.filter(({ action }) => action !== "skip");
  return pending.flatMap((slot, index) => {
    const [first = "", ...rest] = linesOf(slot);
    const number = `[${index + 1}/${pending.length}] `;
    return [number + first, ...rest.map((line) => " ".repeat(number.length) + line)];
  });
}

function linesOf({ action, old, replacement, launch, ...slot }: PlannedSlot): string[] {
  const places = slot.registrations.map(
    ({ targetGroup, port }) => `port ${port} of ${targetGroup}`,
  );
  const steps = {
    replace: `launch ${launch?.instanceType} in ${launch?.subnet} (${launch?.zone})`,
    adopt: `adopt ${replacement && brief(replacement)}`,
    finish: `in place: ${replacement && brief(replacement)}`,
    skip: "",
  };
  const registers = (action === "replace" || action === "adopt") && !slot.isInService;
  return [
    ...(old === undefined ? [] : whole(old)),
    steps[action],
    ...(registers ? [`register it on ${places.join(" and ")}`] : []),
    ...(old === undefined ? [] : [`deregister, drain and terminate ${old.instance}`]),
    ...slot.differences.map(
      ({ setting, from, to, reason }) =>
        `${setting}: ${from} -> ${to}${reason ? ` (${reason})` : ""}`,
    ),
    ...slot.cleanUp.flatMap((one) => [
      `${isTarget(one) ? "deregister, drain and terminate" : "drain and terminate"} ${one.instance}: ${one.why}`,
      ...whole(one).map((line) => `  ${line}`),
    ]),
  ];
}

function whole({ ami, instanceType, zone, ...instance }: PlannedInstance): string[] {
  const { instance: id, state, health, ageSeconds } = instance;
  return [`${id}: ${state}, ${health}, ${age(ageSeconds)} old`, `${ami}, ${instanceType}, ${zone}`];
}

/** What drains already, or is in no target group, needs no deregistration. */
function isTarget({ health }: PlannedInstance): boolean {
  return health !== "not a target" && health !== "draining";
}

function brief({ instance, ami, state, health }: PlannedInstance): string {
  return `${instance} (${ami}, ${state}, ${health})`;
}

function fleetLines({ slots, leftAlone }: RolloutPlan): string[] {
  const skipped = slots.flatMap(({ action, old }) => (action === "skip" && old ? old : []));
  return [
    ...skipped.map((one) => `Up to date, skipped: ${brief(one)}`),
    ...leftAlone.map((one) => `In no target group, left alone: ${brief(one)}`),
  ];
}

function costLines({ targetGroups, drains, estimate }: RolloutPlan): string[] {
  const groups = targetGroups.map(
    ({ targetGroup, ports, deregistrationDelaySeconds }) =>
      `Target group ${targetGroup}: port ${ports.join(", ")}; deregistration delay ${deregistrationDelaySeconds} s`,
  );
  if (drains === 0) return groups;
  const { arriveSeconds, drainSeconds, totalSeconds } = estimate;
  return [
    ...groups,
    `Draining: ${drainSeconds} s x ${drains} = ${minutes(drainSeconds * drains)}`,
    ...(totalSeconds > 0
      ? [
          `Estimated time: about ${minutes(totalSeconds)} (each ${minutes(arriveSeconds)} to become healthy, ${drainSeconds} s to drain)`,
        ]
      : []),
  ];
}

function age(seconds: number): string {
  const units = [
    [86_400, "day"],
    [3600, "hour"],
    [60, "minute"],
    [1, "second"],
  ] as const;
  const [size, name] = units.find(([size]) => seconds >= size) ?? [1, "second"];
  const count = Math.floor(seconds / size);
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
