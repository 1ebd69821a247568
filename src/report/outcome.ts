import { isAwsError, toDeployError } from "../aws/errors.ts";
import type { Deployment } from "../deploy.ts";
import { DeployError } from "../errors.ts";
import { reconcile } from "../expectations.ts";
import type { Run } from "../run.ts";
import { isInService, isUnfinished, type Slot, slotsOf } from "../slots.ts";
import { fleetLines } from "./fleet.ts";
import type { Narrator } from "./narrator.ts";

/**
 * The end of a run in which nothing needs anything any more.
 * @throws DeployError unless the rollout is complete
 */
export function conclude(run: Run, narrator: Narrator): void {
  const [failure] = run.failures;
  if (run.mode === "rolling") {
    narrator.completed(run.last?.decision.fleet, run.last?.situation.snapshot);
    return;
  }
  if (run.mode === "interrupted") {
    const after = failure === undefined ? "" : ` after it had stopped: ${failure.message}`;
    throw new DeployError("Interrupted", `Rolling update interrupted${after}`);
  }
  const { code, message, hint, cause } = failure ?? new DeployError("ReplacementFailed", "");
  const remedy = code === "ReplacementFailed" ? "correct the cause, or take another AMI" : hint;
  throw new DeployError(code, `Rolling update stopped: ${message}`, { hint: remedy, cause });
}

/**
 * Adds to an error what stands, and the command that goes on from there. What comes neither from us nor from AWS is a
 * bug, and stays as it is.
 */
export function withFleet(
  thrown: unknown,
  run: Run,
  { command }: Deployment,
  signal: AbortSignal,
): unknown {
  const error = isAwsError(thrown) ? toDeployError(thrown, "read the state of the fleet") : thrown;
  if (!(error instanceof DeployError) || run.last === undefined) return error;
  // It tells of another run, not of this one, which has done nothing.
  if (error.code === "Locked") return error;
  const { plan, snapshot } = run.last.situation;
  // What was done since the last look is known without another.
  const seen = { ...snapshot, ...reconcile(snapshot, run.expected, run.last.atMs) };
  const fleet = slotsOf(seen, { ...plan, ...run.expected });
  const isCutShort = signal.aborted && error.code === "AwsUnreachable";
  const serves = ({ replacement }: Slot) =>
    replacement !== undefined && isInService(seen, replacement.id, plan.config.targetGroupArn);
  const isDone = fleet.slots.every((slot) => !isUnfinished(slot) && serves(slot));
  return new DeployError(
    isCutShort ? "Interrupted" : error.code,
    isCutShort ? `Rolling update interrupted while ${error.message}` : error.message,
    {
      cause: error.cause,
      problems: fleetLines(fleet, seen, plan, run.expected),
      hint: error.hint,
      rerun: isDone ? undefined : command,
    },
  );
}
