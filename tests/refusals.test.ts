/*
 * Goal: bad input changes nothing. Whatever can be known before the first change is refused with exit code 1 and a
 * message that says what was found and what to do, and all of it at once.
 * Method: the built program as a process of its own, against a simulated AWS behind HTTP in which one thing is not
 * right; every request that reaches it is looked at there, and none may change anything.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { isMutating } from "../src/simulator/api.ts";
import { setSourceDestCheck } from "../src/simulator/attachments.ts";
import { IMAGES } from "../src/simulator/catalog.ts";
import { denyAction, editInstance } from "../src/simulator/controls.ts";
import {
  configFor,
  createSimulatedAws,
  type SimulatedAws,
  type SimulatedAwsOptions,
} from "../src/simulator/fleet.ts";
import { addRule, forwardTo, setDefaultActions } from "../src/simulator/listeners.ts";
import { startApiServer } from "../src/simulator/server.ts";
import { startMetadata } from "./conformance/metadata.ts";
import { cleanUp, newFolder, type ProgramEnd, runProgram } from "./conformance/program.ts";
import { type Refusal, refusals, type Start } from "./refusals.ts";

afterAll(cleanUp);

/** Starts the program against a simulated AWS; also tells which requests reached it that were to change something. */
async function runAgainst(aws: SimulatedAws, start: Start) {
  const changes: string[] = [];
  const server = await startApiServer({
    world: aws.world,
    port: 0,
    onRequest: ({ service, action, parameters }) => {
      const isDryRun = parameters.get("DryRun") === "true";
      if (isMutating(service, action) && !isDryRun) changes.push(action);
    },
  });
  onTestFinished(() => server.close());
  const folder = newFolder();
  const config = { ...configFor(aws), ...start.config };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const env: Record<string, string | undefined> = {
    AWS_ENDPOINT_URL: server.url,
    AWS_ACCESS_KEY_ID: "simulated",
    AWS_SECRET_ACCESS_KEY: "simulated",
  };
  if (start.host !== undefined) {
    const metadata = await startMetadata({ instanceId: start.host });
    onTestFinished(() => metadata.stop());
    env.AWS_EC2_METADATA_DISABLED = undefined;
    env.AWS_EC2_METADATA_SERVICE_ENDPOINT = metadata.url;
  }
  const args = [start.ami ?? IMAGES.good, ...(start.args ?? [])];
  const end = await runProgram(args, { folder, env });
  return { end, changes };
}

function startOf(aws: SimulatedAws, start: Refusal["start"] = {}): Start {
  return typeof start === "function" ? start(aws) : start;
}

/** Enough instances for everything that can be wrong with one. */
function setTheStage(options: Omit<SimulatedAwsOptions, "clock"> = {}): SimulatedAws {
  return createSimulatedAws({ instances: 9, ...options, clock: { now: Date.now } });
}

/** The problems listed on standard output. */
function problemsOf({ stdout }: ProgramEnd): string[] {
  return stdout.split("\n").flatMap((line) => (line.startsWith("  - ") ? line.slice(4) : []));
}

