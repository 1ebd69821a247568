import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** The program as it is published. */
const programFile = resolve(import.meta.dirname, "../../dist/zero-deploy.js");

/** What one run of the program left behind. */
export interface ProgramEnd {
  /** As a shell reports it; undefined when the process was killed by a signal it did not handle. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly elapsedMs: number;
}

/** A running program. */
export interface Program {
  readonly process: ChildProcess;
  readonly end: Promise<ProgramEnd>;
  /** Resolves with the first line of stdout that matches; rejects when the program ends without it. */
  line(pattern: RegExp): Promise<string>;
}

/** How a program is started. */
export interface ProgramOptions {
  /** Environment variables beside PATH and an empty HOME; undefined takes one away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly folder?: string;
  /** Through a shell, as npx does it: `process` is the shell then. */
  readonly isThroughShell?: boolean;
}

const running = new Set<ChildProcess>();
const folders: string[] = [];

/** A new empty folder; it is gone after the tests of this file. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "zero-deploy-test-"));
  folders.push(folder);
  return folder;
}

/** Starts the built program in an environment that holds nothing of the machine's own AWS settings. */
export function startProgram(args: readonly string[], options: ProgramOptions = {}): Program {
  if (!existsSync(programFile)) {
    throw new Error("dist/zero-deploy.js is not built; npm run build builds it");
  }
  const startedMs = performance.now();
  const folder = options.folder ?? newFolder();
  const command = [process.execPath, programFile, ...args];
  // With a command after it, the shell does not make way for the program.
  const [file = "", ...rest] = options.isThroughShell
    ? ["sh", "-c", '"$0" "$@"; true', ...command]
    : command;
  const child = spawn(file, rest, {
    cwd: folder,
    env: {
      PATH: process.env.PATH,
      HOME: newFolder(),
      AWS_EC2_METADATA_DISABLED: "true",
      ...options.env,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  let [stdout, stderr] = ["", ""];
  const watchers = new Set<() => void>();
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (const watch of watchers) watch();
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const end = new Promise<ProgramEnd>((done, failed) => {
    child.on("error", failed);
    child.on("close", (code) => {
      running.delete(child);
      const elapsedMs = performance.now() - startedMs;
      done({ exitCode: code ?? undefined, stdout, stderr, elapsedMs });
    });
  });
  return {
    process: child,
    end,
    line: (pattern) =>
      new Promise((found, failed) => {
        const watch = () => {
          const line = stdout.split("\n").find((one) => pattern.test(one));
          if (line === undefined) return;
          watchers.delete(watch);
          found(line);
        };
        watchers.add(watch);
        watch();
        end.then(
          () => failed(new Error(`the program ended without ${pattern}:\n${stdout}${stderr}`)),
          failed,
        );
      }),
  };
}

/** Runs the built program to its end. */
export function runProgram(
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ProgramEnd> {
  return startProgram(args, options).end;
}

/** For `afterAll`: ends what a failed test has left running, and removes all folders. */
export async function cleanUp(): Promise<void> {
  const ends = [...running].map((child) => once(child, "close"));
  for (const child of running) child.kill("SIGKILL");
  await Promise.all(ends);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
