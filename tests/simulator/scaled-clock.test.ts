// Goal: simulated time passes in step with real time, in order, and never leaps over what had no chance to happen.
// Method: a real time that a test moves by hand.
import { describe, expect, it } from "vitest";
import { createScaledClock } from "../../src/simulator/scaled-clock.ts";

/** A clock 60 times as fast as a real time that passes as the test says. */
function setUp() {
  let realMs = 0;
  let tick = () => {};
  const moves: number[] = [];
  const clock = createScaledClock({
    speed: 60,
    startMs: 1_000_000,
    onMove: () => moves.push(clock.now() - 1_000_000),
    realTime: {
      now: () => realMs,
      every(_ms, fn) {
        tick = fn;
        return () => {
          tick = () => {};
        };
      },
    },
  });
  /** Lets so many real milliseconds pass in one turn of the event loop. */
  const pass = async (ms: number) => {
    realMs += ms;
    tick();
    await Promise.resolve();
  };
  return { clock, moves, pass, shown: () => clock.now() - 1_000_000 };
}

describe("time", () => {
  it("passes at the given speed", async () => {
    const { pass, shown } = setUp();
    await pass(5);
    expect(shown()).toBe(300);
    await pass(4);
    expect(shown()).toBe(540);
  });

  it("leaves out most of a time in which the process did not run", async () => {
    const { pass, shown } = setUp();
    await pass(2_000);
    expect(shown()).toBe(400);
    await pass(5);
    expect(shown()).toBe(700);
  });

  it("stands still once it is stopped", async () => {
    const { clock, pass, shown } = setUp();
    clock.stop();
    await pass(10);
    expect(shown()).toBe(0);
  });
});

describe("what waits", () => {
  it("goes on in the order of its time, each at its own", async () => {
    const { clock, pass } = setUp();
    const seen: [string, number][] = [];
    const note = (name: string) => () => seen.push([name, clock.now() - 1_000_000]);
    clock.after(250, note("later"));
    clock.after(200, note("sooner"));
    clock.after(250, note("later too"));
    clock.after(5_000, note("much later"));
    await pass(5);
    expect(seen).toEqual([
      ["sooner", 200],
      ["later", 250],
      ["later too", 250],
    ]);
  });

  it("goes on after the world has been told of the time", async () => {
    const { clock, moves, pass } = setUp();
    let seen: number[] = [];
    clock.after(200, () => {
      seen = [...moves];
    });
    await pass(5);
    expect(seen).toEqual([200]);
    expect(moves).toEqual([200, 300]);
  });

  it("may wait again while it goes on", async () => {
    const { clock, pass } = setUp();
    const seen: number[] = [];
    const again = () => {
      seen.push(clock.now() - 1_000_000);
      clock.after(140, again);
    };
    clock.after(140, again);
    await pass(5);
    expect(seen).toEqual([140, 280]);
  });

  it("can be called off", async () => {
    const { clock, pass } = setUp();
    let hasRun = false;
    const cancel = clock.after(100, () => {
      hasRun = true;
    });
    cancel();
    await pass(5);
    expect(hasRun).toBe(false);
  });
});

describe("sleep", () => {
  it("ends when its time is over, and not before", async () => {
    const { clock, pass } = setUp();
    let isOver = false;
    void clock.sleep(540).then(() => {
      isOver = true;
    });
    await pass(5);
    expect(isOver).toBe(false);
    await pass(4);
    await Promise.resolve();
    expect(isOver).toBe(true);
  });

  it("ends when its signal aborts, before or while it sleeps", async () => {
    const { clock } = setUp();
    const controller = new AbortController();
    const sleeping = clock.sleep(900, controller.signal);
    controller.abort();
    await sleeping;
    await clock.sleep(900, controller.signal);
  });
});
