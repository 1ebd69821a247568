// Goal: the README is true of the program where a program can tell.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { configJsonSchema, parseConfig } from "../src/config.ts";
import { parseArguments } from "../src/program.ts";
import { IMAGES } from "../src/simulator/catalog.ts";
import { changeInstance } from "../src/simulator/instances.ts";
import { addRule, forwardTo, setDefaultActions } from "../src/simulator/listeners.ts";
import { expectSuccess } from "./simulation/expect.ts";
import { run, stage } from "./simulation/harness.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const jsonBlocks = [...readme.matchAll(/```json\n(.*?)```/gs)].map(([, text = ""]) => text);

interface Policy {
  Statement: { Action: string | string[] }[];
}

describe("the IAM policy", () => {
  it("allows every action that a rollout calls, and no other that it could call", async () => {
    const policy = JSON.parse(jsonBlocks[0] ?? "") as Policy;
    const allowed = policy.Statement.flatMap(({ Action }) => Action);
    const plain = await run(stage({ deregistrationDelaySeconds: 0 }));
    // What only some fleets need: a Spot Instance that forwards packets, and gets its requests by a rule.
    const scene = stage({ instances: 1, zones: 1, deregistrationDelaySeconds: 0 });
    const { world, oldInstanceIds } = scene.aws;
    const [first = ""] = oldInstanceIds;
    const own = world.instances.get(first)?.networkInterfaces ?? [];
    const networkInterfaces = own.map((nic) => ({ ...nic, sourceDestCheck: false }));
    changeInstance(world, first, { networkInterfaces, lifecycle: "spot" });
    const [listener] = [...world.listeners.keys()];
    const forward = forwardTo(scene.aws.targetGroupArn);
    addRule(world, listener ?? "", "/*", forward);
    setDefaultActions(world, listener ?? "", { type: "fixed-response", statusCode: "404" });
    const special = await run(scene);
    expectSuccess(special);
    const called = [...plain.requests, ...special.requests].map(
      ({ service, action }) => `${service}:${action}`,
    );
    // Everybody may ask who he is.
    const free = "sts:GetCallerIdentity";
    // Tagging at launch, passing a role and using a key are permissions of RunInstances, not calls.
    const implied = /^(iam|kms):|^ec2:CreateTags$/;
    expect(allowed.filter((action) => !implied.test(action)).sort()).toEqual(
      [...new Set(called)].filter((action) => action !== free).sort(),
    );
  });
});

describe("the configuration", () => {
  it("shown is valid", () => {
    expect(() => parseConfig(jsonBlocks[1] ?? "", "README.md")).not.toThrow();
  });

  it("has a row for every key, with its default", () => {
    const { properties } = configJsonSchema() as {
      properties: Record<string, { default?: unknown; deprecated?: boolean; properties?: object }>;
    };
    for (const [key, { default: value, deprecated, properties: nested }] of Object.entries(
      properties,
    )) {
      if (deprecated) continue;
      const row = readme
        .split("\n")
        .find((line) => line.startsWith(`| \`${nested ? `${key}.arn` : key}\` |`));
      expect(row, key).toBeDefined();
      if (value !== undefined) expect(row?.split("|")[3]?.trim(), key).toBe(String(value));
    }
  });
});

describe("the commands", () => {
  const commands = [...readme.matchAll(/^npx (?:--yes )?zero-deploy (.+)$/gm)]
    .concat([...readme.matchAll(/^\| `zero-deploy (.+?)` \|/gm)])
    .map(([, args = ""]) => args.replace('"$AMI"', IMAGES.good).split(" "));

  it("are understood as they stand", () => {
    expect(commands.length).toBeGreaterThan(8);
    for (const args of commands) {
      expect(() => parseArguments(["node", "zero-deploy", ...args]), args.join(" ")).not.toThrow();
    }
  });

  it("begin with the one that needs no account", () => {
    expect(commands[0]).toEqual(["simulate"]);
  });

  it("of the rehearsal name an AMI and a port of the simulated AWS", () => {
    expect(readme).toContain(`npx zero-deploy ${IMAGES.good}\` is the real thing`);
    const request = parseArguments(["node", "zero-deploy", "simulate", "--serve"]);
    if (request.command !== "simulate") throw new Error("it is a simulation");
    expect(readme).toContain(`export AWS_ENDPOINT_URL=http://127.0.0.1:${request.flags.port}\n`);
  });
});
