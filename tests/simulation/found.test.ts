// Goal: what rollouts drawn from seeds have broken once stays mended: each of these moments cost healthy targets, cut
// requests, or failed a rollout that was well. Method: for each of them one small rollout in virtual time that comes to
// that moment by itself, without luck; the number is that of the seed that found it.
import { describe, expect, it } from "vitest";
import type { DeployError } from "../../src/errors.ts";
import type { TargetGroup } from "../../src/simulator/balancer-records.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { editInstance, forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import type { FaultRequest } from "../../src/simulator/faults.ts";
import { addSubnetBeside } from "../../src/simulator/network.ts";
import type { Instance } from "../../src/simulator/records.ts";
import { deregisterTarget, registerTarget, targetId } from "../../src/simulator/targets.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import { hurried, type RunResult, run, type Stage, stage, watch } from "./harness.ts";

const two = { ...hurried, instances: 2, zones: 2 };

/** Lets something happen once, right before AWS gets the first request that is meant; the request itself passes. */
function before(isMeant: (request: FaultRequest) => boolean, happen: () => void) {
  let isOver = false;
  return (request: FaultRequest) => {
    if (isOver || !isMeant(request)) return undefined;
    isOver = true;
    happen();
    return undefined;
  };
}

const is =
  (action: string) =>
  (request: FaultRequest): boolean =>
    request.action === action;

/** Reads of target health that can be held at a moment, of which they go on to show the targets. */
function holdable({ clock }: Stage) {
  let shownMs: number | undefined;
  return {
    hold(atMs: number, forMs: number) {
      shownMs = atMs;
      clock.at(clock.now() + forMs, () => {
        shownMs = undefined;
      });
    },
    reads: {
      lagIsConstant: true,
      staleReadsMs: (action: string) =>
        shownMs === undefined || action !== "DescribeTargetHealth" ? 0 : clock.now() - shownMs,
    },
  };
}

/** The instance launched last. */
function newest(scene: Stage): string {
  return fleetOf(scene).at(-1)?.id ?? "";
}

function isHealthy(scene: Stage, id: string): boolean {
  const one = fleetOf(scene).find((instance) => instance.id === id);
  return one?.targets.some(({ state }) => state === "healthy") ?? false;
}

function isReplaced(scene: Stage): boolean {
  return launchesOf(scene) > 0 && isHealthy(scene, newest(scene));
}

/** Somebody else registers an instance, or deregisters it. */
function fromOutside({ aws }: Stage, what: "register" | "deregister", id: string): void {
  const { world, targetGroupArn } = aws;
  const group = world.targetGroups.get(targetGroupArn) as TargetGroup;
  world.actAs({ by: "control" }, () =>
    what === "register"
      ? registerTarget(world, group, world.instances.get(id) as Instance, 8080)
      : deregisterTarget(world, group, targetId(targetGroupArn, id, 8080)),
  );
}

async function expectHealthyAtBoth(scene: Stage, instanceId: string): Promise<void> {
  await scene.clock.sleep(30_000);
  const { targets = [] } = fleetOf(scene).find(({ id }) => id === instanceId) ?? {};
  expect(targets.map(({ port, state }) => `${port} ${state}`)).toEqual([
    "8080 healthy",
    "9090 healthy",
  ]);
}

function deregistered({ requests }: RunResult): string[] {
  return requests
    .filter(({ action }) => action === "DeregisterTargets")
    .map(({ params }) => params.get("Targets.member.1.Id") ?? "");
}

