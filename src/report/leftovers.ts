import type { LogEvent } from "../log.ts";
import type { Fleet } from "../slots.ts";
import type { Snapshot } from "../snapshot.ts";

/** What is not as it should be though the rollout is complete: instances in no target group, and new ones that are ill. */
export function leftovers(fleet?: Fleet, snapshot?: Snapshot): LogEvent[] {
  const strays = (fleet?.strays ?? []).map(({ id, state }) =>
    notice(id, `Instance ${id} (${state}) is in no target group; it is left alone`),
  );
  const ill = (fleet?.slots ?? []).flatMap(({ replacement }) => {
    const target = snapshot?.targets.find(
      (one) => one.instanceId === replacement?.id && one.state !== "healthy",
    );
    if (target === undefined) return [];
    const { instanceId, state, reason, description } = target;
    const why = [state, reason, description].filter(Boolean).join(", ");
    return notice(instanceId, `Instance ${instanceId} is up to date, but its target is ${why}`);
  });
  return [...strays, ...ill];
}

function notice(instance: string, message: string): LogEvent {
  return { event: "notice", message, instance };
}
