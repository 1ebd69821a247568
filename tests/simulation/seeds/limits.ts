import { deregistrationDelaySeconds } from "../../../src/simulator/targets.ts";
import { floorSeconds, type Ground } from "../checkers/ground.ts";
import type { Scenario } from "./scenario.ts";

/** With the faults gone, so many runs must do: one that an ill instance holds up leaves it to the next to begin with it. */
export const lastRunsLimit = 3;

/** So long it takes in all to see what has happened, until the next step. */
const looksMs = 60_000;

/** So long it takes until what runs before did must show, and a lease of theirs has expired. */
const othersMs = 240_000;

/**
 * So long a run takes at most where nothing goes wrong, in milliseconds: what is left over goes, the first replacement
 * comes alone, then all others.
 */
export function lastRunLimitMs({ fleet }: Scenario, { world, groups }: Ground): number {
  const { timings } = world;
  const { intervalSeconds = 30, healthyThreshold = 5 } = fleet.healthCheck ?? {};
  const registrationMs = Math.max(
    timings.applicationRegistration[1],
    timings.networkRegistration[1],
  );
  const healthMs = registrationMs + (healthyThreshold + 2) * intervalSeconds * 1000;
  const upMs = timings.pendingToRunning[1] + timings.statusChecks[1] + timings.appBoot[1];
  const delays = groups.map((arn) => {
    const group = world.targetGroups.get(arn);
    return group === undefined ? 0 : deregistrationDelaySeconds(group);
  });
  const drainMs = Math.max(...delays, floorSeconds.network) * 1000;
  const roundMs = upMs + healthMs + drainMs + timings.shuttingDown[1] + looksMs;
  return 3 * roundMs + othersMs;
}