describe("a replacement that has to go again", () => {
  it("drains like any other where somebody else had registered it before its time (seed 1153)", async () => {
    const scene = stage(two);
    const watched = watch(scene);
    let id = "";
    const result = await run(scene, {
      ami: IMAGES.impaired,
      config: { "waiting-period": 60 },
      // As soon as there is a replacement whose status checks are asked for.
      faults: before(
        ({ action }) => action === "DescribeInstanceStatus" && launchesOf(scene) > 0,
        () => {
          id = newest(scene);
          fromOutside(scene, "register", id);
        },
      ),
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(result.requests.map(({ action }) => action)).not.toContain("RegisterTargets");
    expect(deregistered(result)).toEqual([id]);
    expect(watched.violations).toEqual([]);
    expectUntouched(scene);
  });

  it("drains to its end though the reads are from before it was registered (seed 1425)", async () => {
    const scene = stage({ ...two, deregistrationDelaySeconds: 104 });
    const watched = watch(scene);
    const interrupt = new AbortController();
    const { reads, hold } = holdable(scene);
    let id = "";
    const result = await run(scene, {
      ...reads,
      interrupt,
      faults: before(is("RegisterTargets"), () => {
        id = newest(scene);
        interrupt.abort("SIGTERM");
        hold(scene.clock.now() - 1, 60_000);
      }),
    });
    expect(result.error).toMatchObject({ code: "Interrupted" });
    expect(deregistered(result)).toEqual([id]);
    expect(watched.violations).toEqual([]);
    expectUntouched(scene);
  });
});

describe("healthy targets", () => {
  it("are not taken out while reads of before they were healthy say otherwise (seed 540)", async () => {
    const scene = stage(two);
    const watched = watch(scene);
    const interrupt = new AbortController();
    const { reads, hold } = holdable(scene);
    // Of a moment at which the old one was healthy and its replacement not yet: both have to be told from now.
    let registeredMs = 0;
    const onRegister = before(is("RegisterTargets"), () => {
      registeredMs = scene.clock.now();
    });
    const onDeregister = before(is("DeregisterTargets"), () => {
      interrupt.abort("SIGTERM");
      hold(registeredMs, 20_000);
    });
    const result = await run(scene, {
      ...reads,
      interrupt,
      faults: (request) => onRegister(request) ?? onDeregister(request),
    });
    const [old = ""] = scene.aws.oldInstanceIds;
    expect(result.error).toMatchObject({ code: "Interrupted" });
    expect(watched.violations).toEqual([]);
    expect(deregistered(result)).toEqual([old]);
    await scene.clock.sleep(10_000);
    for (const one of [old, newest(scene)]) expect(isHealthy(scene, one), one).toBe(true);
    expectSuccess(await run(scene));
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
  });

  it("are not counted where they had to be registered again since the reads (seed 1065)", async () => {
    const scene = stage(two);
    const { clock } = scene;
    const watched = watch(scene);
    const { reads, hold } = holdable(scene);
    const first = () => fleetOf(scene).find(({ imageId }) => imageId === IMAGES.good)?.id ?? "";
    const result = await run(scene, {
      ...reads,
      // The run sees that the first replacement was taken out, and registers it again; then the reads go back.
      faults: before(
        ({ action }) =>
          action === "DescribeTargetHealth" && launchesOf(scene) === 2 && isReplaced(scene),
        () => {
          const beforeMs = clock.now() - 1;
          fromOutside(scene, "deregister", first());
          clock.at(clock.now() + 1, () => hold(beforeMs, 10_000));
        },
      ),
    });
    expectSuccess(result);
    expect(result.requests.filter(({ action }) => action === "RegisterTargets")).toHaveLength(3);
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
  });
});

describe("a replacement whose tags somebody takes away while its old one drains", () => {
  it("is still known: the rollout ends well (seed 78)", async () => {
    const scene = stage(two);
    const { world } = scene.aws;
    const watched = watch(scene);
    let tagsLeft: readonly string[] = [];
    const takeTags = () => {
      const id = newest(scene);
      const tags = world.instances.get(id)?.tags ?? [];
      const left = tags.filter(({ key }) => !key.startsWith("zero-deploy:"));
      tagsLeft = left.map(({ key }) => key);
      editInstance(world, id, { tags: left });
    };
    const result = await run(scene, {
      faults: before(is("DeregisterTargets"), () =>
        scene.clock.at(scene.clock.now() + 5_000, takeTags),
      ),
    });
    expect(tagsLeft).toContain("Name");
    expectSuccess(result);
    expect(launchesOf(scene)).toBe(2);
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
  });
});

describe("a run that was killed between the registrations of a replacement in two target groups", () => {
  it("leaves both places to the next one, whose version is another (seed 1224)", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    const [ill = ""] = scene.aws.oldInstanceIds;
    forceAnswer(scene.aws.world, ill, 503);
    await scene.clock.sleep(30_000);
    const watched = watch(scene);
    await run(scene, {
      faults: ({ action }) => (action === "RegisterTargets" ? { kind: "crashAfter" } : undefined),
    });
    expect(fleetOf(scene).at(-1)?.targets).toHaveLength(1);
    // Then the half of a replacement serves, and the ill one beside it does not.
    await scene.clock.sleep(20_000);
    expect([isHealthy(scene, newest(scene)), isHealthy(scene, ill)]).toEqual([true, false]);
    expectSuccess(await run(scene, { version: "v3" }));
    expect(watched.violations).toEqual([]);
    expectConverged(scene, { version: "v3" });
    expectConverged(scene, { version: "v3", port: 9090 });
  });
});

describe("a run that was killed between the deregistrations of an old one from two target groups", () => {
  it("leaves it to the next one as what serves in the second, its replacement being ill (seed 701478)", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    let deregistrations = 0;
    await run(scene, {
      faults: ({ action }) => {
        if (action === "DeregisterTargets") deregistrations += 1;
        return deregistrations === 2 ? { kind: "crashBefore" } : undefined;
      },
    });
    forceAnswer(scene.aws.world, newest(scene), 503);
    await scene.clock.sleep(30_000);
    const [half] = fleetOf(scene).filter(({ targets }) => targets.length === 1);
    expect(half?.targets).toMatchObject([{ port: 9090, state: "healthy" }]);
    expect(isHealthy(scene, newest(scene))).toBe(false);
    const watched = watch(scene);
    expectSuccess(await run(scene, { version: "v3", allowUnhealthy: true }));
    expect(watched.violations).toEqual([]);
    expectConverged(scene, { version: "v3" });
    expectConverged(scene, { version: "v3", port: 9090 });
  });
});

