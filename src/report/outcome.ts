import { isAwsError, toDeployError } from "../aws/errors.ts";
import type { Deployment } from "../deploy.ts";
import { DeployError } from "../errors.ts";
import type { Run } from "../run.ts";
import { fleetLines, isUnfinished } from "./fleet.ts";
import type { Narrator } from "./narrator.ts";

/**
 * The end of a run in which nothing needs anything any more.
 * @throws DeployError unless the rollout is complete
 */
export function conclude(run: Run, deployment: Deployment, narrator: Narrator): void {
  if (run.mode === "rolling") {
    narrator.completed();
    return;
  }
  const [failure = ""] = run.failures;
  const error =
    run.mode === "interrupted"
      ? new DeployError("Interrupted", "Rolling update interrupted")
      : new DeployError("ReplacementFailed", `Rolling update stopped: ${failure}`);
  throw withFleet(error, run, deployment);
}

/**
 * Adds to an error what stands, and the command that goes on from there. What comes neither from us nor from AWS is a
 * bug, and stays as it is.
 */
export function withFleet(thrown: unknown, run: Run, { command }: Deployment): unknown {
  const error = isAwsError(thrown) ? toDeployError(thrown, "read the state of the fleet") : thrown;
  if (!(error instanceof DeployError) || error.problems.length > 0 || !run.last) return error;
  const { decision, situation } = run.last;
  const { fleet } = decision;
  const remedy =
    error.hint ??
    (error.code === "ReplacementFailed" ? "mend the cause, or take another AMI" : undefined);
  const isDone = !fleet.slots.some(isUnfinished);
  const next = isDone ? undefined : `what finishes the rollout is: ${command}`;
  return new DeployError(error.code, error.message, {
    cause: error.cause,
    problems: fleetLines(fleet, situation.snapshot, situation.plan),
    hint: [remedy, next].filter(Boolean).join("; ") || undefined,
  });
}
