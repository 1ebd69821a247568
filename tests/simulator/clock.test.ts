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

test("time does not move on under anybody who is awake, however many sleepers wait for it", async () => {
  const clock = createVirtualClock(0);
  const seen: string[] = [];
  const worker = async (name: string, ms: number) => {
    await clock.sleep(ms);
    // Work of many steps, as a request to AWS is.
    for (let step = 0; step < 500; step += 1) await Promise.resolve();
    seen.push(`${name} ${clock.now()}`);
    await clock.sleep(1);
    seen.push(`${name} ${clock.now()}`);
  };
  await Promise.all([worker("a", 1), worker("b", 1), worker("c", 3), clock.sleep(100)]);
  expect(seen).toEqual(["a 1", "b 1", "a 2", "b 2", "c 3", "c 4"]);
});

test("an abort ends a sleep though others go on sleeping", async () => {
  const clock = createVirtualClock(0);
  const controller = new AbortController();
  clock.at(300, () => controller.abort());
  const other = clock.sleep(1000);
  await clock.sleep(2000, controller.signal);
  expect(clock.now()).toBe(300);
  await other;
  expect(clock.now()).toBe(1000);
});
