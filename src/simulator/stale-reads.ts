import type { World } from "./world.ts";

/** How far behind the reads of one client are. */
export interface StaleReads {
  /**
   * Reads answer the world as it was up to this many milliseconds ago, every read by a lag of its
   * own; a function says it for each action. Default 0.
   */
  readonly staleReadsMs?: number | ((action: string) => number);
  /**
   * True: every read lags by exactly `staleReadsMs`, so that time never runs backwards. Default
   * false.
   */
  readonly lagIsConstant?: boolean;
}

/**
 * The time a read is answered for, in milliseconds; undefined when reads do not lag. `name` tells it
 * from others, so that two at the same time may lag differently.
 */
export function readTimeMs(
  world: World,
  { staleReadsMs = 0, lagIsConstant = false }: StaleReads,
  request: { readonly action: string; readonly name: string },
): number | undefined {
  const maximumMs = typeof staleReadsMs === "number" ? staleReadsMs : staleReadsMs(request.action);
  if (maximumMs === 0) return undefined;
  const lagMs = lagIsConstant
    ? maximumMs
    : world.random.between(`lag:${request.name}`, [0, maximumMs]);
  return world.nowMs() - lagMs;
}
