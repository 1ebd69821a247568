// Goal: a replacement forwards packets exactly where the old instance does, and takes no request before it can; and what
// is protected from termination loses that protection right before its end, where config.json lets it, and else never.
// Method: rollouts in virtual time of fleets whose source/destination checks are off, or which are protected; every
// change of an instance and of a target is looked at as it happens.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { editInstance, forceAnswer } from "../../src/simulator/controls.ts";
import type { Faults } from "../../src/simulator/faults.ts";
import type { SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { changeInstance } from "../../src/simulator/instances.ts";
import type { Instance } from "../../src/simulator/records.ts";
import { registerTarget } from "../../src/simulator/targets.ts";
import { fromFirstChange, isFleetChange } from "./calls.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import {
  errorText,
  hurried,
  linesOf,
  type RunOptions,
  run,
  type Stage,
  stage,
  watch,
} from "./harness.ts";

const quick = { ...hurried, instances: 2, zones: 2 };

const isForwarding = (instance: Instance | undefined) =>
  instance?.networkInterfaces[0]?.sourceDestCheck === false;

/** Turns the source/destination checks of these old instances off. */
function letForward({ aws: { world } }: Stage, ids: readonly string[]): void {
  world.actAs({ by: "control" }, () => {
    for (const id of ids) {
      const own = world.instances.get(id)?.networkInterfaces ?? [];
      const networkInterfaces = own.map((nic) => ({ ...nic, sourceDestCheck: false }));
      changeInstance(world, id, { networkInterfaces });
    }
  });
}

/** Replacements that were registered though they did not forward as the one they replace. */
function watchRegistrations({ aws: { world } }: Stage, forwarding: readonly string[]) {
  const early: string[] = [];
  world.onTransition((transition) => {
    if (transition.kind !== "target" || transition.before !== undefined) return;
    const instance = world.instances.get(transition.after?.instanceId ?? "");
    const replaces = instance?.tags.find(({ key }) => key === "zero-deploy:replaces")?.value ?? "";
    if (forwarding.includes(replaces) && !isForwarding(instance)) early.push(instance?.id ?? "");
  });
  return early;
}

type Asked = Parameters<typeof isFleetChange>[0];

/** Not what the preflight asks by dry run. */
const isAttributeChange = (asked: Asked) =>
  asked.action === "ModifyInstanceAttribute" && isFleetChange(asked);

const changesOf = (result: Awaited<ReturnType<typeof run>>) =>
  result.requests.filter(isAttributeChange);

function forwardingStage(options: Omit<SimulatedAwsOptions, "clock"> = quick) {
  const scene = stage(options);
  letForward(scene, scene.aws.oldInstanceIds);
  const watched = watch(scene);
  return { scene, watched, early: watchRegistrations(scene, scene.aws.oldInstanceIds) };
}

