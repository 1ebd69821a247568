import { createRandom } from "../../../src/simulator/random.ts";

/** The draws of one seed: each is a function of the seed and of what is drawn, and of no other draw. */
export interface Draw {
  /** True this often. */
  chance(key: string, probability: number): boolean;
  /** A whole number, both ends included. */
  between(key: string, lowest: number, highest: number): number;
  pick<T>(key: string, from: readonly T[]): T;
  /** One of several, each as often as its weight says. */
  weigh<T>(key: string, weights: readonly (readonly [weight: number, value: T])[]): T;
}

/** Makes the draws of a seed. */
export function createDraw(seed: number): Draw {
  const random = createRandom(seed);
  return {
    chance: (key, probability) => random.unit(key) < probability,
    between: (key, lowest, highest) => random.between(key, [lowest, highest]),
    pick: (key, from) => from[random.between(key, [0, from.length - 1])] as (typeof from)[number],
    weigh(key, weights) {
      const total = weights.reduce((sum, [weight]) => sum + weight, 0);
      let left = random.unit(key) * total;
      const found = weights.find(([weight]) => {
        left -= weight;
        return left < 0;
      });
      return (found ?? weights[0])?.[1] as (typeof weights)[number][1];
    },
  };
}
