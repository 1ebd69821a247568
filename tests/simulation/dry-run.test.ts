// Goal: a dry run tells what a rollout would do, slot by slot, and what that costs, and changes nothing.
// Method: dry runs in virtual time on a simulated AWS in the states that rollouts leave behind; what a plan says is
// held against what the rollout then does. That no dry run changes anything is watched in all scenarios: harness.ts.
import { describe, expect, it } from "vitest";
import { leaseTags } from "../../src/lock/lease.ts";
import { minutes, type RolloutPlan } from "../../src/plan/rollout-plan.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import { addLoadBalancer, addTargetGroup } from "../../src/simulator/network.ts";
import { isFleetChange } from "./calls.ts";
import { expectConverged, expectSuccess, launchesOf } from "./expect.ts";
import { dryRunOf, linesOf, type RunOptions, run, type Stage, stage } from "./harness.ts";

async function planOf(scene: Stage, options: RunOptions = {}): Promise<RolloutPlan> {
  const { events, error } = await dryRunOf(scene, options);
  if (error !== undefined) throw error;
  const plan = events.find(({ event }) => event === "plan");
  return plan?.details?.plan as RolloutPlan;
}

const actionsOf = ({ slots }: RolloutPlan) => slots.map(({ action }) => action);

describe("a plan", () => {
  it("shows of each instance what it is, and what replaces it where", async () => {
    const scene = stage({ secondPort: 9090 });
    const { aws } = scene;
    const plan = await planOf(scene);
    expect(plan).toMatchObject({ ami: IMAGES.good, version: "v2", drains: 3, leftAlone: [] });
    const subnets = [...aws.world.subnets.values()];
    for (const [index, slot] of plan.slots.entries()) {
      expect(slot).toMatchObject({
        action: "replace",
        old: {
          instance: aws.oldInstanceIds[index],
          ami: IMAGES.old,
          instanceType: "t3.micro",
          zone: subnets[index]?.zone,
          state: "running",
          health: "healthy",
        },
        launch: {
          subnet: subnets[index]?.id,
          zone: subnets[index]?.zone,
          instanceType: "t3.micro",
        },
        registrations: [
          { targetGroup: "my-targets", port: 8080 },
          { targetGroup: "my-second-targets", port: 9090 },
        ],
        cleanUp: [],
      });
    }
    const days = 24 * 60 * 60;
    expect(plan.slots[0]?.old?.ageSeconds).toBe(3 * days);
    expect(plan.targetGroups).toEqual([
      { targetGroup: "my-targets", ports: [8080], deregistrationDelaySeconds: 300 },
      { targetGroup: "my-second-targets", ports: [9090], deregistrationDelaySeconds: 300 },
    ]);
  });

  it("begins with the unhealthy ones", async () => {
    const scene = stage();
    const [, , last = ""] = scene.aws.oldInstanceIds;
    forceAnswer(scene.aws.world, last, 503);
    await scene.clock.sleep(120_000);
    const plan = await planOf(scene);
    expect(plan.slots[0]?.old).toMatchObject({ instance: last, health: "unhealthy" });
  });

  it("of a finished rollout has nothing to do, and says so", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    expectSuccess(await run(scene));
    const result = await dryRunOf(scene);
    expect(result.isAnythingToDo).toBe(false);
    expect(actionsOf(await planOf(scene))).toEqual(["skip", "skip", "skip"]);
    expect(linesOf(result).at(-1)).toBe(
      `Nothing to do: every instance of my-targets runs ${IMAGES.good} as "v2"`,
    );
  });

  it("adopts what a killed run has launched, and skips what it has finished", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    let launches = 0;
    const killed = await run(scene, {
      faults: ({ action, params }) => {
        if (action !== "RunInstances" || params.get("DryRun")) return undefined;
        launches += 1;
        return launches === 2 ? { kind: "crashAfter" } : undefined;
      },
    });
    const replacement = scene.aws.world.instances.list().at(-1)?.id;
    const plan = await planOf(scene);
    expect(actionsOf(plan).sort()).toEqual(["adopt", "replace", "skip"]);
    const adopted = plan.slots.find(({ action }) => action === "adopt");
    expect(adopted?.replacement?.instance).toBe(replacement);
    expect(killed.error).toBeDefined();
  });

  it("cleans up what another AMI's rollout left, and says why", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    await run(scene, {
      faults: ({ action, params }) =>
        action === "RunInstances" && !params.get("DryRun") ? { kind: "crashAfter" } : undefined,
    });
    const left = scene.aws.world.instances.list().at(-1)?.id;
    const plan = await planOf(scene, { ami: IMAGES.slow, version: "v3" });
    expect(actionsOf(plan)).toEqual(["replace", "replace", "replace"]);
    expect(plan.slots.flatMap(({ cleanUp }) => cleanUp)).toEqual([
      expect.objectContaining({ instance: left, why: expect.stringContaining("another rollout") }),
    ]);
  });

  it("leaves alone what carries tags of a rollout but serves nobody", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    await run(scene, {
      faults: ({ action, params }) =>
        action === "RunInstances" && !params.get("DryRun") ? { kind: "crashAfter" } : undefined,
    });
    const left = scene.aws.world.instances.list().at(-1);
    const replaced = left?.tags.find(({ key }) => key === "zero-deploy:replaces")?.value ?? "";
    terminateInstance(scene.aws.world, replaced);
    await scene.clock.sleep(5 * 60_000);
    const plan = await planOf(scene);
    expect(plan.leftAlone.map(({ instance }) => instance)).toEqual([left?.id]);
  });
});

