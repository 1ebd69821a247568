import { setMaxListeners } from "node:events";
import { DeployError } from "../../../src/errors.ts";
import type { FaultRequest } from "../../../src/simulator/faults.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import { isFleetChange } from "../calls.ts";
import { checkCapacity } from "../checkers/capacity.ts";
import { type CheckedRun, floorSeconds, type Report, type Violation } from "../checkers/ground.ts";
import { checkInstances } from "../checkers/instances.ts";
import { checkLock } from "../checkers/lock.ts";
import { checkOutcome } from "../checkers/outcome.ts";
import { checkRequests } from "../checkers/requests.ts";
import { type RunResult, run as runProgram } from "../harness.ts";
import { createTally, type Tally } from "./coverage.ts";
import { createDraw } from "./draw.ts";
import { createOutside, isAnyServed } from "./outside.ts";
import {
  drawScenario,
  type Ending,
  type EventKind,
  type PlannedRun,
  type Scenario,
} from "./scenario.ts";
import { setTheScene } from "./setting.ts";
import { createTrace, endOf, noTrace, type Trace } from "./trace.ts";
import { createWay } from "./troubles.ts";

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

/** A run with more requests than this does not come to an end. */
const requestsLimit = 20_000;

/** What a run may act on is at most so old when it acts, beside the lag of its reads; in milliseconds. */
const actingMs = 20_000;

/** So soon after the protection of an instance was lifted its replacement dies, where it does. */
const unprotectedMs = 2_000;

/** With the faults gone, so many runs must do. */
const lastRunsLimit = 3;

/**
 * Plays what a seed draws: first runs of the program with faults, while every checker looks at each transition; then,
 * with the faults gone, up to three more of a good AMI, one of which must end in 0 with nothing left over.
 */
