import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../src/clock.ts";

/** Whether a promise has resolved by now; all that is due before is done first. */
async function isResolved(promise: Promise<void>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => {
    resolved = true;
  });
  await vi.advanceTimersByTimeAsync(0);
  return resolved;
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("sleep", () => {
  test("lasts as long as it is told, and no longer", async () => {
    const sleep = systemClock.sleep(5000);
    await vi.advanceTimersByTimeAsync(4999);
    expect(await isResolved(sleep)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await isResolved(sleep)).toBe(true);
  });

  test("ends as soon as its signal aborts, without an error", async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(5000, controller.signal);
    expect(await isResolved(sleep)).toBe(false);
    controller.abort("SIGTERM");
    await expect(sleep).resolves.toBeUndefined();
  });

  test("does not begin when its signal has aborted already", async () => {
    await expect(systemClock.sleep(5000, AbortSignal.abort())).resolves.toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test("leaves no timer behind when it was aborted: it would keep the process alive", async () => {
    const controller = new AbortController();
    const sleep = systemClock.sleep(5000, controller.signal);
    controller.abort();
    await sleep;
    expect(vi.getTimerCount()).toBe(0);
  });

  test("leaves no listener behind: a long run sleeps thousands of times with one signal", async () => {
    const { signal } = new AbortController();
    const sleep = systemClock.sleep(5000, signal);
    expect(getEventListeners(signal, "abort")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(5000);
    await sleep;
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

describe("now", () => {
  test("goes on with time, in milliseconds", () => {
    const before = systemClock.now();
    vi.advanceTimersByTime(1500);
    expect(systemClock.now() - before).toBe(1500);
  });

  test("does not follow the wall clock when that is set", () => {
    const before = systemClock.now();
    vi.setSystemTime(0);
    expect(systemClock.now()).toBe(before);
  });
});
