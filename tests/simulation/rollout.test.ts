// Goal: whole rollouts keep the guarantees, whatever the fleet looks like.
// Method: the real rolling update and the real AWS clients against a simulated AWS in virtual time, with the
// guarantees watched at every transition.
import { describe, expect, it } from "vitest";
import { isMutating } from "../../src/simulator/api.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer } from "../../src/simulator/controls.ts";
import type { SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { expectConverged, expectSuccess, fleetOf, launchesOf } from "./expect.ts";
import { hurried, linesOf, run, stage, watch } from "./harness.ts";

const quick = { deregistrationDelaySeconds: 30 };

describe("fleets of every kind end on the new AMI, with every guarantee kept", () => {
  const fleets: [string, Omit<SimulatedAwsOptions, "clock">, number][] = [
    ["three instances in three zones", {}, 1],
    ["a single instance", { instances: 1, zones: 1 }, 1],
    ["seven instances in two zones", { instances: 7, zones: 2, ...quick }, 1],
    ["three at once at most", { instances: 7, zones: 3, ...quick }, 3],
    ["more surge than instances", { instances: 2, zones: 2, ...quick }, 10],
    ["no deregistration delay", { deregistrationDelaySeconds: 0 }, 1],
    ["an hour of deregistration delay", { instances: 1, deregistrationDelaySeconds: 3600 }, 1],
    ["a network load balancer", { instances: 2, loadBalancerType: "network", ...quick }, 1],
    ["a second target group of the same load balancer", { secondPort: 9090, ...quick }, 1],
  ];
  it.each(fleets)("%s", async (_title, options, maxSurge) => {
    const scene = stage(options);
    // Without a delay the load balancer cuts what is in flight, whatever anybody does.
    const cuts = options.deregistrationDelaySeconds === 0 ? "cut off in the middle" : undefined;
    const watched = watch(scene, { maxSurge, tolerates: (failure) => failure === cuts });
    expectSuccess(await run(scene, { config: { "max-surge": maxSurge } }));
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
    expect(launchesOf(scene)).toBe(scene.aws.oldInstanceIds.length);
  });
});

describe("a finished rollout", () => {
  it("run again does nothing, and says so", async () => {
    const scene = stage(quick);
    expectSuccess(await run(scene));
    const before = fleetOf(scene);
    const again = await run(scene);
    expectSuccess(again);
    expect(linesOf(again)).toEqual([
      expect.stringMatching(/^Account 123456789012, region eu-west-1 \(arn:aws:iam::\S+\)$/),
      expect.stringContaining("Nothing to do"),
    ]);
    expect(again.requests.filter((one) => isMutating(one.service, one.action))).toEqual([]);
    expect(fleetOf(scene)).toEqual(before);
  });

  it("is rolled again for a new version of the same AMI", async () => {
    const scene = stage({ instances: 2, zones: 2, ...quick });
    expectSuccess(await run(scene));
    expectSuccess(await run(scene, { version: "v3" }));
    expect(
      fleetOf(scene).map(({ tags }) => [tags.Name, tags["zero-deploy:previous-name"]]),
    ).toEqual([
      ["v3", "v2"],
      ["v3", "v2"],
    ]);
  });
});

describe("what a replacement is", () => {
  it("carries the old one's tags, ours and the configured ones, and its launch settings", async () => {
    const scene = stage({
      instances: 1,
      ...quick,
      tags: { Team: "payments", "aws:cloudformation:stack-name": "x" },
    });
    const [old = ""] = scene.aws.oldInstanceIds;
    const before = scene.aws.world.instances.get(old);
    expectSuccess(await run(scene, { config: { tags: { Release: "42" } } }));
    const [live] = fleetOf(scene);
    expect(live?.tags).toMatchObject({
      Team: "payments",
      Release: "42",
      Name: "v2",
      "zero-deploy:target-group": scene.aws.targetGroupArn,
      "zero-deploy:replaces": old,
      "zero-deploy:previous-ami": IMAGES.old,
      "zero-deploy:previous-name": "v1",
    });
    expect(Object.keys(live?.tags ?? {}).filter((key) => key.startsWith("aws:"))).toEqual([]);
    const after = scene.aws.world.instances.get(live?.id ?? "");
    expect(after?.userData).toBe(before?.userData);
    expect(after?.iamInstanceProfileArn).toBe(before?.iamInstanceProfileArn);
    expect(after?.networkInterfaces[0]?.subnetId).toBe(before?.networkInterfaces[0]?.subnetId);
  });

  it("is registered on the ports of the old one in every group that holds it", async () => {
    const scene = stage({ instances: 2, zones: 2, secondPort: 9090, ...quick });
    expectSuccess(await run(scene));
    for (const { targets } of fleetOf(scene)) {
      expect(
        targets.map(({ targetGroupArn, port, state }) => [targetGroupArn, port, state]),
      ).toEqual([
        [scene.aws.targetGroupArn, 8080, "healthy"],
        [scene.aws.secondTargetGroupArn, 9090, "healthy"],
      ]);
    }
  });
});

describe("where replacements go", () => {
  it("is, with subnet-ids, one of those in the old one's zone", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    const ids = [...scene.aws.world.subnets.keys()].reverse();
    expectSuccess(await run(scene, { config: { "subnet-ids": ids } }));
    expectConverged(scene);
  });
});

