import { setMaxListeners } from "node:events";
import { DeployError } from "../../../src/errors.ts";
import type { FaultRequest } from "../../../src/simulator/faults.ts";
import { isFleetChange } from "../calls.ts";
import type { Checkers } from "../checkers/all.ts";
import type { CheckedRun, Report } from "../checkers/ground.ts";
import { type RunResult, run as runProgram } from "../harness.ts";
import type { Tally } from "./coverage.ts";
import type { Draw } from "./draw.ts";
import type { Ending, EventKind, PlannedRun, Scenario } from "./scenario.ts";
import type { Setting } from "./setting.ts";
import { endOf, noTrace, type Trace } from "./trace.ts";
import { createWay, longestTripMs } from "./troubles.ts";

/** A seed that is being played. */
export interface Playing extends Setting {
  readonly scenario: Scenario;
  readonly draw: Draw;
  /** With all of the SDK's middleware. */
  readonly isWhole?: boolean;
  readonly trace: Trace;
  readonly tally: Tally;
  readonly checkers: Checkers;
  readonly report: Report;
  /** Every run so far, by its name. */
  readonly runs: Map<string, CheckedRun>;
  readonly onRequest: () => void;
  /** Lets something happen from outside; `replaced`: to its replacement. */
  readonly happen: (kind: EventKind, key: string, lastsMs?: number, replaced?: string) => void;
}

/** A run with more requests than this does not come to an end. */
const requestsLimit = 20_000;

/** What a run may act on is at most so old when it acts, beside the lag of its reads; in milliseconds. */
const actingMs = 20_000;

/** So soon after the protection of an instance was lifted its replacement dies, where it does. */
const unprotectedMs = 2_000;

/** Runs the program once, as planned. */
export async function start(playing: Playing, plan: PlannedRun, name: string): Promise<RunResult> {
  const { scene, ground, moreSubnets, scenario, draw, isWhole, runs } = playing;
  const { trace, tally, checkers, report, onRequest, happen } = playing;
  const { clock } = scene;
  const { world } = ground;
  const maxSurge = Number(plan.config["max-surge"]);
  const blindMs = plan.staleMs.maximumMs + 2 * plan.travelMs + actingMs;
  const { ami, version, allowUnhealthy, lockWaitSeconds, hasMoreSubnets, ending } = plan;
  const run: CheckedRun = {
    ...{ name, ami, version, maxSurge, startedMs: clock.now(), blindMs },
    travelMs: longestTripMs(plan),
    waitingSeconds: Number(plan.config["waiting-period"]),
    losesAnswers: plan.troubles.some(({ kind }) => kind.startsWith("lost")),
  };
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
    onRequest();
    if (request.sequence > requestsLimit) {
      if (request.sequence === requestsLimit + 1)
        report("endless", `${name} makes ever more requests`);
      return { kind: "crashBefore" } as const;
    }
    const isChange = isFleetChange(request);
    if (isChange) changes += 1;
    if (changes === 1 && isChange) checkers.onFirstChange(run);
    const what = end(request.sequence, isChange ? changes : 0);
    if (what === "signal") {
      run.signalledMs ??= clock.now();
      interrupt.abort("SIGTERM");
    }
    if (what !== undefined) {
      tally.count(`end ${what}`);
      trace.add(clock.now(), `${name} ${request.action}: ${what}`);
    }
    const fault = what === undefined || what === "signal" ? way.faults(request) : { kind: what };
    const isSent = fault === undefined || ["lostResponse", "crashAfter"].includes(fault.kind);
    if (isSent) {
      const step = stepOf(request);
      checkers.onRequest(request, run);
      tally.count(`step ${step}`);
      if (step === "unprotect" && scenario.diesWhenUnprotected) {
        const replaced = request.params.get("InstanceId");
        clock.at(clock.now() + unprotectedMs, () =>
          happen("terminated-replacement", "unprotected", 0, replaced),
        );
      }
    }
    if (trace !== noTrace) {
      trace.request(clock.now(), `${name} ${request.action} ${fault?.kind ?? ""}`);
    }
    return fault;
  };
  const subnets = [...world.subnets.keys()].filter(
    (id) => hasMoreSubnets || !moreSubnets.includes(id),
  );
  const result = await runProgram(scene, {
    hasBeenTried: true,
    isWhole,
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
  const notices = result.events.filter(({ event }) => event === "notice");
  const text = notices.map(({ message }) => message).join("\n");
  run.ending = { atMs: clock.now(), error: result.error, notices: text };
  trace.add(clock.now(), `${name} ${endOf(result.error)}`);
  for (const { event } of result.events) tally.count(`event ${event}`);
  if (result.error instanceof DeployError) tally.count(`error ${result.error.code}`);
  checkers.onEnd(run);
  return result;
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
