/*
 * Goal: the lock works between real processes: a second run is told of the first, a killed holder is taken over at once
 * on the same host, and unlock takes the lock away from one that is at work.
 * Method: one fleet on `zero-deploy simulate --serve`, and on it one run after the other as processes of their own.
 */
import { afterAll, describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { cleanUp, runProgram, startProgram } from "./program.ts";
import { endTools, startSimulation } from "./simulation.ts";

afterAll(async () => {
  await endTools();
  await cleanUp();
});

describe("the lock of a target group", () => {
  it("is one process's at a time", async () => {
    const simulation = await startSimulation("--instances", "2");
    const { folder, environment } = simulation;
    const options = { folder, env: { ...environment, BUILD_URL: "https://ci.example/job/7/" } };
    const start = (...flags: string[]) => startProgram([IMAGES.good, ...flags], options);

    const first = start();
    await first.line(/Rolling update started/);
    const second = await start().end;
    expect(second).toMatchObject({ exitCode: 1, stderr: "" });
    expect(second.stdout).toMatch(/Another rollout of target group \S+ is under way; nothing was/);
    const holder = `process ${first.process.pid}@\\d+ on host \\S+, AMI ${IMAGES.good}`;
    expect(second.stdout).toMatch(
      new RegExp(`${holder}, build https://ci\\.example/job/7/, since`),
    );

    first.process.kill("SIGKILL");
    await first.end;
    const third = start("--output", "json");
    await third.line(new RegExp(`Taking over .*, as its process has ended: ${holder}`));
    await third.line(/Rolling update started/);

    const unlocked = await runProgram(["unlock"], options);
    expect(unlocked).toMatchObject({ exitCode: 0, stderr: "" });
    expect(unlocked.stdout).toContain("which was locked by:");
    expect(unlocked.stdout).toContain(`process ${third.process.pid}@`);
    const end = await third.end;
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    expect(end.stdout).toContain('"code":"LockLost"');

    const again = await runProgram(["unlock", "--output", "json"], options);
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    expect(again.stdout).toContain("was not locked");
    const { last } = await simulation.stop();
    expect(last).toMatchObject({ event: "report", failed: 0, violations: [] });
    // A minute of it is waited until all shows that the killed one did.
  }, 240_000);
});
