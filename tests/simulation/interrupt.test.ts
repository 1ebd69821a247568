// Goal: a signal leaves a fleet that serves as before, says what is left, and the same command finishes the job.
// Method: rollouts in virtual time, interrupted every 4 seconds of their way.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { expectConverged, expectSuccess, fleetOf, launchesOf } from "./expect.ts";
import { errorText, hurried, run, stage, watch } from "./harness.ts";

const quick = { ...hurried, instances: 2, zones: 2 };

async function lengthOfRollout(): Promise<number> {
  const scene = stage(quick);
  const startMs = scene.clock.now();
  expectSuccess(await run(scene));
  return scene.clock.now() - startMs;
}

describe("a signal", () => {
  it("at any time leaves nothing unhealthy behind, and the same command finishes", async () => {
    const lengthMs = await lengthOfRollout();
    for (let afterMs = 1_000; afterMs < lengthMs; afterMs += 4_000) {
      const scene = stage(quick);
      const watched = watch(scene);
      const stopped = await run(scene, { interruptAfterMs: afterMs });
      const where = `interrupted after ${afterMs / 1000} s`;
      expect(stopped.error, where).toMatchObject({ code: "Interrupted" });
      const live = fleetOf(scene);
      expect(live.length, where).toBeGreaterThanOrEqual(2);
      for (const { id, imageId, targets } of live) {
        if (live.length > 2) expect(errorText(stopped), where).toContain(id);
        if (imageId !== IMAGES.old) {
          expect(
            targets.map(({ state }) => state),
            `${where}: ${id}`,
          ).toEqual(["healthy"]);
        }
      }
      expectSuccess(await run(scene));
      expect(watched.violations, where).toEqual([]);
      expectConverged(scene);
    }
  }, 60_000);

  it("launches nothing and deregisters no old instance after it", async () => {
    const lengthMs = await lengthOfRollout();
    for (let afterMs = 3_000; afterMs < lengthMs; afterMs += 7_000) {
      const scene = stage(quick);
      const signalMs = scene.clock.now() + afterMs;
      const { requests } = await run(scene, { interruptAfterMs: afterMs });
      const late = requests.filter(({ atMs }) => atMs > signalMs);
      expect(late.filter(({ action }) => action === "RunInstances")).toEqual([]);
      const left = late.filter(({ action }) => action === "DeregisterTargets");
      for (const { params } of left) {
        expect(scene.aws.oldInstanceIds).not.toContain(params.get("Targets.member.1.Id"));
      }
    }
  }, 60_000);

  it("between two launches of one round stops the second", async () => {
    const scene = stage({ ...hurried, instances: 6 });
    const controller = new AbortController();
    let launches = 0;
    await run(scene, {
      config: { "max-surge": 4 },
      interrupt: controller,
      faults: ({ action, params }) => {
        if (action === "RunInstances" && params.get("DryRun") !== "true" && ++launches === 2) {
          controller.abort("SIGTERM");
        }
        return undefined;
      },
    });
    expect(launches).toBe(2);
  });

  it.each([
    ["lostResponse", 1],
    ["reset", 0],
  ] as const)(
    "right after a launch that was not answered (%s) tells of it",
    async (kind, count) => {
      const scene = stage({ ...quick, instances: 1, zones: 1 });
      const interrupt = new AbortController();
      const lag = { staleReadsMs: 8_000, lagIsConstant: true };
      const stopped = await run(scene, {
        ...lag,
        interrupt,
        faults: ({ action, params }) => {
          if (action !== "RunInstances" || params.get("DryRun") === "true") return undefined;
          interrupt.abort("SIGTERM");
          return { kind };
        },
      });
      expect(stopped.error).toMatchObject({ code: "Interrupted" });
      expect(launchesOf(scene)).toBe(count);
      const [old = ""] = scene.aws.oldInstanceIds;
      expect(errorText(stopped)).toContain(
        `a launch to replace ${old} was not answered: it may exist; the same command adopts it`,
      );
      const again = await run(scene, lag);
      expectSuccess(again);
      expect(launchesOf(scene)).toBe(1);
      expectConverged(scene);
    },
  );

  it("after a launch whose answer came late tells of the instance alone", async () => {
    const scene = stage({ ...quick, instances: 1, zones: 1 });
    let left = 1;
    const stopped = await run(scene, {
      interruptAfterMs: 30_000,
      faults: ({ action, params }) =>
        action === "RunInstances" && params.get("DryRun") !== "true" && left-- > 0
          ? { kind: "lostResponse" }
          : undefined,
    });
    expect(launchesOf(scene)).toBe(1);
    expect(errorText(stopped)).not.toContain("was not answered");
  });

  it("names the command that finishes", async () => {
    const scene = stage(quick);
    const { error } = await run(scene, { interruptAfterMs: 25_000 });
    expect(error).toMatchObject({ rerun: `zero-deploy ${IMAGES.good}` });
  });

  it("before the first change changes nothing", async () => {
    const scene = stage(quick);
    const result = await run(scene, {
      interruptAfterMs: 0,
      faults: ({ sequence }) => (sequence === 1 ? { kind: "throttle" } : undefined),
    });
    expect(result.error).toBeDefined();
    expect(launchesOf(scene)).toBe(0);
  });
});
