import { expect, test } from "vitest";
import { createVirtualClock } from "../../src/simulator/clock.ts";

test("sleeping moves time on and runs what is due on the way, in time order", async () => {
  const clock = createVirtualClock(1000);
  const seen: string[] = [];
  clock.at(1300, () => seen.push(`late at ${clock.now()}`));
  clock.at(1100, () => seen.push(`early at ${clock.now()}`));
  clock.at(1300, () => seen.push(`later still at ${clock.now()}`));
  clock.at(2000, () => seen.push("after the sleep"));
  await clock.sleep(500);
  expect(clock.now()).toBe(1500);
  expect(seen).toEqual(["early at 1100", "late at 1300", "later still at 1300"]);
});

test("a time already past runs at the next sleep and does not turn time back", async () => {
  const clock = createVirtualClock(1000);
  await clock.sleep(500);
  const seen: number[] = [];
  clock.at(1200, () => seen.push(clock.now()));
  await clock.sleep(0);
  expect(seen).toEqual([1500]);
});

test("an abort ends a sleep at the time it happens, without an error", async () => {
  const clock = createVirtualClock(0);
  const controller = new AbortController();
  clock.at(300, () => controller.abort());
  await clock.sleep(1000, controller.signal);
  expect(clock.now()).toBe(300);
  await clock.sleep(1000, controller.signal);
  expect(clock.now()).toBe(300);
});

test("several sleepers wake in the order of their times, each at its own", async () => {
  const clock = createVirtualClock(0);
  const seen: string[] = [];
  const walker = async (name: string, steps: readonly number[]) => {
    for (const step of steps) {
      await clock.sleep(step);
      seen.push(`${name} ${clock.now()}`);
    }
  };
  await Promise.all([walker("slow", [10, 10]), walker("fast", [4, 4, 4])]);
  expect(seen).toEqual(["fast 4", "fast 8", "slow 10", "fast 12", "slow 20"]);
});
