/** Simulated time that passes in step with real time, only faster. Ended by {@link ScaledClock.stop}. */
export interface ScaledClock {
  /** Simulated time in milliseconds since the epoch; it stands still within one turn of the event loop. */
  now(): number;
  /** Ends after `ms` simulated milliseconds, or as soon as `signal` aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `fn` after `ms` simulated milliseconds; the answer calls that off. */
  after(ms: number, fn: () => void): () => void;
  /** Stops time: nothing that waits on it goes on any more. */
  stop(): void;
}

/** Real time, as the scaled clock needs it. */
export interface RealTime {
  /** Milliseconds; never goes back. */
  now(): number;
  /** Runs `fn` every `ms` milliseconds; the answer ends that. */
  every(ms: number, fn: () => void): () => void;
}

/** What a scaled clock is made from. */
export interface ScaledClockOptions {
  /** How many times faster than real time. */
  readonly speed: number;
  /** What it shows first, in milliseconds since the epoch. */
  readonly startMs: number;
  /** Told each time it has moved on, before anything that was waiting for that time. */
  readonly onMove: () => void;
  readonly realTime?: RealTime;
}

/** How often it moves on, in real milliseconds. */
const TICK_MS = 2;

/**
 * The most that passes at once, in simulated milliseconds. Between two ticks the event loop handles what has come in, so
 * this bounds how much time an exchange over the network takes: where the processor is busy elsewhere, simulated time
 * slows down, and no timeout runs out before an answer that is there has been read.
 */
const LONGEST_TICK_MS = 400;

const machineTime: RealTime = {
  now: () => performance.now(),
  every(ms, fn) {
    const timer = setInterval(fn, ms);
    return () => clearInterval(timer);
  },
};

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
}

/** Makes a clock that runs `speed` times as fast as real time, from now on. */
export function createScaledClock(options: ScaledClockOptions): ScaledClock {
  const { speed, startMs, onMove, realTime = machineTime } = options;
  const queue: Entry[] = [];
  let nowMs = startMs;
  let seenMs = realTime.now();

  function tick() {
    const realMs = realTime.now();
    const untilMs = nowMs + Math.min((realMs - seenMs) * speed, LONGEST_TICK_MS);
    seenMs = realMs;
    // One after the other, in the order of simulated time, however late this turn of the event loop comes.
    for (let next = queue[0]; next !== undefined && next.atMs <= untilMs; next = queue[0]) {
      queue.shift();
      moveTo(Math.max(nowMs, next.atMs));
      next.run();
    }
    moveTo(untilMs);
  }

  function moveTo(ms: number) {
    nowMs = ms;
    onMove();
  }

  function after(ms: number, run: () => void): () => void {
    const entry = { atMs: nowMs + Math.max(0, ms), run };
    let index = queue.length;
    while (index > 0 && (queue[index - 1] as Entry).atMs > entry.atMs) index -= 1;
    queue.splice(index, 0, entry);
    return () => {
      const place = queue.indexOf(entry);
      if (place >= 0) queue.splice(place, 1);
    };
  }

  const stop = realTime.every(TICK_MS, tick);
  return {
    now: () => nowMs,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const done = () => {
          cancel();
          signal?.removeEventListener("abort", done);
          resolve();
        };
        const cancel = after(ms, done);
        signal?.addEventListener("abort", done, { once: true });
      }),
    stop,
  };
}
