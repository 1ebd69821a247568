/**
 * Records by id that remember what they were, so that a lagging read can be answered as of a moment
 * ago. Records are never changed in place: a change is a new record under the same id.
 */
export interface Table<T> {
  /** The record as it is, or as it was at `asOfMs`; undefined when there is (or was) none. */
  get(id: string, asOfMs?: number): T | undefined;
  /**
   * All records in the order in which their ids first came up, as they are or as they were at
   * `asOfMs`.
   */
  list(asOfMs?: number): T[];
  /** How many changes there have been, or had been at `asOfMs`: where that is the same, so is every read. */
  version(asOfMs?: number): number;
  /** Puts a record, and tells `onChange`. Undefined takes it away. */
  set(id: string, value: T | undefined): void;
}

/** What a table needs to know of the world around it. */
export interface TableOptions<T> {
  /** The time a change is made at, in milliseconds. */
  readonly nowMs: () => number;
  /** How long a superseded record can still be read, in milliseconds. */
  readonly historyMs: number;
  /** Told of every change after it is made. */
  readonly onChange: (before: T | undefined, after: T | undefined) => void;
}

interface Version<T> {
  readonly fromMs: number;
  readonly value: T | undefined;
}

/** Makes an empty table. */
export function createTable<T>({ nowMs, historyMs, onChange }: TableOptions<T>): Table<T> {
  const versionsById = new Map<string, Version<T>[]>();
  const changesMs: number[] = [];
  let forgotten = 0;

  function read(versions: readonly Version<T>[], asOfMs?: number): T | undefined {
    if (asOfMs === undefined) return versions.at(-1)?.value;
    return versions.findLast((version) => version.fromMs <= asOfMs)?.value;
  }

  return {
    get: (id, asOfMs) => read(versionsById.get(id) ?? [], asOfMs),
    list(asOfMs) {
      const values: T[] = [];
      for (const versions of versionsById.values()) {
        const value = read(versions, asOfMs);
        if (value !== undefined) values.push(value);
      }
      return values;
    },
    version(asOfMs = Number.POSITIVE_INFINITY) {
      return forgotten + changesMs.findLastIndex((atMs) => atMs <= asOfMs) + 1;
    },
    set(id, value) {
      const atMs = nowMs();
      changesMs.push(atMs);
      while ((changesMs[0] ?? atMs) < atMs - historyMs) {
        changesMs.shift();
        forgotten += 1;
      }
      const versions = versionsById.get(id) ?? [];
      const before = versions.at(-1)?.value;
      // A version is forgotten once the one after it is older than any read may ask for.
      while ((versions[1]?.fromMs ?? Number.POSITIVE_INFINITY) < atMs - historyMs) versions.shift();
      if (versions.at(-1)?.fromMs === atMs) versions.pop();
      versions.push({ fromMs: atMs, value });
      versionsById.set(id, versions);
      onChange(before, value);
    },
  };
}
