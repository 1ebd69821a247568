import type { Difference } from "../launch/difference.ts";
import { differences } from "../launch/differences.ts";
import { type Launch, type LaunchTemplate, subnetOf } from "../launch.ts";
import type { Preflight } from "../preflight.ts";
import { isWell, type Registration, type Slot } from "../slots.ts";
import { type Instance, isAlive, ownTags } from "../snapshot.ts";
import { inTurn } from "../turns.ts";
import { drainSecondsOf, type Estimate, estimate, type Work } from "./estimate.ts";

/** What is to become of one place of the fleet. */
export type PlannedAction =
  /** A replacement is launched. */
  | "replace"
  /** The replacement is there already, launched by an earlier run. */
  | "adopt"
  /** The replacement serves; what it replaced has still to go. */
  | "finish"
  /** It is up to date. */
  | "skip";

/** An instance as a plan shows it. */
export interface PlannedInstance {
  readonly instance: string;
  readonly ami: string;
  readonly instanceType: string;
  readonly zone: string;
  /** EC2's state, and ELBv2's of its targets. */
  readonly state: string;
  readonly health: string;
  readonly ageSeconds: number;
}

/** What is going to be done for one place of the fleet. */
export interface PlannedSlot {
  readonly action: PlannedAction;
  /** The instance to be replaced; of one that is up to date, itself. */
  readonly old?: PlannedInstance;
  /** The one that replaces it, where it is there already. */
  readonly replacement?: PlannedInstance;
  /** Where the replacement is launched, where it has still to be. */
  readonly launch?: {
    readonly subnet: string;
    readonly zone: string;
    readonly instanceType: string;
  };
  readonly differences: readonly Difference[];
  /** Where it serves, or its replacement is to serve. */
  readonly registrations: readonly { readonly targetGroup: string; readonly port: number }[];
  /** Whether the replacement is healthy in all of these already. */
  readonly isInService: boolean;
  /** What is drained and terminated beside the old one, and why it is there. */
  readonly cleanUp: readonly (PlannedInstance & { readonly why: string })[];
}

/** What a run would do, found out without changing anything. */
export interface RolloutPlan {
  readonly ami: string;
  readonly version: string;
  readonly slots: readonly PlannedSlot[];
  /** Instances that carry tags of a rollout but belong to none of these places. */
  readonly leftAlone: readonly PlannedInstance[];
  readonly targetGroups: readonly {
    readonly targetGroup: string;
    readonly ports: readonly number[];
    readonly deregistrationDelaySeconds: number;
  }[];
  /** How many old instances have still to drain. */
  readonly drains: number;
  readonly estimate: Estimate;
  readonly hints: readonly string[];
}

/** A deregistration delay below this may be over before the load balancer has stopped sending and the last request ended. */
const shortDelaySeconds = 25;

/** Draining in all for longer than this is worth a hint. */
const longDrainSeconds = 600;

/** A delay that is long enough for most, to compare with. */
const usualDelaySeconds = 60;

/** The plan that a preflight leads to. Pure. */
export function rolloutPlan(
  { plan, fleet, snapshot, launches, template }: Preflight,
  nowMs: number,
): RolloutPlan {
  const describe = (instance: Instance) => plannedInstance(instance, snapshot.targets, nowMs);
  const ordered = inTurn(fleet.slots, snapshot, plan.config.targetGroupArn);
  const slots = ordered.map((slot): PlannedSlot => {
    const { old, replacement, retiring, wanted } = slot;
    const action = actionFor(slot);
    const launch = old && launchFor(old, replacement, launches);
    const shown = old ?? (action === "skip" ? replacement : undefined);
    return {
      action,
      old: shown && describe(shown),
      replacement: action === "skip" ? undefined : replacement && describe(replacement),
      launch: launch && action === "replace" ? placeOf(launch, template) : undefined,
      differences: launch ? differences(launch.source, launch.input, template) : [],
      registrations: named(wanted, plan.targetGroups),
      isInService: isWell(slot, snapshot),
      cleanUp: retiring.map((one) => ({ ...describe(one), why: whyLeftOver(one, slot) })),
    };
  });
  const drains = slots.filter(({ action }) => action !== "skip").length;
  const arriving = slots.filter(
    ({ action, isInService }) => action === "replace" || (action === "adopt" && !isInService),
  ).length;
  const work = { arriving, leaving: drains - arriving };
  return {
    ami: plan.ami,
    version: plan.config.version,
    slots,
    leftAlone: fleet.strays.map(describe),
    targetGroups: plan.targetGroups.map((group) => ({
      targetGroup: group.name,
      ports: [...new Set(slots.flatMap(({ registrations }) => portsIn(registrations, group.name)))],
      deregistrationDelaySeconds: group.deregistrationDelaySeconds,
    })),
    drains,
    estimate: estimate(plan, work),
    hints: drains > 0 ? hintsFor(plan, work) : [],
  };
}

