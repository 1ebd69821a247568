import { describe, expect, test } from "vitest";
import { balancerArn, classic, groupArn, problemsOf, refusalOf } from "./config-file.ts";

describe("a required key", () => {
  test.each(Object.keys(classic))("%s cannot be left out", (key) => {
    const [problem, ...others] = problemsOf({ [key]: undefined });
    expect(others).toEqual([]);
    expect(problem).toMatch(new RegExp(`^${key}: is missing; should be .`));
  });

  test.each([
    ["region", ""],
    ["region", "   "],
    ["ssh-key", ""],
    ["ssh-key", " "],
    ["security-group-id", []],
    ["security-group-id", [""]],
    ["instance-type", ""],
    ["target-group", {}],
    ["target-group", { arn: "" }],
    ["loadbalancer", {}],
    ["loadbalancer", { arn: "" }],
    ["version", ""],
    ["version", "\t"],
  ])("%s cannot be empty: %j", (key, value) => {
    const problems = problemsOf({ [key]: value });
    expect(problems).not.toEqual([]);
    expect(problems.filter((problem) => !problem.startsWith(key))).toEqual([]);
  });
});

/** Key, value, how the value found reads in the message, and a part of how to mend it. */
const wrong: [key: string, value: unknown, found: string, mend: string][] = [
  ["region", 7, "7", '"eu-west-1"'],
  ["region", null, "null", '"eu-west-1"'],
  ["region", "Ireland", '"Ireland"', '"eu-west-1"'],
  ["region", "eu-west-1a", '"eu-west-1a"', '"eu-west-1"'],
  ["ssh-key", ["deployment"], '["deployment"]', "the name of an EC2 key pair"],
  ["security-group-id", "sg-12345678", '"sg-12345678"', "a list of security group ids"],
  ["security-group-id", ["web"], '"web"', '"sg-0123456789abcdef0"'],
  ["security-group-id", ["sg-12345678", 5], "5", '"sg-0123456789abcdef0"'],
  ["instance-type", "t3", '"t3"', '"t3.micro"'],
  ["instance-type", "T3.Micro", '"T3.Micro"', '"t3.micro"'],
  ["target-group", groupArn, groupArn.slice(0, 40), '{"arn":'],
  ["target-group", { arn: 1 }, "1", "the ARN of a target group"],
  ["target-group", { arn: balancerArn }, balancerArn.slice(0, 40), "the ARN of a target group"],
  ["target-group", { arn: "web" }, '"web"', ":targetgroup/<name>/<id>"],
  ["loadbalancer", null, "null", '{"arn":'],
  ["loadbalancer", { arn: groupArn }, groupArn.slice(0, 40), "the ARN of a load balancer"],
  ["loadbalancer", { arn: `${balancerArn}/listener` }, "arn:", "loadbalancer/app/<name>/<id>"],
  ["version", 1.2, "1.2", "the version to deploy"],
  ["version", "v".repeat(257), '"vvv', "at most 256 characters"],
  ["max-surge", 0, "0", "a whole number from 1"],
  ["max-surge", 1.5, "1.5", "a whole number from 1"],
  ["max-surge", "2", '"2"', "a whole number from 1"],
  ["waiting-period", 0, "0", "a whole number of seconds from 1"],
  ["waiting-period", "400", '"400"', "a whole number of seconds"],
  ["bake-time", -1, "-1", "a whole number of seconds from 0"],
  ["bake-time", true, "true", "a whole number of seconds"],
  ["subnet-ids", "subnet-12345678", '"subnet-12345678"', "a list of subnet ids"],
  ["subnet-ids", [], "[]", "leave it out"],
  ["subnet-ids", ["sg-12345678"], '"sg-12345678"', '"subnet-0123456789abcdef0"'],
  ["tags", ["Team"], '["Team"]', '{"key": "value"}'],
  ["tags", { Team: 5 }, "5", "a text of at most 256 characters"],
  ["tags", { Team: "t".repeat(257) }, '"ttt', "a text of at most 256 characters"],
  ["tags", { "": "x" }, '"x"', "not be empty"],
  ["tags", { ["k".repeat(129)]: "x" }, '"x"', "at most 128 characters"],
  ["tags", { Name: "x" }, '"x"', '"version"'],
  ["tags", { "aws:team": "x" }, '"x"', '"aws:"'],
  ["tags", { "AWS:team": "x" }, '"x"', '"aws:"'],
  ["tags", { "zero-deploy:spec": "x" }, '"x"', '"zero-deploy:"'],
];

describe("a wrong value", () => {
  test("is one problem, also where it is empty", () => {
    const problems = problemsOf({
      region: "",
      "security-group-id": [""],
      loadbalancer: { arn: "" },
    });
    expect(problems).toHaveLength(3);
  });

  test.each(wrong)("of %s: %j is shown, with how to mend it", (key, value, found, mend) => {
    const [problem = "", ...others] = problemsOf({ [key]: value });
    expect(others).toEqual([]);
    const [path, rest = ""] = problem.split(/: (?=is )/);
    expect(path?.startsWith(key)).toBe(true);
    expect(rest.startsWith(`is ${found}`) || rest.startsWith(`is "${found}`)).toBe(true);
    expect(rest.split("; ").slice(1).join("; ")).toContain(mend);
  });

  test("is cut short where it is long", () => {
    const [problem = ""] = problemsOf({ version: "v".repeat(10_000) });
    expect(problem.length).toBeLessThan(200);
  });

  test("is found by its path as it stands in the file", () => {
    const problems = problemsOf({
      "ssh-key": 1,
      "security-group-id": ["sg-12345678", "web"],
      "target-group": { arn: "web" },
    });
    expect(problems.map((problem) => problem.split(":")[0])).toEqual([
      "ssh-key",
      "security-group-id[1]",
      "target-group.arn",
    ]);
  });
});

