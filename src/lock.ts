import { removeTags } from "./aws/elbv2.ts";
import { isAwsError } from "./aws/errors.ts";
import { withSend } from "./aws/with-send.ts";
import type { Deployment, Deps } from "./deploy.ts";
import { interruptedEarly } from "./errors.ts";
import { createEndedRuns, showsMs } from "./lock/ended-runs.ts";
import { dropLateRepeats } from "./lock/late-repeats.ts";
import { describeLease, endedProcess, type Lease, leaseKeys } from "./lock/lease.ts";
import { createLeaseWatch, hasEnded, type Leases, type SeenLease } from "./lock/lease-watch.ts";
import { groupName, locked, lockLost, lockRefused } from "./lock/lock-errors.ts";
import { createOwnLease } from "./lock/own-lease.ts";
import { patient } from "./outlast.ts";

/** That only one rollout of a target group works at a time. */
export interface Lock {
  /**
   * Waits, as long as it may, until no other rollout works, and until all shows that one did that has only just ended.
   * Changes nothing.
   * @throws DeployError `Locked`, `Interrupted`
   */
  whenFree(): Promise<void>;
  /**
   * Takes the lock, of all target groups that the run changes.
   * @returns false where all has to be checked anew after {@link Lock.whenFree}: another run was faster, and there is time
   * left to wait for it, or one has only just ended
   * @throws DeployError as {@link Lock.whenFree}, or where AWS refuses what the lock is made of
   */
  acquire(arns: readonly string[]): Promise<boolean>;
  readonly isHeld: boolean;
  /**
   * The same client, which keeps the lock: its calls renew it, and before each change it is checked. Its calls throw what
   * the SDK throws, and before a change DeployError `LockLost` where another run may work, or a transient error where that
   * cannot be told.
   */
  guard<C extends { send(...args: never[]): unknown }>(client: C): C;
  /**
   * Gives back what there is of it, taken or half taken; to be called in any case. Where the rollout is not complete, word
   * of its last changes may be left: another one that begins at once would not see them. Never throws.
   */
  release(isComplete: boolean): Promise<void>;
}

/** The lock of one who does not want any. */
export const noLock: Lock = {
  whenFree: async () => {},
  acquire: async () => true,
  isHeld: true,
  guard: (client) => client,
  release: async () => {},
};

/** How often to look while waiting for others, and how often to say so. */
const lookEveryMs = 5_000;
const sayEveryMs = 30_000;

/** How often to look while it is being taken. */
const settleEveryMs = 2_000;

/** How far reads may lag behind, with a margin: after this long, what was written shows in all of them. */
const settleMs = 10_000;

/**
 * A holder whose lease has expired may still be there, and trust a read that lags; or a change of it may be on its way,
 * and then takes as long to show as any (`showsMs`).
 */
const settleAfterExpiryMs = 30_000;

/** Of several that take it at the same time, one stays within this; else another had it before. */
const contentionMs = 40_000;

/**
 * For how long a lease that looks expired is watched though the user did not say to wait: it takes a minute, unless each
 * look is so slow that it tells nothing.
 */
const mayBeOverLimitMs = 180_000;

/** How often a lease that was written does not show before that is taken for the doing of others: for over a minute. */
const claimsLimit = 7;

/**
 * Makes the lock of a deployment: a lease in the tags (lease.ts) of its target group, and of every other one that holds
 * its instances; which those are is not known before it is acquired.
 *
 * Elastic Load Balancing has no compare-and-swap, and reads may lag. So each run first writes a lease of its own, and
 * goes on only after a read that shows its own lease and no other. Of two runs, the one whose read shows the later state
 * sees the lease of the other, too: never do both see nobody, however long their calls take. (That the read comes late
 * enough for everything to show keeps this true should one read mix states of several times.) Two that see each other
 * go by their ids: the lower one stays.
 */