describe("an old one that somebody registers alone in a second target group, before it is terminated", () => {
  it("is not terminated, though no instance of the first group is in the second (seed 102782)", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    const { world, secondTargetGroupArn = "" } = scene.aws;
    await run(scene, {
      faults: ({ action, params }) =>
        action === "TerminateInstances" && params.get("DryRun") !== "true"
          ? { kind: "crashBefore" }
          : undefined,
    });
    const [old] = fleetOf(scene).filter(({ targets }) => targets.length === 0);
    const group = world.targetGroups.get(secondTargetGroupArn) as TargetGroup;
    world.actAs({ by: "control" }, () => {
      for (const { id, targetGroupArn } of world.targets.list()) {
        if (targetGroupArn === group.arn) deregisterTarget(world, group, id);
      }
      registerTarget(world, group, world.instances.get(old?.id ?? "") as Instance, 9090);
    });
    await scene.clock.sleep(30_000);
    const watched = watch(scene);
    const result = await run(scene, { config: { "waiting-period": 60 } });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(watched.violations).toEqual([]);
    const { targets = [] } = fleetOf(scene).find(({ id }) => id === old?.id) ?? {};
    expect(targets.map(({ port, state }) => `${port} ${state}`)).toContain("9090 healthy");
  });
});

describe("a replacement that dies while an answer to a look is 20 s on its way", () => {
  it("costs no old one, which is deregistered on no read so old (seed 1452)", async () => {
    const scene = stage(two);
    // What dies by itself answers nobody.
    const watched = watch(scene, { tolerates: () => true });
    let backMs = 0;
    const result = await run(scene, {
      faults: before(
        ({ action }) => action === "DescribeTargetHealth" && isReplaced(scene),
        () => {
          const id = newest(scene);
          scene.clock.at(scene.clock.now() + 5_000, () => terminateInstance(scene.aws.world, id));
          backMs = 20_000;
        },
      ),
      travelMs: (action) => {
        if (action !== "DescribeTargetHealth") return 0;
        const ms = backMs;
        backMs = 0;
        return ms;
      },
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(launchesOf(scene)).toBe(1);
    expect(deregistered(result)).toEqual([]);
    expect(watched.violations).toEqual([]);
    expectUntouched(scene);
  });

  it("costs none while the lock's own calls take long, one after the other (seed 504663)", async () => {
    const scene = stage(two);
    const watched = watch(scene, { tolerates: () => true });
    let trips: number[] = [];
    const result = await run(scene, {
      faults: before(
        ({ action }) => action === "DescribeTargetHealth" && isReplaced(scene),
        () => {
          const id = newest(scene);
          scene.clock.at(scene.clock.now() + 5_000, () => terminateInstance(scene.aws.world, id));
          // There and back: a check that is quick enough to count, and then one that is not.
          trips = [1_500, 1_500, 1_500, 15_000];
        },
      ),
      travelMs: (action) => (action === "DescribeTags" ? (trips.shift() ?? 0) : 0),
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(watched.violations).toEqual([]);
    await scene.clock.sleep(30_000);
    expectUntouched(scene);
  });
});

describe("an old one that comes back to two target groups, where one of the calls for that fails", () => {
  it("is registered at both in the end (seed 30161)", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    const [old = ""] = scene.aws.oldInstanceIds;
    let hasFailed = false;
    const dies = before(
      ({ action }) =>
        action === "DescribeTargetHealth" && isReplaced(scene) && !isHealthy(scene, old),
      () => terminateInstance(scene.aws.world, newest(scene)),
    );
    const result = await run(scene, {
      faults: (request) => {
        const { action, params } = request;
        const isBack =
          action === "RegisterTargets" &&
          params.get("Targets.member.1.Id") === old &&
          params.get("TargetGroupArn") === scene.aws.secondTargetGroupArn;
        if (!isBack || hasFailed) return dies(request);
        hasFailed = true;
        return { kind: "reset" };
      },
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(hasFailed).toBe(true);
    await expectHealthyAtBoth(scene, old);
  });
});

describe("an old one that an earlier run had deregistered, and that comes back to two target groups", () => {
  it("is registered at both though the answer to the first call is lost (seed 601162)", async () => {
    const scene = stage({ ...two, secondPort: 9090 });
    const [old = ""] = scene.aws.oldInstanceIds;
    await run(scene, {
      faults: ({ action, params }) =>
        action === "TerminateInstances" && params.get("DryRun") !== "true"
          ? { kind: "crashBefore" }
          : undefined,
    });
    forceAnswer(scene.aws.world, newest(scene), 503);
    await scene.clock.sleep(30_000);
    let hasFailed = false;
    const result = await run(scene, {
      allowUnhealthy: true,
      config: { "waiting-period": 60 },
      faults: ({ action, params }) => {
        const isBack = action === "RegisterTargets" && params.get("Targets.member.1.Id") === old;
        if (!isBack || hasFailed) return undefined;
        hasFailed = true;
        return { kind: "lostResponse" };
      },
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(hasFailed).toBe(true);
    await expectHealthyAtBoth(scene, old);
  });
});

describe("a run right after one that had just launched, where reads lag a minute", () => {
  const staleReadsMs = (action: string) => (action === "DescribeTags" ? 0 : 60_000);
  const lagging = { staleReadsMs, lagIsConstant: true };
  const old = { ...two, instances: 1, zones: 1 };

  /** As if the fleet had been there for long, also for reads that lag. */
  async function aged(scene: Stage): Promise<void> {
    scene.aws.world.advance();
    await scene.clock.sleep(120_000);
  }

  it.each(["crashAfter", "lostResponse"] as const)(
    "launches nothing beside it for another AMI: %s (seeds 20941, 21548)",
    async (kind) => {
      const scene = stage(old);
      await aged(scene);
      const watched = watch(scene);
      const interrupt = new AbortController();
      await run(scene, {
        ...lagging,
        interrupt,
        faults: ({ action, params }) => {
          if (action !== "RunInstances" || params.get("DryRun") === "true") return undefined;
          interrupt.abort("SIGTERM");
          return { kind };
        },
      });
      expect(launchesOf(scene)).toBe(1);
      const other = { ami: IMAGES.slow, version: "v3", config: { "waiting-period": 900 } };
      expectSuccess(await run(scene, { ...lagging, ...other }));
      expect(watched.violations).toEqual([]);
      expectConverged(scene, { ami: IMAGES.slow, version: "v3" });
    },
  );

  it("launches nothing beside it in the first subnet, where there was no room for it", async () => {
    const scene = stage(old);
    const { world } = scene.aws;
    const subnets = [...world.subnets.keys()];
    const beside = addSubnetBeside(world, subnets[0] ?? "");
    await aged(scene);
    const watched = watch(scene);
    const config = { "subnet-ids": [...subnets, beside.id] };
    let launches = 0;
    await run(scene, {
      ...lagging,
      config,
      faults: ({ action, params }) => {
        if (action !== "RunInstances" || params.get("DryRun") === "true") return undefined;
        launches += 1;
        return launches === 1 ? noRoom : { kind: "crashAfter" };
      },
    });
    expect(launchesOf(scene)).toBe(1);
    expectSuccess(await run(scene, { ...lagging, config }));
    expect(launchesOf(scene)).toBe(1);
    expect(watched.violations).toEqual([]);
  });
});

const noRoom = {
  kind: "error",
  status: 500,
  code: "InsufficientInstanceCapacity",
  message: "There is not enough capacity.",
} as const;

describe("a run of another AMI right after one that was complete, where reads lag a minute", () => {
  it("does not take what that one has put in place for a leftover beside the old one", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const scene = stage({
        ...hurried,
        instances: 1,
        zones: 1,
        deregistrationDelaySeconds: 0,
        seed,
      });
      scene.aws.world.advance();
      await scene.clock.sleep(120_000);
      expectSuccess(await run(scene));
      // Without a delay the load balancer cuts what is under way, whoever deregisters.
      const watched = watch(scene, { tolerates: (failure) => failure === "cut off in the middle" });
      const staleReadsMs = (action: string) => (action === "DescribeTags" ? 0 : 60_000);
      const lagIsConstant = seed % 2 === 0;
      expectSuccess(await run(scene, { version: "v3", staleReadsMs, lagIsConstant }));
      expect(watched.violations, `seed ${seed}`).toEqual([]);
      expectConverged(scene, { version: "v3" });
    }
  });
});

describe("a run that is stopped by a refusal before it has registered a replacement whose old one has died", () => {
  it("says how to go on (seed 300452)", async () => {
    const scene = stage({ ...two, instances: 1, zones: 1 });
    const [old = ""] = scene.aws.oldInstanceIds;
    const refused = { kind: "error", status: 403, code: "AccessDenied", message: "no" } as const;
    const result = await run(scene, {
      faults: ({ action }) => {
        if (launchesOf(scene) === 0) return undefined;
        terminateInstance(scene.aws.world, old);
        return action === "DescribeTags" ? refused : undefined;
      },
    });
    expect(result.error).toMatchObject({
      code: "AccessDenied",
      rerun: `zero-deploy ${IMAGES.good}`,
    });
    expect((result.error as DeployError).problems.join()).toContain(newest(scene));
  });
});

describe("a launch whose answer was lost", () => {
  const isLaunch = ({ action, params }: FaultRequest) =>
    action === "RunInstances" && params.get("DryRun") !== "true";

  it("is told of, though the next answer is a refusal for another reason (seed 110222)", async () => {
    const scene = stage(two);
    let launches = 0;
    const { error } = await run(scene, {
      lagIsConstant: true,
      staleReadsMs: (action) => (action === "DescribeInstances" ? 30_000 : 0),
      faults: (request) => {
        if (!isLaunch(request)) return undefined;
        launches += 1;
        const denied = { status: 403, code: "UnauthorizedOperation", message: "no more" };
        return launches === 1 ? { kind: "lostResponse" } : { kind: "error", ...denied };
      },
    });
    expect(error).toMatchObject({ code: "AccessDenied" });
    const [old = ""] = scene.aws.oldInstanceIds;
    const { problems = [] } = error as { problems?: string[] };
    expect(problems.join("\n")).toContain(`a launch to replace ${old} was not answered`);
  });

  it("is not asked for without end where somebody took its tags (seed 111045)", async () => {
    const scene = stage(two);
    let launches = 0;
    const result = await run(scene, {
      faults: (request) => {
        if (!isLaunch(request)) return undefined;
        launches += 1;
        if (launches > 1) return undefined;
        scene.clock.at(scene.clock.now() + 500, () => {
          const { id, tags } = fleetOf(scene).at(-1) ?? { id: "", tags: {} };
          const left = Object.entries(tags).filter(([key]) => !key.startsWith("zero-deploy:"));
          editInstance(scene.aws.world, id, {
            tags: left.map(([key, value]) => ({ key, value })),
          });
        });
        return { kind: "lostResponse" };
      },
    });
    expectSuccess(result);
    expectConverged(scene);
    expect(launches).toBeLessThan(10);
    expect(launchesOf(scene)).toBe(2);
  });
});
