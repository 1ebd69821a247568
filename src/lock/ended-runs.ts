import type { Clock } from "../clock.ts";
import type { Holder } from "./holder.ts";
import { endedProcess, type Lease, silentMs } from "./lease.ts";
import { hasEnded, type SeenLease } from "./lease-watch.ts";
import { renewalCountsMs } from "./own-lease.ts";

/**
 * For so long reads may not show a change. With another AMI, or where a launch had to go to another subnet, no
 * idempotency token tells of what another run has only just launched.
 */
export const showsMs = 60_000;

/** Clocks of two hosts may differ by as much. */
const clocksDifferMs = 10 * 60_000;

/** Runs that have ended, and whose last changes may not show yet. */
export interface EndedRuns {
  /** Notes those of these leases that belong to such runs: reads lag, so one may come to light late, and twice. */
  note(leases: readonly SeenLease[]): void;
  /** When all that they did shows, by the clock. */
  readonly showsAtMs: number;
}

/** Knows of no run yet. */
export function createEndedRuns(clock: Clock, holder: Holder): EndedRuns {
  const byOwner = new Map<string, number>();
  return {
    note(leases) {
      for (const lease of leases.filter((one) => hasEnded(one, holder))) {
        if (byOwner.has(lease.owner)) continue;
        byOwner.set(lease.owner, clock.now() + unseenMs(lease, holder));
      }
    },
    get showsAtMs() {
      return Math.max(...byOwner.values());
    },
  };
}

/** How long it takes yet until all that a run did shows, as far as its lease tells when that was. */
function unseenMs(lease: Lease, holder: Holder): number {
  const silent = silentMs(lease, holder.wallMs());
  // No time at all tells nothing.
  if (!Number.isFinite(silent)) return showsMs;
  if (lease.host !== holder.host) return Math.abs(silent) < clocksDifferMs ? showsMs : 0;
  // One that was killed may have changed something for as long as a renewal counts, and this one need not be its last.
  const lastMs = lease.process === endedProcess ? 0 : renewalCountsMs + showsMs;
  return Math.min(showsMs, lastMs + showsMs - silent);
}
