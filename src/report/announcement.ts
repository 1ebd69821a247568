import type { Mode, Need, Phase } from "../needs.ts";
import type { Slot } from "../slots.ts";
import type { TargetRef } from "../snapshot.ts";

/** Waits that were over before they were seen; they are told all the same, so that every log reads alike. */
export function passedBetween(before: Phase | undefined, now: Phase): Phase[] {
  const order: Phase[] = [
    "launch",
    "room",
    "run",
    "configure",
    "checks",
    "register",
    "health",
    "bake",
    "deregister",
  ];
  const [from, to] = [before === undefined ? -1 : order.indexOf(before), order.indexOf(now)];
  if (from < 0) return [];
  return order.slice(from + 1, Math.max(from + 1, to)).filter((phase) => waits.has(phase));
}

const waits: ReadonlySet<Phase> = new Set(["run", "checks", "health"]);

/** The line that tells of a phase; undefined where it goes without saying. */
export function announcement(
  { phase, instanceId, step, seen, limitSeconds }: Need,
  slot: Slot | undefined,
  places: (targets: readonly TargetRef[]) => string,
  mode: Mode,
): string | undefined {
  const targets =
    step?.kind === "register" || step?.kind === "deregister" ? places(step.targets) : "";
  const isLeftover = mode === "rolling" && slot?.old !== undefined && slot.old.id !== instanceId;
  const aside = isLeftover ? ", left by another rollout" : "";
  switch (phase) {
    case "launch":
      return `Launching a new instance (replaces ${instanceId}, ${slot?.old?.imageId}, ${slot?.old?.zone})`;
    case "room":
      return `Waiting for room to launch a replacement of ${instanceId} (${seen})`;
    case "run":
      return `Waiting for instance to run (${instanceId})`;
    case "configure":
      return `Turning off the source/destination check (${instanceId})`;
    case "checks":
      return `Waiting for instance and system status checks to pass (${instanceId})`;
    case "impaired":
      return `Instance ${instanceId} fails its status checks (${seen})`;
    case "register":
      return `Registering instance to target group (${instanceId}, ${targets})`;
    case "health":
      return `Waiting for health check to pass (${instanceId})`;
    case "bake":
      return `Waiting for the bake time of ${limitSeconds} s (${instanceId})`;
    case "capacity":
      return `Waiting for enough healthy targets (${seen})`;
    case "deregister":
      return `Deregistering instance ${instanceId} (${targets})${aside}`;
    case "drain":
      return `Waiting for instance to drain (${instanceId}: ${seen})`;
    case "terminate":
      return `Terminating instance ${instanceId}${aside}`;
    case "protect":
      return `Turning the termination protection on again (${instanceId})`;
    case "end":
      return undefined;
  }
}

/** Targets as a person names them: "port 8080 of my-targets". */
export function placesOf(
  targets: readonly TargetRef[],
  groups: readonly { arn: string; name: string }[],
): string {
  return targets
    .map(
      ({ port, targetGroupArn }) =>
        `port ${port} of ${groups.find(({ arn }) => arn === targetGroupArn)?.name}`,
    )
    .join(" and ");
}
