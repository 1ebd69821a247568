import { withSend } from "./aws/with-send.ts";
import type { Clock } from "./clock.ts";

/** What takes an instance out of service is not done on what was asked for longer ago than this. */
const readsCountMs = 15_000;

/** Thrown in place of a change that would rest on reads that are too old: one has to look again. */
export class StaleReads extends Error {
  override readonly name = "StaleReads";
}

/**
 * The same client, but one that takes no instance out of service when the last look is too long ago: what comes between,
 * the lock's own calls or another target group's, can take long.
 * @param lookMs when the last look began
 */
export function onFreshReads<C extends { send(...args: never[]): unknown }>(
  client: C,
  clock: Clock,
  lookMs: () => number,
): C {
  return withSend(client, async (command) => {
    const takesOut = /^(Deregister|Terminate)/.test(command.constructor.name);
    if (takesOut && clock.now() - lookMs() > readsCountMs) throw new StaleReads();
    return client.send(command as never);
  });
}
