import { startApplication } from "./applications.ts";
import type { Instance, InstanceState, NetworkInterface, StateReason } from "./records.ts";
import type { World } from "./world.ts";

/** The StateReason of an instance a user terminated or stopped (API reference, StateReason). */
export const USER_SHUTDOWN: StateReason = {
  code: "Client.UserInitiatedShutdown",
  message: "Client.UserInitiatedShutdown: User initiated shutdown",
};

/**
 * How the launch of an image dies whose account is out of volumes (EC2 guide, troubleshooting
 * launches).
 */
const LAUNCH_DIED: StateReason = {
  code: "Server.InternalError",
  message: "Client.VolumeLimitExceeded: Volume limit exceeded",
};

/** Puts a changed instance; does nothing when it is no longer there. */
export function changeInstance(world: World, id: string, change: Partial<Instance>): void {
  const current = world.instances.get(id);
  if (current !== undefined) world.instances.set(id, { ...current, ...change });
}

/** Changes the network interface of an instance that has this device index; other ones stay. */
export function changeInterface(
  world: World,
  id: string,
  deviceIndex: number,
  change: (nic: NetworkInterface) => Partial<NetworkInterface>,
): void {
  const networkInterfaces = world.instances
    .get(id)
    ?.networkInterfaces.map((nic) =>
      nic.deviceIndex === deviceIndex ? { ...nic, ...change(nic) } : nic,
    );
  changeInstance(world, id, { networkInterfaces });
}

/** Starts the life of a freshly launched, pending instance: it will run, or die before it does. */
export function startLife(world: World, id: string): void {
  const instance = world.instances.get(id);
  if (instance === undefined) return;
  const { random, timings } = world;
  if (world.images.get(instance.imageId)?.behaviour === "dies") {
    const dieMs = random.between(`dies:${id}`, timings.pendingToTerminated);
    later(world, id, dieMs, "pending", () => becomeTerminated(world, id, LAUNCH_DIED, ""));
    return;
  }
  const runMs = random.between(`running:${id}`, timings.pendingToRunning);
  later(world, id, runMs, "pending", () => becomeRunning(world, id));
}

/**
 * Runs `act` after `delayMs` if the instance is then in `state`; a newer fate makes the older one
 * void.
 */
function later(
  world: World,
  id: string,
  delayMs: number,
  state: InstanceState,
  act: () => void,
): void {
  world.schedule(world.nowMs() + delayMs, () => {
    if (world.instances.get(id)?.state === state) act();
  });
}

function becomeRunning(world: World, id: string): void {
  const instance = world.instances.get(id);
  if (instance === undefined) return;
  const { random, timings } = world;
  const publicIp = instance.wantsPublicIp
    ? { publicIp: publicIpOf(instance), publicIpOwner: "amazon" }
    : {};
  changeInstance(world, id, {
    ...publicIp,
    state: "running",
    stateReason: undefined,
    runningAtMs: world.nowMs(),
  });
  const checksMs = random.between(`checks:${id}`, timings.statusChecks);
  later(world, id, checksMs, "running", () => finishStatusChecks(world, id));
  startApplication(world, id);
}

/** An address of the documentation range, so that nobody can mistake it for a real one. */
function publicIpOf(instance: Instance): string {
  return `203.0.113.${1 + (instance.launchOrder % 254)}`;
}

/**
 * An impaired image passes the system check, which looks at the host, and fails the instance check.
 */
function finishStatusChecks(world: World, id: string): void {
  const instance = world.instances.get(id);
  if (instance?.instanceCheck !== "initializing") return;
  const isImpaired = world.images.get(instance.imageId)?.behaviour === "impaired";
  changeInstance(world, id, {
    systemCheck: "ok",
    instanceCheck: isImpaired ? "impaired" : "ok",
    ...(isImpaired ? { impairedSinceMs: world.nowMs() } : {}),
  });
}

/**
 * Begins to terminate an instance, whatever its state; does nothing when that has begun already. It
 * stays visible for an hour after it is terminated, and loses its tags before that
 * (TerminateInstances).
 */
export function beginTermination(world: World, id: string, reason: StateReason): void {
  const instance = world.instances.get(id);
  if (instance === undefined) return;
  if (instance.state === "shutting-down" || instance.state === "terminated") return;
  const transitionReason = userTransitionReason(world);
  changeInstance(world, id, {
    state: "shutting-down",
    stateReason: reason,
    stateTransitionReason: transitionReason,
    answer: "refused",
  });
  const shutdownMs = world.random.between(`shutting-down:${id}`, world.timings.shuttingDown);
  later(world, id, shutdownMs, "shutting-down", () =>
    becomeTerminated(world, id, reason, transitionReason),
  );
}

/** Stops an instance that runs: stopping, then stopped. Its application answers no more. */
export function beginStop(world: World, id: string): void {
  const instance = world.instances.get(id);
  if (instance?.state !== "running") return;
  changeInstance(world, id, {
    state: "stopping",
    stateReason: USER_SHUTDOWN,
    stateTransitionReason: userTransitionReason(world),
    answer: "refused",
  });
  const stopMs = world.random.between(`stopping:${id}`, world.timings.stopping);
  later(world, id, stopMs, "stopping", () =>
    changeInstance(world, id, { state: "stopped", ...addressesLeft(world, id) }),
  );
}

/** An address of Amazon's goes back when its instance stops, an Elastic IP address stays. */
function addressesLeft({ instances, accountId }: World, id: string): Partial<Instance> {
  if (instances.get(id)?.publicIpOwner === accountId) return {};
  return { publicIp: undefined, publicIpOwner: undefined };
}

function userTransitionReason(world: World): string {
  const time = new Date(world.nowMs()).toISOString();
  return `User initiated (${time.slice(0, 10)} ${time.slice(11, 19)} GMT)`;
}

function becomeTerminated(
  world: World,
  id: string,
  stateReason: StateReason,
  stateTransitionReason: string,
): void {
  const instance = world.instances.get(id);
  if (instance === undefined) return;
  const { random, timings } = world;
  const { volumeIds, ...rest } = instance;
  // Addresses and volumes are released with the instance; the record only says that it was there.
  world.instances.set(id, {
    ...rest,
    volumeIds: [],
    networkInterfaces: instance.networkInterfaces
      .slice(0, 1)
      .map((nic) => ({ ...nic, secondaryIps: [], elasticIps: {} })),
    publicIp: undefined,
    publicIpOwner: undefined,
    state: "terminated",
    stateReason,
    stateTransitionReason,
    answer: "timeout",
  });
  for (const volumeId of volumeIds) {
    const volume = world.volumes.get(volumeId);
    if (volume === undefined) continue;
    world.volumes.set(
      volumeId,
      volume.deleteOnTermination ? undefined : { ...volume, attached: false },
    );
  }
  const tagsMs = random.between(`tags:${id}`, timings.terminatedShowsTags);
  later(world, id, tagsMs, "terminated", () => changeInstance(world, id, { tags: [] }));
  const visibleMs = random.between(`visible:${id}`, timings.terminatedIsVisible);
  later(world, id, visibleMs, "terminated", () => world.instances.set(id, undefined));
}
