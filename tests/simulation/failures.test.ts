// Goal: a bad AMI costs one instance for a few minutes, an error tells what to know, and the fleet stays as it was.
// Method: rollouts in virtual time to AMIs that fail in each of the known ways, and fleets that others interfere with.
import { describe, expect, it } from "vitest";
import { DeployError } from "../../src/errors.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import {
  editInstance,
  forceAnswer,
  setCapacity,
  terminateInstance,
} from "../../src/simulator/controls.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import { errorText, linesOf, run, stage, watch } from "./harness.ts";

const quick = { deregistrationDelaySeconds: 30 };

describe("a bad AMI", () => {
  const kinds: [keyof typeof IMAGES, RegExp[]][] = [
    [
      "dies",
      [
        /is terminated/,
        /Server\.InternalError, Client\.VolumeLimitExceeded: Volume limit exceeded/,
      ],
    ],
    ["impaired", [/failed its status checks for 120 s/, /impaired/]],
    [
      "neverHealthy",
      [
        /was not healthy within 400 s/,
        /unhealthy, Target\.ResponseCodeMismatch, Health checks failed with these codes: \[503\]/,
        /HTTP on port traffic-port, path \/, matcher 200/,
      ],
    ],
  ];
  for (const maxSurge of [1, 3]) {
    it.each(kinds)(
      `of the kind "%s" costs one instance, with a surge of ${maxSurge}, and its error says why`,
      async (kind, texts) => {
        const scene = stage(quick);
        const watched = watch(scene, { maxSurge });
        const result = await run(scene, { ami: IMAGES[kind], config: { "max-surge": maxSurge } });
        expect(result.error).toBeInstanceOf(DeployError);
        expect(result.error).toMatchObject({ code: "ReplacementFailed" });
        for (const text of texts) expect(errorText(result)).toMatch(text);
        for (const id of scene.aws.oldInstanceIds) {
          expect(errorText(result)).toContain(`${id} (${IMAGES.old}`);
        }
        expect(errorText(result)).toContain(`zero-deploy ${IMAGES[kind]}`);
        expect(launchesOf(scene)).toBe(1);
        expect(watched.violations).toEqual([]);
        expectUntouched(scene);
      },
    );
  }

  it("can be followed by a good one at once", async () => {
    const scene = stage(quick);
    await run(scene, { ami: IMAGES.neverHealthy });
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it("can be tried again, as a new launch", async () => {
    const scene = stage(quick);
    for (let attempt = 1; attempt <= 3; attempt++) {
      await run(scene, { ami: IMAGES.dies });
      expect(launchesOf(scene)).toBe(attempt);
    }
    expectUntouched(scene);
  });

  it("that fails with others under way takes those with it, and finishes what was leaving", async () => {
    const scene = stage({ instances: 6, ...quick });
    const watched = watch(scene, {
      maxSurge: 3,
      // A flaky application answers badly whoever sends it requests.
      tolerates: (failure) => failure.endsWith("from the instance"),
    });
    const result = await run(scene, {
      ami: IMAGES.flaky,
      config: { "max-surge": 3, "waiting-period": 300 },
    });
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(watched.violations).toEqual([]);
    const live = fleetOf(scene);
    for (const { id, targets } of live) {
      expect(targets.length, `${id} is registered`).toBeGreaterThan(0);
      expect(errorText(result)).toContain(id);
    }
  });
});

describe("a failed replacement that cannot be removed", () => {
  it("is given up after its time, and named", async () => {
    const scene = stage({ instances: 1, zones: 1, ...quick });
    const result = await run(scene, {
      ami: IMAGES.neverHealthy,
      faults: ({ action }) => (action === "DeregisterTargets" ? { kind: "throttle" } : undefined),
    });
    const left = fleetOf(scene).find(({ imageId }) => imageId === IMAGES.neverHealthy);
    expect(result.error).toMatchObject({ code: "ReplacementFailed" });
    expect(errorText(result)).toContain(left?.id ?? "an instance that is left");
    expect(linesOf(result).join("\n")).toContain("could not be deregistered within 400 s");
  });
});

describe("a refusal of AWS in the middle", () => {
  it("of a launch for want of capacity stops the run and leaves the fleet as it stands", async () => {
    const scene = stage(quick);
    setCapacity(scene.aws.world, "eu-west-1b", false);
    const result = await run(scene);
    expect(errorText(result)).toContain("InsufficientInstanceCapacity");
    expect(errorText(result)).toContain("wait some minutes");
    expect(
      fleetOf(scene)
        .map(({ imageId }) => imageId)
        .sort(),
    ).toEqual([IMAGES.old, IMAGES.old, IMAGES.good].sort());
    setCapacity(scene.aws.world, "eu-west-1b", true);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });

  it.each(["RegisterTargets", "DeregisterTargets", "TerminateInstances"])(
    "of %s is told with what is left",
    async (denied) => {
      const scene = stage({ instances: 2, zones: 2, ...quick });
      const watched = watch(scene);
      const result = await run(scene, {
        faults: ({ action, params }) =>
          action === denied && params.get("DryRun") !== "true"
            ? {
                kind: "error",
                status: 403,
                code: "AccessDenied",
                message: "User is not authorized",
              }
            : undefined,
      });
      expect(result.error).toBeInstanceOf(DeployError);
      expect(errorText(result)).toContain("AccessDenied: User is not authorized");
      for (const { id } of fleetOf(scene)) expect(errorText(result)).toContain(id);
      expect(watched.violations).toEqual([]);
      expectSuccess(await run(scene));
      expectConverged(scene);
    },
  );

  it("of a permission that a dry run can tell is told before anything changes", async () => {
    const scene = stage(quick);
    const result = await run(scene, {
      faults: ({ action }) =>
        action === "RunInstances"
          ? {
              kind: "error",
              status: 403,
              code: "UnauthorizedOperation",
              message:
                "You are not authorized to perform this operation. Encoded authorization failure message: abcdef",
            }
          : undefined,
    });
    expect(result.error).toMatchObject({ code: "PreflightFailed" });
    expect(errorText(result)).toContain("UnauthorizedOperation");
    expect(errorText(result)).not.toContain("abcdef");
    expectUntouched(scene);
  });
});

describe("what others do in the middle", () => {
  it("an old instance that fails by itself holds the next one back, and is replaced first on the next run", async () => {
    const scene = stage(quick);
    const [, , third = ""] = scene.aws.oldInstanceIds;
    scene.clock.at(scene.clock.now() + 60_000, () => forceAnswer(scene.aws.world, third, 503));
    const first = await run(scene);
    expect(errorText(first)).toContain("too few healthy targets");
    const second = await run(scene);
    expectSuccess(second);
    expect(linesOf(second).find((line) => line.includes("Launching"))).toContain(third);
    expectConverged(scene);
  });

  it("an old instance terminated by somebody leaves its place to the replacement on its way", async () => {
    const scene = stage({ instances: 2, zones: 2, ...quick });
    const [first = ""] = scene.aws.oldInstanceIds;
    scene.clock.at(scene.clock.now() + 60_000, () => terminateInstance(scene.aws.world, first));
    const result = await run(scene);
    const live = fleetOf(scene);
    expect(live.every(({ targets }) => targets.length > 0)).toBe(true);
    expect(live.filter(({ imageId }) => imageId === IMAGES.good).length).toBeGreaterThan(0);
    if (result.error !== undefined) expectSuccess(await run(scene));
    expect(fleetOf(scene).map(({ imageId }) => imageId)).toEqual([IMAGES.good, IMAGES.good]);
  });

  it("a replacement terminated by somebody stops the run with the reason", async () => {
    const scene = stage(quick);
    scene.clock.at(scene.clock.now() + 60_000, () => {
      const [, , , replacement] = fleetOf(scene);
      terminateInstance(scene.aws.world, replacement?.id ?? "");
    });
    const result = await run(scene);
    expect(errorText(result)).toContain("Client.UserInitiatedShutdown");
    expectUntouched(scene);
  });

  it("termination protection turned on after the start is told, with the instance it holds", async () => {
    const scene = stage(quick);
    const [first = ""] = scene.aws.oldInstanceIds;
    scene.clock.at(scene.clock.now() + 60_000, () =>
      editInstance(scene.aws.world, first, { disableApiTermination: true }),
    );
    const result = await run(scene);
    expect(errorText(result)).toContain("OperationNotPermitted");
    expect(errorText(result)).toContain(first);
    editInstance(scene.aws.world, first, { disableApiTermination: false });
    expectSuccess(await run(scene));
    expectConverged(scene);
  });
});
