import { check } from "./check.ts";
import type { Clock } from "./clock.ts";
import type { Config } from "./config.ts";
import { interruptedEarly } from "./errors.ts";
import type { Holder } from "./lock/holder.ts";
import { createLock, type Lock, noLock } from "./lock.ts";
import type { Log } from "./log.ts";
import type { AwsClients } from "./observe.ts";
import { createNarrator, type Narrator } from "./report/narrator.ts";
import { conclude, withFleet } from "./report/outcome.ts";
import { carryOut, look, newRun, settle } from "./run.ts";

/** Everything a rolling update touches the outside world with. */
export interface Deps extends AwsClients {
  readonly clock: Clock;
  readonly log: Log;
  /** The id of the instance that the program runs on, if it runs on one. */
  readonly readOwnInstanceId: () => Promise<string | undefined>;
  /** Who this run is to other runs. */
  readonly holder: Holder;
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/** What is to be deployed. */
export interface Deployment {
  readonly config: Config;
  readonly ami: string;
  /** The command that goes on with it, for messages. */
  readonly command: string;
  /** Goes ahead though no target is healthy. */
  readonly allowUnhealthy?: boolean;
  /** How long to wait for another rollout of the target group to end. Default 0. */
  readonly lockWaitSeconds?: number;
}

/**
 * What is decided on is not looked at before the program has run for this long. If it follows at once on one that was
 * killed, the first reads may not show the last that one did; with another AMI, no idempotency token tells either. Where
 * there is a lock it tells of such a run, and waits longer (lock/ended-runs.ts).
 */
const beforeFirstLookMs = 10_000;

/**
 * The rolling update: replaces every instance of the target group that is not up to date.
 *
 *     launch -> running -> instance and system status checks pass -> register -> healthy -> bake time
 *            -> deregister the old one -> drained -> terminate the old one -> terminated
 *
 * There is no script of these steps. Each round reads AWS, decides what each slot needs next (decide.ts), and does it;
 * so a run that goes on where another one was killed is nothing special.
 * @throws DeployError with what happened, what is left, and what to do
 */
export async function deploy(deployment: Deployment, deps: Deps): Promise<void> {
  const narrator = createNarrator(deployment, deps);
  const lock = deployment.config.lock ? createLock(deployment, deps, narrator.outage) : noLock;
  let isComplete = false;
  try {
    do await lock.whenFree();
    while (!(await rollOut(deployment, deps, lock, narrator)));
    isComplete = true;
  } finally {
    await lock.release(isComplete);
  }
}

/** @returns false where another run works, or has only just ended, so that everything has to be checked again after it */
async function rollOut(
  deployment: Deployment,
  deps: Deps,
  lock: Lock,
  narrator: Narrator,
): Promise<boolean> {
  const startedMs = deps.clock.now();
  const checked = await check(deployment, deps, narrator);
  const arns = checked.plan.targetGroups.map(({ arn }) => arn);
  if (checked.pending > 0 && !(await lock.acquire(arns))) return false;
  narrator.checked(checked);
  await deps.clock.sleep(startedMs + beforeFirstLookMs - deps.clock.now(), deps.signal);
  if (deps.signal.aborted) throw interruptedEarly();
  const run = newRun(checked, deps, lock);
  try {
    for (;;) {
      const situation = await look(run, deps, narrator);
      const decision = settle(run, situation, narrator);
      if (decision.needs.length === 0) {
        conclude(run, narrator);
        return true;
      }
      if (!lock.isHeld && decision.needs.some(({ step }) => step !== undefined)) {
        if (!(await lock.acquire(arns))) return false;
        continue;
      }
      const pauseMs = await carryOut(decision, run, deps.signal, narrator);
      await deps.clock.sleep(pauseMs, run.mode === "interrupted" ? undefined : deps.signal);
    }
  } catch (error) {
    throw withFleet(error, run, deployment, deps.signal);
  }
}