describe("a plan as lines for a person", () => {
  it("tells of each slot what is there, what is done, and what changes; then what it costs", async () => {
    const scene = stage({ instances: 1 });
    const { events } = await dryRunOf(scene, { version: "v2", config: { tags: { Team: "web" } } });
    const [old] = scene.aws.oldInstanceIds;
    const [subnet] = scene.aws.world.subnets.keys();
    const event = events.find((one) => one.event === "plan");
    expect(event?.message).toBe(
      `Plan for ${IMAGES.good} as "v2": 1 instance of my-targets, 1 to replace`,
    );
    expect(event?.lines).toEqual([
      `[1/1] ${old}: running, healthy, 3 days old`,
      `      ${IMAGES.old}, t3.micro, eu-west-1a`,
      `      launch t3.micro in ${subnet} (eu-west-1a)`,
      "      register it on port 8080 of my-targets",
      `      deregister, drain and terminate ${old}`,
      `      AMI: ${IMAGES.old} -> ${IMAGES.good}`,
      '      Name: "v1" -> "v2"',
      '      tag Team: "payments" -> "web"',
      "Target group my-targets: port 8080; deregistration delay 300 s",
      "Draining: 300 s x 1 = 5 min",
      "Estimated time: about 9 min (each 4 min to become healthy, 300 s to drain)",
      "Hint: not checked are the permissions to register, deregister and tag",
    ]);
  });
});

describe("a run that goes on where another was killed", () => {
  it.each(["RunInstances", "TerminateInstances"])(
    "is not refused for an address that it holds itself: killed after %s",
    async (action) => {
      const scene = stage({ instances: 2, zones: 1, deregistrationDelaySeconds: 0 });
      const [subnet] = scene.aws.world.subnets.values();
      if (subnet === undefined) throw new Error("the stage has a subnet");
      scene.aws.world.subnets.set(subnet.id, { ...subnet, usableAddresses: 3 });
      await run(scene, {
        faults: (request) =>
          request.action === action && isFleetChange(request) ? { kind: "crashAfter" } : undefined,
      });
      expectSuccess(await run(scene));
      expectConverged(scene);
    },
  );
});

describe("target groups that are none of the fleet's", () => {
  it("are not looked through where nothing is to be replaced", async () => {
    const scene = stage({ deregistrationDelaySeconds: 0 });
    const { world, vpcId } = scene.aws;
    const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
    addTargetGroup(world, other, "elsewhere", 80);
    const asked = async () => {
      const { requests } = await dryRunOf(scene);
      return requests.filter(({ action }) => action === "DescribeTargetHealth").length;
    };
    const before = await asked();
    expectSuccess(await run(scene));
    expect(await asked()).toBe(before - 1);
  });

  it("may be deleted while they are looked through", async () => {
    const scene = stage();
    const { world, vpcId } = scene.aws;
    const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
    const group = addTargetGroup(world, other, "elsewhere", 80);
    const { error } = await dryRunOf(scene, {
      faults: ({ action, params }) => {
        if (action !== "DescribeTargetHealth" || params.get("TargetGroupArn") !== group.arn) return;
        return { kind: "error", status: 400, code: "TargetGroupNotFound", message: "not found" };
      },
    });
    expect(error).toBeUndefined();
  });
});

