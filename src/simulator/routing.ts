import type { Target, TargetGroup } from "./balancer-records.ts";
import { deregistrationDelaySeconds } from "./targets.ts";
import type { World } from "./world.ts";

/** Where a load balancer sends requests, and when it gives up on those it has sent. */
export interface Router {
  /** The target that gets the next request of a group; undefined: there is none, which is a 503. */
  next(targetGroupArn: string): Target | undefined;
  /**
   * Tells `cut` when the requests that are in flight on a target are ended, because its deregistration
   * delay is over; the answer ends that.
   */
  onCut(cut: (target: Target) => void): () => void;
}

/**
 * Makes a router that follows the targets of a world from now on, the same way for real requests and for simulated
 * ones. Requests go to healthy targets in turn; to those that are being deregistered for some time more, as the nodes
 * learn of it late; and, where none is healthy, to all that are registered and checked (fail-open: ALB guide, health
 * checks). A request that outlives the deregistration delay is cut (ALB guide, troubleshooting), by network load
 * balancers only where the group's connection termination is on.
 */
export function createRouter(world: World): Router {
  // Deregistered targets that still get requests: their records may be gone before that ends.
  const lingering = new Map<string, Target>();
  const listeners = new Set<(target: Target) => void>();
  const turns = new Map<string, number>();

  function deregistered(before: Target, after: Target) {
    const group = world.targetGroups.get(after.targetGroupArn);
    if (group === undefined) return;
    const untilMs = world.nowMs() + lagOf(world, group, after);
    if (before.state === "healthy") linger(after, untilMs);
    if (!cutsConnections(world, group)) return;
    const delayMs = deregistrationDelaySeconds(group) * 1000;
    // No node ends what it has not heard of yet.
    world.schedule(Math.max(world.nowMs() + delayMs, untilMs), () => {
      const current = world.targets.get(after.id);
      const isBack = current !== undefined && current.registration !== after.registration;
      if (!isBack) for (const cut of listeners) cut(after);
    });
  }

  function linger(target: Target, untilMs: number) {
    lingering.set(target.id, target);
    world.schedule(untilMs, () => {
      if (lingering.get(target.id) === target) lingering.delete(target.id);
    });
  }

  world.onTransition((transition) => {
    if (transition.kind !== "target") return;
    const { before, after } = transition;
    if (after?.registered === true) lingering.delete(after.id);
    if (before?.registered === true && after?.registered === false) deregistered(before, after);
  });

  function candidates(targetGroupArn: string): readonly Target[] {
    const ofGroup = world.targets
      .list()
      .filter((target) => target.targetGroupArn === targetGroupArn && target.registered);
    const healthy = ofGroup.filter(({ state }) => state === "healthy");
    const leaving = [...lingering.values()].filter(
      (target) => target.targetGroupArn === targetGroupArn,
    );
    const serving = [...healthy, ...leaving];
    return serving.length > 0 ? serving : ofGroup.filter(({ state }) => state === "unhealthy");
  }

  return {
    next(targetGroupArn) {
      const targets = candidates(targetGroupArn);
      const turn = turns.get(targetGroupArn) ?? 0;
      turns.set(targetGroupArn, turn + 1);
      return targets[turn % targets.length];
    },
    onCut(cut) {
      listeners.add(cut);
      return () => listeners.delete(cut);
    },
  };
}

function typeOf(world: World, group: TargetGroup): "application" | "network" {
  return world.loadBalancers.get(group.loadBalancerArn ?? "")?.type ?? "application";
}

/** For how long requests still go to a target that was deregistered, in milliseconds. */
function lagOf(world: World, group: TargetGroup, { id, registration }: Target): number {
  const { applicationDeregistration, networkDeregistration } = world.timings;
  const range =
    typeOf(world, group) === "network" ? networkDeregistration : applicationDeregistration;
  return world.random.between(`deregistration:${id}:${registration}`, range);
}

function cutsConnections(world: World, group: TargetGroup): boolean {
  if (typeOf(world, group) === "application") return true;
  return group.attributes["deregistration_delay.connection_termination.enabled"] === "true";
}
