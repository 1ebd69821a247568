import { createHistogram } from "node:perf_hooks";
import type { RequestResult } from "./requests.ts";

/** What became of all requests. */
export interface Traffic {
  readonly sent: number;
  /** How many of them were long ones. */
  readonly long: number;
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Of the short ones that succeeded, in real milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Counts requests. */
export interface Tally {
  add(result: RequestResult): void;
  /** What was counted so far. */
  total(): Traffic;
}

/** Latencies are counted in microseconds. */
const PER_MS = 1000;

/** Makes a count that starts at nothing; its size does not grow with the number of requests. */
export function createTally(): Tally {
  const latencies = createHistogram();
  const failures: Record<string, number> = {};
  let sent = 0;
  let long = 0;
  let failed = 0;
  const percentile = (share: number) =>
    latencies.count === 0 ? 0 : latencies.percentile(share) / PER_MS;
  return {
    add({ kind, failure, tookMs }) {
      sent += 1;
      if (kind === "long") long += 1;
      if (failure !== undefined) {
        failed += 1;
        failures[failure] = (failures[failure] ?? 0) + 1;
      } else if (kind === "short") {
        latencies.record(Math.max(1, Math.round(tookMs * PER_MS)));
      }
    },
    total: () => ({
      sent,
      long,
      failed,
      failures: { ...failures },
      p50Ms: percentile(50),
      p99Ms: percentile(99),
    }),
  };
}
