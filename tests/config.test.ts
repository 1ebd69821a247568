import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type ConfigOverrides, configJsonSchema, parseConfig } from "../src/config.ts";
import { balancerArn, classic, type File, groupArn, problemsOf, refusalOf } from "./config-file.ts";

const example = JSON.parse(readFileSync(new URL("../config.json", import.meta.url), "utf8"));

function parse(changes: File = {}, overrides: ConfigOverrides = {}) {
  return parseConfig(JSON.stringify({ ...classic, ...changes }), "config.json", overrides);
}

describe("a valid file", () => {
  test("says what to launch and where; everything else has its default", () => {
    expect(parse()).toEqual({
      config: {
        region: "eu-west-1",
        keyName: "deployment",
        securityGroupIds: ["sg-0123456789abcdef0", "sg-12345678"],
        instanceType: "t3.micro",
        targetGroupArn: groupArn,
        loadBalancerArn: balancerArn,
        version: "shop-1.2.3",
        maxSurge: 1,
        waitingPeriodSeconds: 400,
        bakeTimeSeconds: 0,
        subnetIds: [],
        tags: {},
        liftTerminationProtection: false,
        discardExtraVolumes: false,
        discardExtraAddresses: false,
        lock: true,
      },
      notices: [],
    });
  });

  test("may set every optional key", () => {
    const optional = {
      "max-surge": 3,
      "waiting-period": 900,
      "bake-time": 60,
      "subnet-ids": ["subnet-0123456789abcdef0", "subnet-12345678"],
      tags: { Team: "payments", Empty: "" },
    };
    expect(parse(optional).config).toMatchObject({
      maxSurge: 3,
      waitingPeriodSeconds: 900,
      bakeTimeSeconds: 60,
      subnetIds: ["subnet-0123456789abcdef0", "subnet-12345678"],
      tags: { Team: "payments", Empty: "" },
    });
  });

  test("is the example that ships with the program", () => {
    const { config, notices } = parseConfig(JSON.stringify(example), "config.json");
    expect(config.region).toBe(example.region);
    expect(notices).toEqual([]);
  });

  test("may begin with the byte order mark that some editors write", () => {
    const { config } = parseConfig(`\uFEFF${JSON.stringify(classic)}`, "config.json");
    expect(config.keyName).toBe("deployment");
  });

  test.each([
    ["us-gov-west-1", "aws-us-gov"],
    ["cn-north-1", "aws-cn"],
    ["ap-southeast-2", "aws"],
  ])("may be for %s, whose ARNs begin with arn:%s", (region, partition) => {
    const arn = `arn:${partition}:elasticloadbalancing:${region}:123456789012`;
    const { config } = parse({
      region,
      "target-group": { arn: `${arn}:targetgroup/web/0123456789abcdef` },
      loadbalancer: { arn: `${arn}:loadbalancer/app/web/0123456789abcdef` },
    });
    expect(config).toMatchObject({
      region,
      targetGroupArn: `${arn}:targetgroup/web/0123456789abcdef`,
    });
  });

  test("may name a network load balancer", () => {
    const arn = balancerArn.replace("/app/", "/net/");
    expect(parse({ loadbalancer: { arn } }).config.loadBalancerArn).toBe(arn);
  });

  test("that names a security group or a subnet twice means it once", () => {
    const { config } = parse({
      "security-group-id": ["sg-12345678", "sg-12345678"],
      "subnet-ids": ["subnet-12345678", "subnet-12345678"],
    });
    expect(config.securityGroupIds).toEqual(["sg-12345678"]);
    expect(config.subnetIds).toEqual(["subnet-12345678"]);
  });

  test.each(["launch-configuration-name", "autoscaling-group_name"])(
    "may hold the old key %s, of which its user is told",
    (key) => {
      const { config, notices } = parse({ [key]: "left from before" });
      expect(config).toEqual(parse().config);
      expect(notices).toEqual([expect.stringMatching(`config.json.*"${key}"`)]);
    },
  );

  test("may hold both old keys, with a notice each", () => {
    const old = { "launch-configuration-name": "a", "autoscaling-group_name": { b: 1 } };
    expect(parse(old).notices).toHaveLength(2);
  });
});

