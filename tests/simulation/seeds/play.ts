import type { Transition } from "../../../src/simulator/world.ts";
import { checkAll } from "../checkers/all.ts";
import type { CheckedRun, Report, Violation } from "../checkers/ground.ts";
import { createTally, type Tally } from "./coverage.ts";
import { createDraw } from "./draw.ts";
import { lastRunLimitMs, lastRunsLimit } from "./limits.ts";
import { createOutside, isAnyServed } from "./outside.ts";
import { drawScenario, type EventKind, type PlannedRun } from "./scenario.ts";
import { setTheScene } from "./setting.ts";
import { start } from "./start.ts";
import { createTrace, endOf, noTrace, type Trace } from "./trace.ts";

/** What came of a seed. */
export interface Played {
  readonly seed: number;
  /** Empty is good. */
  readonly violations: readonly Violation[];
  /** What happened, where that was wanted. */
  readonly trace: Trace;
  readonly tally: Tally;
  readonly rollouts: number;
  readonly requests: number;
}

/** How to play. */
export interface PlayOptions {
  readonly isTraced?: boolean;
  /** With all of the SDK's middleware. */
  readonly isWhole?: boolean;
}

/**
 * Plays what a seed draws: first runs of the program with faults, while every checker looks at each transition; then,
 * with the faults gone, up to three more of a good AMI, one of which must end in 0 with nothing left over.
 */
export async function play(seed: number, options: PlayOptions = {}): Promise<Played> {
  const scenario = drawScenario(seed);
  const draw = createDraw(seed);
  const setting = await setTheScene(scenario, draw);
  const { scene, ground } = setting;
  const { clock } = scene;
  const { world } = ground;
  const startMs = clock.now();
  const trace = options.isTraced ? createTrace(startMs) : noTrace;
  const tally = createTally();
  const violations: Violation[] = [];
  const runs = new Map<string, CheckedRun>();
  let requests = 0;
  const report: Report = (invariant, message) => {
    violations.push({ atMs: clock.now() - startMs, invariant, message });
    trace.add(world.nowMs(), `VIOLATION ${invariant}: ${message}`);
  };

  const runOf = ({ cause }: Transition) =>
    cause.by === "request" ? runs.get(cause.caller ?? "") : undefined;
  const checkers = checkAll(ground, runOf, report);
  world.onTransition((transition) => {
    trace.transition(transition);
    checkers.onTransition(transition);
  });

  const outside = createOutside(ground, draw, (ms, act) => clock.at(clock.now() + ms, act));
  let isHealed = false;
  function happen(kind: EventKind, key: string, lastsMs = 0, replaced?: string): void {
    const whom = isHealed ? undefined : outside.happen(kind, lastsMs, key, replaced);
    if (whom === undefined) return;
    tally.count(`outside ${kind}`);
    trace.add(clock.now(), `from outside: ${kind} ${whom}`);
  }
  for (const [index, { kind, atMs, lastsMs }] of scenario.events.entries()) {
    clock.at(startMs + atMs, () => happen(kind, `event:${index}`, lastsMs));
  }

  const { isWhole } = options;
  const onRequest = () => {
    requests += 1;
  };
  const playing = { ...setting, scenario, draw, isWhole, trace, tally, checkers, report, runs };
  const startRun = (plan: PlannedRun, name: string) =>
    start({ ...playing, onRequest, happen }, plan, name);

  let running: Promise<unknown>[] = [];
  for (const [index, plan] of scenario.runs.entries()) {
    if (!plan.isBeside) {
      await Promise.all(running);
      running = [];
    } else {
      tally.count("end two at once");
    }
    await clock.sleep(plan.afterMs);
    running.push(startRun(plan, `run-${index + 1}`));
  }
  await Promise.all(running);

  isHealed = true;
  outside.heal();
  for (let index = 1; isAnyServed(ground); index++) {
    const name = `last-${index}`;
    const { error } = await startRun(scenario.last, name);
    const run = runs.get(name) as CheckedRun;
    const tookMs = clock.now() - run.startedMs;
    // One that is held up goes to the end of a wait.
    const waitedMs =
      error === undefined ? 0 : Number(scenario.last.config["waiting-period"]) * 1000;
    if (tookMs > lastRunLimitMs(scenario, ground) + waitedMs) {
      report("endless", `with the faults gone, ${name} took ${tookMs / 1000} s`);
    }
    if (error === undefined) {
      checkers.onConverged(run);
      break;
    }
    if (index === lastRunsLimit || !isAnyServed(ground)) {
      report("not-converged", `with the faults gone, ${name} ${endOf(error)}`);
      break;
    }
  }
  return { seed, violations, trace, tally, rollouts: runs.size, requests };
}