describe("a source/destination check that is off", () => {
  it("is turned off once for each replacement of such an instance, and for no other", async () => {
    const scene = stage(quick);
    const [first = "", second = ""] = scene.aws.oldInstanceIds;
    letForward(scene, [first]);
    const watched = watch(scene);
    const early = watchRegistrations(scene, [first]);
    const result = await run(scene);
    expectSuccess(result);
    expectConverged(scene);
    expect([watched.violations, early]).toEqual([[], []]);
    const live = fleetOf(scene).map(({ id, tags }) => [
      tags["zero-deploy:replaces"],
      isForwarding(scene.aws.world.instances.get(id)),
    ]);
    expect(new Map(live as [string, boolean][])).toEqual(
      new Map([
        [first, true],
        [second, false],
      ]),
    );
    expect(changesOf(result)).toHaveLength(1);
    const replacement = fleetOf(scene).find(({ tags }) => tags["zero-deploy:replaces"] === first);
    expect(linesOf(result)).toContain(
      `[1/2] Turning off the source/destination check (${replacement?.id})`,
    );
  });

  it("is not turned off again and again while the reads lag, nor is anything registered before", async () => {
    for (const seed of [1, 2, 3, 4]) {
      const scene = stage({ ...quick, seed });
      letForward(scene, scene.aws.oldInstanceIds);
      const watched = watch(scene);
      const early = watchRegistrations(scene, scene.aws.oldInstanceIds);
      const result = await run(scene, { staleReadsMs: 8_000 });
      expectSuccess(result);
      expectConverged(scene);
      expect([watched.violations, early]).toEqual([[], []]);
      expect(changesOf(result)).toHaveLength(2);
    }
  });

  it.each(["throttle", "lostResponse", "reset"] as const)(
    "that AWS does not confirm at first (%s) is turned off before anything is registered",
    async (kind) => {
      const { scene, watched, early } = forwardingStage();
      let left = 4;
      const faults: Faults = (request) =>
        isAttributeChange(request) && left-- > 0 ? { kind } : undefined;
      expectSuccess(await run(scene, { faults, staleReadsMs: 8_000 }));
      expect([watched.violations, early]).toEqual([[], []]);
      for (const { id } of fleetOf(scene)) {
        expect(isForwarding(scene.aws.world.instances.get(id))).toBe(true);
      }
    },
  );

  it.each([
    ["with reads that are fresh", {}],
    ["with reads that lag up to 8 s", { staleReadsMs: 8_000 }],
  ] as [string, RunOptions][])(
    "is turned off though the process is killed after any call from its first change on, %s",
    async (_title, options) => {
      const one = { ...quick, instances: 1, zones: 1 };
      const undisturbed = await run(forwardingStage(one).scene, options);
      expectSuccess(undisturbed);
      for (const call of fromFirstChange(undisturbed.requests)) {
        const { scene, watched, early } = forwardingStage(one);
        await run(scene, {
          ...options,
          hasBeenTried: true,
          faults: ({ sequence }) => (sequence === call ? { kind: "crashAfter" } : undefined),
        });
        expectSuccess(await run(scene, options));
        const where = `killed after call ${call}`;
        expect([watched.violations, early], where).toEqual([[], []]);
        expect(launchesOf(scene), where).toBe(1);
        expectConverged(scene);
        for (const { id } of fleetOf(scene)) {
          expect(isForwarding(scene.aws.world.instances.get(id)), where).toBe(true);
        }
      }
    },
    300_000,
  );

  it("stays off for the replacement of an instance that is gone before it", async () => {
    const { scene, early } = forwardingStage();
    const [first = ""] = scene.aws.oldInstanceIds;
    scene.aws.world.onTransition(({ kind, before, after }) => {
      if (kind !== "instance" || before !== undefined || after === undefined) return;
      // While the replacement is pending.
      const { world } = scene.aws;
      world.schedule(world.nowMs() + 1_000, () => {
        if (world.instances.get(first)?.state === "running") {
          changeInstance(world, first, { state: "terminated", networkInterfaces: [] });
        }
      });
    });
    await run(scene);
    expect(early).toEqual([]);
    const heir = fleetOf(scene).find(({ tags }) => tags["zero-deploy:replaces"] === first);
    expect(heir?.targets).not.toEqual([]);
    expect(isForwarding(scene.aws.world.instances.get(heir?.id ?? ""))).toBe(true);
  });

  it.each([
    ["a refusal", 403, "UnauthorizedOperation", /ModifyInstanceAttribute: You are not/],
    ["silence", 503, "Unavailable", /could not have its source\/destination check turned off/],
  ])("that cannot be turned off for %s ends the run, and costs one instance", async (...row) => {
    const [, status, code, text] = row;
    const { scene, watched, early } = forwardingStage();
    const message = "You are not authorized to perform this operation.";
    const result = await run(scene, {
      faults: (request) =>
        isAttributeChange(request) ? { kind: "error", status, code, message } : undefined,
    });
    expect(errorText(result)).toMatch(text);
    expect([watched.violations, early]).toEqual([[], []]);
    expect(launchesOf(scene)).toBe(1);
    expectUntouched(scene);
  });
});

