import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  cleanUp,
  newFolder,
  type ProgramEnd,
  runProgram,
  startProgram,
} from "./conformance/program.ts";

const ami = "ami-0123456789abcdef0";
const root = resolve(import.meta.dirname, "..");
const example: Record<string, unknown> = JSON.parse(
  readFileSync(join(root, "config.json"), "utf8"),
);

afterAll(cleanUp);

describe("what needs no configuration", () => {
  it("--version prints the package's version", async () => {
    const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const end = await runProgram(["--version"]);
    expect(end).toMatchObject({ exitCode: 0, stdout: `${version}\n`, stderr: "" });
  });

  it("--help shows every flag with its default, examples and exit codes", async () => {
    const { exitCode, stdout, stderr } = await runProgram(["--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain("Usage: zero-deploy [options] <ami>");
    const text = stdout.replaceAll(/\s+/g, " ");
    expect(text).toMatch(/-c, --config <file> [^-]*\(default: "config.json"\)/);
    expect(text).toMatch(/--max-surge <count> [^-]*\(default: 1\)/);
    expect(text).toMatch(/--waiting-period <seconds> [^-]*\(default: 400\)/);
    expect(text).toMatch(/--bake-time <seconds> [^-]*\(default: 0\)/);
    expect(text).toMatch(/--output <format> [^-]*"text", "json"/);
    expect(text).toMatch(/--dry-run .*--detailed-exitcode .*--allow-unhealthy /);
    expect(text).toMatch(/--lock-wait <seconds> [^-]*\(default: 0\)/);
    expect(text).toMatch(/--version .*--help /);
    expect(text).toMatch(/zero-deploy simulate \[options\].*Commands: simulate \[options\] try it/);
    expect(text).toContain(`Examples: $ zero-deploy simulate $ zero-deploy ${ami} --dry-run $`);
    expect(text).toMatch(
      /0 done, or nothing to do 1 failed 2 with --detailed-exitcode: .*130, 143 .*SIGINT, SIGTERM/,
    );
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  it("simulate --help shows every flag with its default, examples and exit codes", async () => {
    const { exitCode, stdout, stderr } = await runProgram(["simulate", "--help"]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const text = stdout.replaceAll(/\s+/g, " ");
    for (const [flag, value] of [
      ["--instances <count>", "3"],
      ["--max-surge <count>", "1"],
      ["--speed <factor>", "60"],
      ["--deregistration-delay <seconds>", "120"],
      ["--seed <number>", "1"],
      ["--port <number>", "4580"],
      ["-c, --config <file>", '"config.json"'],
    ]) {
      const at = text.indexOf(`${flag} `);
      expect(text.slice(at, at + 140), flag).toMatch(`(default: ${value})`);
    }
    expect(text).toContain('"good", "never-healthy", "dies", "impaired", "flaky", "slow"');
    expect(text).toMatch(/--naive .*--serve .*Examples: \$ zero-deploy simulate /);
    expect(widest(stdout)).toBeLessThanOrEqual(80);
  });

  it.each([
    ["no arguments", [], "missing required argument 'ami'"],
    ["an AMI id of another kind", ["i-0123456789abcdef0"], "'i-0123456789abcdef0' is invalid"],
    ["an AMI's name", ["my-app-1.0.0"], "It should be an AMI id such as ami-"],
    ["two AMIs", [ami, ami], "too many arguments"],
    ["an unknown flag", [ami, "--max-surges", "2"], "(Did you mean --max-surge?)"],
    ["a flag without its value", [ami, "--config"], "argument missing"],
    ["an exit code of a plan there is none of", [ami, "--detailed-exitcode"], "'--dry-run' only"],
    ["a wait that is none", [ami, "--lock-wait", "soon"], "a whole number from 0 to 86400"],
    ["an unknown output", [ami, "--output", "xml"], "Allowed choices are text, json"],
    ["a mistyped command", ["simulat"], 'such as ami-0123456789abcdef0, or "simulate"'],
    ["simulate with an AMI", ["simulate", ami], "too many arguments for 'simulate'"],
    ["a fleet of none", ["simulate", "--instances", "0"], "a whole number from 1 to 50"],
    ["a fraction", ["simulate", "--speed", "1.5"], "a whole number from 1 to 120"],
    ["an unknown kind of AMI", ["simulate", "--ami", "bad"], "Allowed choices are good, never-"],
    ["a delay AWS does not allow", ["simulate", "--deregistration-delay", "3601"], "0 to 3600"],
    [
      "to serve naively",
      ["simulate", "--serve", "--naive"],
      "cannot be used with option '--naive'",
    ],
    ["a configuration to simulate", ["simulate", "--config", "x.json"], "with '--serve' only"],
    ["a surge done naively", ["simulate", "--naive", "--max-surge", "2"], "cannot be used with"],
    ["a flag before simulate", ["--output", "json", "simulate"], 'must come after "simulate"'],
  ])("%s is refused and leads to --help", async (_, args, said) => {
    const end = await runProgram(args);
    expect(end).toMatchObject({ exitCode: 1, stdout: "" });
    expect(end.stderr).toContain(said);
    expect(end.stderr).toContain("--help");
    expectBrief(end);
  });
});

describe("the configuration file", () => {
  it("that does not exist is named, with what to do", async () => {
    const end = await runProgram([ami, "--config", "production.json"]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(end.stdout).toMatch(/production\.json does not exist\n.*--config <file>/);
    expectBrief(end);
  });

  it("that is a folder is refused", async () => {
    const folder = newFolder();
    mkdirSync(join(folder, "config.json"));
    const end = await runProgram([ami], { folder });
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(end.stdout).toContain("config.json cannot be read");
    expectBrief(end);
  });

  it.each([
    ["is not JSON", '{"region": "eu-west-1",}', "config.json is not JSON: "],
    ["is empty", "", "config.json is not JSON: "],
    ["is a list", "[]", "the file: is []; should be"],
  ])("that %s is refused", async (_, source, said) => {
    const end = await runProgram([ami], { folder: folderWith(source) });
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(end.stdout).toContain(said);
    expect(end.stdout).toContain("nothing was changed");
    expectBrief(end);
  });

  it("with several mistakes shows all of them, each with path, value and mend", async () => {
    const { version: _, loadbalancer, ...rest } = example;
    const folder = folderWith({
      ...rest,
      region: "Ireland",
      "ssh-key": "",
      "security-group-id": ["sg-0123456789abcdef0", "my-group"],
      "target-group": { arn: "my-targets" },
      loadbalancers: loadbalancer,
      "max-surge": 0,
    });
    const end = await runProgram([ami], { folder });
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(problemsOf(end)).toEqual([
      expect.stringMatching(/^region: is "Ireland"; should be a region such as "eu-west-1"$/),
      expect.stringMatching(/^ssh-key: is ""; should be the name of an EC2 key pair, not empty$/),
      expect.stringMatching(/^security-group-id\[1\]: is "my-group"; should be a security group/),
      expect.stringMatching(/^target-group\.arn: is "my-targets"; should be the ARN of a target/),
      expect.stringMatching(/^loadbalancer: is missing; should be /),
      expect.stringMatching(/^version: is missing; should be the version to deploy/),
      expect.stringMatching(/^max-surge: is 0; should be a whole number from 1 to 1000$/),
      expect.stringMatching(/^loadbalancers: is not a known key; did you mean "loadbalancer"\?$/),
    ]);
    expect(end.stdout).toContain("nothing was changed");
    expectBrief(end);
  });

  it("whose ARNs are of another region is refused", async () => {
    const end = await runProgram([ami], {
      folder: folderWith({ ...example, region: "us-east-1" }),
    });
    expect(end.exitCode).toBe(1);
    expect(problemsOf(end)).toEqual([
      expect.stringMatching(/^target-group\.arn: is in region "eu-west-1" but .* "us-east-1"/),
      expect.stringMatching(/^loadbalancer\.arn: is in region "eu-west-1" but .* "us-east-1"/),
    ]);
    expectBrief(end);
  });

  it("with a value of any size is not printed in full", async () => {
    const folder = folderWith({ ...example, region: "x".repeat(100_000) });
    const end = await runProgram([ami], { folder });
    expect(end.exitCode).toBe(1);
    expect(end.stdout).toContain('region: is "xxxx');
    expectBrief(end);
  });

  it("of an earlier tool is accepted, with a notice for each key that means nothing", async () => {
    const folder = folderWith({
      ...example,
      "launch-configuration-name": "my-launch-configuration",
      "autoscaling-group_name": "my-group",
    });
    const end = await runProgram([ami], { folder });
    expect(end.stdout).toContain('config.json: "launch-configuration-name" is not used');
    expect(end.stdout).toContain('config.json: "autoscaling-group_name" is not used');
    // Past the configuration, what stops this run is that there are no credentials.
    expectNoCredentials(end);
  });

  it("as shipped, with its $schema, is valid and without notice", async () => {
    const end = await runProgram([ami], { folder: folderWith(example) });
    expect(end.stdout).not.toContain("config.json");
    expectNoCredentials(end);
  });
});

describe("flags", () => {
  it("win over the file", async () => {
    const folder = folderWith({
      ...example,
      "max-surge": 0,
      "waiting-period": "long",
      "bake-time": -1,
    });
    const flags = ["--max-surge", "2", "--waiting-period", "600", "--bake-time", "0"];
    expect(problemsOf(await runProgram([ami], { folder }))).toHaveLength(3);
    expectNoCredentials(await runProgram([ami, ...flags], { folder }));
  });

  it("with a wrong value are named as they were given", async () => {
    const folder = folderWith({ ...example, "max-surge": 2 });
    const flags = ["--max-surge", "0", "--waiting-period", "1.5", "--bake-time", "soon"];
    const end = await runProgram([ami, ...flags], { folder });
    expect(end.exitCode).toBe(1);
    expect(problemsOf(end).sort()).toEqual([
      expect.stringMatching(/^--bake-time: is "soon"; should be a whole number of seconds/),
      expect.stringMatching(/^--max-surge: is 0; should be a whole number from 1 to 1000$/),
      expect.stringMatching(/^--waiting-period: is 1\.5; should be a whole number of seconds/),
    ]);
    expectBrief(end);
  });

  it("with a value that is empty are refused", async () => {
    const end = await runProgram([ami, "--max-surge", ""], { folder: folderWith(example) });
    expect(end.exitCode).toBe(1);
    expect(problemsOf(end)).toEqual([expect.stringMatching(/^--max-surge: is ""; should be/)]);
  });

  it("--output json makes an error one line of JSON", async () => {
    const folder = folderWith({ ...example, region: "Ireland", "max-surge": 0 });
    const end = await runProgram([ami, "--output", "json"], { folder });
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(JSON.parse(end.stdout)).toMatchObject({
      level: "error",
      event: "error",
      code: "ConfigInvalid",
      message: "config.json is not a valid configuration",
      problems: [expect.stringMatching(/^region: /), expect.stringMatching(/^max-surge: /)],
    });
  });
});

describe("output", () => {
  /** Makes the program take its pipe for a terminal. */
  const terminal = {
    NODE_OPTIONS: "--import=data:text/javascript,process.stdout.isTTY=true",
    TERM: "xterm",
  };
  const escapeCode = "\u001B[";

  it.each([
    ["is coloured on a terminal", terminal, true],
    ["is plain with NO_COLOR", { ...terminal, NO_COLOR: "1" }, false],
    ["is plain on a dumb terminal", { ...terminal, TERM: "dumb" }, false],
    ["is plain in a pipe", {}, false],
  ])("%s", async (_, env, isColoured) => {
    const end = await runProgram([ami], { env });
    expect(end.stdout).toContain("config.json does not exist");
    expect(end.stdout.includes(escapeCode)).toBe(isColoured);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
  });

  it.each([
    ["help", ["--help"], 0],
    ["the version", ["--version"], 0],
    ["an error", [ami], 1],
    ["an error in JSON", [ami, "--output", "json"], 1],
  ])("%s that nobody reads any more is no crash", async (_, args, exitCode) => {
    const program = startProgram(args);
    program.process.stdout?.destroy();
    expect(await program.end).toMatchObject({ exitCode, stderr: "" });
  });
});

describe("started by npx", () => {
  it("stops when the shell in between is killed, which is all that it sees of the signal", async () => {
    const program = startProgram([ami], {
      isThroughShell: true,
      folder: folderWith(example),
      env: {
        npm_command: "exec",
        AWS_ENDPOINT_URL: "http://127.0.0.1:1",
        AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
        AWS_SECRET_ACCESS_KEY: "secret",
      },
    });
    await program.line(/AWS does not answer/);
    program.process.kill("SIGTERM");
    const { stdout } = await program.end;
    expect(stdout).toContain("Interrupted before the first change; nothing was changed");
  });
});

/** A folder with a config.json. */
function folderWith(config: string | Readonly<Record<string, unknown>>): string {
  const folder = newFolder();
  const source = typeof config === "string" ? config : JSON.stringify(config);
  writeFileSync(join(folder, "config.json"), source);
  return folder;
}

/** The problems listed under an error, without their bullets. */
function problemsOf({ stdout }: ProgramEnd): string[] {
  return stdout.split("\n").flatMap((line) => /^ {2}- (.*)$/.exec(line)?.[1] ?? []);
}

/** What a user can cause is told in a few lines, never as a stack trace. */
function expectBrief({ stdout, stderr }: ProgramEnd): void {
  const text = stdout + stderr;
  expect(text).not.toMatch(/^\s+at .*:\d+/m);
  expect(text).not.toContain("This is a bug");
  expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(12);
  expect(widest(text)).toBeLessThanOrEqual(300);
}

function expectNoCredentials(end: ProgramEnd): void {
  expect(end).toMatchObject({ exitCode: 1, stderr: "" });
  expect(end.stdout).toMatch(/credentials/i);
  expectBrief(end);
}

function widest(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}
