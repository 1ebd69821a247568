/*
 * Goal: `zero-deploy simulate` as it is published says by its exit code and its last line whether requests were lost,
 * and leaves nothing behind that is not its own.
 * Method: the built program runs in a process of its own, in an empty folder and an empty environment.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { listenOnLoopback } from "./loopback.ts";
import { cleanUp, newFolder, type ProgramEnd, runProgram, startProgram } from "./program.ts";
import { lastEvent } from "./simulation.ts";

/** A fleet of one, told of as JSON. */
const simulate = ["simulate", "--instances", "1", "--output", "json"];

afterAll(cleanUp);

describe.concurrent("simulate", () => {
  it("rolls a fleet without losing a request", async () => {
    const folder = newFolder();
    const end = await runProgram(simulate, { folder });
    expect(end).toMatchObject({ exitCode: 0, stderr: "" });
    expect(lastEvent(end)).toMatchObject({
      event: "report",
      message: "No request was lost",
      failed: 0,
      failures: {},
      launched: 1,
      inServiceAtStart: 1,
      lowestInService: 1,
      violations: [],
    });
    expect(lastEvent(end).sent).toBeGreaterThan(100);
    expect(eventsOf(end)).toContain("completed");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("loses requests when it is naive, and fails", async () => {
    const end = await runProgram([...simulate, "--naive"]);
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(lastEvent(end)).toMatchObject({
      level: "error",
      event: "error",
      code: "RequestsLost",
      launched: 1,
      violations: [{ rule: "terminated-in-service" }],
    });
    expect(lastEvent(end).failed).toBeGreaterThan(0);
  });

  it("leaves the old fleet in service when instances of the new AMI die", async () => {
    const end = await runProgram([...simulate, "--ami", "dies"]);
    expect(end).toMatchObject({ exitCode: 0, stderr: "" });
    expect(end.stdout).toMatch(/"code":"ReplacementFailed".*Client\.VolumeLimitExceeded/);
    expect(lastEvent(end)).toMatchObject({
      event: "report",
      failed: 0,
      launched: 1,
      lowestInService: 1,
      violations: [],
    });
  });

  it("ends orderly when it is interrupted, and has lost nothing", async () => {
    const program = startProgram(simulate);
    await program.line(/"event":"register"/);
    program.process.kill("SIGINT");
    const end = await program.end;
    expect(end).toMatchObject({ exitCode: 130, stderr: "" });
    expect(eventsOf(end)).not.toContain("completed");
    expect(end.stdout).toContain('"code":"Interrupted"');
    expect(lastEvent(end)).toMatchObject({ event: "report", failed: 0, lowestInService: 1 });
  });

  it.each([
    ["a fleet of none", ["--instances", "0"]],
    ["a speed that no clock keeps", ["--speed", "121"]],
    ["an unknown AMI", ["--ami", "better"]],
    ["an AMI id", ["ami-0123456789abcdef0"]],
    ["a port that is none", ["--serve", "--port", "65536"]],
    ["to serve what it rolls itself", ["--serve", "--ami", "dies"]],
  ])("refuses %s and says why", async (_, args) => {
    const folder = newFolder();
    const end = await runProgram(["simulate", ...args], { folder });
    expect(end).toMatchObject({ exitCode: 1, stdout: "" });
    expect(end.stderr).toMatch(/^error: .*\n/);
    expect(end.stderr).toContain("zero-deploy simulate --help");
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.concurrent("simulate --serve", () => {
  const serve = ["simulate", "--serve", "--output", "json"];

  it.each([["SIGINT"], ["SIGTERM"]] as const)(
    "ends with %s, having served and lost nothing",
    async (signal) => {
      const folder = newFolder();
      const program = startProgram([...serve, "--port", "0", "--config", "mine.json"], { folder });
      const line = await program.line(/"environment":/);
      expect(JSON.parse(line)).toMatchObject({
        event: "simulation",
        config: "mine.json",
        environment: { AWS_ENDPOINT_URL: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) },
      });
      expect(readdirSync(folder)).toEqual(["mine.json"]);
      program.process.kill(signal);
      const end = await program.end;
      expect(end).toMatchObject({ exitCode: 0, stderr: "" });
      expect(lastEvent(end)).toMatchObject({ event: "report", failed: 0, launched: 0 });
    },
  );

  it("says that its port is taken", async () => {
    const other = await listenOnLoopback(createServer());
    try {
      const folder = newFolder();
      const { port } = new URL(other.url);
      const end = await runProgram([...serve, "--port", port], { folder });
      expect(end).toMatchObject({ exitCode: 1, stderr: "" });
      expect(lastEvent(end)).toMatchObject({
        level: "error",
        code: "SimulationFailed",
        message: expect.stringMatching(
          new RegExp(`^port ${port} cannot be served: it is taken$`, "i"),
        ),
        hint: expect.stringContaining("--port"),
      });
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it("leaves alone a configuration that is not its own", async () => {
    const folder = newFolder();
    const file = join(folder, "config.json");
    const theirs = '{"region": "eu-west-1"}\n';
    writeFileSync(file, theirs);
    const end = await runProgram([...serve, "--port", "0"], { folder });
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(lastEvent(end)).toMatchObject({
      level: "error",
      code: "SimulationFailed",
      message: "config.json cannot be written: it is there already and is not of this simulation",
      hint: expect.stringContaining("--config"),
    });
    expect(readFileSync(file, "utf8")).toBe(theirs);
  });

  it("takes up again the configuration that it wrote itself", async () => {
    const folder = newFolder();
    const written: string[] = [];
    for (const _ of ["first", "second"]) {
      const program = startProgram([...serve, "--port", "0"], { folder });
      await program.line(/"environment":/);
      written.push(readFileSync(join(folder, "config.json"), "utf8"));
      program.process.kill("SIGINT");
      expect(await program.end).toMatchObject({ exitCode: 0, stderr: "" });
    }
    expect(written[1]).toBe(written[0]);
  });
});

function eventsOf({ stdout }: ProgramEnd): unknown[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).event);
}
