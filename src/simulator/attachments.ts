import { nextAddress } from "./ec2/run-instances.ts";
import { newId } from "./ids.ts";
import { changeInstance, changeInterface } from "./instances.ts";
import type { Instance, NetworkInterface, Volume } from "./records.ts";
import type { World } from "./world.ts";

/** Acts on an instance from outside, as somebody may do in the console. */
function actOn<T>(world: World, id: string, act: (instance: Instance) => T): T {
  return world.actAs({ by: "control" }, () => {
    const instance = world.instances.get(id);
    if (instance === undefined) throw new Error(`there is no instance ${id}`);
    return act(instance);
  });
}

/** What a volume that is attached later may be told to be. */
type VolumeOptions = Partial<
  Pick<
    Volume,
    | "deviceName"
    | "deleteOnTermination"
    | "sizeGib"
    | "volumeType"
    | "snapshotId"
    | "encrypted"
    | "tags"
  >
>;

/**
 * Attaches another volume to an instance, by default one of 100 GiB that stays when the instance is
 * terminated; answers its id.
 */
export function attachVolume(world: World, id: string, options: VolumeOptions = {}): string {
  return actOn(world, id, ({ zone, volumeIds }) => {
    const volume: Volume = {
      id: newId(world, "vol"),
      instanceId: id,
      zone,
      deviceName: "/dev/sdf",
      sizeGib: 100,
      volumeType: "gp3",
      iops: 3000,
      throughputMibps: 125,
      encrypted: false,
      snapshotId: "",
      deleteOnTermination: false,
      createdAtMs: world.nowMs(),
      attached: true,
      tags: [],
      ...options,
    };
    world.volumes.set(volume.id, volume);
    changeInstance(world, id, { volumeIds: [...volumeIds, volume.id] });
    return volume.id;
  });
}

/**
 * Attaches another network interface to an instance, by default in the subnet and groups of the primary
 * one and one that stays when the instance is terminated; answers its id.
 */
export function attachNetworkInterface(
  world: World,
  id: string,
  options: Partial<Pick<NetworkInterface, "deleteOnTermination" | "description">> = {},
): string {
  return actOn(world, id, ({ networkInterfaces }) => {
    const [primary] = networkInterfaces as readonly [NetworkInterface];
    const { subnetId, groupIds } = primary;
    const nic: NetworkInterface = {
      id: newId(world, "eni"),
      deviceIndex: Math.max(...networkInterfaces.map(({ deviceIndex }) => deviceIndex)) + 1,
      subnetId,
      groupIds,
      privateIp: nextAddress(world, subnetId),
      ipv6Addresses: [],
      deleteOnTermination: false,
      description: "",
      ...options,
    };
    changeInstance(world, id, { networkInterfaces: [...networkInterfaces, nic] });
    return nic.id;
  });
}

/** Gives a network interface of an instance another private address beside its primary one; answers it. */
export function assignPrivateIp(world: World, id: string, deviceIndex = 0): string {
  return actOn(world, id, ({ networkInterfaces }) => {
    const nic = networkInterfaces.find((one) => one.deviceIndex === deviceIndex);
    const ip = nextAddress(world, nic?.subnetId ?? "");
    changeInterface(world, id, deviceIndex, ({ secondaryIps = [] }) => ({
      secondaryIps: [...secondaryIps, ip],
    }));
    return ip;
  });
}

/** Turns the source/destination check of a network interface on or off. */
export function setSourceDestCheck(
  world: World,
  id: string,
  sourceDestCheck: boolean,
  deviceIndex = 0,
): void {
  actOn(world, id, () => changeInterface(world, id, deviceIndex, () => ({ sourceDestCheck })));
}