export function createLock(
  { config, ami, lockWaitSeconds = 0 }: Deployment,
  deps: Pick<Deps, "elbv2" | "clock" | "holder" | "log" | "signal">,
  onOutage: (reason: string) => void,
): Lock {
  const { clock, holder, log, signal } = deps;
  const arn = config.targetGroupArn;
  let arns: readonly string[] = [arn];
  const watch = createLeaseWatch(clock, holder);
  const ended = createEndedRuns(clock, holder);
  const own = createOwnLease({ arn, ami }, deps, watch);
  const limitSeconds = config.waitingPeriodSeconds;
  const steady = patient(deps.elbv2, { clock, limitSeconds, onOutage, signal });
  let isHeld = false;
  let blockedMs: number | undefined;
  /** When this run last changed what another may do again, or undo. */
  let changedMs = Number.NEGATIVE_INFINITY;

  const describe = (lease: Lease) => describeLease(lease, holder.wallMs());

  async function release(isComplete: boolean): Promise<void> {
    isHeld = false;
    const isToBeTold = !isComplete && clock.now() - changedMs < showsMs;
    await own.release(isToBeTold ? changedMs : undefined);
  }

  const isToShow = () => clock.now() < ended.showsAtMs;

  /** Its lease stays meanwhile: should this run end, too, the next one has the same to wait for. */
  async function awaitEnded(): Promise<void> {
    const seconds = Math.ceil((ended.showsAtMs - clock.now()) / 1000);
    const message = `Another rollout has only just ended: waiting ${seconds} s until all that it did shows`;
    log({ event: "lock", message });
    await clock.sleep(ended.showsAtMs - clock.now(), signal);
  }

  /** @throws DeployError `Locked` when the time to wait is over */
  function block(others: readonly SeenLease[]): void {
    const now = clock.now();
    blockedMs ??= now;
    const watchMs = others.every(watch.mayBeOver) ? mayBeOverLimitMs : 0;
    const mayWait = now - blockedMs < Math.max(lockWaitSeconds * 1000, watchMs);
    if (!mayWait) throw locked(arn, others, holder.wallMs());
  }

  /** Calls before the first change: what AWS refuses ends the run. */
  async function early<T>(call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      if (!signal.aborted) return answer;
    } catch (error) {
      if (!signal.aborted) throw isAwsError(error) ? lockRefused(error, arn) : error;
    }
    throw interruptedEarly();
  }

  async function whenFree(): Promise<void> {
    for (let saidMs = Number.NEGATIVE_INFINITY; ; ) {
      const { living, over } = await early(() => watch.look(steady, arns).catch(orNobody));
      ended.note(over);
      if (living.length === 0) {
        if (!isToShow()) return;
        await awaitEnded();
        continue;
      }
      block(living);
      if (clock.now() - saidMs >= sayEveryMs) {
        saidMs = clock.now();
        const who = living.map(describe).join(" and ");
        const where = groupName(living[0]?.arn ?? arn);
        const message = `Waiting for another rollout of target group ${where} (${who})`;
        log({ event: "lock", message });
      }
      await clock.sleep(lookEveryMs, signal);
    }
  }

  async function acquire(groups: readonly string[]): Promise<boolean> {
    arns = groups;
    const { living, over, strayKeys } = await early(() => watch.look(steady, arns));
    if (living.length > 0) {
      block(living);
      return false;
    }
    ended.note(over);
    if (isToShow()) return false;
    for (const lease of over.filter(({ process }) => process !== endedProcess)) {
      const why = holder.hasEnded(lease) ? "its process has ended" : "it shows no sign of life";
      const message = `Taking over from another rollout, as ${why}: ${describe(lease)}`;
      log({ event: "lock", message });
    }
    // Ours are not there yet: that is to find out whether RemoveTags is allowed before anything is written.
    const keys = [...over, holder].flatMap(({ owner }) => leaseKeys(owner));
    await early(() => removeTags(steady, arns, [...keys, ...strayKeys]));
    await early(() => own.claim(steady, arns));
    const quietMs = over.every((lease) => hasEnded(lease, holder)) ? settleMs : settleAfterExpiryMs;
    return settle(quietMs);
  }

  /** Looks until ours must show in every read, and no other does. */
  async function settle(quietMs: number): Promise<boolean> {
    let rivalsSinceMs: number | undefined;
    for (let claims = 1; ; ) {
      await clock.sleep(settleEveryMs, signal);
      const lookMs = clock.now();
      const { living, own: shown, over } = await early(() => watch.look(steady, arns));
      ended.note(over);
      if (isToShow()) {
        await release(false);
        return false;
      }
      if (living.length > 0) {
        rivalsSinceMs ??= lookMs;
        const isOutrun = lookMs - rivalsSinceMs > contentionMs;
        if (isOutrun || living.some(({ owner }) => owner < holder.owner)) {
          await release(false);
          block(living);
          return false;
        }
      } else if (lookMs - own.claimedMs >= quietMs) {
        if (own.isIn(shown)) {
          isHeld = true;
          return true;
        }
        claims += 1;
        if (claims > claimsLimit) throw lockLost(arn, [], holder.wallMs());
        await early(() => own.claim(steady, arns));
      }
      await own.renew();
    }
  }

  return {
    whenFree,
    acquire,
    get isHeld() {
      return isHeld;
    },
    guard: (client) =>
      withSend(client, async (command) => {
        if (!isChange(command)) await own.renew();
        else {
          await own.check();
          dropLateRepeats(command, clock);
        }
        try {
          return await client.send(command as never);
        } finally {
          if (isToBeKnown(command)) changedMs = clock.now();
        }
      }),
    release,
  };
}

/** What AWS refuses is told by the preflight, with all else, or when the lock is taken. */
function orNobody(error: unknown): Leases {
  if (!isAwsError(error)) throw error;
  return { own: [], living: [], over: [], strayKeys: [] };
}

/** A change that has to be known before the next; to terminate again what is terminated does no harm. */
function isToBeKnown(command: object): boolean {
  return isChange(command) && command.constructor.name !== "TerminateInstancesCommand";
}

/** Everything but reads and what EC2 is only asked about. */
function isChange(command: object): boolean {
  const { input } = command as { readonly input?: { readonly DryRun?: boolean } };
  return !/^(Describe|Get)/.test(command.constructor.name) && input?.DryRun !== true;
}
