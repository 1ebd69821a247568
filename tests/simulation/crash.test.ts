// Goal: running it again is always right: killed with SIGKILL at any moment, the same command finishes the job with
// nothing launched twice, nothing forgotten and no request lost.
// Method: one rollout is run undisturbed and its AWS calls are counted; then, for each of them, a fresh fleet is
// rolled by a process that dies right after that call, and by a second one that is started at once.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { expectConverged, expectSuccess, launchesOf } from "./expect.ts";
import { hurried, type RunOptions, run, type Stage, stage, watch } from "./harness.ts";

function setTheStage(): Stage {
  return stage(hurried);
}

async function callsOf(options: RunOptions): Promise<string[]> {
  const { error, requests } = await run(setTheStage(), options);
  expect(error).toBeUndefined();
  return requests.map(({ action }) => action);
}

async function dieAndRunAgain(
  call: number,
  options: RunOptions,
  kind: "crashBefore" | "crashAfter",
) {
  const scene = setTheStage();
  const watched = watch(scene);
  const killed = await run(scene, {
    ...options,
    faults: ({ sequence }) => (sequence === call ? { kind } : undefined),
  });
  const again = await run(scene, options);
  return { scene, killed, again, violations: watched.violations };
}

describe("killed after each single AWS call, and run again", () => {
  it.each([
    ["with reads that are fresh", {}],
    ["with reads that lag up to 8 s", { staleReadsMs: 8_000 }],
  ])(
    "it converges with nothing launched twice, %s",
    async (_title, options) => {
      const calls = await callsOf(options);
      expect(calls).toContain("RunInstances");
      for (let call = 1; call <= calls.length; call++) {
        const { scene, killed, again, violations } = await dieAndRunAgain(
          call,
          options,
          "crashAfter",
        );
        const where = `killed after call ${call}, ${calls[call - 1]}`;
        expect(killed.requests[call - 1]?.outcome, where).toBe("crash");
        expectSuccess(again);
        expect(violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(3);
        expectConverged(scene);
      }
    },
    300_000,
  );
});

describe("killed at a change, and run again for another AMI", () => {
  it("ends with the fleet on that other AMI, and nothing of the first left", async () => {
    const calls = await callsOf({});
    const changes = calls.flatMap((action, index) =>
      action.startsWith("Describe") ? [] : [index + 1],
    );
    for (const call of changes) {
      const scene = setTheStage();
      const watched = watch(scene);
      await run(scene, {
        faults: ({ sequence }) => (sequence === call ? { kind: "crashAfter" } : undefined),
      });
      expectSuccess(
        await run(scene, { ami: IMAGES.slow, version: "v3", config: { "waiting-period": 900 } }),
      );
      expect(watched.violations, `killed after call ${call}, ${calls[call - 1]}`).toEqual([]);
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