describe("an unknown key", () => {
  test.each([
    ["instance_type", "instance-type"],
    ["sshkey", "ssh-key"],
    ["Version", "version"],
    ["target-groups", "target-group"],
    ["security_groups", "security-group-id"],
    ["loadBalancer", "loadbalancer"],
    ["max-surg", "max-surge"],
    ["subnet-id", "subnet-ids"],
  ])("%s is refused; perhaps %s was meant", (key, meant) => {
    const [problem, ...others] = problemsOf({ [key]: "x" });
    expect(others).toEqual([]);
    expect(problem).toBe(`${key}: is not a known key; did you mean "${meant}"?`);
  });

  test.each(["ami", "x", "health-check-grace-period"])(
    "%s that resembles no other is to be removed",
    (key) => {
      const [problem, ...others] = problemsOf({ [key]: 1 });
      expect(others).toEqual([]);
      expect(problem).toBe(`${key}: is not a known key; remove it`);
    },
  );

  test("is found inside a section, too", () => {
    const [group, balancer, ...others] = problemsOf({
      "target-group": { arn: groupArn, ARN: 1 },
      loadbalancer: { arn: balancerArn, arnn: "x" },
    });
    expect(others).toEqual([]);
    expect(group).toMatch(/^target-group\.ARN: is not a known key/);
    expect(balancer).toMatch(/^loadbalancer\.arnn: is not a known key; did you mean "arn"\?/);
  });
});

describe("the region of an ARN", () => {
  test("has to be the one the file is for", () => {
    expect(problemsOf({ region: "eu-west-2" })).toEqual([
      expect.stringMatching(/^target-group\.arn: .*"eu-west-1".*"eu-west-2"/),
      expect.stringMatching(/^loadbalancer\.arn: .*"eu-west-1".*"eu-west-2"/),
    ]);
  });

  test("is checked for each of the two", () => {
    const arn = balancerArn.replace("eu-west-1", "us-east-1");
    expect(problemsOf({ loadbalancer: { arn } })).toEqual([
      expect.stringMatching(/^loadbalancer\.arn: .*"us-east-1".*"eu-west-1"/),
    ]);
  });

  test("is checked even where other keys are wrong: all problems come at once", () => {
    const problems = problemsOf({ region: "eu-west-2", "ssh-key": "" });
    expect(problems.join("\n")).toMatch(/ssh-key.*is ""/);
    expect(problems.join("\n")).toMatch(/loadbalancer\.arn: .*"eu-west-1".*"eu-west-2"/);
  });
});

describe("a tag's key", () => {
  test("is case-sensitive: only Name is the version's, name is the user's own", () => {
    expect(() => problemsOf({ tags: { name: "x" } })).toThrow("the configuration was accepted");
  });
});

describe("a file that cannot be used", () => {
  test("is refused with every problem at once, and with what to do", () => {
    const error = refusalOf(
      JSON.stringify({
        ...classic,
        region: 5,
        "ssh-key": undefined,
        "security-group-id": ["web", "sg-12345678", "db"],
        "target-group": { arn: "web", name: "web" },
        version: "",
        "bake-time": -1,
        tags: { Name: "x", Team: 5 },
        max_surge: 2,
      }),
      { "waiting-period": "long" },
    );
    const keys = ["region", "ssh-key", "0", "2", "arn", "name", "version", "waiting-period"].concat(
      ["bake-time", "Name", "Team", "max_surge"],
    );
    expect(error.problems).toHaveLength(keys.length);
    for (const key of keys) expect(error.problems.join("\n"), key).toContain(key);
    expect(error).toMatchObject({
      code: "ConfigInvalid",
      message: expect.stringContaining("my/config.json"),
      hint: expect.stringMatching(/run it again/),
    });
  });

  test.each(["{", "", "region: eu-west-1", '{"region": "eu-west-1",}'])(
    "is not JSON: %j",
    (text) => {
      expect(refusalOf(text)).toMatchObject({
        code: "ConfigInvalid",
        message: expect.stringMatching(/^my\/config\.json is not JSON: ./),
        hint: expect.stringMatching(/run it again/),
      });
    },
  );

  test("is told to be so in one line, though the reason quotes the file", () => {
    expect(refusalOf('{"a":\nx\n}').message).not.toContain("\n");
  });

  test.each(["[]", "null", '"eu-west-1"', "5"])("is JSON, but no object: %s", (text) => {
    expect(refusalOf(text, { "max-surge": 2 }).problems).toEqual([
      `the file: is ${text}; should be a JSON object`,
    ]);
  });
});
