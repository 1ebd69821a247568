import type { Target, TargetGroup, TargetState } from "./balancer-records.ts";
import { nextCheckAfter, scheduleCheck } from "./health-checks.ts";
import type { Instance } from "./records.ts";
import type { World } from "./world.ts";

/**
 * Reason and description of every state a target can be in without a health check having failed.
 */
export const TARGET_REASONS = {
  registering: ["Elb.RegistrationInProgress", "Target registration is in progress"],
  checking: ["Elb.InitialHealthChecking", "Initial health checks in progress"],
  draining: ["Target.DeregistrationInProgress", "Target deregistration is in progress"],
  notRegistered: ["Target.NotRegistered", "Target is not registered to the target group"],
  groupNotInUse: [
    "Target.NotInUse",
    "Target group is not configured to receive traffic from the load balancer",
  ],
  zoneNotInUse: [
    "Target.NotInUse",
    "Target is in an Availability Zone that is not enabled for the load balancer",
  ],
  stopped: ["Target.InvalidState", "Target is in the stopped state"],
} as const satisfies Record<string, readonly [reason: string, description: string]>;

/** State, reason and description as DescribeTargetHealth shows them. */
export interface Health {
  readonly state: TargetState;
  readonly reason?: string;
  readonly description?: string;
}

/** Puts `state` and one of the reasons above together. */
export function healthOf(state: TargetState, because: keyof typeof TARGET_REASONS): Health {
  const [reason, description] = TARGET_REASONS[because];
  return { state, reason, description };
}

/**
 * The key of a target: the same instance may be registered on several ports, each a target of its
 * own.
 */
export function targetId(targetGroupArn: string, instanceId: string, port: number): string {
  return `${targetGroupArn}|${instanceId}|${port}`;
}

/**
 * How long a deregistered target of this group shows as draining, in seconds (its attribute;
 * default 300).
 */
export function deregistrationDelaySeconds(group: TargetGroup): number {
  return Number(group.attributes["deregistration_delay.timeout_seconds"] ?? 300);
}

/**
 * Registers a running instance. Registered already: nothing happens. Draining: it comes back and
 * starts anew (ALB guide, target groups: "can register again").
 */
export function registerTarget(
  world: World,
  group: TargetGroup,
  instance: Instance,
  port: number,
): void {
  const id = targetId(group.arn, instance.id, port);
  const current = world.targets.get(id);
  if (current?.registered) return;
  const unused = whyUnused(world, group, instance);
  const target: Target = {
    id,
    targetGroupArn: group.arn,
    instanceId: instance.id,
    port,
    zone: instance.zone,
    registered: true,
    ...(unused ?? healthOf("initial", "registering")),
    registeredAtMs: world.nowMs(),
    registration: world.next(`registration:${id}`),
    passes: 0,
    failures: 0,
    abandoned: false,
  };
  world.targets.set(id, target);
  if (unused === undefined) scheduleFirstCheck(world, target);
}

/**
 * A target nobody sends traffic to is not checked: its group has no load balancer, or not in the
 * target's zone.
 */
function whyUnused(world: World, group: TargetGroup, instance: Instance): Health | undefined {
  const balancer = world.loadBalancers.get(group.loadBalancerArn ?? "");
  if (balancer === undefined) return healthOf("unused", "groupNotInUse");
  if (balancer.zones.some(({ zone }) => zone === instance.zone)) return undefined;
  return healthOf("unused", "zoneNotInUse");
}

function scheduleFirstCheck(world: World, { id, registration, targetGroupArn }: Target): void {
  const group = world.targetGroups.get(targetGroupArn);
  if (group === undefined) return;
  const balancer = world.loadBalancers.get(group.loadBalancerArn ?? "");
  const { random, timings } = world;
  const range =
    balancer?.type === "network" ? timings.networkRegistration : timings.applicationRegistration;
  const key = `${id}:${registration}`;
  const registeringMs = random.between(`registering:${key}`, range);
  world.schedule(world.nowMs() + registeringMs, () => {
    const target = world.targets.get(id);
    if (target?.registration !== registration || target.state !== "initial") return;
    const intervalMs = group.healthCheck.intervalSeconds * 1000;
    // Where in the interval the first check falls differs from target to target.
    const firstCheckAtMs = world.nowMs() + random.between(`first-check:${key}`, [0, intervalMs]);
    world.targets.set(id, { ...target, ...healthOf("initial", "checking"), firstCheckAtMs });
    scheduleCheck(world, id, firstCheckAtMs);
  });
}

