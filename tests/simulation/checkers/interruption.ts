import { DeployError } from "../../../src/errors.ts";
import { deregistrationDelaySeconds } from "../../../src/simulator/targets.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import { type CheckedRun, floorSeconds, type Ground, type Report } from "./ground.ts";
import type { Others } from "./others.ts";

/** Looks after what runs do once a signal has asked them to stop. */
export interface InterruptionChecker {
  onTransition(transition: Transition): void;
  /** A run has ended. */
  onEnd(run: CheckedRun): void;
}

/** What was under way when the signal came may still be done, in milliseconds; so many requests may go before it. */
const underWayMs = 5_000;
const requestsUnderWay = 3;

/** A termination is seen to be accepted within this, in seconds. */
const terminationSeconds = 60;

/**
 * From a signal on nothing is launched, and no old one leaves that was not leaving already; and what is wrapped up has an
 * end: what drains does so once, or begins anew.
 */
export function checkInterruption(
  { world, groups, initial }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  others: Others,
  report: Report,
): InterruptionChecker {
  return {
    onTransition(transition) {
      const run = runOf(transition);
      if (run?.signalledMs === undefined) return;
      const sinceMs = world.nowMs() - run.signalledMs;
      if (sinceMs <= underWayMs + requestsUnderWay * 2 * run.travelMs) return;
      const after = `${run.name}, ${sinceMs / 1000} s after its signal,`;
      if (transition.kind === "instance" && transition.before === undefined) {
        report("signal-ignored", `${after} launched ${transition.after?.id}`);
      }
      if (transition.kind !== "target" || !transition.before?.registered) return;
      const { instanceId, targetGroupArn } = transition.before;
      const isFirst = targetGroupArn === groups[0] && !transition.after?.registered;
      if (!isFirst || !initial.has(instanceId) || others.touchedMs(instanceId) !== undefined)
        return;
      report("signal-ignored", `${after} deregistered ${instanceId}`);
    },
    onEnd({ name, signalledMs, ending, waitingSeconds }) {
      if (signalledMs === undefined || ending === undefined) return;
      if (ending.error !== undefined && !(ending.error instanceof DeployError)) return;
      const delays = groups.map((arn) => {
        const group = world.targetGroups.get(arn);
        return group === undefined ? 0 : deregistrationDelaySeconds(group);
      });
      const drainSeconds = Math.max(...delays, floorSeconds.network);
      const limitSeconds = 3 * (drainSeconds + terminationSeconds) + waitingSeconds;
      const seconds = (ending.atMs - signalledMs) / 1000;
      if (seconds <= limitSeconds) return;
      report("endless", `${name} ended ${seconds} s after its signal`);
    },
  };
}
