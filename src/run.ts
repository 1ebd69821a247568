import { act, isSettling, type Outcome, type Workbench } from "./act.ts";
import { explain, isAwsError, isTransient, toDeployError } from "./aws/errors.ts";
import { type Decision, decide } from "./decide.ts";
import type { Deps } from "./deploy.ts";
import { DeployError } from "./errors.ts";
import { expectLaunched, noExpectations } from "./expectations.ts";
import { onFreshReads, StaleReads } from "./freshness.ts";
import type { Lock } from "./lock.ts";
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
import { reasonOf, type Shortage, shortageAfter, shortageNow } from "./room.ts";
import type { Slot } from "./slots.ts";
import { ownTags } from "./snapshot.ts";

/** What one run remembers from round to round; everything else it reads from AWS each time. */
export interface Run extends Workbench {
  readonly plan: Plan;
  mode: Mode;
  /** Why it does not go on, in the order it happened. */
  readonly failures: DeployError[];
  readonly gaveUp: Set<string>;
  progress: Map<string, Progress>;
  /** What AWS last said to a step of a slot that it did not carry out. */
  readonly refusals: Map<string, string>;
  /** What is known of launches that were refused for want of room, by the id of the instance to be replaced. */
  readonly shortages: Map<string, Shortage>;
  /** How long AWS has not answered in all; no limit counts it. */
  outageMs: number;
  /** When the first look began, and the last. */
  readonly startedMs: number;
  lookMs: number;
  /** The last decision and what it rested on. */
  last?: { decision: Decision; situation: Situation; atMs: number };
}

/** How long an outage may hold up the wrapping up after a signal. */
const interruptedLimitSeconds = 30;

/** The pause after a change: what follows from it can hardly be seen sooner. */
const afterStepMs = 1000;

/** A run that has done nothing yet. */
export function newRun(
  { plan, template, served, launches }: Preflight,
  { ec2, elbv2, sts, clock }: Deps,
  lock: Lock,
): Run {
  const aws = {
    ec2: lock.guard(onFreshReads(ec2, clock, () => run.lookMs)),
    elbv2: lock.guard(onFreshReads(elbv2, clock, () => run.lookMs)),
    sts,
  };
  const run: Run = {
    plan,
    template,
    aws,
    clock,
    mode: "rolling",
    expected: { ...noExpectations(), served: new Set(served) },
    launches: new Map(launches),
    turns: new Map(),
    untold: new Map(),
    attempts: new Map(),
    failures: [],
    gaveUp: new Set(),
    progress: new Map(),
    refusals: new Map(),
    shortages: new Map(),
    outageMs: 0,
    startedMs: clock.now(),
    lookMs: Number.NEGATIVE_INFINITY,
  };
  return run;
}

/** Reads AWS, waiting through an outage; from a signal on, the run is wrapped up. */
export async function look(
  run: Run,
  { clock, signal }: Pick<Deps, "clock" | "signal">,
  narrator: Narrator,
): Promise<Situation> {
  const { config, ami, targetGroups } = run.plan;
  const targetGroupArns = targetGroups.map(({ arn }) => arn);
  const scope = { config, ami, targetGroupArns, template: run.template };
  const isWrappingUp = run.mode === "interrupted";
  const patience = {
    clock,
    limitSeconds: isWrappingUp ? interruptedLimitSeconds : config.waitingPeriodSeconds,
    onOutage: narrator.outage,
    signal: isWrappingUp ? undefined : signal,
  };
  const read = () => {
    run.lookMs = clock.now();
    return observe(scope, run.expected, run.launches, run.aws, run.lookMs);
  };
  const answer = await outlast(read, patience).catch((error: unknown) => {
    // The signal ended the patience; what there is to wrap up still has to be looked at.
    if (signal.aborted && !isWrappingUp) return undefined;
    throw error;
  });
  if (signal.aborted && !isWrappingUp) {
    run.mode = "interrupted";
    narrator.interrupted();
  }
  if (answer === undefined) return look(run, { clock, signal }, narrator);
  const { value: snapshot, outageMs } = answer;
  run.outageMs += outageMs;
  const { plan, expected, progress, mode, gaveUp, shortages, outageMs: lost } = run;
  const nowMs = clock.now() - lost;
  const lookedForMs = run.lookMs - run.startedMs;
  return { plan, snapshot, expected, progress, mode, gaveUp, shortages, nowMs, lookedForMs };
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
      run.last = { decision, situation, atMs: run.clock.now() };
      adopt(run, decision);
      for (const [id, shortage] of run.shortages) {
        run.shortages.set(id, shortageNow(id, shortage, decision, situation.nowMs));
      }
      return decision;
    }
    // A slot that fails while rolling still gets its chance to be brought to an end.
    if (run.mode !== "rolling") for (const { slotId } of failed) run.gaveUp.add(slotId);
    for (const need of failed) {
      stop(run, need, new DeployError("ReplacementFailed", need.failure ?? ""), narrator);
    }
  }
}

function stop(run: Run, need: Need, failure: DeployError, narrator: Narrator): void {
  const refusal = run.refusals.get(need.slotId);
  const last = refusal === undefined ? "" : `; last answer of AWS: ${refusal}`;
  const { code, message, hint, cause } = failure;
  const error = new DeployError(code, message + last, { hint, cause });
  run.failures.push(error);
  if (run.mode === "rolling") run.mode = "failed";
  narrator.failed(need, error.message);
}