/** Of several, which are for when there is no capacity, the one that was made, or else is to be made. */
function launchFor(
  old: Instance,
  replacement: Instance | undefined,
  launches: Preflight["launches"],
): Launch | undefined {
  const possible = launches.get(old.id);
  const made = possible?.find(({ input }) => subnetOf(input) === replacement?.source.SubnetId);
  return made ?? possible?.[0];
}

function placeOf({ input }: Launch, { subnets, config }: LaunchTemplate): PlannedSlot["launch"] {
  const subnet = subnetOf(input) ?? "";
  const zone = subnets.find(({ SubnetId }) => SubnetId === subnet)?.AvailabilityZone ?? "";
  return { subnet, zone, instanceType: config.instanceType };
}

function actionFor({ old, replacement, retiring }: Slot): PlannedAction {
  if (old !== undefined) return replacement === undefined ? "replace" : "adopt";
  return retiring.length > 0 ? "finish" : "skip";
}

function plannedInstance(
  { id, imageId, instanceType, zone, state, launchedAtMs }: Instance,
  targets: Preflight["snapshot"]["targets"],
  nowMs: number,
): PlannedInstance {
  const states = targets.filter(({ instanceId }) => instanceId === id).map((one) => one.state);
  return {
    instance: id,
    ami: imageId,
    instanceType,
    zone,
    state,
    health: states.length === 0 ? "not a target" : [...new Set(states)].join(" and "),
    ageSeconds: Math.max(0, Math.round((nowMs - launchedAtMs) / 1000)),
  };
}

function whyLeftOver(instance: Instance, { id, old }: Slot): string {
  if (instance.id === id || instance.tags[ownTags.replaces] === undefined) {
    return "deregistered by an earlier run, its replacement is there";
  }
  const what = isAlive(instance)
    ? "left by another rollout"
    : `${instance.state}, left by a rollout`;
  return old === undefined ? what : `${what}, and of no use to this one`;
}

function named(
  wanted: readonly Registration[],
  groups: Preflight["plan"]["targetGroups"],
): { targetGroup: string; port: number }[] {
  return wanted.map(({ targetGroupArn, port }) => ({
    targetGroup: groups.find(({ arn }) => arn === targetGroupArn)?.name ?? targetGroupArn,
    port,
  }));
}

function portsIn(registrations: PlannedSlot["registrations"], group: string): number[] {
  return registrations.flatMap(({ targetGroup, port }) => (targetGroup === group ? port : []));
}

function hintsFor(plan: Preflight["plan"], work: Work): string[] {
  const hints = ["not checked are the permissions to register, deregister and tag"];
  const replacing = work.arriving;
  const now = estimate(plan, work);
  const drain = drainSecondsOf(plan);
  const shorter = Math.max(usualDelaySeconds, plan.drainFloorSeconds);
  if (drain * replacing > longDrainSeconds && drain > shorter) {
    const targetGroups = plan.targetGroups.map((group) => ({
      ...group,
      deregistrationDelaySeconds: Math.min(shorter, group.deregistrationDelaySeconds),
    }));
    const then = estimate({ ...plan, targetGroups }, work);
    hints.push(
      `with a deregistration delay of ${shorter} s, if no request lasts longer, it would take about ${minutes(then.totalSeconds)}`,
    );
  }
  for (const surge of new Set([2, Math.min(5, replacing - 1)])) {
    const then = estimate(plan, work, surge);
    if (surge <= plan.config.maxSurge || then.totalSeconds >= now.totalSeconds) continue;
    hints.push(`with --max-surge ${surge} it would take about ${minutes(then.totalSeconds)}`);
  }
  for (const { name, deregistrationDelaySeconds } of plan.targetGroups) {
    if (plan.loadBalancerType !== "application") continue;
    if (deregistrationDelaySeconds >= shortDelaySeconds) continue;
    hints.push(
      `the deregistration delay of ${name} is short: the load balancer itself cuts requests that are not over ${deregistrationDelaySeconds} s after deregistration`,
    );
  }
  return hints;
}

/** "27 min" */
export function minutes(seconds: number): string {
  return seconds < 90 ? `${seconds} s` : `${Math.round(seconds / 60)} min`;
}
