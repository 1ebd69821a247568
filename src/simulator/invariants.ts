import type { Target } from "./balancer-records.ts";
import type { Instance } from "./records.ts";
import { deregistrationDelaySeconds } from "./targets.ts";
import type { Transition, World } from "./world.ts";

/**
 * What a rolling update must never do: `terminated-in-service` an instance was terminated while
 * registered, or before the last request sent to it can have ended; `capacity-lost` a request took
 * healthy targets below what was healthy at the start; `surge-exceeded` more instances were
 * launched than may run at once; `launched-twice` two live replacements stand for one old instance.
 */
export type Rule = "terminated-in-service" | "capacity-lost" | "surge-exceeded" | "launched-twice";

/** One broken rule, and the virtual time in milliseconds at which it broke. */
export interface Violation {
  readonly atMs: number;
  readonly rule: Rule;
  readonly message: string;
}

/** A watch over a world. */
export interface Invariants {
  /** Everything seen so far, in time order; empty is good. */
  readonly violations: readonly Violation[];
  /** Ends the watch. */
  stop(): void;
}

/**
 * How long a load balancer may go on sending requests after a target is deregistered, and time for the last of them to
 * end, in seconds.
 */
const FLOOR_SECONDS = { application: 30, network: 150 } as const;

/** The tag by which a replacement says whose place it takes. */
const REPLACES_TAG = "zero-deploy:replaces";

/** What a watch goes by. */
export interface WatchOptions {
  /** Instances that may run beyond those that run now. */
  readonly maxSurge: number;
  /** Told of every broken rule, when it breaks. */
  readonly onViolation?: (violation: Violation) => void;
}

/**
 * Watches every change of a world from now on. What is healthy and what runs now is the baseline
 * that must be kept.
 */
export function watchInvariants(
  { world }: { readonly world: World },
  { maxSurge, onViolation }: WatchOptions,
): Invariants {
  world.advance();
  const violations: Violation[] = [];
  const healthyAtStart = new Map(
    [...world.targetGroups.keys()].map((arn) => [arn, countServing(world, arn)]),
  );
  const liveLimit = countLive(world) + maxSurge;
  // Every registration ever seen, with the time it was given up.
  const registrations = new Map<string, Target>();
  for (const target of world.targets.list()) registrations.set(target.id, target);

  const stop = world.onTransition((transition) => {
    const { atMs } = transition;
    const report = (rule: Rule, message: string) => {
      const violation = { atMs, rule, message };
      violations.push(violation);
      onViolation?.(violation);
    };
    const isRequested = transition.cause.by === "request";
    if (transition.kind === "target") {
      const { before, after } = transition;
      if (after !== undefined) registrations.set(after.id, after);
      if (isRequested && before !== undefined && isServing(world, before)) {
        checkCapacity(world, healthyAtStart, before.targetGroupArn, report);
      }
    }
    if (transition.kind !== "instance" || !isRequested) return;
    const { before, after } = transition;
    if (before === undefined && after !== undefined) {
      checkLaunch(world, after, liveLimit, report);
    } else if (before !== undefined && isBeingTerminated(transition)) {
      checkTermination(world, before, registrations, atMs, report);
      const groups = world.targets
        .list()
        .filter(({ instanceId, registered, state }) => {
          return instanceId === before.id && registered && state === "healthy";
        })
        .map(({ targetGroupArn }) => targetGroupArn);
      for (const arn of new Set(groups)) checkCapacity(world, healthyAtStart, arn, report);
    }
  });
  return { violations, stop };
}

type Report = (rule: Rule, message: string) => void;

function isBeingTerminated(transition: Extract<Transition, { kind: "instance" }>): boolean {
  const { before, after } = transition;
  return after?.state === "shutting-down" && before?.state !== "shutting-down";
}

/**
 * Rule 1: in no target group any more, and long enough out of each for the slowest request to have
 * ended.
 */
function checkTermination(
  world: World,
  instance: Instance,
  registrations: ReadonlyMap<string, Target>,
  atMs: number,
  report: Report,
): void {
  for (const target of registrations.values()) {
    if (target.instanceId !== instance.id) continue;
    const group = world.targetGroups.get(target.targetGroupArn);
    if (group === undefined) continue;
    const where = `${instance.id}:${target.port} of ${group.name}`;
    if (target.registered || target.deregisteredAtMs === undefined) {
      report("terminated-in-service", `${where} was ${target.state} when it was terminated`);
      continue;
    }
    const type = world.loadBalancers.get(group.loadBalancerArn ?? "")?.type ?? "application";
    const neededSeconds = Math.max(deregistrationDelaySeconds(group), FLOOR_SECONDS[type]);
    const waitedSeconds = (atMs - target.deregisteredAtMs) / 1000;
    if (waitedSeconds >= neededSeconds) continue;
    report(
      "terminated-in-service",
      `${where} was terminated ${waitedSeconds} s after it was deregistered, not ${neededSeconds} s`,
    );
  }
}

/** Rule 2: called after a request took a serving target away. */
function checkCapacity(
  world: World,
  healthyAtStart: ReadonlyMap<string, number>,
  targetGroupArn: string,
  report: Report,
): void {
  const baseline = healthyAtStart.get(targetGroupArn) ?? 0;
  const healthy = countServing(world, targetGroupArn);
  if (healthy >= baseline) return;
  const name = world.targetGroups.get(targetGroupArn)?.name;
  report(
    "capacity-lost",
    `${name} has ${healthy} healthy targets, it had ${baseline} at the start`,
  );
}

/** Rules 2b and 3: called for every instance launched. */
function checkLaunch(world: World, launched: Instance, liveLimit: number, report: Report): void {
  const live = countLive(world);
  if (live > liveLimit) {
    report("surge-exceeded", `${live} instances are pending or running, the limit is ${liveLimit}`);
  }
  const replaces = tagOf(launched, REPLACES_TAG);
  if (replaces === undefined) return;
  const twins = world.instances
    .list()
    .filter((instance) => isLive(instance) && tagOf(instance, REPLACES_TAG) === replaces);
  if (twins.length < 2) return;
  const ids = twins.map(({ id }) => id).join(" and ");
  report("launched-twice", `${ids} both replace ${replaces}`);
}

/** Pending or running: what counts against the surge. */
function isLive({ state }: Instance): boolean {
  return state === "pending" || state === "running";
}

function countLive(world: World): number {
  return world.instances.list().filter(isLive).length;
}

/**
 * Whether a target truly takes traffic: what reads show may lag behind, and a dying instance serves
 * nobody.
 */
function isServing(world: World, { registered, state, instanceId }: Target): boolean {
  return registered && state === "healthy" && world.instances.get(instanceId)?.state === "running";
}

/** Targets of a group that truly take traffic now, whatever lagging reads show. */
export function countHealthy({ world }: { readonly world: World }, targetGroupArn: string): number {
  world.advance();
  return countServing(world, targetGroupArn);
}

function countServing(world: World, targetGroupArn: string): number {
  return world.targets
    .list()
    .filter((target) => target.targetGroupArn === targetGroupArn && isServing(world, target))
    .length;
}

function tagOf({ tags }: Instance, key: string): string | undefined {
  return tags.find((tag) => tag.key === key)?.value;
}