/**
 * Lets the targets of a group follow whether it has a load balancer: without one they are unused, with
 * one again they start anew.
 */
export function followUse(world: World, targetGroupArn: string): void {
  const group = world.targetGroups.get(targetGroupArn);
  if (group === undefined) return;
  for (const target of world.targets.list()) {
    const instance = world.instances.get(target.instanceId);
    if (target.targetGroupArn !== targetGroupArn || !target.registered) continue;
    if (instance === undefined || target.abandoned) continue;
    const unused = whyUnused(world, group, instance);
    if (unused !== undefined) {
      world.targets.set(target.id, { ...target, ...unused, firstCheckAtMs: undefined });
    } else if (target.reason === "Target.NotInUse") {
      const registration = world.next(`registration:${target.id}`);
      const started = { ...target, ...healthOf("initial", "registering"), registration };
      world.targets.set(target.id, { ...started, passes: 0, failures: 0 });
      scheduleFirstCheck(world, started);
    }
  }
}

/**
 * Deregisters a target. It shows as draining for the group's whole deregistration delay, busy or
 * not, and is then gone (ALB guide, deregistration delay). Not registered: nothing happens.
 */
export function deregisterTarget(world: World, group: TargetGroup, id: string): void {
  const target = world.targets.get(id);
  if (!target?.registered || target.abandoned) return;
  const delaySeconds = deregistrationDelaySeconds(group);
  world.targets.set(id, {
    ...target,
    ...healthOf("draining", "draining"),
    registered: false,
    deregisteredAtMs: world.nowMs(),
  });
  world.schedule(world.nowMs() + delaySeconds * 1000, () => {
    const current = world.targets.get(id);
    if (current?.registration !== target.registration || current.registered) return;
    world.targets.set(id, undefined);
  });
}

/**
 * Lets the targets of this world follow what happens to their instances. To be called once per
 * world.
 */
export function attachTargets(world: World): void {
  world.onTransition((transition) => {
    if (transition.kind !== "instance") return;
    const { before, after } = transition;
    if (before === undefined || after === undefined) return;
    const stateChanged = before.state !== after.state;
    if (!stateChanged && before.answer === after.answer) return;
    for (const target of world.targets.list()) {
      if (target.instanceId !== after.id || !target.registered) continue;
      if (stateChanged && after.state === "stopped") {
        world.targets.set(target.id, {
          ...target,
          ...healthOf("unused", "stopped"),
          firstCheckAtMs: undefined,
        });
      } else if (stateChanged && after.state === "terminated") {
        abandon(world, target);
      } else if (target.firstCheckAtMs !== undefined) {
        scheduleCheck(world, target.id, nextCheckAfter(world, target));
      }
    }
  });
}

/**
 * A target whose instance terminated while registered leaves the list by itself after a while, but
 * asked for by id it answers `draining` for ever (observed on AWS by the tests of moto).
 */
function abandon(world: World, { id, registration }: Target): void {
  const { random, timings } = world;
  const key = `${id}:${registration}`;
  const noticeMs = random.between(`noticed:${key}`, timings.abandonedIsNoticed);
  const listedMs = random.between(`listed:${key}`, timings.abandonedIsListed);
  const change = (atMs: number, changes: Partial<Target>) =>
    world.schedule(atMs, () => {
      const target = world.targets.get(id);
      if (target?.registration !== registration || !target.registered) return;
      world.targets.set(id, { ...target, ...changes });
    });
  const noticedAtMs = world.nowMs() + noticeMs;
  change(noticedAtMs, { ...healthOf("draining", "draining"), firstCheckAtMs: undefined });
  change(noticedAtMs + listedMs, { abandoned: true });
}
