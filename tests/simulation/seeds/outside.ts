import type { TargetGroup } from "../../../src/simulator/balancer-records.ts";
import {
  denyAction,
  editInstance,
  forceAnswer,
  impairInstance,
  setCapacity,
  setVcpuQuota,
  terminateInstance,
} from "../../../src/simulator/controls.ts";
import type { Instance } from "../../../src/simulator/records.ts";
import { deregisterTarget, registerTarget } from "../../../src/simulator/targets.ts";
import type { World } from "../../../src/simulator/world.ts";
import type { Ground } from "../checkers/ground.ts";
import type { Draw } from "./draw.ts";
import type { EventKind } from "./scenario.ts";

/** What happens to a fleet from outside. */
export interface Outside {
  /**
   * Lets one thing happen now, and tells to whom; undefined: there was nothing it could happen to.
   * @param replaced whose replacement it happens to, where it is to one
   */
  happen(kind: EventKind, lastsMs: number, key: string, replaced?: string): string | undefined;
  /** Ends all that lasts, and registers an instance where none is left to be replaced. */
  heal(): void;
}

/** What may be taken away from the caller for a while. */
const deniable = [
  "ec2:RunInstances",
  "ec2:TerminateInstances",
  "ec2:DescribeInstances",
  "elasticloadbalancing:RegisterTargets",
  "elasticloadbalancing:DeregisterTargets",
  "elasticloadbalancing:DescribeTargetHealth",
  "elasticloadbalancing:AddTags",
  "elasticloadbalancing:DescribeTags",
] as const;

type Place = Ground["places"][number];

/** Makes the outside of a world. `later` lets something happen after some milliseconds. */
export function createOutside(
  ground: Ground,
  draw: Draw,
  later: (ms: number, act: () => void) => void,
): Outside {
  const { world } = ground;
  const undo = new Set<() => void>();

  /** Until it is over, or all is healed. */
  function passing(lastsMs: number, end: () => void): void {
    const once = () => {
      if (undo.delete(once)) end();
    };
    undo.add(once);
    later(lastsMs, once);
  }

  function happenTo(
    kind: EventKind,
    lastsMs: number,
    key: string,
    replaced?: string,
  ): string | undefined {
    const instance = oneOf(liveOnes(ground), key, draw);
    switch (kind) {
      case "dies":
        if (instance !== undefined) terminateInstance(world, instance.id);
        return instance?.id;
      case "impaired":
        if (instance?.state !== "running") return undefined;
        impairInstance(world, instance.id);
        return instance.id;
      case "flaps": {
        if (instance?.state !== "running") return undefined;
        const { answer } = instance;
        forceAnswer(world, instance.id, 503);
        passing(lastsMs, () => forceAnswer(world, instance.id, answer));
        return instance.id;
      }
      case "registered":
        return register(ground, draw.pick(`${key}:place`, ground.places), key, draw);
      case "deregistered":
        return deregister(ground, key, draw);
      case "terminated-replacement": {
        const one = oneOf(
          liveOnes(ground).filter(
            ({ id, tags }) =>
              !ground.initial.has(id) &&
              (replaced === undefined || tags.some(({ value }) => value === replaced)),
          ),
          key,
          draw,
        );
        if (one !== undefined) terminateInstance(world, one.id);
        return one?.id;
      }
      case "tags-gone": {
        const tagged = liveOnes(ground).filter(({ tags }) => tags.some(isOurs));
        const one = oneOf(tagged, key, draw);
        if (one === undefined) return undefined;
        editInstance(world, one.id, { tags: one.tags.filter((tag) => !isOurs(tag)) });
        return one.id;
      }
      case "lease-gone":
        return removeLeases(ground);
      case "zone-full": {
        const zones = [...new Set([...world.subnets.values()].map(({ zone }) => zone))];
        const zone = draw.pick(`${key}:zone`, zones);
        setCapacity(world, zone, false);
        passing(lastsMs, () => setCapacity(world, zone, true));
        return zone;
      }
      case "quota":
        setVcpuQuota(world, liveOnes(ground).length * 2);
        passing(lastsMs, () => setVcpuQuota(world, Number.POSITIVE_INFINITY));
        return "vCPUs";
      case "denied": {
        const action = draw.pick(`${key}:action`, deniable);
        denyAction(world, action, true);
        passing(lastsMs, () => denyAction(world, action, false));
        return action;
      }
    }
  }

  return {
    happen: happenTo,
    heal() {
      for (const end of [...undo]) end();
      if (!isAnyServed(ground)) register(ground, ground.places[0] as Place, "heal", draw);
    },
  };
}

