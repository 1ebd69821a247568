import { isAwsError, toDeployError } from "./aws/errors.ts";
import type { Deployment, Deps } from "./deploy.ts";
import { interruptedEarly } from "./errors.ts";
import { patient } from "./outlast.ts";
import { type Preflight, preflight } from "./preflight.ts";
import type { Narrator } from "./report/narrator.ts";

/**
 * Everything that can be known before the first change; it outlasts an outage of AWS.
 * @throws DeployError with every problem found at once, or `Interrupted` after a signal
 */
export async function check(
  { config, ami, allowUnhealthy = false }: Deployment,
  deps: Deps,
  narrator: Narrator,
): Promise<Preflight> {
  const patience = {
    clock: deps.clock,
    limitSeconds: config.waitingPeriodSeconds,
    onOutage: narrator.outage,
    signal: deps.signal,
  };
  const aws = {
    ec2: patient(deps.ec2, patience),
    elbv2: patient(deps.elbv2, patience),
    // Where there is no way to STS there will be none later either.
    sts: deps.sts,
  };
  const request = {
    config,
    ami,
    isUnhealthyAllowed: allowUnhealthy,
    ownInstanceId: deps.readOwnInstanceId(),
    nowMs: deps.clock.now(),
    onCaller: narrator.caller,
  };
  try {
    const checked = await preflight(request, aws);
    if (!deps.signal.aborted) return checked;
  } catch (error) {
    if (!deps.signal.aborted) {
      throw isAwsError(error) ? toDeployError(error, "check the fleet") : error;
    }
  }
  throw interruptedEarly();
}
