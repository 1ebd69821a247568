import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "vitest";

/** A moto server: somebody else's imitation of AWS. */
export interface Moto {
  readonly url: string;
  stop(): Promise<void>;
}

/** For `beforeEach`: without moto the tests of a file are skipped, and the report says why. */
export function skipWithoutMoto({ skip }: Pick<TestContext, "skip">): void {
  skip(!isMotoHere, "moto_server is not on PATH (pip install 'moto[server]')");
}

/** Whether `moto_server` is on PATH. */
export const isMotoHere = (process.env.PATH ?? "").split(delimiter).some((folder) => {
  try {
    accessSync(join(folder, "moto_server"), constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** Starts a moto server on a free loopback port; resolves once it listens. */
export function startMoto(): Promise<Moto> {
  const child = spawn("moto_server", ["--host", "127.0.0.1", "--port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise<void>((done) => child.on("close", () => done()));
  let said = "";
  return new Promise((started, failed) => {
    child.on("error", failed);
    child.on("exit", (code) => failed(new Error(`moto_server ended with ${code}:\n${said}`)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      // Every request is a line of its log, which is read so that it never blocks, and else of no use.
      if (said.length < 10_000) said += text;
      const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (url === undefined) return;
      started({
        url,
        stop: () => {
          child.kill();
          return ended;
        },
      });
    });
  });
}
