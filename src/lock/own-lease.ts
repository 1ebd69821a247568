import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { addTags, removeTags } from "../aws/elbv2.ts";
import { explain, isAwsError, isTransient } from "../aws/errors.ts";
import type { Deps } from "../deploy.ts";
import type { DeployError } from "../errors.ts";
import { endedProcess, type Lease, leaseKey, leaseKeys, leaseTags } from "./lease.ts";
import { expiryMs, type LeaseWatch } from "./lease-watch.ts";
import { groupName, lockLost, lockRefused } from "./lock-errors.ts";

/**
 * Renewals come with the calls of a run, which makes one every 20 s at least (waiting for room; during a drain every
 * 15 s): so there are 32 s between two of them at most, by which others go (`watchMs` in lease-watch.ts).
 */
const renewEveryMs = 12_000;
const renewAgainMs = 5_000;

/** Without a renewal for this long, the user is told. */
const renewalOverdueMs = 60_000;

/**
 * No change is sent with a renewal older than this: it must have landed before others could take the lock over, and
 * their first change comes at least 90 s after the last renewal (`watchMs`, and what lock.ts waits after it).
 */
export const renewalCountsMs = 30_000;

/** A check that took longer says too little of now. */
const checkLimitMs = 5_000;
const slowChecks = 3;

/** So long a check holds good: for the step it was made for. */
const checkCountsMs = 1_000;

/** For this long after it was written, a read without our lease may be one of before. */
const ownWriteCountsMs = 60_000;
const lostLooks = 10;

/** Giving it back must not hold up the end of a run: it expires by itself. */
const releaseAttempts = 3;
const releaseAgainMs = 2_000;
const releaseLimitMs = 10_000;

/** This run's own lease: its tags have keys of their own, so no other run is ever in the way. */
export interface OwnLease {
  /** Writes it anew, to these target groups and through this client. Throws what the SDK throws. */
  claim(elbv2: ElasticLoadBalancingV2Client, arns: readonly string[]): Promise<void>;
  /** When it was last written anew. */
  readonly claimedMs: number;
  /** Whether this is the lease at every group: a read may show one that was removed since, and written anew. */
  isIn(shown: readonly (Lease | undefined)[]): boolean;
  /** Shows a sign of life where one is due. Never throws: whether the lease is still there is another matter. */
  renew(): Promise<void>;
  /**
   * To be called right before a change: that it is there, and was renewed so lately that nobody can have taken it over
   * before the change has landed.
   * @throws DeployError `LockLost` where it is not there any more; a transient error where AWS does not answer in time
   */
  check(): Promise<void>;
  /**
   * Removes it, or, where reads may not show yet what was changed at `changedMs`, leaves word of that in its place. Never
   * throws: what fails is told.
   */
  release(changedMs?: number): Promise<void>;
}

