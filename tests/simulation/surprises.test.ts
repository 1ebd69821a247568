// Goal: what people, other tools and bad luck do to a fleet in the middle of a rollout loses no request and no
// instance: each ends well, or is told by name. Method: rollouts in virtual time with one surprise each.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import {
  editInstance,
  forceAnswer,
  stopInstance,
  terminateInstance,
} from "../../src/simulator/controls.ts";
import type { RequestRecord } from "../../src/simulator/handler.ts";
import { changeInstance } from "../../src/simulator/instances.ts";
import { addHealthyTarget } from "../../src/simulator/old-instances.ts";
import { deregisterTarget, targetId } from "../../src/simulator/targets.ts";
import { expectConverged, expectSuccess, fleetOf, launchesOf } from "./expect.ts";
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

const two = { ...hurried, instances: 2, zones: 2 };

/** Runs something once, at the first request of an action; the request itself passes. */
function at(action: string, surprise: () => void): RunOptions {
  let isOver = false;
  return {
    faults: (request) => {
      const isReal = request.params.get("DryRun") !== "true";
      if (request.action === action && isReal && !isOver) {
        isOver = true;
        surprise();
      }
      return undefined;
    },
  };
}

function newest(scene: Stage): string {
  return fleetOf(scene).at(-1)?.id ?? "";
}

function changesOf(requests: readonly RequestRecord[]): string[] {
  return requests
    .filter(
      ({ action, params }) => !action.startsWith("Describe") && params.get("DryRun") !== "true",
    )
    .map(({ action }) => action);
}

describe("a hand-made copy of an instance that carries our tags", () => {
  async function withCopy(): Promise<Stage> {
    const scene = stage(two);
    expectSuccess(await run(scene));
    const { world } = scene.aws;
    const first = world.instances.get(fleetOf(scene)[0]?.id ?? "");
    const group = world.targetGroups.get(scene.aws.targetGroupArn);
    if (first === undefined || group === undefined) throw new Error("the stage has both");
    const copy = { ...first, id: "i-0c0b1ed0000000000" };
    world.actAs({ by: "control" }, () => world.instances.set(copy.id, copy));
    addHealthyTarget(world, group, copy, 8080);
    return scene;
  }

  it("is an instance of its own to a run that has nothing to do", async () => {
    const scene = await withCopy();
    const result = await run(scene);
    expect(linesOf(result).at(-1)).toContain("Nothing to do");
    expect(linesOf(result)).toHaveLength(2);
    expect(fleetOf(scene)).toHaveLength(3);
  });

  it("is replaced like any other", async () => {
    const scene = await withCopy();
    const watched = watch(scene);
    expectSuccess(await run(scene, { version: "v3" }));
    expect(fleetOf(scene).map(({ tags }) => tags.Name)).toEqual(["v3", "v3", "v3"]);
    expect(watched.violations.filter(({ rule }) => rule !== "launched-twice")).toEqual([]);
  });
});

describe("one rollout soon after another", () => {
  it("counts its slots and replacements right", async () => {
    const scene = stage(hurried);
    expectSuccess(await run(scene));
    const second = await run(scene, { version: "v3" });
    expectSuccess(second);
    const totals = new Set(second.events.flatMap(({ slots }) => slots ?? []));
    expect([...totals]).toEqual([3]);
    expect(linesOf(second).at(-1)).toContain("3 instances replaced");
  });

  it.each(["DeregisterTargets", "RunInstances", "RegisterTargets", "TerminateInstances"])(
    "for another AMI, two seconds after one was killed at %s while reads lag, keeps every guarantee",
    async (action) => {
      const scene = stage(two);
      const watched = watch(scene);
      const lag = { staleReadsMs: 8_000, lagIsConstant: true };
      await run(scene, {
        ...lag,
        faults: (request) =>
          request.action === action && request.params.get("DryRun") !== "true"
            ? { kind: "crashAfter" }
            : undefined,
      });
      await scene.clock.sleep(2_000);
      expectSuccess(await run(scene, { ...lag, version: "v3" }));
      expect(watched.violations).toEqual([]);
      expectConverged(scene, { version: "v3" });
    },
  );
});