describe("order and pace", () => {
  it("replaces an unhealthy old instance first", async () => {
    const scene = stage(quick);
    const [, second = ""] = scene.aws.oldInstanceIds;
    forceAnswer(scene.aws.world, second, 503);
    await scene.clock.sleep(120_000);
    const watched = watch(scene);
    const result = await run(scene);
    expectSuccess(result);
    expect(watched.violations).toEqual([]);
    const launching = linesOf(result).filter((line) => line.includes("Launching"));
    expect(launching[0]).toContain(`replaces ${second}`);
    expectConverged(scene);
  });

  it("starts the next replacement when the old one's termination is accepted, and still tells its end", async () => {
    const scene = stage({ instances: 2, zones: 2, ...quick });
    const [first = ""] = scene.aws.oldInstanceIds;
    const lines = linesOf(await run(scene));
    const at = (text: string) => lines.findIndex((line) => line.includes(text));
    expect(at(`Terminating instance ${first}`)).toBeLessThan(at("[2/2] Launching"));
    expect(at("[2/2] Launching")).toBeLessThan(at(`Instance ${first} terminated`));
  });

  it("waits out the bake time before an old one leaves", async () => {
    const scene = stage({ instances: 1, ...quick });
    const result = await run(scene, { config: { "bake-time": 600 } });
    expectSuccess(result);
    const deregistered = result.requests.find(({ action }) => action === "DeregisterTargets");
    const registered = result.requests.find(({ action }) => action === "RegisterTargets");
    expect(registered?.atMs).toBeDefined();
    expect((deregistered?.atMs ?? 0) - (registered?.atMs ?? 0)).toBeGreaterThanOrEqual(600_000);
  });

  it("tells the classic story, slot by slot", async () => {
    const scene = stage({ instances: 1, ...quick });
    const [old] = scene.aws.oldInstanceIds;
    const lines = linesOf(await run(scene)).filter((line) => !line.includes("Still waiting"));
    const [live] = fleetOf(scene);
    const story = [
      "Account 123456789012",
      "Rolling update started: 1 instance of",
      `[1/1] Launching a new instance (replaces ${old}`,
      `[1/1] Launched instance ${live?.id}`,
      "[1/1] Waiting for instance to run",
      "[1/1] Waiting for instance and system status checks to pass",
      "[1/1] Registering instance to target group",
      "[1/1] Waiting for health check to pass",
      `[1/1] Deregistering instance ${old}`,
      "[1/1] Waiting for instance to drain",
      `[1/1] Terminating instance ${old}`,
      `[1/1] Instance ${old} terminated`,
      "Rolling update completed: 1 instance replaced",
    ];
    expect(lines).toEqual(story.map((line) => expect.stringContaining(line)));
  });

  it("says every 30 s what a wait waits for, and how long it may", async () => {
    const scene = stage({ instances: 1 });
    const result = await run(scene);
    const waiting = result.events.filter(({ event }) => event === "waiting");
    expect(waiting.map(({ message }) => message)).toContainEqual(
      expect.stringMatching(
        /^Still waiting \(30 s of at most 400 s, i-\w+\): instance status: initializing/,
      ),
    );
  });

  it("begins with how long each old instance drains: as its slowest group does", async () => {
    const scene = stage({ ...hurried, instances: 1, secondPort: 9090 });
    const { world, secondTargetGroupArn = "" } = scene.aws;
    const group = world.targetGroups.get(secondTargetGroupArn);
    if (group === undefined) throw new Error("the stage has a second group");
    const attributes = { ...group.attributes, "deregistration_delay.timeout_seconds": "90" };
    world.targetGroups.set(group.arn, { ...group, attributes });
    const result = await run(scene);
    expectSuccess(result);
    const started = result.events.find(({ event }) => event === "started");
    expect(started?.message).toMatch(/each old one drains for 90 s$/);
  });

  it("does not read AWS more than twice a second on the average", async () => {
    const scene = stage({ instances: 3 });
    const startMs = scene.clock.now();
    const result = await run(scene);
    expect(result.requests.length).toBeLessThan(((scene.clock.now() - startMs) / 1000) * 2);
  });
});

describe("large fleets", () => {
  it("replaces 40 instances, with a surge of 20", async () => {
    const scene = stage({ ...hurried, instances: 40 });
    const watched = watch(scene, { maxSurge: 20 });
    expectSuccess(await run(scene, { config: { "max-surge": 20 } }));
    expect(watched.violations).toEqual([]);
    expectConverged(scene);
  }, 60_000);
});
