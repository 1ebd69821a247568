import { newId } from "../ids.ts";
import type { BlockDevice, Volume } from "../records.ts";
import type { World } from "../world.ts";
import type { LaunchPlan } from "./launch-plan.ts";
import type { RunParameters } from "./run-parameters.ts";

/** What gp3 has when nothing else is asked for (EBS guide, volume types). */
const GP3_BASELINE = { iops: 3000, throughputMibps: 125 };

/**
 * Makes the volumes of a new instance: the image's, changed by the request's mapping of the same
 * device name, and the request's own. Answers their ids.
 */
export function createVolumes(
  world: World,
  parameters: RunParameters,
  { image, subnet, volumeTags }: LaunchPlan,
  instanceId: string,
): readonly string[] {
  const mappings = parameters.BlockDeviceMapping ?? [];
  const names = new Set([
    ...image.blockDevices.map(({ deviceName }) => deviceName),
    ...mappings.flatMap(({ DeviceName }) => (DeviceName === undefined ? [] : [DeviceName])),
  ]);
  return [...names].flatMap((deviceName) => {
    const mapping = mappings.find(({ DeviceName }) => DeviceName === deviceName);
    const ofImage = image.blockDevices.find((device) => device.deviceName === deviceName);
    if (mapping?.NoDevice !== undefined || mapping?.VirtualName !== undefined) return [];
    const volume: Volume = {
      ...volumeSettings(mapping?.Ebs ?? {}, ofImage),
      id: newId(world, "vol"),
      instanceId,
      deviceName,
      zone: subnet.zone,
      createdAtMs: world.nowMs(),
      attached: true,
      tags: volumeTags,
    };
    world.volumes.set(volume.id, volume);
    return [volume.id];
  });
}

/** What a request says of one volume. */
export type EbsParameters = NonNullable<
  NonNullable<RunParameters["BlockDeviceMapping"]>[number]["Ebs"]
>;

function volumeSettings(ebs: EbsParameters, ofImage: BlockDevice | undefined) {
  const volumeType = ebs.VolumeType ?? ofImage?.volumeType ?? "gp2";
  const sizeGib = ebs.VolumeSize ?? ofImage?.sizeGib ?? 8;
  // What the image says of another type means nothing for this one.
  const inherited = volumeType === ofImage?.volumeType ? ofImage : undefined;
  const baseline = volumeType === "gp3" ? GP3_BASELINE : undefined;
  // The baseline of gp2, which cannot be chosen, grows with its size.
  const bySize = volumeType === "gp2" ? Math.min(16_000, Math.max(100, 3 * sizeGib)) : undefined;
  return {
    sizeGib,
    volumeType,
    iops: ebs.Iops ?? inherited?.iops ?? baseline?.iops ?? bySize,
    throughputMibps: ebs.Throughput ?? inherited?.throughputMibps ?? baseline?.throughputMibps,
    initializationRateMibps: ebs.VolumeInitializationRate,
    encrypted: ebs.Encrypted ?? ofImage?.encrypted ?? false,
    kmsKeyId: ebs.KmsKeyId,
    snapshotId: ebs.SnapshotId ?? ofImage?.snapshotId ?? "",
    // A volume the request alone asks for stays when its instance goes; the image's entry says what
    // becomes of its own.
    deleteOnTermination: ebs.DeleteOnTermination ?? ofImage?.deleteOnTermination ?? false,
  };
}
