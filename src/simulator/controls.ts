import {
  beginStop,
  beginTermination,
  changeInstance,
  changeInterface,
  USER_SHUTDOWN,
} from "./instances.ts";
import type { AppAnswer, Instance } from "./records.ts";
import type { World } from "./world.ts";

/** What somebody else may change about an instance while a rollout is on its way. */
export type InstanceEdit = Partial<
  Pick<
    Instance,
    | "tags"
    | "disableApiTermination"
    | "disableApiStop"
    | "shutdownBehavior"
    | "lifecycle"
    | "spotRequest"
    | "operator"
    | "userData"
    | "iamInstanceProfileArn"
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

/**
 * Gives an instance an Elastic IP address, for its primary private address or for another one that it
 * has; it loses it when it is terminated.
 */
export function associateElasticIp(
  world: World,
  id: string,
  publicIp: string,
  privateIp?: string,
): void {
  world.actAs({ by: "control" }, () => {
    const interfaces = world.instances.get(id)?.networkInterfaces ?? [];
    if (privateIp === undefined || privateIp === interfaces[0]?.privateIp) {
      changeInstance(world, id, { publicIp, publicIpOwner: world.accountId });
      return;
    }
    const holder = interfaces.find((nic) =>
      [nic.privateIp, ...(nic.secondaryIps ?? [])].includes(privateIp),
    );
    if (holder === undefined) throw new Error(`instance ${id} has no address ${privateIp}`);
    changeInterface(world, id, holder.deviceIndex, ({ elasticIps }) => ({
      elasticIps: { ...elasticIps, [privateIp]: publicIp },
    }));
  });
}

/**
 * Takes the permission for an action from everybody who calls, or gives it back: `ec2:RunInstances`,
 * `elasticloadbalancing:AddTags`, `iam:PassRole`.
 */
export function denyAction(world: World, action: string, isDenied: boolean): void {
  world.actAs({ by: "control" }, () => {
    if (isDenied) world.deniedActions.add(action);
    else world.deniedActions.delete(action);
  });
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
