// Goal: bad input changes nothing: what can be known before the first change is checked before it, and all of it is
// reported at once. Method: whole runs in virtual time against a simulated AWS in which something is not right.
import { describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { changeInstance } from "../../src/simulator/instances.ts";
import { addLoadBalancer, addTargetGroup } from "../../src/simulator/network.ts";
import { addHealthyTarget } from "../../src/simulator/old-instances.ts";
import type { Image, Instance } from "../../src/simulator/records.ts";
import { expectUntouched, launchesOf } from "./expect.ts";
import { errorText, type RunOptions, run, type Stage, stage } from "./harness.ts";

async function problemsOf(scene: Stage, options: RunOptions = {}): Promise<readonly string[]> {
  const result = await run(scene, options);
  expect(result.error).toMatchObject({ code: "PreflightFailed" });
  expect(errorText(result)).toContain("nothing was changed");
  expect(result.requests.map(({ action }) => action)).not.toContain("RegisterTargets");
  expect(launchesOf(scene)).toBe(0);
  return (result.error as { problems: readonly string[] }).problems;
}

function editImage({ aws }: Stage, change: Partial<Image>): void {
  const image = aws.world.images.get(IMAGES.good);
  if (image !== undefined) aws.world.images.set(image.id, { ...image, ...change });
}

function editOld({ aws }: Stage, change: Partial<Instance>): string {
  const [id = ""] = aws.oldInstanceIds;
  aws.world.actAs({ by: "control" }, () => changeInstance(aws.world, id, change));
  return id;
}

describe("what does not exist", () => {
  it("is told all at once, under the key of config.json that names it", async () => {
    const scene = stage();
    const missing = "0123456789abcdef0";
    const problems = await problemsOf(scene, {
      ami: `ami-${missing}`,
      config: {
        "ssh-key": "nobody",
        "security-group-id": [`sg-${missing}`],
        "instance-type": "t9.huge",
        "subnet-ids": [`subnet-${missing}`],
      },
    });
    const expected = [
      `AMI ami-${missing}`,
      "ssh-key: key pair nobody",
      `sg-${missing}`,
      "t9.huge",
      `subnet-${missing}`,
    ];
    for (const text of expected) {
      expect(
        problems.filter((problem) => problem.includes(text)),
        text,
      ).toHaveLength(1);
    }
    expectUntouched(scene);
  });

  it.each(["target-group", "loadbalancer"])("is told of the %s", async (key) => {
    const kind = key === "loadbalancer" ? "loadbalancer/app" : "targetgroup";
    const arn = `arn:aws:elasticloadbalancing:eu-west-1:123456789012:${kind}/other/0123456789abcdef`;
    const problems = await problemsOf(stage(), { config: { [key]: { arn } } });
    expect(problems).toEqual([expect.stringContaining(arn)]);
  });
});

describe("what does not fit together", () => {
  it("an AMI that is not available", async () => {
    const scene = stage();
    editImage(scene, { state: "pending" });
    expect(await problemsOf(scene)).toEqual([expect.stringContaining("is pending, not available")]);
  });

  it("an AMI of another architecture than the instance type", async () => {
    const problems = await problemsOf(stage(), { config: { "instance-type": "t4g.micro" } });
    expect(problems).toEqual([expect.stringContaining("is x86_64, but t4g.micro takes arm64")]);
  });

  it("a target group of another load balancer", async () => {
    const scene = stage();
    const { world, vpcId } = scene.aws;
    const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
    const problems = await problemsOf(scene, { config: { loadbalancer: { arn: other.arn } } });
    expect(problems).toEqual([expect.stringContaining(`but by ${scene.aws.loadBalancerArn}`)]);
  });

  it("a target group that no load balancer uses", async () => {
    const scene = stage();
    const unused = addTargetGroup(scene.aws.world, undefined, "unused", 80);
    const problems = await problemsOf(scene, { config: { "target-group": { arn: unused.arn } } });
    expect(problems).toEqual([expect.stringContaining("but by none")]);
  });

  it("an empty target group", async () => {
    expect(await problemsOf(stage({ instances: 0 }))).toEqual([
      expect.stringContaining("has no registered targets"),
    ]);
  });

  it.each(["ip", "lambda", "alb"] as const)("a target group of type %s", async (targetType) => {
    expect(await problemsOf(stage({ targetType }))).toEqual([
      expect.stringContaining(`its targets are of type ${targetType}`),
    ]);
  });
});

describe("what a replacement could not take over, or somebody else would undo", () => {
  const kinds: [string, Partial<Instance>, string][] = [
    [
      "an Elastic IP address",
      { publicIp: "203.0.113.7", publicIpOwner: "123456789012" },
      "Elastic IP address 203.0.113.7",
    ],
    ["termination protection", { disableApiTermination: true }, "termination protection"],
    [
      "an Auto Scaling group",
      { tags: [{ key: "aws:autoscaling:groupName", value: "web" }] },
      "Auto Scaling group web",
    ],
    ["a Spot request", { lifecycle: "spot" }, "Spot instance"],
    [
      "too many tags",
      { tags: Array.from({ length: 46 }, (_, index) => ({ key: `t${index}`, value: "" })) },
      "more than 50 tags",
    ],
  ];
  it.each(kinds)("%s", async (_title, change, text) => {
    const scene = stage();
    const id = editOld(scene, change);
    const problems = await problemsOf(scene);
    expect(problems).toEqual([expect.stringContaining(text)]);
    expect(problems[0]).toContain(id);
    expectUntouched(scene);
  });

  it("several network interfaces", async () => {
    const scene = stage();
    const [first] = scene.aws.oldInstanceIds;
    const own = scene.aws.world.instances.get(first ?? "")?.networkInterfaces ?? [];
    editOld(scene, { networkInterfaces: [...own, ...own] });
    expect(await problemsOf(scene)).toEqual([expect.stringContaining("2 network interfaces")]);
  });

  it.each(["instance", "ip"] as const)(
    "a place in a target group of another load balancer, as %s",
    async (targetType) => {
      const scene = stage();
      const { world, vpcId, oldInstanceIds } = scene.aws;
      const other = addLoadBalancer(world, vpcId, [...world.subnets.values()], "network");
      const group = addTargetGroup(world, other, "elsewhere", 80, { targetType });
      const instance = world.instances.get(oldInstanceIds[1] ?? "");
      if (instance === undefined) throw new Error("the stage has a second instance");
      const address = instance.networkInterfaces[0]?.privateIp ?? "";
      addHealthyTarget(
        world,
        group,
        targetType === "ip" ? { ...instance, id: address } : instance,
        80,
      );
      const problems = await problemsOf(scene);
      expect(problems).toEqual([
        expect.stringContaining(`instance ${instance.id}: is a target of elsewhere too`),
      ]);
    },
  );
});

describe("where replacements would go", () => {
  it("a subnet in a zone that the load balancer does not send to", async () => {
    const scene = stage();
    const [, , third] = [...scene.aws.world.subnets.values()];
    const balancer = scene.aws.world.loadBalancers.get(scene.aws.loadBalancerArn);
    if (balancer === undefined || third === undefined) throw new Error("the stage has both");
    const zones = balancer.zones.filter(({ subnetId }) => subnetId !== third.id);
    scene.aws.world.loadBalancers.set(balancer.arn, { ...balancer, zones });
    const problems = await problemsOf(scene, { config: { "subnet-ids": [third.id] } });
    expect(problems.join()).toContain(
      `${third.id}: is in ${third.zone}, where the load balancer sends nothing`,
    );
  });

  it("a subnet without a free address", async () => {
    const scene = stage();
    const [first] = [...scene.aws.world.subnets.values()];
    if (first === undefined) throw new Error("the stage has a subnet");
    scene.aws.world.subnets.set(first.id, { ...first, usableAddresses: 1 });
    expect(await problemsOf(scene)).toEqual([`subnet ${first.id}: has no free address left`]);
  });

  it("without subnet-ids is the old instance's own subnet, with them one of those in its zone", async () => {
    const scene = stage({ instances: 3, deregistrationDelaySeconds: 0 });
    const ids = [...scene.aws.world.subnets.keys()];
    const result = await run(scene, { config: { "subnet-ids": ids } });
    expect(result.error).toBeUndefined();
    const zones = scene.aws.world.instances.list().map(({ zone, state }) => `${state} ${zone}`);
    for (const zone of ["eu-west-1a", "eu-west-1b", "eu-west-1c"])
      expect(zones).toContain(`running ${zone}`);
  });
});
