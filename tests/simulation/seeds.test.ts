// Goal: the simulation of seeds can be trusted: a seed is always the same rollout, the short way through the SDK changes
// nothing, and a seed that fails says how to see it again. Method: whole seeds, twice; and the command as it is run.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleSeeds } from "../../scripts/bundle-seeds.js";
import { play } from "./seeds/play.ts";
import { drawScenario } from "./seeds/scenario.ts";

const seeds = Array.from({ length: 12 }, (_, index) => 1000 + index);

describe("a seed", () => {
  it.each(seeds)("does the same each time: %i", async (seed) => {
    const [first, second] = [
      await play(seed, { isTraced: true }),
      await play(seed, { isTraced: true }),
    ];
    expect(first.trace.lines.length).toBeGreaterThan(50);
    expect(second.trace.lines).toEqual(first.trace.lines);
    expect(first.violations).toEqual([]);
  });

  it("does the same whether or not it is traced", async () => {
    for (const seed of seeds.slice(0, 3)) {
      const [traced, plain] = [await play(seed, { isTraced: true }), await play(seed)];
      expect([...plain.tally.counts]).toEqual([...traced.tally.counts]);
      expect(plain.trace.lines).toEqual([]);
    }
  });

  it("draws another rollout than the next", () => {
    const drawn = seeds.map((seed) => JSON.stringify({ ...drawScenario(seed), seed: 0 }));
    expect(new Set(drawn).size).toBe(seeds.length);
  });
});

describe("the short way through the SDK", () => {
  // Of reads that are made at once the SDK sends one or the other first: nothing drawn may depend on which.
  const comparable = Array.from({ length: 100 }, (_, index) => 2000 + index).filter((seed) =>
    drawScenario(seed).runs.every(
      ({ isBeside, ending, travelMs, troubles }) =>
        !isBeside &&
        travelMs === 0 &&
        troubles.every(({ kind, minimumMs }) => kind !== "slow" && minimumMs === 0) &&
        // The SDK makes something else of the end of the process.
        (ending.kind === "none" || (ending.kind === "signalled" && ending.at.of === "changes")),
    ),
  );

  it.each(comparable.slice(0, 12))("does what the whole way does: seed %i", async (seed) => {
    const short = await play(seed, { isTraced: true });
    const whole = await play(seed, { isTraced: true, isWhole: true });
    expect(whole.trace.short).toEqual(short.trace.short);
    expect(whole.trace.lines.toSorted()).toEqual(short.trace.lines.toSorted());
  });
});

describe("npm run simulate-seeds", () => {
  const folder = mkdtempSync(join(tmpdir(), "seeds-test-"));
  const file = join(folder, "seeds.mjs");
  beforeAll(() => bundleSeeds(process.cwd(), file));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const start = (...args: string[]) =>
    spawnSync(process.execPath, [file, ...args], { encoding: "utf8", timeout: 60_000 });

  it("says how many were played, how fast, and what occurred how often", () => {
    const { stdout, status } = start("--seed", "1", "--count", "4");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^Seeds 1 to 4\n/);
    expect(stdout).toMatch(
      /4 of 4 seeds, \d+ rollouts, \d+ requests, [\d.]+ rollouts\/s on \d+ cores, 0 failed/,
    );
    expect(stdout).toMatch(/ {2}event: .*completed \d+/);
    expect(stdout).toContain("Did not occur in so few seeds: ");
  });

  it("takes a commit hash, and traces everything", () => {
    const { stdout, status } = start(
      "--seed",
      "00000003e8aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "--trace",
    );
    expect(status).toBe(0);
    expect(stdout).toContain("Seeds 1000 to 1000\n");
    expect(stdout).toMatch(/ s {2}run-1 RunInstances /);
  });

  it.each([["--seed", "none"], ["--count", "0"], ["--jobs", "two"], ["4711"]])(
    "refuses what it does not understand: %s %s",
    (...args) => {
      const { stdout, stderr, status } = start(...args.filter((arg) => arg !== undefined));
      expect([stdout, status]).toEqual(["", 1]);
      expect(stderr).toMatch(/^error: /);
    },
  );
});
