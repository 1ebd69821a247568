import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { describeTags } from "../aws/elbv2.ts";
import type { Clock } from "../clock.ts";
import type { Holder } from "./holder.ts";
import { endedProcess, type Lease, leasesIn, silentMs } from "./lease.ts";

/** A lease without a heartbeat for this long has expired. */
export const expiryMs = 120_000;

/**
 * Clocks of two hosts may differ by minutes, so for this long at least the heartbeat must be seen to stand still: the
 * longest time between two renewals (32 s: own-lease.ts), and the time until one shows.
 */
const watchMs = 60_000;

/** A heartbeat further ahead than this tells no time: the clock of its holder is wrong, or was. */
const aheadMs = 60_000;

/** With no look for this long, AWS was away, and no heartbeat can have come through. */
const gapMs = 20_000;

/** A lease, and the target group it was seen at. */
export interface SeenLease extends Lease {
  readonly arn: string;
}

/** What one read of the tags of target groups shows of leases: of each run one, however many groups it is at. */
export interface Leases {
  /** Our own at each of the groups; undefined where it is not there. */
  readonly own: readonly (Lease | undefined)[];
  /** Those of other runs that work, as far as can be told, at any of the groups. */
  readonly living: readonly SeenLease[];
  /** Those whose process has ended, or that have expired. */
  readonly over: readonly SeenLease[];
  readonly strayKeys: readonly string[];
}

/** What is known of other runs from watching their leases. */
export interface LeaseWatch {
  /** Reads all leases of target groups. Throws what the SDK throws. */
  look(elbv2: ElasticLoadBalancingV2Client, arns: readonly string[]): Promise<Leases>;
  /** Whether its heartbeat cannot be right by the clock of this host, and only a little watching will tell. */
  mayBeOver(lease: SeenLease): boolean;
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

/** A watch over the leases in tags of target groups, which has seen nothing yet. */
export function createLeaseWatch(clock: Clock, holder: Holder): LeaseWatch {
  const sightings = new Map<string, Sighting>();

  function see(lease: SeenLease): Sighting {
    const { heartbeat } = lease;
    const before = sightings.get(nameOf(lease));
    const seenMs = clock.now();
    if (before === undefined) {
      return { heartbeat, sinceMs: seenMs, seenMs, hasMoved: false, isOver: false };
    }
    if (before.heartbeat !== heartbeat) {
      return { heartbeat, sinceMs: seenMs, seenMs, hasMoved: true, isOver: false };
    }
    const sinceMs = seenMs - before.seenMs > gapMs ? seenMs : before.sinceMs;
    const limitMs = looksOver(lease, before) ? watchMs : expiryMs;
    return { ...before, sinceMs, seenMs, isOver: before.isOver || seenMs - sinceMs >= limitMs };
  }

  function looksOver(lease: Lease, seen: Sighting | undefined): boolean {
    const silent = silentMs(lease, holder.wallMs());
    return (silent >= expiryMs || silent < -aheadMs) && !seen?.hasMoved;
  }

  return {
    async look(elbv2, arns) {
      const groups = [...(await describeTags(elbv2, arns))].map(([arn, tags]) => {
        return { arn, ...leasesIn(tags) };
      });
      const others = groups
        .flatMap(({ arn, leases }) => [...leases.values()].map((lease) => ({ ...lease, arn })))
        .filter(({ owner }) => owner !== holder.owner);
      for (const lease of others) sightings.set(nameOf(lease), see(lease));
      const isOver = (lease: SeenLease) =>
        sightings.get(nameOf(lease))?.isOver || hasEnded(lease, holder);
      const living = oneEach(others.filter((lease) => !isOver(lease)));
      return {
        own: groups.map(({ leases }) => leases.get(holder.owner)),
        living,
        over: oneEach(others).filter((one) => !living.some(({ owner }) => owner === one.owner)),
        strayKeys: groups.flatMap(({ strayKeys }) => strayKeys),
      };
    },
    mayBeOver: (lease) => looksOver(lease, sightings.get(nameOf(lease))),
  };
}

/** Whether a run has ended, by its own word or as its process has. */
export function hasEnded(lease: Lease, holder: Holder): boolean {
  return lease.process === endedProcess || holder.hasEnded(lease);
}

/** Every group shows the lease of a run at its own pace. */
function nameOf({ arn, owner }: SeenLease): string {
  return `${arn} ${owner}`;
}

/** The first of each run. */
function oneEach(leases: readonly SeenLease[]): SeenLease[] {
  return leases.filter(
    ({ owner }, index) => leases.findIndex((lease) => lease.owner === owner) === index,
  );
}