describe("what a plan says of time", () => {
  it.each([
    ["three, one at a time", { instances: 3 }, {}],
    ["eight, two at a time", { instances: 8 }, { config: { "max-surge": 2 } }],
    ["four, with a bake time", { instances: 4 }, { config: { "bake-time": 300 } }],
    [
      "two, behind a network load balancer",
      { instances: 2, loadBalancerType: "network" },
      { config: { "waiting-period": 900 } },
    ],
    ["five, with a short delay", { instances: 5, deregistrationDelaySeconds: 30 }, {}],
  ] as const)("is about what it takes: %s", async (_title, fleet, options) => {
    const scene = stage(fleet);
    const { estimate, drains } = await planOf(scene, options);
    const startedMs = scene.clock.now();
    expectSuccess(await run(scene, options));
    expect(drains).toBe(launchesOf(scene));
    const takenSeconds = (scene.clock.now() - startedMs) / 1000;
    const ratio = takenSeconds / estimate.totalSeconds;
    const said = `${minutes(takenSeconds)}, estimated ${minutes(estimate.totalSeconds)}`;
    expect(ratio, said).toBeGreaterThan(0.75);
    expect(ratio, said).toBeLessThan(1.25);
  });

  it("comes with what would make it faster", async () => {
    const { hints } = await planOf(stage({ instances: 6 }));
    expect(hints.join("\n")).toMatch(/a deregistration delay of 60 s, .* about \d+ min/);
    expect(hints.join("\n")).toMatch(/--max-surge 2 it would take about \d+ min/);
  });

  it("warns of a delay that cuts requests", async () => {
    const { hints } = await planOf(stage({ deregistrationDelaySeconds: 10 }));
    expect(hints.join("\n")).toContain("the deregistration delay of my-targets is short");
    expect(hints.join("\n")).not.toContain("a deregistration delay of 60 s");
  });
});

describe("a dry run while another rollout works", () => {
  it("says who that is, and is not held up", async () => {
    const scene = stage();
    const lease = {
      owner: "first",
      host: "jenkins-1",
      process: "4711",
      ami: IMAGES.slow,
      build: "https://ci.example.com/job/7/",
      since: "2026-01-05T08:59:00.000Z",
      heartbeat: "2026-01-05T08:59:50.000Z",
    };
    const tags = Object.entries(leaseTags(lease)).map(([key, value]) => ({ key, value }));
    scene.aws.world.elbTags.set(scene.aws.targetGroupArn, tags);
    const result = await dryRunOf(scene, { holder: { owner: "second", hasEnded: () => false } });
    expect(result.isAnythingToDo).toBe(true);
    const told = linesOf(result).filter((line) => line.startsWith("Another rollout holds"));
    expect(told).toEqual([expect.stringMatching(/process 4711 on host jenkins-1, .*job\/7\//)]);
  });

  it("is shown though it cannot be told whether somebody is at work", async () => {
    const denied = { kind: "error", status: 403, code: "AccessDenied", message: "no" } as const;
    const result = await dryRunOf(stage(), {
      faults: ({ action }) => (action === "DescribeTags" ? denied : undefined),
    });
    expect(result.error).toBeUndefined();
    expect(result.isAnythingToDo).toBe(true);
    const [notice] = result.events.filter(({ event }) => event === "notice");
    expect(notice?.message).toMatch(/^May not lock .*elasticloadbalancing:RemoveTags/i);
  });
});

describe("a network without a way to STS", () => {
  it("is no reason not to go ahead: only whose credentials they are is not told", async () => {
    const { events, error } = await dryRunOf(stage(), {
      faults: ({ action }) => (action === "GetCallerIdentity" ? { kind: "reset" } : undefined),
    });
    expect(error).toBeUndefined();
    const told = events.map(({ event, message }) => `${event}: ${message}`);
    expect(told).toContainEqual(expect.stringMatching(/^notice: STS does not say whose credentia/));
    expect(told).not.toContainEqual(expect.stringContaining("account:"));
  });
});
