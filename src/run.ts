import { act, isSettling, type Workbench } from "./act.ts";
import { explain, isAwsError, isTransient, toDeployError } from "./aws/errors.ts";
import { type Decision, decide } from "./decide.ts";
import type { Deps } from "./deploy.ts";
import { noExpectations } from "./expectations.ts";
import {
  advance,
  type Mode,
  type Need,
  type Plan,
  type Progress,
  type Situation,
  type Step,
} from "./needs.ts";
import { observe } from "./observe.ts";
import { outlast } from "./outlast.ts";
import type { Preflight } from "./preflight.ts";
import type { Narrator } from "./report/narrator.ts";

/** What one run remembers from round to round; everything else it reads from AWS each time. */
export interface Run extends Workbench {
  readonly plan: Plan;
  mode: Mode;
  /** Why it does not go on, in the order it happened; sentences. */
  readonly failures: string[];
  readonly gaveUp: Set<string>;
  progress: Map<string, Progress>;
  /** What AWS last said to a step of a slot that it did not carry out. */
  readonly refusals: Map<string, string>;
  /** How long AWS has not answered in all; no limit counts it. */
  outageMs: number;
  /** The last decision and what it rested on. */
  last?: { decision: Decision; situation: Situation };
}

/** The pause after a change: what follows from it can hardly be seen sooner. */
const afterStepMs = 1000;

/** A run that has done nothing yet. */
export function newRun({ plan, template }: Preflight, { ec2, elbv2, clock }: Deps): Run {
  return {
    plan,
    template,
    aws: { ec2, elbv2 },
    clock,
    mode: "rolling",
    expected: noExpectations(),
    launches: new Map(),
    attempts: new Map(),
    failures: [],
    gaveUp: new Set(),
    progress: new Map(),
    refusals: new Map(),
    outageMs: 0,
  };
}

/** Reads AWS, waiting through an outage. After a signal, that the rollout stops is already settled. */
export async function look(
  run: Run,
  { clock, signal }: Deps,
  narrator: Narrator,
): Promise<Situation> {
  const { config, ami, targetGroups } = run.plan;
  const scope = {
    config,
    ami,
    targetGroupArns: targetGroups.map(({ arn }) => arn),
    template: run.template,
  };
  const { value: snapshot, outageMs } = await outlast(
    () => observe(scope, run.expected, run.launches, run.aws, clock.now()),
    {
      clock,
      limitSeconds: config.waitingPeriodSeconds,
      onOutage: narrator.outage,
    },
  );
  run.outageMs += outageMs;
  if (signal.aborted && run.mode !== "interrupted") {
    run.mode = "interrupted";
    narrator.interrupted();
  }
  const { plan, expected, progress, mode, gaveUp, outageMs: lost } = run;
  return { plan, snapshot, expected, progress, mode, gaveUp, nowMs: clock.now() - lost };
}

/** Decides; a slot that has failed stops the rollout, and a failure after that leaves its slot as it is. */
export function settle(run: Run, seen: Situation, narrator: Narrator): Decision {
  for (;;) {
    const situation = { ...seen, mode: run.mode };
    const decision = decide(situation);
    const failed = decision.needs.filter(({ failure }) => failure !== undefined);
    if (failed.length === 0) {
      narrator.decision(decision, situation);
      run.progress = advance(situation, decision.needs);
      run.last = { decision, situation };
      return decision;
    }
    // A slot that fails while rolling still gets its chance to be brought to an end.
    if (run.mode !== "rolling") for (const { slotId } of failed) run.gaveUp.add(slotId);
    for (const need of failed) stop(run, need, need.failure ?? "", narrator);
  }
}

function stop(run: Run, need: Need, failure: string, narrator: Narrator): void {
  const refusal = run.refusals.get(need.slotId);
  const sentence = refusal === undefined ? failure : `${failure}; last answer of AWS: ${refusal}`;
  run.failures.push(sentence);
  if (run.mode === "rolling") run.mode = "failed";
  narrator.failed(need, sentence);
}

/**
 * Carries out every step of a decision, one after the other.
 * @returns how long to wait before the next look, in milliseconds
 */
export async function carryOut(
  decision: Decision,
  run: Run,
  signal: AbortSignal,
  narrator: Narrator,
): Promise<number> {
  const { mode } = run;
  let hasActed = false;
  for (const need of decision.needs) {
    if (need.step === undefined) continue;
    // From a signal on, only what the next decision says counts.
    if (run.mode !== mode || (signal.aborted && mode !== "interrupted")) return 0;
    if (await tryStep(need, need.step, run, narrator)) hasActed = true;
  }
  const pollSeconds = Math.min(...decision.needs.map((need) => need.pollSeconds));
  return hasActed ? Math.min(afterStepMs, pollSeconds * 1000) : pollSeconds * 1000;
}

async function tryStep(need: Need, step: Step, run: Run, narrator: Narrator): Promise<boolean> {
  try {
    const launched = await act(step, run);
    run.refusals.delete(need.slotId);
    narrator.done(need, launched);
    return true;
  } catch (error) {
    if (isTransient(error) || isSettling(step, error)) {
      run.refusals.set(need.slotId, explain(error));
      return false;
    }
    if (!isAwsError(error) && !(error instanceof Error && error.name === "DeployError"))
      throw error;
    const { message, hint } = toDeployError(error, doing(need, step));
    if (run.mode !== "rolling") run.gaveUp.add(need.slotId);
    stop(run, need, hint === undefined ? message : `${message} (${hint})`, narrator);
    return false;
  }
}

function doing({ instanceId }: Need, { kind }: Step): string {
  return kind === "launch"
    ? `launch a replacement of instance ${instanceId}`
    : `${kind} instance ${instanceId}`;
}
