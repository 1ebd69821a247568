/** A closed range of numbers, lowest first. Times are in milliseconds. */
export type Range = readonly [lowest: number, highest: number];

/**
 * Chance without a sequence: every draw is a function of the seed and of a key that names what is
 * drawn, so that one request more or less does not change how long every later instance takes to
 * boot.
 */
export interface Random {
  /** A number in [0, 1). */
  unit(key: string): number;
  /** A whole number within `range`. */
  between(key: string, range: Range): number;
  /** That many lower-case hexadecimal digits. */
  hex(key: string, digits: number): string;
}

/** Makes the draws of one seed. */
export function createRandom(seed: number): Random {
  const generatorOf = (key: string) => mulberry32(hashOf(`${seed}:${key}`));
  const unit = (key: string) => generatorOf(key)();
  return {
    unit,
    between(key, [lowest, highest]) {
      return lowest + Math.floor(unit(key) * (highest - lowest + 1));
    },
    hex(key, digits) {
      const next = generatorOf(key);
      let text = "";
      while (text.length < digits) text += "0123456789abcdef"[Math.floor(next() * 16)];
      return text;
    },
  };
}

/** FNV-1a, 32 bits. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

/** The well-known 32-bit generator of Tommy Ettinger: small, and good enough for times and ids. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