describe("what somebody undoes again and again", () => {
  const one = { ...quick, instances: 1, zones: 1 };

  /** Undoes what was done to a replacement, 5 s after. */
  function undo({ aws: { world } }: Stage, undoOne: (id: string) => void, id: string): void {
    world.schedule(world.nowMs() + 5_000, () => {
      if (world.instances.get(id)?.state === "running") undoOne(id);
    });
  }

  it("is no endless wait: a source/destination check that is turned on", async () => {
    const { scene, watched } = forwardingStage(one);
    const { world } = scene.aws;
    const turnOn = (id: string) => {
      const own = world.instances.get(id)?.networkInterfaces ?? [];
      const networkInterfaces = own.map((nic) => ({ ...nic, sourceDestCheck: true }));
      changeInstance(world, id, { networkInterfaces });
    };
    world.onTransition(({ kind, after, cause }) => {
      if (kind !== "instance" || cause.by !== "request" || !isForwarding(after)) return;
      undo(scene, turnOn, after?.id ?? "");
    });
    const result = await run(scene, {
      config: { "bake-time": 120 },
      interruptAfterMs: 3_600_000,
    });
    expect(errorText(result)).toContain("could not have its source/destination check turned off");
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(watched.violations).toEqual([]);
    expect(fleetOf(scene).map(({ id }) => id)).toEqual(
      expect.arrayContaining([...scene.aws.oldInstanceIds]),
    );
  });

  it("is no endless wait: an old instance that is registered", async () => {
    const scene = stage({ ...one, deregistrationDelaySeconds: 60 });
    const { world, targetGroupArn, oldInstanceIds } = scene.aws;
    const [old = ""] = oldInstanceIds;
    const register = () => {
      const group = world.targetGroups.get(targetGroupArn);
      const instance = world.instances.get(old);
      if (group && instance) registerTarget(world, group, instance, 8080);
    };
    world.onTransition(({ kind, after, cause }) => {
      if (kind !== "target" || after?.instanceId !== old || after.state !== "draining") return;
      if (cause.by === "request") undo(scene, register, old);
    });
    const result = await run(scene, { interruptAfterMs: 3_600_000 });
    expect(errorText(result)).toContain("could not be deregistered within");
  });
});

const lift = { config: { "lift-termination-protection": true } };

/** Every instance is protected from its launch on; looks at what becomes of each protection. */
function protectedStage() {
  const scene = stage(quick);
  const { world } = scene.aws;
  const watched = watch(scene);
  const lifted: string[] = [];
  const wrong: string[] = [];
  world.onTransition((transition) => {
    if (transition.kind !== "instance") return;
    const { before, after, cause, atMs } = transition;
    if (before === undefined && after !== undefined) {
      editInstance(world, after.id, { disableApiTermination: true });
    }
    if (before?.disableApiTermination !== true || after?.disableApiTermination !== false) return;
    if (cause.by !== "request") return;
    lifted.push(after.id);
    // In virtual time the end of one follows its last request at once.
    world.schedule(atMs + 1, () => {
      const { state } = world.instances.get(after.id) ?? {};
      if (state !== "shutting-down") wrong.push(`${after.id} was ${state}`);
    });
  });
  return { scene, watched, lifted, wrong };
}

/** A run that finds the whole fleet protected. */
function protectedRun(scene: Stage, options: RunOptions) {
  for (const { id } of fleetOf(scene)) {
    editInstance(scene.aws.world, id, { disableApiTermination: true });
  }
  return run(scene, options);
}