export async function play(seed: number, options: PlayOptions = {}): Promise<Played> {
  const scenario = drawScenario(seed);
  const draw = createDraw(seed);
  const { scene, ground, moreSubnets } = await setTheScene(scenario, draw);
  const { clock } = scene;
  const { world } = ground;
  const startMs = clock.now();
  const trace = options.isTraced ? createTrace(startMs) : noTrace;
  const tally = createTally();
  const violations: Violation[] = [];
  const runs = new Map<string, CheckedRun>();
  let rollouts = 0;
  let requests = 0;
  const report: Report = (invariant, message) => {
    violations.push({ atMs: clock.now() - startMs, invariant, message });
    trace.add(world.nowMs(), `VIOLATION ${invariant}: ${message}`);
  };

  const runOf = ({ cause }: Transition) =>
    cause.by === "request" ? runs.get(cause.caller ?? "") : undefined;
  const instances = checkInstances(ground, runOf, report);
  const placeOf = (id: string): string => {
    const replaced = instances.replacedBy(id);
    return replaced === undefined ? id : placeOf(replaced);
  };
  const capacity = checkCapacity(ground, runOf, placeOf, report);
  const inFlight = checkRequests(ground, runOf, instances.others, report);
  const lock = checkLock(world, runOf, report);
  const outcome = checkOutcome(ground, runOf, instances, report);
  world.onTransition((transition) => {
    trace.transition(transition);
    for (const checker of [instances, capacity, inFlight, lock, outcome]) {
      checker.onTransition(transition);
    }
  });

  /** Runs the program once, as planned. */
  async function start(plan: PlannedRun, name: string): Promise<RunResult> {
    const maxSurge = Number(plan.config["max-surge"]);
    const blindMs = plan.staleMs.maximumMs + 2 * plan.travelMs + actingMs;
    const { ami, version, allowUnhealthy, lockWaitSeconds, hasMoreSubnets, ending } = plan;
    const run: CheckedRun = { name, ami, version, maxSurge, startedMs: clock.now(), blindMs };
    runs.set(name, run);
    tally.count(`ami ${world.images.get(ami)?.behaviour}`);
    trace.add(clock.now(), `${name} starts: ${JSON.stringify(plan)}`);
    const onFault = (kind: string, action: string) => {
      tally.count(`fault ${kind}`);
      if (kind === "slow") trace.request(clock.now(), `${name} ${action}: ${kind}`);
    };
    const hasLaunched = (token: string) =>
      world.instances.list().some(({ clientToken }) => clientToken === token);
    const way = createWay(plan, { draw, key: name, nowMs: clock.now, hasLaunched, onFault });
    const interrupt = new AbortController();
    // As the program does: many calls wait for it at once.
    setMaxListeners(0, interrupt.signal);
    const end = endingOf(ending);
    let changes = 0;
    const faults = (request: FaultRequest) => {
      requests += 1;
      if (request.sequence > requestsLimit) {
        if (request.sequence === requestsLimit + 1)
          report("endless", `${name} makes ever more requests`);
        return { kind: "crashBefore" } as const;
      }
      const isChange = isFleetChange(request);
      if (isChange) changes += 1;
      if (changes === 1 && isChange) capacity.onFirstChange(run);
      const what = end(request.sequence, isChange ? changes : 0);
      if (what === "signal") interrupt.abort("SIGTERM");
      if (what !== undefined) {
        tally.count(`end ${what}`);
        trace.add(clock.now(), `${name} ${request.action}: ${what}`);
      }
      const fault = what === undefined || what === "signal" ? way.faults(request) : { kind: what };
      const isSent = fault === undefined || ["lostResponse", "crashAfter"].includes(fault.kind);
      if (isSent) {
        const step = stepOf(request);
        lock.onRequest(request, run);
        tally.count(`step ${step}`);
        if (step === "unprotect" && scenario.diesWhenUnprotected) {
          const replaced = request.params.get("InstanceId");
          clock.at(clock.now() + unprotectedMs, () =>
            happen("terminated-replacement", "unprotected", 0, replaced),
          );
        }
      }
      if (options.isTraced) {
        trace.request(clock.now(), `${name} ${request.action} ${fault?.kind ?? ""}`);
      }
      return fault;
    };
    const subnets = [...world.subnets.keys()].filter(
      (id) => hasMoreSubnets || !moreSubnets.includes(id),
    );
    const result = await runProgram(scene, {
      hasBeenTried: true,
      isWhole: options.isWhole,
      caller: name,
      ...{ ami, version, allowUnhealthy, lockWaitSeconds, faults, interrupt },
      config: hasMoreSubnets ? { ...plan.config, "subnet-ids": subnets } : plan.config,
      travelMs: way.travelMs,
      staleReadsMs: way.staleReadsMs,
      holder: {
        owner: name,
        host: plan.host,
        process: `${name}@1`,
        hasEnded: ({ host, process }) =>
          host === plan.host && runs.get(process.replace("@1", ""))?.ending !== undefined,
      },
    });
    rollouts += 1;
    const notices = result.events.filter(({ event }) => event === "notice");
    const text = notices.map(({ message }) => message).join("\n");
    run.ending = { atMs: clock.now(), error: result.error, notices: text };
    trace.add(clock.now(), `${name} ${endOf(result.error)}`);
    for (const { event } of result.events) tally.count(`event ${event}`);
    if (result.error instanceof DeployError) tally.count(`error ${result.error.code}`);
    outcome.onEnd(run);
    return result;
  }

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

  let running: Promise<unknown>[] = [];
  for (const [index, plan] of scenario.runs.entries()) {
    if (!plan.isBeside) {
      await Promise.all(running);
      running = [];
    } else {
      tally.count("end two at once");
    }
    await clock.sleep(plan.afterMs);
    running.push(start(plan, `run-${index + 1}`));
  }
  await Promise.all(running);

  isHealed = true;
  outside.heal();
  for (let index = 1; isAnyServed(ground); index++) {
    const name = `last-${index}`;
    const { error } = await start(scenario.last, name);
    const run = runs.get(name);
    const tookMs = clock.now() - (run?.startedMs ?? 0);
    if (tookMs > lastRunLimitMs(scenario)) {
      report("endless", `with the faults gone, ${name} took ${tookMs / 1000} s`);
    }
    if (error === undefined && run !== undefined) {
      outcome.onConverged(run);
      break;
    }
    if (index === lastRunsLimit) {
      report(
        "not-converged",
        `with the faults gone, ${index} runs did not do; the last ${endOf(error)}`,
      );
      break;
    }
  }
  return { seed, violations, trace, tally, rollouts, requests };
}

/** So long a run takes at most where nothing goes wrong, in milliseconds: a leftover drains, and then an old one. */
function lastRunLimitMs({ fleet, last }: Scenario): number {
  const drainSeconds = Math.max(fleet.deregistrationDelaySeconds ?? 0, floorSeconds.network);
  return 2 * (Number(last.config["waiting-period"]) + drainSeconds) * 1000;
}

/** At which call of a run what happens to it. */
function endingOf(ending: Ending) {
  return (call: number, change: number): "signal" | "crashBefore" | "crashAfter" | undefined => {
    if (ending.kind === "none") return undefined;
    const { of, number } = ending.at;
    if ((of === "calls" ? call : change) !== number) return undefined;
    if (ending.kind === "signalled") return "signal";
    return ending.before ? "crashBefore" : "crashAfter";
  };
}

/** What a request does, in the words of the rolling update. */
function stepOf({ action, params }: FaultRequest): string {
  if (params.get("DryRun") === "true") return "dry run";
  if (action !== "ModifyInstanceAttribute") return action;
  if (params.has("SourceDestCheck.Value")) return "configure";
  return params.get("DisableApiTermination.Value") === "true" ? "protect" : "unprotect";
}