describe("a flag", () => {
  test("wins over the file", () => {
    const file = { "max-surge": 3, "waiting-period": 900, "bake-time": 60 };
    const flags = { "max-surge": 2, "waiting-period": 500, "bake-time": 0 };
    expect(parse(file, flags).config).toMatchObject({
      maxSurge: 2,
      waitingPeriodSeconds: 500,
      bakeTimeSeconds: 0,
    });
  });

  test("that is not given leaves the file's value alone", () => {
    const flags = { "max-surge": undefined, "bake-time": undefined };
    expect(parse({ "max-surge": 3 }, flags).config).toMatchObject({
      maxSurge: 3,
      bakeTimeSeconds: 0,
    });
  });

  test("wins over a wrong value in the file, too", () => {
    expect(parse({ "max-surge": "many" }, { "max-surge": 2 }).config.maxSurge).toBe(2);
  });

  test("is named as a flag when its value is wrong; a wrong key of the file is not", () => {
    const problems = problemsOf({ "bake-time": -1 }, { "max-surge": "many" });
    expect(problems).toEqual([
      expect.stringMatching(/^--max-surge: is "many"; should be/),
      expect.stringMatching(/^bake-time: is -1; should be/),
    ]);
  });

  test("is not blamed on the file where only flags are wrong", () => {
    const wrongFlag = refusalOf(JSON.stringify(classic), { "max-surge": "many" });
    expect(wrongFlag.message).not.toContain("config.json");
    const wrongBoth = refusalOf(JSON.stringify({ ...classic, version: 1 }), { "bake-time": -1 });
    expect(wrongBoth.message).toContain("config.json");
  });
});

interface Schema {
  properties: Record<string, Schema & { deprecated?: boolean; description?: string }>;
  required: string[];
  additionalProperties: unknown;
}

describe("the JSON Schema for editors", () => {
  const schema = configJsonSchema() as Schema;
  const keys = Object.keys(schema.properties);

  test("asks for the keys that a file has to have, and for no others", () => {
    expect([...schema.required].sort()).toEqual(Object.keys(classic).sort());
    expect(schema.properties["target-group"]?.required).toEqual(["arn"]);
    expect(schema.properties.loadbalancer?.required).toEqual(["arn"]);
  });

  test("knows every key that a file may have, and allows no other", () => {
    expect(keys).toEqual(
      expect.arrayContaining([...Object.keys(classic), ...Object.keys(example)]),
    );
    expect(keys).toEqual(
      expect.arrayContaining(["max-surge", "waiting-period", "bake-time", "subnet-ids", "tags"]),
    );
    expect(schema.additionalProperties).toBe(false);
    // Each of them is one that the program takes: a wrong one would be "not a known key".
    for (const key of keys) {
      const problems = key in classic ? [] : unknownKeysOf({ [key]: null });
      expect(problems, key).toEqual([]);
    }
  });

  test("marks the keys that are ignored", () => {
    const deprecated = keys.filter((key) => schema.properties[key]?.deprecated);
    expect(deprecated).toEqual(["launch-configuration-name", "autoscaling-group_name"]);
  });

  test("tells what each key is for", () => {
    const undescribed = keys.filter((key) => {
      const property = schema.properties[key];
      return !property?.description && !property?.properties?.arn?.description;
    });
    expect(undescribed).toEqual([]);
  });

  const file = new URL("../config.schema.json", import.meta.url);
  test("is the one that ships with the program", (context) => {
    if (!existsSync(file)) context.skip("config.schema.json has not been generated yet");
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(schema);
  });
});

function unknownKeysOf(changes: File): string[] {
  try {
    parse(changes);
    return [];
  } catch {
    return problemsOf(changes).filter((problem) => problem.includes("is not a known key"));
  }
}