/**
 * A replacement found on its way counts from now on as if this run had launched it: should the old one vanish, it is
 * still known what it was launched for.
 */
function adopt(run: Run, { fleet }: Decision): void {
  for (const { old, replacement, retiring, wanted } of fleet.slots) {
    // Some of it may be seen only as long as the others are there.
    if (old !== undefined && retiring.length > 0) run.expected.wanted.set(old.id, wanted);
    const replaces = replacement?.tags[ownTags.replaces];
    const replaced = old ?? retiring.find(({ id }) => id === replaces);
    if (replaced === undefined || replacement === undefined) continue;
    run.expected.unanswered.delete(replaced.id);
    if (run.expected.launched.get(replaced.id)?.instanceId === replacement.id) continue;
    const { id: instanceId } = replacement;
    const atMs = run.clock.now();
    const launched = { instanceId, atMs, isAdopted: true, instance: replacement, wanted };
    expectLaunched(run.expected, replaced.id, launched);
    run.shortages.delete(replaced.id);
  }
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
  const needs = [...decision.needs].sort((a, b) => urgency(a) - urgency(b));
  for (const need of needs) {
    if (need.step === undefined) continue;
    // From a signal on, only what the next decision says counts.
    if (run.mode !== mode || (signal.aborted && mode !== "interrupted")) return 0;
    const isDone = await tryStep(need, need.step, run, narrator);
    if (isDone === undefined) return 0;
    if (isDone) hasActed = true;
  }
  const pollSeconds = Math.min(...decision.needs.map((need) => need.pollSeconds));
  return hasActed ? Math.min(afterStepMs, pollSeconds * 1000) : pollSeconds * 1000;
}

/** What rests on the reads being fresh goes first. */
function urgency({ step }: Need): number {
  return step?.kind === "deregister" ? 0 : step?.kind === "launch" ? 2 : 1;
}

/** @returns whether it was done; undefined where one has to look again before it may be */
async function tryStep(
  need: Need,
  step: Step,
  run: Run,
  narrator: Narrator,
): Promise<boolean | undefined> {
  try {
    const outcome = await act(step, run).finally(() => {
      if (run.expected.unprotected.get(need.instanceId)?.isSure) narrator.unprotected(need);
    });
    run.refusals.delete(need.slotId);
    if (outcome.refusals !== undefined) narrator.refused(need, outcome);
    if (step.kind === "launch" && !hasRoom(need, step.slot, outcome, run)) return false;
    narrator.done(need, outcome);
    return true;
  } catch (error) {
    if (error instanceof StaleReads) return undefined;
    const untold = step.kind === "launch" ? run.untold.get(need.instanceId) : undefined;
    if (untold !== undefined) narrator.refused(need, untold);
    if (isTransient(error) || isSettling(step, error, run)) {
      run.refusals.set(need.slotId, explain(error));
      noteUnanswered(need, run);
      return false;
    }
    if (!isAwsError(error) && !(error instanceof DeployError)) throw error;
    // Another run may be at work: whatever this one did now, wrapping up included, could be wrong.
    if (error instanceof DeployError && error.code === "LockLost") throw error;
    if (run.mode !== "rolling") run.gaveUp.add(need.slotId);
    run.refusals.delete(need.slotId);
    stop(run, need, toDeployError(error, doing(need, step)), narrator);
    return false;
  }
}

/**
 * Whether a launch was let, rather than refused wherever it may go; then it is noted what to wait for.
 * @throws DeployError where there is nothing to wait for
 */
function hasRoom(
  need: Need,
  slot: Slot,
  { launched, refusals = [] }: Outcome,
  { shortages, last }: Run,
): boolean {
  const { instanceId } = need;
  const before = shortages.get(instanceId);
  shortages.delete(instanceId);
  if (launched !== undefined) return true;
  if (last === undefined) throw new Error("a launch follows from a decision");
  const { decision, situation } = last;
  const shortage = shortageAfter(before, refusals, slot, decision.fleet, situation);
  if (shortage === undefined) {
    const error = refusals.at(-1)?.error;
    const { code, hint } = toDeployError(error, "");
    const message = `could not launch a replacement of instance ${instanceId}: ${reasonOf(refusals)}`;
    throw new DeployError(code, message, { cause: error, hint });
  }
  shortages.set(instanceId, shortage);
  return false;
}

/** AWS has a limit to be silent in, however long there may be no room. */
function noteUnanswered({ instanceId }: Need, { shortages, last }: Run): void {
  const shortage = shortages.get(instanceId);
  if (shortage === undefined || last === undefined) return;
  const { unansweredMs = last.situation.nowMs } = shortage;
  shortages.set(instanceId, { ...shortage, unansweredMs });
}

function doing({ instanceId }: Need, { kind }: Step): string {
  switch (kind) {
    case "launch":
      return `launch a replacement of instance ${instanceId}`;
    case "configure":
      return `turn off the source/destination check of instance ${instanceId}`;
    case "protect":
      return `turn on the termination protection of instance ${instanceId}`;
    default:
      return `${kind} instance ${instanceId}`;
  }
}
