// Goal: the last word on a simulation says what was counted, in words and in data, and calls nothing good that is not.
import { describe, expect, it } from "vitest";
import type { RequestResult } from "../../src/simulator/requests.ts";
import { longRequestSeconds } from "../../src/simulator/requests.ts";
import { createTally } from "../../src/simulator/tally.ts";
import { isGood, type Outcome, reportOf } from "../../src/simulator/verdict.ts";

function countOf(results: readonly RequestResult[]) {
  const tally = createTally();
  for (const result of results) tally.add(result);
  return tally.total();
}

const short = (tookMs: number): RequestResult => ({ kind: "short", tookMs });
const gauge = { inServiceAtStart: 3, lowestInService: 3, launched: 3 };

function outcome(changes: Partial<Outcome> = {}): Outcome {
  const traffic = countOf([...Array(1200).fill(short(12.34)), { kind: "long", tookMs: 1500 }]);
  return { traffic, gauge, violations: [], longSeconds: 90, ...changes };
}

describe("a count", () => {
  it("takes the latency of short requests that succeeded, and of no others", () => {
    const results: RequestResult[] = Array.from({ length: 100 }, (_, index) => short(index + 1));
    results.push({ kind: "long", tookMs: 9_000 });
    results.push({ kind: "short", tookMs: 9_000, failure: "504 Gateway Time-out" });
    const { sent, long, failed, failures, p50Ms, p99Ms } = countOf(results);
    expect({ sent, long, failed, failures }).toEqual({
      sent: 102,
      long: 1,
      failed: 1,
      failures: { "504 Gateway Time-out": 1 },
    });
    expect(p50Ms).toBeCloseTo(50, 0);
    expect(p99Ms).toBeCloseTo(99, 0);
  });

  it("of nothing is nothing", () => {
    expect(countOf([])).toMatchObject({ sent: 0, failed: 0, p50Ms: 0, p99Ms: 0 });
  });
});

describe("the report", () => {
  it("of a good simulation has every figure", () => {
    const good = outcome();
    expect(isGood(good)).toBe(true);
    expect(reportOf(good)).toMatchObject({
      event: "report",
      message: "No request was lost",
      lines: [
        "Requests: 1,201 sent, none failed; 1 of them took 90 s",
        "Latency of the short ones, in real time: p50 12.3 ms, p99 12.3 ms",
        "In service: never fewer than 3, at the start 3",
        "Instances launched: 3",
      ],
      details: { sent: 1201, failed: 0, long: 1, longSeconds: 90, launched: 3, lowestInService: 3 },
    });
  });

  it("names the causes of failed requests, the most frequent first", () => {
    const failed = (failure: RequestResult["failure"]): RequestResult => ({ ...short(1), failure });
    const refused = Array(12).fill(failed("502 Bad Gateway"));
    const bad = outcome({ traffic: countOf([failed("cut off in the middle"), ...refused]) });
    expect(isGood(bad)).toBe(false);
    const { event, message, lines, details } = reportOf(bad);
    expect({ event, message }).toEqual({ event: "error", message: "13 of 13 requests were lost" });
    expect(lines?.slice(0, 3)).toEqual([
      "Requests: 13 sent, 13 failed",
      "  12 × 502 Bad Gateway",
      "  1 × cut off in the middle",
    ]);
    expect(details).toMatchObject({ code: "RequestsLost", failed: 13 });
  });

  it("is bad when a rule was broken though no request failed", () => {
    const violation = { atMs: 0, rule: "capacity-lost", message: "2 of 3" } as const;
    const bad = outcome({ violations: [violation] });
    expect(isGood(bad)).toBe(false);
    const { message, lines, details } = reportOf(bad);
    expect(message).toContain("a rule was broken");
    expect(lines).toContain("Rule broken: capacity-lost: 2 of 3");
    expect(details).toMatchObject({ code: "RuleBroken", violations: [violation] });
  });

  it("is bad when the rollout ended as it should not have", () => {
    const bad = outcome({ surprise: "The rollout failed with an AMI that is good" });
    expect(isGood(bad)).toBe(false);
    expect(reportOf(bad)).toMatchObject({
      event: "error",
      message: "The rollout failed with an AMI that is good",
      details: { code: "Surprise" },
    });
  });
});

describe("long requests", () => {
  it.each([
    [120, 90],
    [300, 240],
    [60, 30],
    [30, 0],
    [0, 0],
  ])("of a deregistration delay of %i s last %i s: what has room in it", (delay, seconds) => {
    expect(longRequestSeconds(delay)).toBe(seconds);
  });
});
