import { describeTags, removeTags } from "../aws/elbv2.ts";
import { isAwsError } from "../aws/errors.ts";
import type { Deps } from "../deploy.ts";
import { describeLease, leasesIn } from "./lease.ts";
import { groupName, lockRefused } from "./lock-errors.ts";

/**
 * Removes the lock of a target group, whoever holds it, and says who that was. A run that still works there stops before
 * its next change.
 * @throws DeployError when AWS refuses
 */
export async function unlock(
  arn: string,
  { elbv2, holder, log }: Pick<Deps, "elbv2" | "holder" | "log">,
): Promise<void> {
  try {
    const { leases, strayKeys, leaseKeys } = leasesIn(await describeTags(elbv2, arn));
    const keys = [...leaseKeys, ...strayKeys];
    if (keys.length > 0) await removeTags(elbv2, arn, keys);
    const lines = [...leases.values()].map((lease) => describeLease(lease, holder.wallMs()));
    if (lines.length === 0) {
      log({ event: "lock", message: `Target group ${groupName(arn)} was not locked` });
      return;
    }
    const message = `Unlocked target group ${groupName(arn)}, which was locked by:`;
    log({ event: "lock", message, lines, details: { holders: lines } });
  } catch (error) {
    throw isAwsError(error) ? lockRefused(error, arn) : error;
  }
}
