import { isAwsError } from "./aws/errors.ts";
import { check } from "./check.ts";
import type { Deployment, Deps } from "./deploy.ts";
import { DeployError, interruptedEarly } from "./errors.ts";
import { describeLease } from "./lock/lease.ts";
import { createLeaseWatch } from "./lock/lease-watch.ts";
import { lockRefused } from "./lock/lock-errors.ts";
import type { Plan } from "./needs.ts";
import { patient } from "./outlast.ts";
import { rolloutPlan } from "./plan/rollout-plan.ts";
import { createNarrator, type Narrator } from "./report/narrator.ts";
import { isAnythingToDo, planEvent } from "./report/plan.ts";

/**
 * Checks all that a rollout would check, and tells what it would do. Changes nothing: of EC2's changes it makes those
 * with `DryRun` only.
 * @returns whether there is anything to do
 * @throws DeployError with every problem found at once
 */
export async function dryRun(deployment: Deployment, deps: Deps): Promise<boolean> {
  const narrator = createNarrator(deployment, deps);
  const checked = await check(deployment, deps, narrator);
  if (deployment.config.lock) await tellOfOthers(deployment, checked.plan, deps, narrator);
  for (const message of checked.notices) deps.log({ event: "notice", message });
  const plan = rolloutPlan(checked, deps.clock.now());
  deps.log(planEvent(plan));
  return isAnythingToDo(plan);
}

/** What AWS refuses of it does not hide the plan. */
async function tellOfOthers(
  { config: { targetGroupArn, waitingPeriodSeconds: limitSeconds } }: Deployment,
  { targetGroups }: Plan,
  { elbv2, clock, holder, log, signal }: Deps,
  { outage: onOutage }: Narrator,
): Promise<void> {
  const steady = patient(elbv2, { clock, limitSeconds, onOutage, signal });
  const arns = targetGroups.map(({ arn }) => arn);
  try {
    const { living } = await createLeaseWatch(clock, holder).look(steady, arns);
    for (const lease of living) {
      const who = describeLease(lease, holder.wallMs());
      log({ event: "lock", message: `Another rollout holds the lock: ${who}` });
    }
  } catch (error) {
    if (signal.aborted) throw interruptedEarly();
    if (!isAwsError(error) && !(error instanceof DeployError)) throw error;
    const { message, hint } = lockRefused(error, targetGroupArn);
    log({ event: "notice", message: hint === undefined ? message : `${message}; ${hint}` });
  }
}