describe("an instance that dies", () => {
  it("does not count as healthy though its target still shows so", async () => {
    const scene = stage(hurried);
    const [, , third = ""] = scene.aws.oldInstanceIds;
    const watched = watch(scene, { tolerates: () => true });
    let polls = 0;
    const result = await run(scene, {
      faults: ({ action }) => {
        const isRegistered = fleetOf(scene).length > 3 && fleetOf(scene)[3]?.targets.length === 1;
        if (action === "DescribeTargetHealth" && isRegistered && polls++ === 0) {
          terminateInstance(scene.aws.world, third);
        }
        return undefined;
      },
    });
    expect(watched.violations).toEqual([]);
    expect(errorText(result)).toContain("too few healthy targets");
  });

  it("just before the start is no part of the baseline", async () => {
    const scene = stage(hurried);
    terminateInstance(scene.aws.world, scene.aws.oldInstanceIds[2] ?? "");
    expectSuccess(await run(scene));
    expect(fleetOf(scene).map(({ imageId }) => imageId)).toEqual([IMAGES.good, IMAGES.good]);
  });

  it("as a replacement whose old one has left brings that one back", async () => {
    const scene = stage(two);
    const [first = ""] = scene.aws.oldInstanceIds;
    const result = await run(
      scene,
      at("DeregisterTargets", () => {
        const id = newest(scene);
        scene.clock.at(scene.clock.now() + 3_000, () => terminateInstance(scene.aws.world, id));
      }),
    );
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(errorText(result)).toContain("after that one had left");
    expect(errorText(result)).toContain(first);
    await scene.clock.sleep(60_000);
    const old = fleetOf(scene).find(({ id }) => id === first);
    expect(old?.targets.map(({ port, state }) => `${port} ${state}`)).toEqual(["8080 healthy"]);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it("as an old one while its adopted replacement boots leaves its place to that", async () => {
    const timings = { ...hurried.timings, statusChecks: [150_000, 160_000] } as const;
    const scene = stage({ ...two, timings });
    const [first = ""] = scene.aws.oldInstanceIds;
    await run(scene, {
      faults: ({ action, params }) =>
        action === "RunInstances" && params.get("DryRun") !== "true"
          ? { kind: "crashAfter" }
          : undefined,
    });
    // When the second run has seen what the first did.
    scene.clock.at(scene.clock.now() + 100_000, () => terminateInstance(scene.aws.world, first));
    const result = await run(scene);
    if (result.error !== undefined) expectSuccess(await run(scene));
    for (const { id, targets } of fleetOf(scene)) expect(targets, id).toHaveLength(1);
    expect(fleetOf(scene).map(({ imageId }) => imageId)).toEqual([IMAGES.good, IMAGES.good]);
  });
});

describe("an instance taken out by somebody else", () => {
  it("is told at the end, and left alone", async () => {
    const scene = stage(hurried);
    const [, , third = ""] = scene.aws.oldInstanceIds;
    const { world } = scene.aws;
    const result = await run(
      scene,
      at("RegisterTargets", () => {
        const group = world.targetGroups.get(scene.aws.targetGroupArn);
        if (group === undefined) throw new Error("the stage has a target group");
        world.actAs({ by: "control" }, () =>
          deregisterTarget(world, group, targetId(group.arn, third, 8080)),
        );
      }),
    );
    const told = `${linesOf(result).join("\n")}\n${errorText(result)}`;
    expect(told).toContain(`${third} (`);
    expect(world.instances.get(third)?.state).toBe("running");
  });
});

describe("a replacement that another tool renames", () => {
  it("is still ours", async () => {
    const scene = stage({ ...hurried, instances: 1, zones: 1 });
    const { world } = scene.aws;
    let renamed = 0;
    const result = await run(scene, {
      faults: () => {
        const instance = world.instances.get(newest(scene));
        if (instance?.state === "pending") {
          const tags = instance.tags.map((tag) =>
            tag.key === "Name" ? { ...tag, value: "renamed" } : tag,
          );
          editInstance(world, instance.id, { tags });
          renamed++;
        }
        return undefined;
      },
    });
    expect(renamed).toBeGreaterThan(0);
    expectSuccess(result);
    expectConverged(scene, { version: "renamed" });
  });
});

describe("the last address of a subnet", () => {
  it("held by the run's own replacement does not stop it from going on", async () => {
    const scene = stage({ ...hurried, instances: 1, zones: 1 });
    const { world } = scene.aws;
    for (const subnet of world.subnets.values())
      world.subnets.set(subnet.id, { ...subnet, usableAddresses: 2 });
    await run(scene, {
      faults: ({ action, params }) =>
        action === "RunInstances" && params.get("DryRun") !== "true"
          ? { kind: "crashAfter" }
          : undefined,
    });
    expectSuccess(await run(scene));
    expect(launchesOf(scene)).toBe(1);
  });
});

describe("a target group whose instances are all dying", () => {
  it("is no success", async () => {
    const scene = stage({ ...hurried, instances: 1, zones: 1 });
    const [first = ""] = scene.aws.oldInstanceIds;
    scene.aws.world.actAs({ by: "control" }, () =>
      changeInstance(scene.aws.world, first, { state: "shutting-down" }),
    );
    expect(errorText(await run(scene))).toContain("no instance of them runs");
  });
});

describe("an outage right after a change", () => {
  const from = (action: string) => {
    let isOut = false;
    const faults: RunOptions["faults"] = (request) => {
      if (isOut) return { kind: "reset" };
      isOut = request.action === action && request.params.get("DryRun") !== "true";
      return undefined;
    };
    return faults;
  };

  it("names the instance just launched", async () => {
    const scene = stage(two);
    const result = await run(scene, { faults: from("RunInstances") });
    expect(errorText(result)).toContain(newest(scene));
  });

  it("does not call an instance healthy that was just deregistered", async () => {
    const scene = stage(two);
    const [first = ""] = scene.aws.oldInstanceIds;
    const result = await run(scene, { faults: from("DeregisterTargets") });
    expect(errorText(result)).toMatch(new RegExp(`${first} .*draining`));
  });

  it("with a signal ends as interrupted, within seconds", async () => {
    const scene = stage(two);
    const startMs = scene.clock.now();
    const result = await run(scene, { faults: from("RunInstances"), interruptAfterMs: 60_000 });
    expect(result.error).toMatchObject({ code: "Interrupted" });
    expect(errorText(result)).toContain(newest(scene));
    expect(scene.clock.now() - startMs).toBeLessThan(100_000);
  });
});

describe("the answer to RegisterTargets, lost, and then a signal", () => {
  it("leaves the replacement time to drain", async () => {
    const scene = stage(two);
    const watched = watch(scene);
    let registered = 0;
    const result = await run(scene, {
      staleReadsMs: 8_000,
      lagIsConstant: true,
      faults: ({ action }) => {
        if (action === "RegisterTargets" && registered++ === 0) return { kind: "lostResponse" };
        return undefined;
      },
      interruptAfterMs: 33_000,
    });
    expect(result.error).toMatchObject({ code: "Interrupted" });
    expect(watched.violations).toEqual([]);
    expectSuccess(await run(scene));
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
  });
});

describe("a new instance that falls ill after its old one has left", () => {
  it("stops further launches, and the run tells", async () => {
    const scene = stage({ ...hurried, instances: 6 });
    const result = await run(scene, {
      config: { "max-surge": 3 },
      ...at("TerminateInstances", () => {
        const [one] = fleetOf(scene).filter(({ imageId }) => imageId === IMAGES.good);
        forceAnswer(scene.aws.world, one?.id ?? "", 503);
      }),
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(fleetOf(scene).filter(({ imageId }) => imageId === IMAGES.old).length).toBeGreaterThan(
      0,
    );
    expect(changesOf(result.requests).filter((one) => one === "RunInstances").length).toBeLessThan(
      6,
    );
  });
});

describe("a replacement that goes while its old one drains", () => {
  const afterLeaving = (scene: Stage, surprise: (id: string) => void, delayMs: number) =>
    at("DeregisterTargets", () => {
      const id = newest(scene);
      scene.clock.at(scene.clock.now() + delayMs, () => surprise(id));
    });

  it.each([1, 3])(
    "by stopping is lost, in a fleet of %i: the old one comes back, nothing else is launched",
    async (instances) => {
      const scene = stage({ ...hurried, instances });
      const result = await run(
        scene,
        afterLeaving(scene, (id) => stopInstance(scene.aws.world, id), 5_000),
      );
      expect(result.error).toMatchObject({ code: "ReplacementFailed" });
      expect(launchesOf(scene)).toBe(1);
      await scene.clock.sleep(60_000);
      const live = fleetOf(scene);
      expect(live.map(({ id }) => id)).toEqual(scene.aws.oldInstanceIds);
      for (const { targets } of live)
        expect(targets.map(({ state }) => state)).toEqual(["healthy"]);
      expectSuccess(await run(scene));
      expectConverged(scene);
    },
  );

  it("by falling ill keeps the old one, which comes back", async () => {
    const scene = stage({ ...hurried, instances: 1, zones: 1 });
    const result = await run(
      scene,
      afterLeaving(scene, (id) => forceAnswer(scene.aws.world, id, 503), 1_000),
    );
    expect(errorText(result)).toContain("became unhealthy while the one it replaces was draining");
    await scene.clock.sleep(60_000);
    expect(fleetOf(scene).map(({ id, targets }) => [id, targets[0]?.state])).toEqual([
      [scene.aws.oldInstanceIds[0], "healthy"],
    ]);
  });

  it("in the run after the one that was killed at that moment, brings the old one back too", async () => {
    const scene = stage(two);
    const [first = ""] = scene.aws.oldInstanceIds;
    await run(scene, {
      faults: ({ action }) => (action === "DeregisterTargets" ? { kind: "crashAfter" } : undefined),
    });
    const id = newest(scene);
    // When the second run has seen what the first did.
    scene.clock.at(scene.clock.now() + 90_000, () => terminateInstance(scene.aws.world, id));
    const result = await run(scene);
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    await scene.clock.sleep(60_000);
    expect(fleetOf(scene).map((one) => one.id)).toContain(first);
    for (const { targets } of fleetOf(scene)) expect(targets).toHaveLength(1);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });
});

describe("a signal, and AWS that answers the next look with an error", () => {
  it("still removes a replacement that is not healthy", async () => {
    for (let second = 11; second < 30; second += 2) {
      const scene = stage(two);
      const signalMs = scene.clock.now() + second * 1000;
      let isOver = false;
      const result = await run(scene, {
        interruptAfterMs: second * 1000,
        faults: ({ atMs }) => {
          if (atMs < signalMs || isOver) return undefined;
          isOver = true;
          return { kind: "throttle" };
        },
      });
      expect(result.error, `after ${second} s`).toMatchObject({ code: "Interrupted" });
      for (const { imageId, targets } of fleetOf(scene)) {
        if (imageId === IMAGES.good) expect(targets[0]?.state, `after ${second} s`).toBe("healthy");
      }
    }
  });
});

describe("leftovers", () => {
  const killedAt = (action: string, options: RunOptions = {}): RunOptions => ({
    ...options,
    faults: (request) =>
      request.action === action && request.params.get("DryRun") !== "true"
        ? { kind: "crashAfter" }
        : undefined,
  });

  it("that reads do not show yet are found before there is nothing to do", async () => {
    const scene = stage(two);
    expectSuccess(await run(scene));
    await run(scene, killedAt("RunInstances", { version: "v3" }));
    expectSuccess(await run(scene, { staleReadsMs: 8_000, lagIsConstant: true }));
    expect(fleetOf(scene)).toHaveLength(2);
    expectConverged(scene);
  });

  it("that hold the last address of a subnet do not stop a run that will remove them", async () => {
    const scene = stage({ ...hurried, instances: 1, zones: 1 });
    const { world } = scene.aws;
    for (const subnet of world.subnets.values()) {
      world.subnets.set(subnet.id, { ...subnet, usableAddresses: 2 });
    }
    await run(scene, killedAt("RunInstances"));
    expectSuccess(await run(scene, { version: "v3" }));
    expectConverged(scene, { version: "v3" });
  });

  it("that serve in more places than the old one take its part", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    const [first = ""] = scene.aws.oldInstanceIds;
    const { world, secondTargetGroupArn = "" } = scene.aws;
    await run(scene, {
      faults: ({ action }) =>
        action === "DeregisterTargets" ? { kind: "crashBefore" } : undefined,
    });
    const group = world.targetGroups.get(secondTargetGroupArn);
    if (group === undefined) throw new Error("the stage has a second group");
    world.actAs({ by: "control" }, () =>
      deregisterTarget(world, group, targetId(group.arn, first, 9090)),
    );
    expectSuccess(await run(scene, { version: "v3" }));
    expectConverged(scene, { version: "v3" });
    expect(fleetOf(scene)).toHaveLength(2);
  });
});

describe("an instance that is up to date and ill", () => {
  it("is told of, though there is nothing to do", async () => {
    const scene = stage(two);
    expectSuccess(await run(scene));
    const id = newest(scene);
    forceAnswer(scene.aws.world, id, 503);
    await scene.clock.sleep(60_000);
    const result = await run(scene);
    expectSuccess(result);
    expect(linesOf(result).join("\n")).toContain(
      `${id} is up to date, but its target is unhealthy`,
    );
  });
});
