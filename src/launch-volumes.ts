import type {
  EbsBlockDevice,
  Image,
  InstanceBlockDeviceMapping,
  Volume,
} from "@aws-sdk/client-ec2";
import type { LaunchSource } from "./aws/ec2.ts";

type VolumeSettings = Pick<EbsBlockDevice, "VolumeSize" | "VolumeType" | "Iops" | "Throughput">;

/** Types whose performance is bought apart from their size. */
const provisionedTypes = new Set(["gp3", "io1", "io2"]);

/**
 * The block devices a replacement needs beyond those its AMI brings: what the old instance's launch chose differently
 * from its own AMI. Never a snapshot or volume id: the data comes from the new AMI.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
 */
export function blockDeviceMappings(
  source: LaunchSource,
  image: Image,
  oldImages: readonly Image[],
) {
  const old = source.instance;
  const oldImage = oldImages.find(({ ImageId }) => ImageId === old.ImageId);
  return (old.BlockDeviceMappings ?? [])
    .flatMap((mapping) => {
      const volume = source.volumes.find(({ VolumeId }) => VolumeId === mapping.Ebs?.VolumeId);
      const isRoot = mapping.DeviceName === old.RootDeviceName;
      const outlives = mapping.Ebs?.DeleteOnTermination !== true;
      // Another than the root that outlives its instance was attached by hand or holds data: a copy would be empty.
      if (volume === undefined || (outlives && !isRoot)) return [];
      // The same device may have another name in the new AMI; under the old one a second volume would appear.
      const DeviceName = isRoot ? image.RootDeviceName : mapping.DeviceName;
      const given = ebsOf(image, DeviceName);
      const settings: EbsBlockDevice = {
        ...chosen(volume, ebsOf(oldImage, mapping.DeviceName), given),
        ...encryption(volume, given),
        ...(given?.DeleteOnTermination === !outlives ? {} : { DeleteOnTermination: !outlives }),
      };
      if (Object.keys(settings).length === 0) return [];
      // Whoever says anything about a volume says its size too, so that no default gets between.
      const VolumeSize = Math.max(volume.Size ?? 0, given?.VolumeSize ?? 0);
      return [{ DeviceName, Ebs: { ...settings, VolumeSize } }];
    })
    .sort((a, b) => ((a.DeviceName ?? "") < (b.DeviceName ?? "") ? -1 : 1));
}

/** Volumes of an instance that stay behind when it is terminated. */
export function volumesLeftBehind(mappings: readonly InstanceBlockDeviceMapping[]): string[] {
  return mappings
    .filter(({ Ebs }) => Ebs?.DeleteOnTermination === false)
    .flatMap(({ Ebs, DeviceName }) => (Ebs?.VolumeId ? `${Ebs.VolumeId} (${DeviceName})` : []));
}

/**
 * @param before what the old AMI brought, where it is known
 * @param given what the new AMI brings, where it has this device
 */
function chosen(
  volume: Volume,
  before: EbsBlockDevice | undefined,
  given: EbsBlockDevice | undefined,
): VolumeSettings {
  const settings: VolumeSettings = {};
  const size = volume.Size ?? 0;
  if (size > (given?.VolumeSize ?? 0)) settings.VolumeSize = size;
  // Without the old AMI nobody knows whether the type was chosen or came with it; the new AMI's is the better guess.
  const wasChosen = given === undefined || (before !== undefined && !sameSpeed(volume, before));
  if (wasChosen && volume.VolumeType !== undefined) {
    settings.VolumeType = volume.VolumeType;
    if (provisionedTypes.has(volume.VolumeType) && volume.Iops) settings.Iops = volume.Iops;
    if (volume.VolumeType === "gp3" && volume.Throughput) settings.Throughput = volume.Throughput;
  }
  return settings;
}

function sameSpeed(volume: Volume, before: EbsBlockDevice): boolean {
  return (
    volume.VolumeType === (before.VolumeType ?? volume.VolumeType) &&
    (!provisionedTypes.has(volume.VolumeType ?? "") ||
      volume.Iops === (before.Iops ?? defaultIops(volume))) &&
    (volume.VolumeType !== "gp3" || (volume.Throughput ?? 125) === (before.Throughput ?? 125))
  );
}

/** What gp3 has without asking; the io types have to be told, so any value of theirs is a choice. */
function defaultIops(volume: Volume): number | undefined {
  return volume.VolumeType === "gp3" ? 3000 : undefined;
}

/** Encryption is kept, and never taken away. */
function encryption(volume: Volume, given: EbsBlockDevice | undefined) {
  return volume.Encrypted && !given?.Encrypted
    ? { Encrypted: true, ...(volume.KmsKeyId ? { KmsKeyId: volume.KmsKeyId } : {}) }
    : {};
}

function ebsOf(
  image: Image | undefined,
  deviceName: string | undefined,
): EbsBlockDevice | undefined {
  return image?.BlockDeviceMappings?.find((mapping) => mapping.DeviceName === deviceName)?.Ebs;
}