describe("refused, with nothing changed", () => {
  it.each(refusals)("$what", async ({ fleet, spoil, start, problems }) => {
    const aws = setTheStage(fleet);
    spoil?.(aws);
    const { end, changes } = await runAgainst(aws, startOf(aws, start));
    expect(changes).toEqual([]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(problemsOf(end), end.stdout).toEqual(
      problems.map((problem) => expect.stringMatching(problem)),
    );
    expect(end.stdout).toContain("nothing was changed");
    expect(end.stdout).toContain(
      "Account 123456789012, region eu-west-1 (arn:aws:iam::123456789012:user/operator)",
    );
  });

  it("by a dry run too, which then has no plan", async () => {
    const { end, changes } = await runAgainst(setTheStage(), {
      args: ["--dry-run", "--detailed-exitcode"],
      config: { "ssh-key": "nobody" },
    });
    expect(changes).toEqual([]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(problemsOf(end)).toEqual([expect.stringMatching(/^ssh-key: key pair nobody: does not/)]);
    expect(end.stdout).not.toContain("Plan");
  });

  it("all at once, whatever is wrong", async () => {
    const spoiled = refusals.filter(({ isAlone }) => !isAlone);
    expect(spoiled.length).toBeGreaterThan(20);
    const aws = setTheStage();
    let start: Start = {};
    for (const { spoil, start: own } of spoiled) {
      spoil?.(aws);
      const { config, ...rest } = startOf(aws, own);
      start = { ...start, ...rest, config: { ...start.config, ...config } };
    }
    const { end, changes } = await runAgainst(aws, start);
    expect(changes).toEqual([]);
    const found = problemsOf(end);
    for (const { what, problems } of spoiled) {
      for (const problem of problems) {
        expect(found, what).toContainEqual(expect.stringMatching(problem));
      }
    }
  });
});

/** What a rollout is not permitted to do; what there is no asking for beforehand, ELB's changes, is not among it. */
const permissions = [
  "ec2:DescribeAddresses",
  "ec2:DescribeImages",
  "ec2:DescribeInstanceAttribute",
  "ec2:DescribeInstanceCreditSpecifications",
  "ec2:DescribeInstances",
  "ec2:DescribeInstanceStatus",
  "ec2:DescribeInstanceTypeOfferings",
  "ec2:DescribeInstanceTypes",
  "ec2:DescribeKeyPairs",
  "ec2:DescribeSecurityGroups",
  "ec2:DescribeSubnets",
  "ec2:DescribeVolumes",
  "elasticloadbalancing:DescribeListeners",
  "elasticloadbalancing:DescribeLoadBalancers",
  "elasticloadbalancing:DescribeTargetGroupAttributes",
  "elasticloadbalancing:DescribeTargetGroups",
  "elasticloadbalancing:DescribeTargetHealth",
  "ec2:RunInstances",
  "ec2:CreateTags",
  "ec2:TerminateInstances",
  "iam:PassRole",
];

describe("refused for want of a permission, with nothing changed", () => {
  it.each(permissions)("%s", async (action) => {
    const aws = setTheStage({ instances: 2 });
    denyAction(aws.world, action, true);
    const { end, changes } = await runAgainst(aws, {});
    expect(changes).toEqual([]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    const problems = problemsOf(end);
    expect(problems.length, end.stdout).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem).toContain(`is not authorized to perform: ${action}`);
      expect(problem).toMatch(/; allow it in the IAM policy$/);
      expect(problem).not.toContain("Encoded");
    }
  });

  it.each<[string, (aws: SimulatedAws) => void, Start]>([
    [
      "ec2:DescribeSpotInstanceRequests",
      ({ world, oldInstanceIds: [id = ""] }) => editInstance(world, id, { lifecycle: "spot" }),
      {},
    ],
    [
      "elasticloadbalancing:DescribeRules",
      ({ world, targetGroupArn }) => {
        const [listener = ""] = world.listeners.keys();
        addRule(world, listener, "/*", forwardTo(targetGroupArn));
        setDefaultActions(world, listener, { type: "fixed-response", statusCode: "404" });
      },
      {},
    ],
    [
      "ec2:ModifyInstanceAttribute",
      ({ world, oldInstanceIds: [id = ""] }) => setSourceDestCheck(world, id, false),
      {},
    ],
    [
      "ec2:ModifyInstanceAttribute",
      ({ world, oldInstanceIds: [id = ""] }) =>
        editInstance(world, id, { disableApiTermination: true }),
      { config: { "lift-termination-protection": true } },
    ],
  ])("%s, which only some fleets need", async (action, prepare, start) => {
    const aws = setTheStage({ instances: 2 });
    prepare(aws);
    expect((await runAgainst(aws, { ...start, args: ["--dry-run"] })).end.exitCode).toBe(0);
    denyAction(aws.world, action, true);
    const { end, changes } = await runAgainst(aws, start);
    expect(changes).toEqual([]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(problemsOf(end)).toEqual([
      expect.stringContaining(`is not authorized to perform: ${action}`),
    ]);
  });

  it("of every one that is missing, together with what else is wrong", async () => {
    const aws = setTheStage({ instances: 2 });
    const missing = [
      "ec2:DescribeAddresses",
      "ec2:DescribeSubnets",
      "ec2:DescribeVolumes",
      "ec2:RunInstances",
      "ec2:TerminateInstances",
    ];
    for (const action of missing) denyAction(aws.world, action, true);
    const { end, changes } = await runAgainst(aws, { config: { "ssh-key": "nobody" } });
    expect(changes).toEqual([]);
    expect(problemsOf(end)).toEqual([
      expect.stringMatching(/^EC2 would not launch replacements: .*RunInstances/),
      expect.stringMatching(/^EC2 would not terminate the old instances: .*TerminateInstances/),
      expect.stringMatching(/^Elastic IP addresses: could not be read .*DescribeAddresses/),
      expect.stringMatching(/^ssh-key: key pair nobody: does not exist/),
      expect.stringMatching(/^subnets: could not be read .*DescribeSubnets/),
      expect.stringMatching(/^volumes of instances: could not be read .*DescribeVolumes/),
    ]);
  });
});

describe("let pass by a dry run, which then has a plan,", () => {
  const allowed: [what: string, spoil: (aws: SimulatedAws) => void, start: Start][] = [
    [
      "is a fleet with no healthy target, with --allow-unhealthy",
      (aws) => spoilLike("a target group with no healthy target", aws),
      { args: ["--allow-unhealthy"] },
    ],
    [
      "is a protected instance, with lift-termination-protection",
      (aws) => spoilLike("an instance that is protected from termination", aws),
      { config: { "lift-termination-protection": true } },
    ],
    [
      "are Elastic IP addresses and network interfaces, with discard-extra-addresses",
      (aws) => {
        spoilLike("an instance with an Elastic IP address", aws);
        spoilLike("an instance with several network interfaces", aws);
        spoilLike("an instance with a secondary address", aws);
      },
      { config: { "discard-extra-addresses": true } },
    ],
    [
      "are volumes beside the root, with discard-extra-volumes",
      (aws) => spoilLike("an instance with another volume than its root", aws),
      { config: { "discard-extra-volumes": true } },
    ],
    [
      "is a load balancer that is short of capacity",
      ({ world, loadBalancerArn }) => {
        const balancer = world.loadBalancers.get(loadBalancerArn);
        if (balancer === undefined) throw new Error("the stage has a load balancer");
        world.loadBalancers.set(balancer.arn, { ...balancer, stateCode: "active_impaired" });
      },
      {},
    ],
    [
      "is an AMI that prefers UEFI, where the type has none",
      ({ world, instanceType }) => {
        const image = world.images.get(IMAGES.good);
        const type = world.instanceTypes.get(instanceType);
        if (image === undefined || type === undefined) throw new Error("the stage has both");
        world.images.set(image.id, { ...image, bootMode: "uefi-preferred" });
        world.instanceTypes.set(type.name, { ...type, supportedBootModes: ["legacy-bios"] });
      },
      {},
    ],
    ["is a machine that is none of the fleet", () => {}, { host: "i-0123456789abcdef0" }],
  ];

  it.each(allowed)("%s", async (_what, spoil, start) => {
    const aws = setTheStage();
    spoil(aws);
    const args = [...(start.args ?? []), "--dry-run", "--detailed-exitcode"];
    const { end, changes } = await runAgainst(aws, { ...start, args });
    expect(changes).toEqual([]);
    expect(end, end.stdout).toMatchObject({ exitCode: 2, stderr: "" });
    expect(end.stdout).toContain(
      `Plan for ${IMAGES.good} as "v2": 9 instances of my-targets, 9 to`,
    );
  });
});

function spoilLike(what: string, aws: SimulatedAws): void {
  const refusal = refusals.find((one) => one.what === what);
  if (refusal?.spoil === undefined) throw new Error(`there is no refusal of ${what}`);
  refusal.spoil(aws);
}
