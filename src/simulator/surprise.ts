import { DeployError } from "../errors.ts";
import type { FleetSummary } from "./fleet-summary.ts";
import type { ImageBehaviour } from "./records.ts";

/** How a rollout ended. */
export interface RolloutEnd {
  readonly behaviour: ImageBehaviour;
  /** What it failed with; undefined: it did not. */
  readonly error: unknown;
  /** Undefined: it is not to be judged. */
  readonly fleet: FleetSummary | undefined;
  /** The instances that were there before it. */
  readonly oldIds: readonly string[];
}

/** Whether a rollout has to fail with such an AMI. */
const isToFail: Readonly<Record<ImageBehaviour, boolean | "either">> = {
  good: false,
  slow: false,
  flaky: "either",
  "never-healthy": true,
  dies: true,
  impaired: true,
};

/**
 * What is wrong with the end of a rollout, whatever its requests saw, as a sentence: a good AMI has to be on as many
 * instances as there were, a bad one on none, with every old one still in service.
 */
export function surpriseOf({ behaviour, error, fleet, oldIds }: RolloutEnd): string | undefined {
  const hasFailed = error !== undefined;
  if (hasFailed && !(error instanceof DeployError)) return "The rollout ended with a bug";
  if (isToFail[behaviour] === "either") return undefined;
  if (hasFailed !== isToFail[behaviour]) {
    return `The rollout ${hasFailed ? "failed" : "succeeded"} with an AMI that is ${behaviour}`;
  }
  if (fleet === undefined) return undefined;
  const { live, leftovers } = fleet;
  const wanted = live.filter(({ id }) => oldIds.includes(id) === hasFailed);
  const isAsWanted = wanted.length === oldIds.length && wanted.length === live.length;
  if (isAsWanted && leftovers.length === 0) return undefined;
  const found = live.map(({ id }) => id).join(", ");
  return `The fleet is not ${hasFailed ? "the old one" : "all new"}: ${found}`;
}
