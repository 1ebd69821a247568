import { countHealthy } from "./invariants.ts";
import type { World } from "./world.ts";

/** What is counted of a fleet while others work on it. */
export interface Gauge {
  /** In service when the count began. */
  readonly inServiceAtStart: number;
  /** The lowest number in service since. */
  readonly lowestInService: number;
  /** Instances launched since. */
  readonly launched: number;
}

/** Counts from now on what becomes of the fleet behind a target group. */
export function watchFleet(world: World, targetGroupArn: string): Gauge {
  const inServiceAtStart = countHealthy({ world }, targetGroupArn);
  const gauge = { inServiceAtStart, lowestInService: inServiceAtStart, launched: 0 };
  world.onTransition(({ kind, before }) => {
    if (kind === "instance" && before === undefined) gauge.launched += 1;
    gauge.lowestInService = Math.min(
      gauge.lowestInService,
      countHealthy({ world }, targetGroupArn),
    );
  });
  return gauge;
}
