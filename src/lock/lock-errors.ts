import { explain, toDeployError } from "../aws/errors.ts";
import { DeployError } from "../errors.ts";
import { describeLease, type Lease } from "./lease.ts";

/** The name of a target group, out of its ARN. */
export function groupName(targetGroupArn: string): string {
  return targetGroupArn.split("/")[1] ?? targetGroupArn;
}

/** Another run works there. */
export function locked(arn: string, others: readonly Lease[], wallMs: number): DeployError {
  return new DeployError(
    "Locked",
    `another rollout of target group ${groupName(arn)} is under way; nothing was changed`,
    {
      problems: others.map((lease) => describeLease(lease, wallMs)),
      hint: "wait until it has ended, or wait for it with --lock-wait <seconds>; when it is certain that nobody works there any more, `zero-deploy unlock` removes its lock",
    },
  );
}

/** The lock was removed while this run worked. */
export function lockLost(arn: string, others: readonly Lease[], wallMs: number): DeployError {
  const holders = others.map((lease) => describeLease(lease, wallMs));
  const now =
    holders.length === 0 ? "nobody has it now" : `it is now with ${holders.join(" and ")}`;
  return new DeployError(
    "LockLost",
    `stopped at once: somebody has removed this run's lock of target group ${groupName(arn)}; ${now}`,
    {
      hint:
        holders.length === 0
          ? "find out who removed it before going on"
          : "leave the rest to that rollout, or go on when it has ended",
    },
  );
}

/** AWS refuses what the lock is made of; where a permission is missing, all that it needs are named. */
export function lockRefused(error: unknown, arn: string): DeployError {
  const failure = toDeployError(error, `lock target group ${groupName(arn)}`);
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
