import type { Plan } from "../needs.ts";

/**
 * What a replacement usually takes, in seconds: EC2 starts an instance in some 20 s and has checked it some three
 * minutes later; a load balancer takes seconds to begin with its health checks, a network load balancer minutes.
 */
const usualSeconds = {
  run: 20,
  statusChecks: 180,
  applicationRegistration: 10,
  networkRegistration: 120,
};

/** What a rollout of so many instances costs in time. */
export interface Estimate {
  /** From the launch of a replacement until its old instance may leave. */
  readonly arriveSeconds: number;
  /** From the deregistration of an old instance until it is terminated. */
  readonly drainSeconds: number;
  readonly totalSeconds: number;
}

/** How many instances a rollout is about. */
export interface Work {
  /** Old ones whose replacement is not in service yet. */
  readonly arriving: number;
  /** Those that have only to drain. */
  readonly leaving: number;
}

/**
 * An estimate: the first replacement goes alone, the others `max-surge` at a time; what only drains does so first.
 * Example: 6 instances, 4 min to arrive and 5 min to drain, max-surge 1: 6 x 9 min. With max-surge 2: 1 + 3 rounds.
 */
export function estimate(
  plan: Plan,
  { arriving, leaving }: Work,
  maxSurge = plan.config.maxSurge,
): Estimate {
  const { statusChecks, run } = usualSeconds;
  const bake = Math.max(
    plan.config.bakeTimeSeconds,
    ...plan.targetGroups.map(({ slowStartSeconds }) => slowStartSeconds),
  );
  const arriveSeconds = run + statusChecks + healthySeconds(plan) + bake;
  const drainSeconds = drainSecondsOf(plan);
  const rounds = arriving === 0 ? 0 : 1 + Math.ceil((arriving - 1) / maxSurge);
  const totalSeconds = rounds * (arriveSeconds + drainSeconds) + (leaving > 0 ? drainSeconds : 0);
  return { arriveSeconds, drainSeconds, totalSeconds };
}

/** How long each old instance drains: its groups' longest delay, or the load balancer's own if that is longer. */
export function drainSecondsOf({ targetGroups, drainFloorSeconds }: Plan): number {
  const delays = targetGroups.map(({ deregistrationDelaySeconds }) => deregistrationDelaySeconds);
  return Math.max(drainFloorSeconds, ...delays);
}

/** A new target is healthy after its first passing check, which comes within an interval. */
function healthySeconds({ targetGroups, loadBalancerType }: Plan): number {
  const intervals = targetGroups.map(
    ({ healthCheckIntervalSeconds }) => healthCheckIntervalSeconds,
  );
  const { applicationRegistration, networkRegistration } = usualSeconds;
  const isApplication = loadBalancerType === "application";
  return Math.max(...intervals) + (isApplication ? applicationRegistration : networkRegistration);
}
