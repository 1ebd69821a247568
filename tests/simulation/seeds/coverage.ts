/** How often things occurred. */
export interface Tally {
  readonly counts: ReadonlyMap<string, number>;
  count(what: "fault" | "outside" | "ending" | "step" | "event" | "error", name: string): void;
}

/** A tally of nothing yet. */
export function createTally(): Tally {
  const counts = new Map<string, number>();
  return {
    counts,
    count(what, name) {
      const key = `${what} ${name}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    },
  };
}
