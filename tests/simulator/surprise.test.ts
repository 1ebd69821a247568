// Goal: a simulation is not called good when its rollout ended as it should not have, though no request was lost.
import { describe, expect, it } from "vitest";
import { DeployError } from "../../src/errors.ts";
import type { LiveInstance } from "../../src/simulator/fleet-summary.ts";
import { type RolloutEnd, surpriseOf } from "../../src/simulator/surprise.ts";

const oldIds = ["i-1", "i-2"];
const failure = new DeployError("ReplacementFailed", "it died");
const fleetOf = (ids: readonly string[], leftovers: readonly string[] = []) => ({
  live: ids.map((id) => ({ id }) as LiveInstance),
  leftovers,
  leakedVolumes: [],
});
const good: RolloutEnd = {
  behaviour: "good",
  error: undefined,
  fleet: fleetOf(["n-1", "n-2"]),
  oldIds,
};
const bad: RolloutEnd = { behaviour: "dies", error: failure, fleet: fleetOf(oldIds), oldIds };

describe("the end of a rollout", () => {
  it.each<[string, RolloutEnd, RegExp | undefined]>([
    ["all new with a good AMI", good, undefined],
    ["all new with a slow one", { ...good, behaviour: "slow" }, undefined],
    ["all old with one that dies", bad, undefined],
    ["all old with an impaired one", { ...bad, behaviour: "impaired" }, undefined],
    ["all new with a flaky one", { ...good, behaviour: "flaky" }, undefined],
    ["all old with a flaky one", { ...bad, behaviour: "flaky" }, undefined],
    ["failed with a good AMI", { ...good, error: failure }, /failed with an AMI that is good/],
    ["well with a bad AMI", { ...bad, error: undefined }, /succeeded with an AMI that is dies/],
    ["with a bug", { ...bad, error: new TypeError("x") }, /ended with a bug/],
    ["naively, whatever is left", { ...good, fleet: undefined }, undefined],
    ["naively, with a bug", { ...good, error: new TypeError("x"), fleet: undefined }, /a bug/],
    ["an old one left", { ...good, fleet: fleetOf(["n-1", "i-2"]) }, /not all new: n-1, i-2/],
    ["one too many", { ...good, fleet: fleetOf(["n-1", "n-2", "n-3"]) }, /not all new/],
    ["one too few", { ...good, fleet: fleetOf(["n-1"]) }, /not all new/],
    ["one out of service", { ...good, fleet: fleetOf(["n-1", "n-2"], ["n-2"]) }, /not all new/],
    ["a bad one left", { ...bad, fleet: fleetOf([...oldIds, "n-1"]) }, /not the old one/],
    ["an old one lost", { ...bad, fleet: fleetOf(["i-1"]) }, /not the old one/],
  ])("%s", (_title, end, surprise) => {
    if (surprise === undefined) expect(surpriseOf(end)).toBeUndefined();
    else expect(surpriseOf(end)).toMatch(surprise);
  });
});
