// Goal: running it again is always right: killed with SIGKILL at any moment, the same command finishes the job with
// nothing launched twice, nothing forgotten and no request lost.
// Method: one rollout is run undisturbed and its AWS calls are counted; then, for each of them, a fresh fleet is
// rolled by a process that dies right after that call, and by a second one that is started at once. One that dies
// before its first change leaves the fleet as it was: no second one is needed to see that.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { fromFirstChange, isFleetChange } from "./calls.ts";
import { expectConverged, expectSuccess, expectUntouched, launchesOf } from "./expect.ts";
import {
  hurried,
  type RunOptions,
  type RunResult,
  run,
  type Stage,
  stage,
  watch,
} from "./harness.ts";

function setTheStage(): Stage {
  return stage(hurried);
}

async function callsOf(options: RunOptions): Promise<RunResult["requests"]> {
  const { error, requests } = await run(setTheStage(), options);
  expect(error).toBeUndefined();
  return requests;
}

function dieAfter(call: number, scene: Stage, options: RunOptions = {}): Promise<RunResult> {
  return run(scene, {
    ...options,
    faults: ({ sequence }) => (sequence === call ? { kind: "crashAfter" } : undefined),
    hasBeenTried: true,
  });
}

describe("killed after each single AWS call, and run again", () => {
  it.each([
    ["with reads that are fresh", {}],
    ["with reads that lag up to 8 s", { staleReadsMs: 8_000 }],
  ])(
    "it converges with nothing launched twice, %s",
    async (_title, options) => {
      const calls = await callsOf(options);
      const [firstChange = 0] = fromFirstChange(calls);
      expect(firstChange).toBeGreaterThan(1);
      for (const { sequence: call, action } of calls) {
        const scene = setTheStage();
        const watched = watch(scene);
        const killed = await dieAfter(call, scene, options);
        const where = `killed after call ${call}, ${action}`;
        expect(killed.requests[call - 1]?.outcome, where).toBe("crash");
        if (call < firstChange) {
          expectUntouched(scene);
          continue;
        }
        expectSuccess(await run(scene, options));
        expect(watched.violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(3);
        expectConverged(scene);
      }
    },
    300_000,
  );
});

describe("killed at a change, and run again for another AMI", () => {
  it("ends with the fleet on that other AMI, and nothing of the first left", async () => {
    for (const { sequence: call, action } of (await callsOf({})).filter(isFleetChange)) {
      const scene = setTheStage();
      const watched = watch(scene);
      await dieAfter(call, scene);
      expectSuccess(
        await run(scene, { ami: IMAGES.slow, version: "v3", config: { "waiting-period": 900 } }),
      );
      expect(watched.violations, `killed after call ${call}, ${action}`).toEqual([]);
      expectConverged(scene, { ami: IMAGES.slow, version: "v3" });
    }
  }, 300_000);
});

describe("killed again and again", () => {
  it("makes its way as long as each run gets a little further", async () => {
    const scene = setTheStage();
    const watched = watch(scene);
    for (let round = 0; round < 60; round++) {
      const { error } = await run(scene, {
        faults: ({ sequence }) => (sequence === 60 ? { kind: "crashAfter" } : undefined),
      });
      if (error === undefined) break;
    }
    expectSuccess(await run(scene));
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
    expect(launchesOf(scene)).toBe(3);
  }, 60_000);
});
