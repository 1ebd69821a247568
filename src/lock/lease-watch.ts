import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { describeTags } from "../aws/elbv2.ts";
import type { Clock } from "../clock.ts";
import type { Holder } from "./holder.ts";
import { type Lease, leasesIn, silentMs } from "./lease.ts";

/** A lease without a heartbeat for this long has expired. */
const expiryMs = 120_000;

/**
 * Clocks of two hosts may differ by minutes, so for this long at least the heartbeat must be seen to stand still: two
 * renewals and the time until they show.
 */
const watchMs = 45_000;

/** With no look for this long, AWS was away, and no heartbeat can have come through. */
const gapMs = 20_000;

/** What one read of a target group's tags shows of leases. */
export interface Leases {
  /** Whether our own is there. */
  readonly hasOwn: boolean;
  /** Those of other runs that work, as far as can be told. */
  readonly living: readonly Lease[];
  /** Those whose process has ended, or that have expired. */
  readonly over: readonly Lease[];
  readonly strayKeys: readonly string[];
}

/** What is known of other runs from watching their leases. */
export interface LeaseWatch {
  /** Reads all leases. Throws what the SDK throws. */
  look(elbv2: ElasticLoadBalancingV2Client): Promise<Leases>;
  /** Whether it looks expired by the clock of this host, and only a little watching will tell. */
  mayBeOver(lease: Lease): boolean;
}

interface Sighting {
  readonly heartbeat: string;
  /** Since when, by our clock, the heartbeat stands still. */
  readonly sinceMs: number;
  readonly seenMs: number;
  readonly hasMoved: boolean;
  /** Once it was over it stays so until the heartbeat moves: reads that lag may show it though it is removed. */
  readonly isOver: boolean;
}

/** A watch over the leases in a target group's tags, which has seen nothing yet. */
export function createLeaseWatch(arn: string, clock: Clock, holder: Holder): LeaseWatch {
  const sightings = new Map<string, Sighting>();

  function see(lease: Lease): Sighting {
    const { heartbeat } = lease;
    const before = sightings.get(lease.owner);
    const seenMs = clock.now();
    if (before === undefined) {
      return { heartbeat, sinceMs: seenMs, seenMs, hasMoved: false, isOver: false };
    }
    if (before.heartbeat !== heartbeat) {
      return { heartbeat, sinceMs: seenMs, seenMs, hasMoved: true, isOver: false };
    }
    const sinceMs = seenMs - before.seenMs > gapMs ? seenMs : before.sinceMs;
    const limitMs = looksExpired(lease, before) ? watchMs : expiryMs;
    return { ...before, sinceMs, seenMs, isOver: before.isOver || seenMs - sinceMs >= limitMs };
  }

  const looksExpired = (lease: Lease, seen: Sighting | undefined) =>
    silentMs(lease, holder.wallMs()) >= expiryMs && !seen?.hasMoved;

  return {
    async look(elbv2) {
      const { leases, strayKeys } = leasesIn(await describeTags(elbv2, arn));
      const others = [...leases.values()].filter(({ owner }) => owner !== holder.owner);
      for (const lease of others) sightings.set(lease.owner, see(lease));
      const isOver = (lease: Lease) => sightings.get(lease.owner)?.isOver || holder.hasEnded(lease);
      return {
        hasOwn: leases.has(holder.owner),
        living: others.filter((lease) => !isOver(lease)),
        over: others.filter(isOver),
        strayKeys,
      };
    },
    mayBeOver: (lease) => looksExpired(lease, sightings.get(lease.owner)),
  };
}
