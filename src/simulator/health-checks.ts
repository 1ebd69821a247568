import type { HealthCheck, Target, TargetGroup } from "./balancer-records.ts";
import type { AppAnswer } from "./records.ts";
import type { World } from "./world.ts";

/**
 * When the next check of a target is due after now, in milliseconds: checks keep to the grid of the
 * interval.
 */
export function nextCheckAfter(world: World, target: Target): number {
  const firstMs = target.firstCheckAtMs ?? world.nowMs();
  const intervalMs = intervalOf(world, target.targetGroupArn);
  const passed = Math.floor((world.nowMs() - firstMs) / intervalMs) + 1;
  return Math.max(firstMs, firstMs + passed * intervalMs);
}

function intervalOf(world: World, targetGroupArn: string): number {
  return (world.targetGroups.get(targetGroupArn)?.healthCheck.intervalSeconds ?? 30) * 1000;
}

/**
 * Lets a target be checked at `atMs`, and at every interval after that, for as long as a check can
 * still change something. Once state and answer have settled nothing is scheduled; a changed answer
 * starts the checks again.
 */
export function scheduleCheck(world: World, id: string, atMs: number): void {
  const registration = world.targets.get(id)?.registration;
  const isCurrent = (target: Target | undefined): target is Target =>
    target?.registration === registration &&
    target?.registered === true &&
    target.firstCheckAtMs !== undefined;
  // The same check may be asked for several times: at one time it is made once.
  const key = `${id}:${registration}:${atMs}`;
  if (world.scheduledChecks.has(key)) return;
  world.scheduledChecks.add(key);
  world.schedule(atMs, () => {
    world.scheduledChecks.delete(key);
    const target = world.targets.get(id);
    const group = world.targetGroups.get(target?.targetGroupArn ?? "");
    if (group === undefined || !isCurrent(target)) return;
    const { healthCheck } = group;
    const request = {
      instanceId: target.instanceId,
      port: healthCheck.port === "traffic-port" ? target.port : Number(healthCheck.port),
      path: healthCheck.path ?? "/",
      timeoutMs: healthCheck.timeoutSeconds * 1000,
    };
    // The next check waits for nobody: a slow answer does not shift it.
    const nextMs = atMs + intervalOf(world, group.arn);
    world.prober.probe(world, request, (answer) => {
      const current = world.targets.get(id);
      if (!isCurrent(current)) return;
      const checked = applyAnswer(world, group, current, answer);
      if (checked !== current) world.targets.set(id, checked);
      if (checked !== current || !world.prober.isPlanned) scheduleCheck(world, id, nextMs);
    });
  });
}

/** The target after one check; the same record when the check taught nothing new. */
function applyAnswer(world: World, group: TargetGroup, target: Target, answer: AppAnswer): Target {
  const { healthCheck } = group;
  if (passesCheck(healthCheck, answer)) {
    const needed =
      target.state === "initial" ? group.firstHealthyPasses : healthCheck.healthyThreshold;
    if (target.state === "healthy")
      return target.failures === 0 ? target : { ...target, failures: 0 };
    const passes = target.passes + 1;
    if (passes < needed) return { ...target, passes, failures: 0 };
    const { reason: _reason, description: _description, ...rest } = target;
    return { ...rest, state: "healthy", passes: 0, failures: 0 };
  }
  const why = failureOf(world, group, answer);
  if (target.state === "unhealthy") {
    const isSettled = target.passes === 0 && target.description === why.description;
    return isSettled ? target : { ...target, ...why, passes: 0 };
  }
  const failures = target.failures + 1;
  if (failures < healthCheck.unhealthyThreshold) return { ...target, passes: 0, failures };
  return { ...target, ...why, state: "unhealthy", passes: 0, failures: 0 };
}

/**
 * Whether an answer passes: any for a TCP check that connects, a code of the matcher for an HTTP
 * one.
 */
function passesCheck({ protocol, matcher }: HealthCheck, answer: AppAnswer): boolean {
  if (typeof answer === "string") return false;
  if (protocol === "TCP" || protocol === "TLS") return true;
  return (matcher ?? "200").split(",").some((part) => {
    const [lowest = 0, highest = lowest] = part.split("-").map(Number);
    return answer >= lowest && answer <= highest;
  });
}

/**
 * Reason and description of a failed check; a network load balancer does not tell more than that it
 * failed.
 */
function failureOf(
  world: World,
  group: TargetGroup,
  answer: AppAnswer,
): { readonly reason: string; readonly description: string } {
  const balancer = world.loadBalancers.get(group.loadBalancerArn ?? "");
  if (balancer?.type !== "network" && typeof answer === "number") {
    return {
      reason: "Target.ResponseCodeMismatch",
      description: `Health checks failed with these codes: [${answer}]`,
    };
  }
  if (balancer?.type !== "network" && answer === "timeout") {
    return { reason: "Target.Timeout", description: "Request timed out" };
  }
  return { reason: "Target.FailedHealthChecks", description: "Health checks failed" };
}
