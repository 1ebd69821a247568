// Goal: throttling, HTTP 500, lost connections, lost answers and stale reads do not fail a run, they only slow it.
// Method: rollouts in virtual time with faults by chance from a seed, and with outages of known length.
import { describe, expect, it } from "vitest";
import { DeployError } from "../../src/errors.ts";
import { type Faults, firstRequests, randomFaults } from "../../src/simulator/faults.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import { errorText, hurried, linesOf, type RunOptions, run, stage, watch } from "./harness.ts";

const quick = hurried;

describe("faults by chance", () => {
  const kinds: [string, (seed: number) => RunOptions][] = [
    ["one call in five throttled", (seed) => ({ faults: randomFaults(seed, { throttle: 0.2 }) })],
    [
      "one in five answered with HTTP 500",
      (seed) => ({ faults: randomFaults(seed, { serverError: 0.2 }) }),
    ],
    ["one connection in five reset", (seed) => ({ faults: randomFaults(seed, { reset: 0.2 }) })],
    ["one answer in five lost", (seed) => ({ faults: randomFaults(seed, { lostResponse: 0.2 }) })],
    ["reads that lag up to 8 s", () => ({ staleReadsMs: 8_000 })],
    [
      "all of it together",
      (seed) => ({
        staleReadsMs: 8_000,
        faults: randomFaults(seed, {
          throttle: 0.05,
          serverError: 0.05,
          reset: 0.05,
          lostResponse: 0.05,
        }),
      }),
    ],
  ];
  it.each(kinds)(
    "%s",
    async (_title, options) => {
      for (const seed of [1, 2, 3, 4]) {
        const scene = stage({ ...quick, seed });
        const watched = watch(scene);
        expectSuccess(await run(scene, options(seed)));
        expect(watched.violations, `seed ${seed}`).toEqual([]);
        expect(launchesOf(scene), `seed ${seed}`).toBe(3);
        expectConverged(scene);
      }
    },
    60_000,
  );
});

describe("the answer to RunInstances", () => {
  it("lost ten times over still means one instance", async () => {
    const scene = stage({ instances: 1, ...quick });
    let left = 10;
    const faults: Faults = ({ action, params }) =>
      action === "RunInstances" && params.get("DryRun") !== "true" && left-- > 0
        ? { kind: "lostResponse" }
        : undefined;
    expectSuccess(await run(scene, { faults, staleReadsMs: 8_000 }));
    expect(launchesOf(scene)).toBe(1);
    expectConverged(scene);
  });
});

