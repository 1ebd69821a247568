/**
 * Virtual time: a clock that stands still until somebody sleeps on it, and then jumps.
 * Hours of a rollout pass in milliseconds, and always in the same order.
 */
export interface VirtualClock {
  /** The virtual time, in milliseconds since the epoch. */
  now(): number;
  /**
   * Moves virtual time on by `ms`, running what was scheduled on the way, in time order. Ends
   * early, at the virtual time reached so far, when `signal` aborts, and at once when it has
   * aborted already. Never rejects.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Runs `fn` when virtual time reaches `atMs`. A time already past runs at the next sleep. */
  at(atMs: number, fn: () => void): void;
}

interface Entry {
  readonly atMs: number;
  readonly run: () => void;
}

/**
 * Makes a virtual clock that shows `startMs` (default: a Monday morning, 2026-01-05 09:00 UTC).
 * Several sleepers may share it: the one due first wakes first, and before time moves on, everybody
 * who is awake gets a turn of the event loop to go to sleep again.
 */
export function createVirtualClock(startMs: number = Date.UTC(2026, 0, 5, 9)): VirtualClock {
  let nowMs = startMs;
  let sleepers = 0;
  let isMoving = false;
  let hasWoken = false;
  const queue: Entry[] = [];

  function insert(entry: Entry): Entry {
    // Behind every entry of the same time, so that equal times keep the order of their calls.
    let index = queue.length;
    while (index > 0 && (queue[index - 1] as Entry).atMs > entry.atMs) index -= 1;
    queue.splice(index, 0, entry);
    return entry;
  }

  /** Moves time on for as long as anybody sleeps. */
  async function move(): Promise<void> {
    if (isMoving) return;
    isMoving = true;
    while (sleepers > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      hasWoken = false;
      while (!hasWoken && sleepers > 0) {
        const next = queue.shift();
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.atMs);
        next.run();
      }
    }
    isMoving = false;
  }

  return {
    now: () => nowMs,
    at(atMs, fn) {
      insert({ atMs, run: fn });
    },
    sleep(ms, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const wake = () => {
          const left = queue.indexOf(own);
          if (left >= 0) queue.splice(left, 1);
          signal?.removeEventListener("abort", wake);
          sleepers -= 1;
          hasWoken = true;
          resolve();
        };
        const own = insert({ atMs: nowMs + Math.max(0, ms), run: wake });
        signal?.addEventListener("abort", wake, { once: true });
        sleepers += 1;
        void move();
      });
    },
  };
}
