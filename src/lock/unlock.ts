import { describeTags, describeTargetGroups, removeTags } from "../aws/elbv2.ts";
import { isAwsError } from "../aws/errors.ts";
import type { Deps } from "../deploy.ts";
import { showsMs } from "./ended-runs.ts";
import { describeLease, endedProcess, type Lease, leaseKeys, leasesIn, silentMs } from "./lease.ts";
import { expiryMs } from "./lease-watch.ts";
import { groupName, lockRefused } from "./lock-errors.ts";

/**
 * Removes the lock of a target group, whoever holds it, and says who that was: from all target groups that a holder has
 * locked with it. A run that still works there stops before its next change.
 * @throws DeployError when AWS refuses
 */
export async function unlock(
  arn: string,
  { elbv2, holder, log }: Pick<Deps, "elbv2" | "holder" | "log">,
): Promise<void> {
  try {
    const tags = (await describeTags(elbv2, [arn])).get(arn) ?? new Map();
    const { leases, keys, strayKeys } = leasesIn(tags);
    const all = [...keys, ...strayKeys];
    if (all.length > 0) await removeTags(elbv2, [arn], all);
    if (leases.size > 0) {
      const siblings = await describeTags(elbv2, await siblingsOf(arn, elbv2));
      const locked = [...siblings].filter(([, tags]) => {
        return [...leasesIn(tags).leases.keys()].some((owner) => leases.has(owner));
      });
      const arns = locked.map(([sibling]) => sibling);
      await removeTags(elbv2, arns, [...leases.keys()].flatMap(leaseKeys));
    }
    const lines = [...leases.values()].map((lease) => describeLease(lease, holder.wallMs()));
    if (lines.length === 0) {
      log({ event: "lock", message: `Target group ${groupName(arn)} was not locked` });
      return;
    }
    const isLocked = [...leases.values()].some(({ process }) => process !== endedProcess);
    const message = isLocked
      ? `Unlocked target group ${groupName(arn)}, which was locked by:`
      : `Target group ${groupName(arn)} was not locked; removed what was left by:`;
    log({ event: "lock", message, lines, details: { holders: lines } });
    if (![...leases.values()].some((lease) => mayNotShow(lease, holder.wallMs()))) return;
    log({
      event: "lock",
      message: "What was done last may not show yet: wait a minute before the next rollout",
    });
  } catch (error) {
    throw isAwsError(error) ? lockRefused(error, arn) : error;
  }
}

/** Whether its holder may have changed something so lately that reads of AWS are older; no time at all tells nothing. */
function mayNotShow(lease: Lease, wallMs: number): boolean {
  const silent = silentMs(lease, wallMs);
  return !Number.isFinite(silent) || silent < expiryMs + showsMs;
}

/** The other target groups of its load balancer. */
async function siblingsOf(arn: string, elbv2: Deps["elbv2"]): Promise<string[]> {
  const groups = await describeTargetGroups(elbv2);
  const balancers = groups.find((group) => group.arn === arn)?.loadBalancerArns ?? [];
  return groups
    .filter((group) => group.arn !== arn)
    .filter(({ loadBalancerArns }) => loadBalancerArns.some((one) => balancers.includes(one)))
    .map((group) => group.arn);
}
