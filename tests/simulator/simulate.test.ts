// Goal: `simulate` proves what it says: nothing is lost with an AMI of any kind, the naive script loses requests, and an
// end that is not as it should be is told.
// Method: whole simulations with real requests, a hundred times as fast as real time where the machine allows it.
import { describe, expect, it, vi } from "vitest";
import type { LogEvent } from "../../src/log.ts";
import { type SimulateOptions, simulate } from "../../src/simulator/simulate.ts";

// Simulated time slows down where the processor is busy.
vi.setConfig({ testTimeout: 120_000 });

async function run(options: Partial<SimulateOptions> = {}, signal = new AbortController().signal) {
  const events: LogEvent[] = [];
  const isGood = await simulate(
    {
      instances: 1,
      maxSurge: 1,
      speed: 120,
      behaviour: "good",
      deregistrationDelaySeconds: 45,
      seed: 1,
      isNaive: false,
      openLog: () => (event) => events.push(event),
      ...options,
    },
    signal,
  );
  return { isGood, events, last: events.at(-1), lines: events.map(({ message }) => message) };
}

describe("the rollout", () => {
  it("loses no request, and says what it counted", async () => {
    const { isGood, last, lines } = await run();
    expect(lines.join("\n")).toMatch(/Rolling update completed: 1 instance replaced/);
    expect(last).toMatchObject({ event: "report", message: "No request was lost" });
    expect(isGood).toBe(true);
    expect(last?.details).toMatchObject({ failed: 0, lowestInService: 1, launched: 1 });
    const { sent, long } = Object(last?.details);
    expect(long).toBeGreaterThan(20);
    expect(sent).toBeGreaterThan(long);
  });

  it.each(["never-healthy", "dies", "impaired"] as const)(
    "with an AMI that is %s stops, as it should, without a lost request",
    async (behaviour) => {
      const { isGood, events, last } = await run({ behaviour });
      const failure = events.find(({ event }) => event === "error");
      expect(failure).toMatchObject({ details: { code: "ReplacementFailed" } });
      // There is nothing left that the command could go on with.
      expect(failure?.details).not.toHaveProperty("rerun");
      expect(last).toMatchObject({ event: "report", details: { failed: 0, launched: 1 } });
      expect(isGood).toBe(true);
    },
  );

  it("with an AMI that is slow takes longer, and ends well", async () => {
    const { isGood, last } = await run({ behaviour: "slow" });
    expect(last).toMatchObject({ event: "report", details: { failed: 0, launched: 1 } });
    expect(isGood).toBe(true);
  });

  it("replaces several at a time where it may", async () => {
    const { isGood, events, lines } = await run({ instances: 3, maxSurge: 3 });
    expect(isGood, lines.join("\n")).toBe(true);
    const at = (name: string, slot: number) =>
      events.findIndex((one) => one.event === name && one.slot === slot);
    expect(at("launch", 3)).toBeLessThan(at("terminate", 2));
  });

  it("stops at a signal, and nothing is lost by that", async () => {
    const controller = new AbortController();
    const log = (event: LogEvent) => {
      if (event.event === "checks") controller.abort("SIGINT");
    };
    let last: LogEvent | undefined;
    const openLog = () => (event: LogEvent) => {
      log(event);
      last = event;
    };
    await run({ openLog }, controller.signal);
    expect(last).toMatchObject({ event: "report", details: { failed: 0, lowestInService: 1 } });
  });
});

describe("the naive script", () => {
  it("loses requests, as they come, and breaks a rule", async () => {
    const { isGood, events, last } = await run({ isNaive: true });
    expect(isGood).toBe(false);
    expect(last).toMatchObject({ event: "error", details: { code: "RequestsLost", launched: 1 } });
    const { failed, failures, violations } = Object(last?.details);
    expect(failed).toBeGreaterThan(0);
    expect(Object.keys(failures)).toContain("502 Bad Gateway");
    expect(violations).toMatchObject([{ rule: "terminated-in-service" }]);
    const trouble = events.filter(({ event }) => event === "trouble");
    const told = trouble.reduce((sum, { details }) => sum + Number(details?.failed ?? 0), 0);
    expect(told).toBe(failed);
  });
});
