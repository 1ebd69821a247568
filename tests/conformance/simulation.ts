import { type ChildProcess, execFile, spawnSync } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { TestContext } from "vitest";
import { newFolder, type ProgramEnd, startProgram } from "./program.ts";

/** The port on which the applications of a simulated fleet listen. */
export const SERVING_PORT = 8080;

/** What the config.json of a simulation says. */
export interface SimulationConfig {
  readonly region: string;
  readonly "ssh-key": string;
  readonly "security-group-id": readonly string[];
  readonly "instance-type": string;
  readonly "target-group": { readonly arn: string };
  readonly loadbalancer: { readonly arn: string };
}

/** One line of what a simulation says with `--output json`. */
export interface SimulationEvent {
  /** In simulated time. */
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly [detail: string]: unknown;
}

/** What a simulation leaves behind: its last line is its verdict. */
export interface SimulationEnd extends ProgramEnd {
  readonly last: SimulationEvent;
}

/** How the AWS CLI shows that AWS refuses a request. */
export interface Refusal {
  readonly code: string;
  readonly action: string;
  readonly message: string;
}

/** What a tool left behind. */
export interface ToolEnd {
  /** Undefined when it was killed. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A simulated AWS that the built program keeps up in a process of its own, and the tools that work with it. */
export interface Simulation {
  /** Where its load balancer takes requests. */
  readonly loadBalancer: string;
  /** Where its API takes requests. */
  readonly endpoint: string;
  /** What a client needs in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Where it wrote its config.json. */
  readonly folder: string;
  readonly config: SimulationConfig;
  /** Runs the AWS CLI and reads its JSON; words are apart by one space. Rejects when the CLI fails. */
  aws<T = unknown>(command: string): Promise<T>;
  /** Runs the AWS CLI, which must fail for what AWS answers. */
  awsRefuses(command: string): Promise<Refusal>;
  /** Runs a Python script of this folder where the config.json is. */
  python(script: string, args?: readonly string[]): Promise<ToolEnd>;
  /** The first line it says, now or later, whose message this is. */
  said(message: string): Promise<SimulationEvent>;
  /** Interrupts it and waits until it has said its last line. */
  stop(): Promise<SimulationEnd>;
}

/** Far longer than any tool needs, in milliseconds; a script of waiters may take its test's whole time. */
const CLI_LIMIT_MS = 60_000;
const SCRIPT_LIMIT_MS = 150_000;

const tools = new Set<ChildProcess>();
let hasBoto3: boolean | undefined;

/** Whether the AWS CLI is on PATH. */
export const isAwsHere = (process.env.PATH ?? "").split(delimiter).some((folder) => {
  try {
    accessSync(join(folder, "aws"), constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** For `beforeEach`: without the AWS CLI the tests of a file are skipped, and the report says why. */
export function skipWithoutAws({ skip }: Pick<TestContext, "skip">): void {
  skip(!isAwsHere, "aws is not on PATH (pip install awscli)");
}

/** For `beforeEach`: without boto3 the tests of a file are skipped, and the report says why. */
export function skipWithoutBoto3({ skip }: Pick<TestContext, "skip">): void {
  const limits = { timeout: CLI_LIMIT_MS, stdio: "ignore" } as const;
  hasBoto3 ??= spawnSync("python3", ["-c", "import boto3"], limits).status === 0;
  skip(!hasBoto3, "python3 has no boto3 (pip install boto3)");
}

/** Starts `simulate --serve`; resolves once it says where it is. `cleanUp` of program.ts ends what is left of it. */
export async function startSimulation(...options: readonly string[]): Promise<Simulation> {
  const folder = newFolder();
  const args = ["simulate", "--serve", "--port", "0", "--output", "json", ...options];
  const program = startProgram(args, { folder });
  const { loadBalancer } = parse(await program.line(/"loadBalancer":/));
  const { endpoint, environment } = parse(await program.line(/"environment":/));
  const config: SimulationConfig = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  const variables = environment as Record<string, string>;
  const toolsEnvironment = {
    PATH: process.env.PATH,
    HOME: newFolder(),
    AWS_EC2_METADATA_DISABLED: "true",
    AWS_PAGER: "",
    ...variables,
  };
  const runCli = (command: string) =>
    runTool("aws", command.split(" "), { env: toolsEnvironment, timeout: CLI_LIMIT_MS });
  return {
    loadBalancer: String(loadBalancer),
    endpoint: String(endpoint),
    environment: variables,
    folder,
    config,
    async aws(command) {
      const { exitCode, stdout, stderr } = await runCli(command);
      if (exitCode === 0) return stdout.trim() === "" ? undefined : JSON.parse(stdout);
      throw new Error(`aws ${command} ended with ${exitCode}:\n${stdout}${stderr}`);
    },
    async awsRefuses(command) {
      const { exitCode, stdout, stderr } = await runCli(command);
      const said = /An error occurred \((\S+)\) when calling the (\w+) operation: (.*)/.exec(
        stderr,
      );
      if (exitCode === 0 || said === null) {
        throw new Error(`aws ${command} was not refused but ended with ${exitCode}:\n${stdout}`);
      }
      const [, code = "", action = "", message = ""] = said;
      return { code, action, message };
    },
    python(script, rest = []) {
      const file = join(import.meta.dirname, script);
      const limits = { env: toolsEnvironment, cwd: folder, timeout: SCRIPT_LIMIT_MS };
      return runTool("python3", [file, ...rest], limits);
    },
    async said(message) {
      return parse(await program.line(new RegExp(`"message":"${literally(message)}"`)));
    },
    async stop() {
      program.process.kill("SIGINT");
      const end = await program.end;
      return { ...end, last: lastEvent(end) };
    },
  };
}

/** The last line of a program that was run with `--output json`. */
export function lastEvent({ stdout, stderr }: ProgramEnd): SimulationEvent {
  const line = stdout.trimEnd().split("\n").at(-1);
  if (!line?.startsWith("{")) throw new Error(`no event was the last line:\n${stdout}${stderr}`);
  return parse(line);
}

/** From one question to the next, in milliseconds: the others need the processor too. */
const PAUSE_MS = 200;

/** Asks again until an answer is as wanted, at most so many times. */
export async function until<T>(
  ask: () => Promise<T>,
  isWanted: (answer: T) => boolean,
  times = 150,
): Promise<T> {
  let answer = await ask();
  for (let asked = 1; !isWanted(answer); asked += 1) {
    if (asked === times) throw new Error(`still ${JSON.stringify(answer)} after ${times} times`);
    await setTimeout(PAUSE_MS);
    answer = await ask();
  }
  return answer;
}

/** For `afterAll`: ends the tools a failed test has left running. */
export async function endTools(): Promise<void> {
  const ends = [...tools].map((tool) => new Promise((ended) => tool.once("close", ended)));
  for (const tool of tools) tool.kill("SIGKILL");
  await Promise.all(ends);
}

function runTool(
  file: string,
  args: readonly string[],
  options: Parameters<typeof execFile>[2] & object,
): Promise<ToolEnd> {
  return new Promise((done, failed) => {
    const limits = { ...options, encoding: "utf8", killSignal: "SIGKILL" } as const;
    const tool = execFile(file, args, limits, (error, stdout, stderr) => {
      tools.delete(tool);
      if (error !== null && tool.exitCode === null && tool.signalCode === null) failed(error);
      else done({ exitCode: tool.exitCode ?? undefined, stdout, stderr });
    });
    tools.add(tool);
  });
}

function parse(line: string): SimulationEvent {
  return JSON.parse(line);
}

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