describe("termination protection", () => {
  it("is lifted of each old instance right before its end, and replacements keep theirs", async () => {
    const { scene, watched, lifted, wrong } = protectedStage();
    const result = await protectedRun(scene, lift);
    expectSuccess(result);
    expectConverged(scene);
    expect([watched.violations, wrong]).toEqual([[], []]);
    expect(lifted.sort()).toEqual([...scene.aws.oldInstanceIds].sort());
    for (const { id } of fleetOf(scene)) {
      expect(scene.aws.world.instances.get(id)?.disableApiTermination).toBe(true);
    }
    const told = linesOf(result).filter((line) => line.includes("Lifted the termination"));
    expect(told).toHaveLength(2);
  });

  it.each(["neverHealthy", "dies", "impaired"] as const)(
    "holds back no failed replacement (%s), and that of the fleet stays",
    async (kind) => {
      const { scene, watched, lifted, wrong } = protectedStage();
      const result = await protectedRun(scene, { ...lift, ami: IMAGES[kind] });
      expect(result.error).toMatchObject({ code: "ReplacementFailed" });
      expectUntouched(scene);
      expect([watched.violations, wrong]).toEqual([[], []]);
      expect(lifted).toHaveLength(kind === "dies" ? 0 : 1);
      for (const id of scene.aws.oldInstanceIds) {
        expect(lifted).not.toContain(id);
        expect(scene.aws.world.instances.get(id)?.disableApiTermination).toBe(true);
      }
    },
  );

  it("holds back no leftover of another rollout", async () => {
    const { scene, watched, wrong } = protectedStage();
    await protectedRun(scene, {
      ...lift,
      faults: ({ action }) => (action === "RegisterTargets" ? { kind: "crashBefore" } : undefined),
    });
    expectSuccess(await protectedRun(scene, { ...lift, ami: IMAGES.slow, version: "v3" }));
    expectConverged(scene, { ami: IMAGES.slow, version: "v3" });
    expect([watched.violations, wrong]).toEqual([[], []]);
  });

  it("is never touched without the key", async () => {
    const { scene, watched, lifted } = protectedStage();
    scene.clock.at(scene.clock.now() + 5_000, () => {
      for (const id of scene.aws.oldInstanceIds) {
        editInstance(scene.aws.world, id, { disableApiTermination: true });
      }
    });
    const result = await run(scene);
    expect(errorText(result)).toContain("OperationNotPermitted");
    expect(changesOf(result)).toEqual([]);
    expect([watched.violations, lifted]).toEqual([[], []]);
  });

  it("is not asked for where there is none", async () => {
    const result = await run(stage(quick), lift);
    expectSuccess(result);
    expect(changesOf(result)).toEqual([]);
  });

  it("that EC2 still knows of for some seconds after it was lifted ends all the same", async () => {
    const { scene, watched } = protectedStage();
    let refusals = 3;
    let isLifted = false;
    const result = await protectedRun(scene, {
      ...lift,
      faults: (request) => {
        const { action, params } = request;
        if (isAttributeChange(request)) isLifted = true;
        const isLate = action === "TerminateInstances" && params.get("DryRun") !== "true";
        return isLate && isLifted && refusals-- > 0
          ? { kind: "error", status: 400, code: "OperationNotPermitted", message: "protected" }
          : undefined;
      },
    });
    expectSuccess(result);
    expectConverged(scene);
    expect(watched.violations).toEqual([]);
  });

  const isTermination = ({ action, params }: Asked) =>
    action === "TerminateInstances" && params.get("DryRun") !== "true";
  const stillProtected = {
    kind: "error",
    status: 400,
    code: "OperationNotPermitted",
    message: "protected",
  } as const;

  it.each(["lifted", "lostResponse"] as const)(
    "is told of once where the end comes only with a later call (%s)",
    async (kind) => {
      const { scene } = protectedStage();
      let left = 1;
      let isLifted = false;
      const result = await protectedRun(scene, {
        ...lift,
        faults: (request) => {
          if (isAttributeChange(request)) {
            isLifted = true;
            if (kind === "lostResponse" && left-- > 0) return { kind };
          }
          return isTermination(request) && isLifted && left-- > 0 ? stillProtected : undefined;
        },
      });
      expectSuccess(result);
      const told = linesOf(result).filter((line) => line.includes("Lifted the termination"));
      expect(told).toHaveLength(2);
    },
  );

  it.each([
    ["answered", "was lifted"],
    ["lost", "may have been lifted"],
  ])("is told of where a signal comes before the end, the change being %s", async (how, text) => {
    const { scene } = protectedStage();
    const interrupt = new AbortController();
    const changed: string[] = [];
    const result = await protectedRun(scene, {
      ...lift,
      interrupt,
      faults: (request) => {
        if (isAttributeChange(request) && how === "lost") {
          interrupt.abort("SIGTERM");
          return { kind: "lostResponse" };
        }
        const isLate = isTermination(request) && changed.length > 0;
        if (isAttributeChange(request)) changed.push(request.params.get("InstanceId") ?? "");
        if (isLate) interrupt.abort("SIGTERM");
        return isLate ? { kind: "throttle" } : undefined;
      },
    });
    expect(result.error).toMatchObject({ code: "Interrupted" });
    const listed = errorText(result)
      .split("\n")
      .filter((line) => line.includes(text));
    expect(listed).toEqual([expect.stringContaining("to be terminated")]);
    const isTold = linesOf(result).some((line) => line.includes("Lifted the termination"));
    expect(isTold).toBe(how === "answered");
  });

  it("is back on an old instance that comes back", async () => {
    const { scene, lifted } = protectedStage();
    const { world } = scene.aws;
    let isIll = false;
    const result = await protectedRun(scene, {
      ...lift,
      faults: (request) => {
        if (isAttributeChange(request) && !isIll) {
          isIll = true;
          const heir = fleetOf(scene).find(({ imageId }) => imageId === IMAGES.good);
          forceAnswer(world, heir?.id ?? "", 503);
        }
        const isOld = scene.aws.oldInstanceIds.includes(request.params.get("InstanceId.1") ?? "");
        return isTermination(request) && isIll && isOld ? stillProtected : undefined;
      },
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expectUntouched(scene);
    expect(lifted).toContain(changesOf(result)[0]?.params.get("InstanceId"));
    for (const id of scene.aws.oldInstanceIds) {
      expect(world.instances.get(id)?.disableApiTermination).toBe(true);
    }
    expect(errorText(result)).not.toContain("lifted");
    expect(linesOf(result).join("\n")).toContain("Turning the termination protection on again");
  });

  it.each(["good", "neverHealthy"] as const)(
    "that stays whatever is done ends the run after its time, with an AMI that is %s",
    async (kind) => {
      const { scene, watched } = protectedStage();
      const result = await protectedRun(scene, {
        ...lift,
        ami: IMAGES[kind],
        faults: ({ action, params }) =>
          action === "TerminateInstances" && params.get("DryRun") !== "true"
            ? { kind: "error", status: 400, code: "OperationNotPermitted", message: "protected" }
            : undefined,
      });
      expect(linesOf(result).join("\n")).toContain("could not be terminated within 400 s");
      expect(linesOf(result).join("\n")).toContain("OperationNotPermitted: protected");
      expect(watched.violations).toEqual([]);
    },
  );

  it("that may not be lifted ends the run with the action that is missing", async () => {
    const { scene, watched } = protectedStage();
    const message = "You are not authorized to perform this operation.";
    const result = await protectedRun(scene, {
      ...lift,
      faults: (request) =>
        isAttributeChange(request)
          ? { kind: "error", status: 403, code: "UnauthorizedOperation", message }
          : undefined,
    });
    expect(result.error).toMatchObject({ code: "AccessDenied" });
    expect(errorText(result)).toContain("ModifyInstanceAttribute");
    expect(watched.violations).toEqual([]);
  });

  it("is no obstacle to a run after one that was killed at any change", async () => {
    const { requests } = await protectedRun(protectedStage().scene, lift);
    for (const { sequence: call, action } of requests.filter(isFleetChange)) {
      for (const kind of ["crashBefore", "crashAfter"] as const) {
        const { scene, watched } = protectedStage();
        await protectedRun(scene, {
          ...lift,
          faults: ({ sequence }) => (sequence === call ? { kind } : undefined),
        });
        const where = `${kind} call ${call}, ${action}`;
        const again = await protectedRun(scene, lift);
        expect(again.error, `${where}: ${errorText(again)}`).toBeUndefined();
        expect(watched.violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(2);
        expectConverged(scene);
      }
    }
  }, 120_000);
});