describe("an outage of AWS", () => {
  const during =
    (fromMs: number, toMs: number): Faults =>
    ({ atMs }) =>
      atMs >= fromMs && atMs < toMs ? { kind: "serverError" } : undefined;

  it.each([30, 200, 390])(
    "of %i s at any time only delays the run",
    async (seconds) => {
      for (const second of [0, 10, 30, 45, 70]) {
        const scene = stage({ instances: 2, zones: 2, ...quick });
        const watched = watch(scene);
        const fromMs = scene.clock.now() + second * 1000;
        const result = await run(scene, { faults: during(fromMs, fromMs + seconds * 1000) });
        expectSuccess(result);
        expect(linesOf(result).filter((line) => line.includes("AWS does not answer"))).toHaveLength(
          1,
        );
        expect(watched.violations).toEqual([]);
        expectConverged(scene);
      }
    },
    60_000,
  );

  it("does not count against the wait it falls into", async () => {
    const timings = { ...quick.timings, statusChecks: [430_000, 430_000] as const };
    const scene = stage({ ...quick, instances: 1, zones: 1, timings });
    const fromMs = scene.clock.now() + 30_000;
    expectSuccess(await run(scene, { faults: during(fromMs, fromMs + 390_000) }));
    expectConverged(scene);
  });

  it("that does not end ends the run, with what was last seen and the command that goes on", async () => {
    const scene = stage(quick);
    const fromMs = scene.clock.now() + 20_000;
    const result = await run(scene, { faults: during(fromMs, Number.POSITIVE_INFINITY) });
    expect(result.error).toMatchObject({ code: "AwsUnreachable" });
    for (const { id } of fleetOf(scene)) expect(errorText(result)).toContain(id);
    expect(errorText(result)).toContain("zero-deploy ami-");
    expect(scene.clock.now() - fromMs).toBeLessThan(500_000);
    expectSuccess(await run(scene));
    expect(launchesOf(scene)).toBe(3);
    expectConverged(scene);
  });

  it("before the first change ends the run with nothing changed", async () => {
    const scene = stage(quick);
    const result = await run(scene, { faults: () => ({ kind: "throttle" }) });
    expect(result.error).toBeInstanceOf(DeployError);
    expect(result.error).toMatchObject({ code: "AwsUnreachable" });
    expectUntouched(scene);
  });

  it("of TerminateInstances alone neither begins the drain anew nor lasts for ever", async () => {
    const scene = stage({ ...quick, instances: 2, zones: 2 });
    const watched = watch(scene);
    const refused: number[] = [];
    const startMs = scene.clock.now();
    const result = await run(scene, {
      faults: ({ action, params, atMs }) => {
        if (action !== "TerminateInstances" || params.get("DryRun") === "true") return undefined;
        refused.push(atMs);
        return { kind: "throttle" };
      },
    });
    expect(errorText(result)).toContain("could not be terminated within 400 s");
    expect(errorText(result)).toContain("RequestLimitExceeded");
    expect((refused[1] ?? 0) - (refused[0] ?? 0)).toBeLessThan(5_000);
    // Once while it rolls, and once to bring it to an end.
    expect(scene.clock.now() - startMs).toBeLessThan(1_000_000);
    expect(watched.violations).toEqual([]);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it("of one action alone is told with AWS's own words when its wait runs out", async () => {
    const scene = stage({ instances: 1, ...quick });
    const result = await run(scene, {
      faults: firstRequests("RegisterTargets", 10_000, { kind: "throttle" }),
    });
    expect(errorText(result)).toContain("could not be registered within 400 s");
    expect(errorText(result)).toContain("Throttling: Rate exceeded");
    expectUntouched(scene);
  });
});

describe("services that learn of a change at their own pace", () => {
  it.each([
    ["RegisterTargets", "InvalidTarget"],
    ["TerminateInstances", "InvalidInstanceID.NotFound"],
    ["DescribeInstanceAttribute", "InvalidInstanceID.NotFound"],
  ])("are asked again: %s, %s", async (late, code) => {
    const scene = stage({ ...quick, instances: 1, zones: 1 });
    let left = 5;
    const result = await run(scene, {
      faults: ({ action, params }) =>
        action === late && params.get("DryRun") !== "true" && left-- > 0
          ? { kind: "error", status: 400, code, message: "not known here yet" }
          : undefined,
    });
    expectSuccess(result);
    expect(launchesOf(scene)).toBe(1);
    expectConverged(scene);
  });
});

describe("access that AWS denies", () => {
  it("to DescribeInstanceStatus is told before the first launch that would need it", async () => {
    const scene = stage({ instances: 1, ...quick });
    const result = await run(scene, {
      faults: ({ action }) =>
        action === "DescribeInstanceStatus"
          ? { kind: "error", status: 403, code: "UnauthorizedOperation", message: "not authorized" }
          : undefined,
    });
    expect(result.error).toMatchObject({ code: "PreflightFailed" });
    expect(errorText(result)).toContain("status checks");
    expectUntouched(scene);
  });

  it.each(["DescribeTargetHealth", "DescribeInstances"])(
    "to %s ends the run at once",
    async (denied) => {
      const scene = stage({ instances: 1, ...quick });
      const startMs = scene.clock.now();
      const result = await run(scene, {
        faults: ({ action }) =>
          action === denied
            ? {
                kind: "error",
                status: 403,
                code: "AccessDenied",
                message: `not authorized to perform ${action}`,
              }
            : undefined,
      });
      expect(result.error).toMatchObject({ code: "PreflightFailed" });
      expect(errorText(result)).toContain(`not authorized to perform ${denied}`);
      expect(scene.clock.now() - startMs).toBeLessThan(60_000);
    },
  );
});
