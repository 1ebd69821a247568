import type { TargetState } from "./balancer-records.ts";
import type { InstanceState } from "./records.ts";
import type { World } from "./world.ts";

/** One instance that is not terminated or on its way there. */
export interface LiveInstance {
  readonly id: string;
  readonly state: InstanceState;
  readonly imageId: string;
  readonly zone: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly targets: readonly {
    readonly targetGroupArn: string;
    readonly port: number;
    readonly state: TargetState;
  }[];
}

/** How a fleet stands, as it truly is, whatever lagging reads show. */
export interface FleetSummary {
  /** In the order of their launch. */
  readonly live: readonly LiveInstance[];
  /** Ids of live instances that are registered nowhere: somebody forgot them. */
  readonly leftovers: readonly string[];
  /** Ids of volumes whose instance is gone. */
  readonly leakedVolumes: readonly string[];
}

/** Looks at a world as it is now. */
export function summariseFleet({ world }: { readonly world: World }): FleetSummary {
  world.advance();
  const targets = world.targets.list().filter(({ abandoned }) => !abandoned);
  const live = world.instances
    .list()
    .filter(({ state }) => state !== "shutting-down" && state !== "terminated")
    .map(({ id, state, imageId, zone, tags }) => ({
      id,
      state,
      imageId,
      zone,
      tags: Object.fromEntries(tags.map(({ key, value }) => [key, value])),
      targets: targets
        .filter(({ instanceId }) => instanceId === id)
        .map(({ targetGroupArn, port, state: targetState }) => ({
          targetGroupArn,
          port,
          state: targetState,
        })),
    }));
  return {
    live,
    leftovers: live.filter((instance) => instance.targets.length === 0).map(({ id }) => id),
    leakedVolumes: world.volumes
      .list()
      .filter(({ attached }) => !attached)
      .map(({ id }) => id),
  };
}
