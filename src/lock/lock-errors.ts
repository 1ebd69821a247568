import { awsErrorCode, explain, toDeployError } from "../aws/errors.ts";
import { duration } from "../duration.ts";
import { DeployError } from "../errors.ts";
import { describeLease, type Lease } from "./lease.ts";
import type { SeenLease } from "./lease-watch.ts";

/** The name of a target group, out of its ARN. */
export function groupName(targetGroupArn: string): string {
  return targetGroupArn.split("/")[1] ?? targetGroupArn;
}

/** Another run works there, or at another target group with some of the same instances. */
export function locked(arn: string, others: readonly SeenLease[], wallMs: number): DeployError {
  const [seenAt = arn] = others.map((lease) => lease.arn);
  const isBeside = seenAt !== arn;
  const where = isBeside ? `, which has instances of ${groupName(arn)} too,` : "";
  const unlock = `\`zero-deploy unlock\`${isBeside ? " with a configuration for that target group" : ""}`;
  return new DeployError(
    "Locked",
    `another rollout of target group ${groupName(seenAt)}${where} is under way; nothing was changed`,
    {
      problems: others.map((lease) => describeLease(lease, wallMs)),
      hint: `wait until it has ended, or wait for it with --lock-wait <seconds>; when it is certain that nobody works there any more, ${unlock} removes its lock`,
    },
  );
}

/**
 * The lock was removed while this run worked.
 * @param silentMs for how long this run was not able to renew it, where that was too long
 */
export function lockLost(
  arn: string,
  others: readonly Lease[],
  wallMs: number,
  silentMs?: number,
): DeployError {
  const holders = others.map((lease) => describeLease(lease, wallMs));
  const now =
    holders.length === 0 ? "nobody has it now" : `it is now with ${holders.join(" and ")}`;
  const group = groupName(arn);
  const what =
    silentMs === undefined
      ? `somebody has removed this run's lock of target group ${group}`
      : `another run has taken over the lock of target group ${group}, as this one could not renew it for ${duration(Math.round(silentMs / 1000))}`;
  const who = silentMs === undefined ? "who removed it" : "what that run did";
  return new DeployError("LockLost", `stopped at once: ${what}; ${now}`, {
    hint:
      holders.length === 0
        ? `find out ${who} before going on`
        : "leave the rest to that rollout, or go on when it has ended",
  });
}

/** AWS refuses what the lock is made of; where a permission is missing, all that it needs are named. */
export function lockRefused(error: unknown, arn: string): DeployError {
  const failure = toDeployError(error, `lock target group ${groupName(arn)}`);
  if (awsErrorCode(error) === "TooManyTags") {
    return new DeployError(failure.code, failure.message, {
      cause: error,
      hint: 'the lock needs room for six more tags on the target group, and on every other one of the load balancer with the same instances (50 are the most): remove some, or put "lock": false into config.json and see to it yourself that one rollout runs at a time',
    });
  }
  if (failure.code !== "AccessDenied") return failure;
  return new DeployError(
    "AccessDenied",
    `may not lock target group ${groupName(arn)} against other rollouts: ${explain(error)}`,
    {
      cause: error,
      hint: 'allow elasticloadbalancing:AddTags, elasticloadbalancing:DescribeTags and elasticloadbalancing:RemoveTags (the README shows how), or put "lock": false into config.json and see to it yourself that one rollout runs at a time',
    },
  );
}
