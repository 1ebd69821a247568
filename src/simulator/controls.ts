import { beginStop, beginTermination, changeInstance, USER_SHUTDOWN } from "./instances.ts";
import type { AppAnswer, Instance } from "./records.ts";
import type { World } from "./world.ts";

/** What somebody else may change about an instance while a rollout is on its way. */
export type InstanceEdit = Partial<
  Pick<
    Instance,
    "tags" | "disableApiTermination" | "lifecycle" | "userData" | "iamInstanceProfileArn"
  >
>;

/**
 * Makes the application of an instance answer like this from now on: 200 well, 503 badly, or not at
 * all.
 */
export function forceAnswer(world: World, id: string, answer: AppAnswer): void {
  world.actAs({ by: "control" }, () => changeInstance(world, id, { answer, answerIsForced: true }));
}

/** Fails the instance status check of a running instance. */
export function impairInstance(world: World, id: string): void {
  world.actAs({ by: "control" }, () =>
    changeInstance(world, id, { instanceCheck: "impaired", impairedSinceMs: world.nowMs() }),
  );
}

/** Stops a running instance, as somebody may do in the console. */
export function stopInstance(world: World, id: string): void {
  world.actAs({ by: "control" }, () => beginStop(world, id));
}

/** Terminates an instance behind everybody's back, registered or not. */
export function terminateInstance(world: World, id: string): void {
  world.actAs({ by: "control" }, () => beginTermination(world, id, USER_SHUTDOWN));
}

/**
 * Changes tags, termination protection and the like; an `aws:` tag makes it an Auto Scaling
 * group's.
 */
export function editInstance(world: World, id: string, edit: InstanceEdit): void {
  world.actAs({ by: "control" }, () => changeInstance(world, id, edit));
}

/** Gives an instance an Elastic IP address; it loses it when it is terminated. */
export function associateElasticIp(world: World, id: string, publicIp: string): void {
  world.actAs({ by: "control" }, () =>
    changeInstance(world, id, { publicIp, publicIpOwner: world.accountId }),
  );
}

/** Sets the quota of vCPUs; launches beyond it are refused, and what runs goes on. */
export function setVcpuQuota(world: World, vcpus: number): void {
  world.actAs({ by: "control" }, () => {
    world.quotas.vcpus = vcpus;
  });
}

/** Lets launches in a zone fail for want of capacity, or succeed again. */
export function setCapacity(world: World, zone: string, isThere: boolean): void {
  world.actAs({ by: "control" }, () => {
    if (isThere) world.zonesWithoutCapacity.delete(zone);
    else world.zonesWithoutCapacity.add(zone);
  });
}
