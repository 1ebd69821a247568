import type { LogEvent } from "../log.ts";
import type { Gauge } from "./gauge.ts";
import type { Violation } from "./invariants.ts";
import type { Traffic } from "./tally.ts";

/** What is known when a simulation ends. */
export interface Outcome {
  readonly traffic: Traffic;
  readonly gauge: Gauge;
  readonly violations: readonly Violation[];
  /** How long the long requests lasted, in simulated seconds. */
  readonly longSeconds: number;
  /** What else is not as it should be; a sentence. */
  readonly surprise?: string;
}

/** Whether no request failed, no rule was broken, and nothing else was wrong. */
export function isGood({ traffic, violations, surprise }: Outcome): boolean {
  return traffic.failed === 0 && violations.length === 0 && surprise === undefined;
}

/** The last word on a simulation. */
export function reportOf(outcome: Outcome): LogEvent {
  const { traffic, gauge, violations, longSeconds, surprise } = outcome;
  const { sent, failed, failures, long, p50Ms, p99Ms } = traffic;
  const { lowestInService, inServiceAtStart, launched } = gauge;
  const counts = { sent, failed, failures, long, longSeconds, p50Ms, p99Ms };
  const details = { ...counts, lowestInService, inServiceAtStart, launched, violations };
  const longOnes = long === 0 ? "" : `; ${number(long)} of them took ${number(longSeconds)} s`;
  const lines = [
    `Requests: ${number(sent)} sent, ${failed === 0 ? "none" : number(failed)} failed${longOnes}`,
    ...causes(failures).map((cause) => `  ${cause}`),
    `Latency of the short ones, in real time: p50 ${number(p50Ms)} ms, p99 ${number(p99Ms)} ms`,
    `In service: never fewer than ${lowestInService}, at the start ${inServiceAtStart}`,
    `Instances launched: ${launched}`,
    ...violations.map(({ rule, message }) => `Rule broken: ${rule}: ${message}`),
  ];
  if (isGood(outcome)) return { event: "report", message: "No request was lost", lines, details };
  const code = failed > 0 ? "RequestsLost" : violations.length > 0 ? "RuleBroken" : "Surprise";
  const message =
    failed > 0
      ? `${number(failed)} of ${number(sent)} requests were lost`
      : violations.length > 0
        ? "No request was lost, but only by luck: a rule was broken"
        : (surprise ?? "");
  return { event: "error", message, lines, details: { code, ...details } };
}

/** "12 × 502 Bad Gateway", the most frequent first. */
export function causes(failures: Traffic["failures"]): string[] {
  return Object.entries(failures)
    .sort(([, left], [, right]) => right - left)
    .map(([cause, times]) => `${number(times)} × ${cause}`);
}

/** With thousands apart, and one decimal at most. */
function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 1 });
}
