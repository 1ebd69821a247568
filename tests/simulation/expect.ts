import { expect } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { type FleetSummary, summariseFleet } from "../../src/simulator/fleet-summary.ts";
import { errorText, linesOf, type RunResult, type Stage } from "./harness.ts";

/** The fleet as it truly is: AMI, zone, Name, and where it is registered how. */
export function fleetOf({ aws }: Stage): FleetSummary["live"] {
  return summariseFleet(aws).live;
}

/** The rollout is complete: as many instances as before, in the same zones, all new, healthy on the same port. */
export function expectConverged(
  stage: Stage,
  { ami = IMAGES.good as string, port = 8080, version = "v2" } = {},
): void {
  const live = fleetOf(stage);
  const old = stage.aws.oldInstanceIds.map(
    (id) => stage.aws.world.instances.get(id)?.zone ?? "gone",
  );
  expect(live.map(({ imageId }) => imageId)).toEqual(old.map(() => ami));
  if (!old.includes("gone")) expect(live.map(({ zone }) => zone).sort()).toEqual([...old].sort());
  for (const { tags, targets } of live) {
    expect(tags.Name).toBe(version);
    expect(targets.map((one) => `${one.port} ${one.state}`)).toContain(`${port} healthy`);
  }
}

/** The old instances stand as they did, and nothing else does. */
export function expectUntouched(stage: Stage): void {
  const live = fleetOf(stage);
  expect(live.map(({ id }) => id)).toEqual(stage.aws.oldInstanceIds);
  for (const { targets } of live) expect(targets.map(({ state }) => state)).toContain("healthy");
}

/** How many instances a simulated AWS has launched since the stage was set. */
export function launchesOf({ aws }: Stage): number {
  return aws.world.instances.list().length - aws.oldInstanceIds.length;
}

/** A run that ended well; its lines tell why where it did not. */
export function expectSuccess(result: RunResult): void {
  if (result.error !== undefined) {
    expect.fail(`${errorText(result)}\n${linesOf(result).join("\n")}`);
  }
}