/** Whether the group to be updated has an instance that could be replaced. */
export function isAnyServed(ground: Ground): boolean {
  const live = new Set(liveOnes(ground).map(({ id }) => id));
  return targetsIn(ground, ground.groups[0]).some(
    ({ registered, instanceId }) => registered && live.has(instanceId),
  );
}

function isOurs({ key }: { readonly key: string }): boolean {
  return key.startsWith("zero-deploy:");
}

/** The fleet, and what was launched for it. */
function liveOnes({ world, bystanders }: Ground): Instance[] {
  return world.instances
    .list()
    .filter(({ id, state }) => ["pending", "running"].includes(state) && !bystanders.has(id));
}

function oneOf<T>(from: readonly T[], key: string, draw: Draw): T | undefined {
  return from.length === 0 ? undefined : draw.pick(`${key}:which`, from);
}

/** Somebody registers an instance of the fleet that is not, where the others are. */
function register(ground: Ground, place: Place, key: string, draw: Draw): string | undefined {
  const { world } = ground;
  const group = world.targetGroups.get(place.targetGroupArn) as TargetGroup;
  const absent = liveOnes(ground).filter(
    ({ id, state }) =>
      state === "running" &&
      !targetsOf(world, id).some(
        (one) => one.targetGroupArn === group.arn && one.port === place.port && one.registered,
      ),
  );
  const instance = oneOf(absent, key, draw);
  if (instance === undefined) return undefined;
  world.actAs({ by: "control" }, () => registerTarget(world, group, instance, place.port));
  return `${instance.id}:${place.port} in ${group.name}`;
}

/** Somebody deregisters an instance of the fleet: from one of the other groups, or from all. */
function deregister(ground: Ground, key: string, draw: Draw): string | undefined {
  const { world, groups } = ground;
  const registered = groups.flatMap((arn) =>
    targetsIn(ground, arn).filter(({ registered, abandoned }) => registered && !abandoned),
  );
  const target = oneOf(registered, key, draw);
  if (target === undefined) return undefined;
  const isFirst = target.targetGroupArn === groups[0];
  const all = registered.filter((one) =>
    isFirst ? one.instanceId === target.instanceId : one === target,
  );
  for (const { id, targetGroupArn } of all) {
    const group = world.targetGroups.get(targetGroupArn) as TargetGroup;
    world.actAs({ by: "control" }, () => deregisterTarget(world, group, id));
  }
  return all.map(({ id }) => id.slice(id.indexOf("/") + 1)).join(", ");
}

function targetsIn({ world }: Ground, targetGroupArn: string | undefined) {
  return world.targets.list().filter((target) => target.targetGroupArn === targetGroupArn);
}

function removeLeases({ world, groups }: Ground): string | undefined {
  const leased = groups.filter((arn) => (world.elbTags.get(arn) ?? []).some(isOurs));
  for (const arn of leased) {
    const left = (world.elbTags.get(arn) ?? []).filter((tag) => !isOurs(tag));
    world.elbTags.set(arn, left);
  }
  return leased.length === 0 ? undefined : "all";
}

function targetsOf(world: World, instanceId: string) {
  return world.targets.list().filter((target) => target.instanceId === instanceId);
}