/** A lease that is not written yet; `arn` is the target group that messages name. */
export function createOwnLease(
  { arn, ami }: { readonly arn: string; readonly ami: string },
  { elbv2, clock, holder, log }: Pick<Deps, "elbv2" | "clock" | "holder" | "log">,
  watch: LeaseWatch,
): OwnLease {
  const { owner, host, process, build } = holder;
  let arns: readonly string[] = [];
  let isWritten = false;
  let claimedMs = 0;
  let since = "";
  /** When the last renewal that succeeded was sent. */
  let renewedMs = 0;
  let longestSilenceMs = 0;
  let renewalDueMs = 0;
  let renewal: Promise<unknown> = Promise.resolve();
  let isOverdueTold = false;
  let isTaken = false;
  let checkedMs = Number.NEGATIVE_INFINITY;

  const isoNow = () => new Date(holder.wallMs()).toISOString();
  const isIn = (shown: readonly (Lease | undefined)[]) =>
    shown.every((one) => one?.since === since);

  function renewed(sentMs: number): void {
    longestSilenceMs = Math.max(longestSilenceMs, clock.now() - renewedMs);
    renewedMs = sentMs;
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

  /** @returns why it failed, if it did */
  async function renewNow(): Promise<unknown> {
    const sentMs = clock.now();
    renewalDueMs = sentMs + renewEveryMs;
    const tag = { [leaseKey(owner, "heartbeat")]: isoNow() };
    renewal = addTags(elbv2, arns, tag).then(
      () => renewed(sentMs),
      (error: unknown) => {
        notRenewed(error);
        return error;
      },
    );
    return renewal;
  }

  async function look() {
    const now = clock.now();
    const isOld = now - renewedMs >= renewalCountsMs;
    const failure = isOld || now >= renewalDueMs ? await renewNow() : undefined;
    const { own, living } = await watch.look(elbv2, arns);
    const hasOwn = isIn(own);
    // Where it is gone, that is what there is to tell.
    if (isOld && failure !== undefined && hasOwn) throw failure;
    return { hasOwn, living };
  }

  function lost(living: readonly Lease[]): DeployError {
    isTaken = living.length > 0;
    const silentMs = Math.max(longestSilenceMs, clock.now() - renewedMs);
    return lockLost(arn, living, holder.wallMs(), silentMs >= expiryMs ? silentMs : undefined);
  }

  /** Leaves word of a change that may not show yet, so that the next run waits until it does. */
  function leave(changedMs: number | undefined): Promise<unknown> {
    // Who works there by now has begun without such word, and would not take it away again.
    if (changedMs === undefined || isTaken) return removeTags(elbv2, arns, leaseKeys(owner));
    const heartbeat = new Date(holder.wallMs() - clock.now() + changedMs).toISOString();
    const lease = { owner, host, process: endedProcess, ami, build, since, heartbeat };
    return addTags(elbv2, arns, leaseTags(lease));
  }

  async function giveBack(changedMs: number | undefined, untilMs: number): Promise<unknown> {
    await renewal;
    for (let attempt = 1; ; attempt++) {
      try {
        return void (await leave(changedMs));
      } catch (error) {
        const isLast = attempt >= releaseAttempts || clock.now() + releaseAgainMs >= untilMs;
        if (!isTransient(error) || isLast) return error;
      }
      await clock.sleep(releaseAgainMs);
    }
  }

  return {
    get claimedMs() {
      return claimedMs;
    },
    isIn,
    async claim(client, groups) {
      if (!isWritten) since = isoNow();
      // Before the call, whose answer may be lost.
      isWritten = true;
      arns = groups;
      const lease = { owner, host, process, ami, build, since, heartbeat: isoNow() };
      const sentMs = clock.now();
      await addTags(client, arns, leaseTags(lease));
      claimedMs = clock.now();
      renewalDueMs = claimedMs + renewEveryMs;
      renewedMs = sentMs;
    },
    async renew() {
      if (isWritten && clock.now() >= renewalDueMs) await renewNow();
    },
    async check() {
      if (clock.now() - checkedMs < checkCountsMs) return;
      for (let looks = 1; ; looks++) {
        const startMs = clock.now();
        const { hasOwn, living } = await look().catch((error: unknown) => {
          throw isAwsError(error) && !isTransient(error) ? lockRefused(error, arn) : error;
        });
        const tookMs = clock.now() - startMs;
        if (hasOwn && tookMs <= checkLimitMs) {
          checkedMs = startMs;
          return;
        }
        if (hasOwn && looks >= slowChecks) throw tooSlow(tookMs);
        if (hasOwn) continue;
        const isFresh = startMs - claimedMs < ownWriteCountsMs;
        if (!isFresh || looks >= lostLooks) throw lost(living);
        await clock.sleep(1000);
      }
    },
    async release(changedMs) {
      if (!isWritten) return;
      isWritten = false;
      const limit = new AbortController();
      const outOfTime = clock
        .sleep(releaseLimitMs, limit.signal)
        .then(() => new Error(`no answer within ${releaseLimitMs / 1000} s`));
      const failure = await Promise.race([
        giveBack(changedMs, clock.now() + releaseLimitMs),
        outOfTime,
      ]);
      limit.abort();
      if (failure === undefined) return;
      const message = `The lock of target group ${groupName(arn)} could not be given back (it expires by itself): ${explain(failure)}`;
      log({ event: "trouble", message });
    },
  };
}

/** As an answer that did not come in time: the step is for later. */
function tooSlow(tookMs: number): Error {
  const seconds = Math.round(tookMs / 1000);
  const error = new Error(
    `looking after the lock takes too long (${seconds} s) to change anything`,
  );
  return Object.assign(error, { name: "TimeoutError" });
}
