import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { addTags, removeTags } from "../aws/elbv2.ts";
import { explain, isAwsError, isTransient } from "../aws/errors.ts";
import type { Deps } from "../deploy.ts";
import { leaseKey, leaseKeys, leaseTags } from "./lease.ts";
import type { LeaseWatch } from "./lease-watch.ts";
import { groupName, lockLost, lockRefused } from "./lock-errors.ts";

/** Less than the longest pause between two calls of a run (a drain's 15 s), so that each of those brings a renewal. */
const renewEveryMs = 12_000;
const renewAgainMs = 5_000;

/** Without a renewal for this long, the user is told. */
const renewalOverdueMs = 60_000;

/** For this long after it was written, a read without our lease may be one of before. */
const ownWriteCountsMs = 60_000;
const lostLooks = 10;

/** Giving it back must not hold up the end of a run: it expires by itself. */
const releaseAttempts = 3;
const releaseAgainMs = 2_000;

/** This run's own lease: its tags have keys of their own, so no other run is ever in the way. */
export interface OwnLease {
  /** Writes it anew, through this client. Throws what the SDK throws. */
  claim(elbv2: ElasticLoadBalancingV2Client): Promise<void>;
  /** When it was last written anew. */
  readonly claimedMs: number;
  /** Shows a sign of life where one is due. Never throws: whether the lease is still there is another matter. */
  renew(): Promise<void>;
  /**
   * To be called right before a change.
   * @throws DeployError `LockLost` where it is not there any more; what the SDK throws where AWS does not answer
   */
  check(): Promise<void>;
  /** Removes it. Never throws: what fails is told. */
  release(): Promise<void>;
}

/** A lease that is not written yet. */
export function createOwnLease(
  { arn, ami }: { readonly arn: string; readonly ami: string },
  { elbv2, clock, holder, log }: Pick<Deps, "elbv2" | "clock" | "holder" | "log">,
  watch: LeaseWatch,
): OwnLease {
  const { owner, host, process, build } = holder;
  let isWritten = false;
  let claimedMs = 0;
  let renewedMs = 0;
  let renewalDueMs = 0;
  let renewal: Promise<void> = Promise.resolve();
  let isOverdueTold = false;

  const isoNow = () => new Date(holder.wallMs()).toISOString();

  function renewed(): void {
    renewedMs = clock.now();
    isOverdueTold = false;
  }

  function notRenewed(error: unknown): void {
    renewalDueMs = clock.now() + renewAgainMs;
    const silentMs = clock.now() - renewedMs;
    if (silentMs < renewalOverdueMs || isOverdueTold) return;
    isOverdueTold = true;
    const message = `The lock has not been renewed for ${Math.round(silentMs / 1000)} s: ${explain(error)}`;
    log({ event: "trouble", message });
  }

  return {
    get claimedMs() {
      return claimedMs;
    },
    async claim(client) {
      // Before the call, whose answer may be lost.
      isWritten = true;
      const now = isoNow();
      const lease = { owner, host, process, ami, build, since: now, heartbeat: now };
      await addTags(client, arn, leaseTags(lease));
      claimedMs = clock.now();
      renewalDueMs = claimedMs + renewEveryMs;
      renewed();
    },
    async renew() {
      if (!isWritten || clock.now() < renewalDueMs) return;
      renewalDueMs = clock.now() + renewEveryMs;
      const tag = { [leaseKey(owner, "heartbeat")]: isoNow() };
      renewal = addTags(elbv2, arn, tag).then(renewed, notRenewed);
      await renewal;
    },
    async check() {
      for (let looks = 1; ; looks++) {
        const { hasOwn, living } = await watch.look(elbv2).catch((error: unknown) => {
          throw isAwsError(error) && !isTransient(error) ? lockRefused(error, arn) : error;
        });
        if (hasOwn) return;
        const isFresh = clock.now() - claimedMs < ownWriteCountsMs;
        if (!isFresh || looks >= lostLooks) throw lockLost(arn, living, holder.wallMs());
        await clock.sleep(1000);
      }
    },
    async release() {
      if (!isWritten) return;
      isWritten = false;
      await renewal;
      for (let attempt = 1; ; attempt++) {
        try {
          return await removeTags(elbv2, arn, leaseKeys(owner));
        } catch (error) {
          if (!isTransient(error) || attempt >= releaseAttempts) {
            const message = `The lock of target group ${groupName(arn)} could not be given back (it expires by itself): ${explain(error)}`;
            return log({ event: "trouble", message });
          }
        }
        await clock.sleep(releaseAgainMs);
      }
    },
  };
}
