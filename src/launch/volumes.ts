import type {
  EbsBlockDevice,
  Image,
  InstanceBlockDeviceMapping,
  Volume,
} from "@aws-sdk/client-ec2";
import type { LaunchSource } from "../aws/ec2.ts";

type VolumeSettings = Pick<
  EbsBlockDevice,
  "VolumeSize" | "VolumeType" | "Iops" | "Throughput" | "VolumeInitializationRate"
>;

/** Types whose performance is bought apart from their size. */
const provisionedTypes = new Set(["gp3", "io1", "io2"]);

/** What gp3 has without asking. https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html */
const gp3Baseline = { iops: 3000, throughputMibps: 125 };

/**
 * The block devices a replacement needs beyond those its AMI brings: the root volume as the old instance has it, and of
 * others what its launch chose differently from its own AMI. Never a snapshot or volume id: the data comes from the new
 * AMI. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
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
        ...(isRoot
          ? likeOld(volume, given)
          : chosen(volume, ebsOf(oldImage, mapping.DeviceName), given)),
        ...encryption(volume, given),
        ...(given?.DeleteOnTermination === !outlives ? {} : { DeleteOnTermination: !outlives }),
      };
      if (Object.keys(settings).length === 0) return [];
      // Whoever says anything about a volume says its size too, so that no default gets between.
      return [{ DeviceName, Ebs: { ...settings, VolumeSize: sizeFor(volume, given) } }];
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
 * Size, type, operations and throughput of the root volume: all of them as soon as the new AMI would decide otherwise
 * about one, so that they do not depend on what a mapping inherits from it.
 */
function likeOld(volume: Volume, given: EbsBlockDevice | undefined): VolumeSettings {
  const isGiven =
    given !== undefined &&
    given.VolumeSize === sizeFor(volume, given) &&
    sameSpeed(volume, given) &&
    (volume.VolumeInitializationRate ?? 0) === (given.VolumeInitializationRate ?? 0);
  return isGiven ? {} : { VolumeSize: sizeFor(volume, given), ...speed(volume) };
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
  // Without the old AMI nobody knows whether the type was chosen or came with it; the new AMI's is the better guess.
  const wasChosen = given === undefined || (before !== undefined && !sameSpeed(volume, before));
  return {
    ...((volume.Size ?? 0) > (given?.VolumeSize ?? 0) ? { VolumeSize: volume.Size } : {}),
    ...(wasChosen ? speed(volume) : {}),
  };
}

/** EC2 refuses a volume smaller than the AMI's snapshot. */
function sizeFor(volume: Volume, given: EbsBlockDevice | undefined): number {
  return Math.max(volume.Size ?? 0, given?.VolumeSize ?? 0);
}

function speed(volume: Volume): VolumeSettings {
  const { VolumeType, Iops, Throughput, VolumeInitializationRate } = volume;
  if (VolumeType === undefined) return {};
  return {
    VolumeType,
    // Other types have them by their size, and EC2 refuses to be told.
    ...(provisionedTypes.has(VolumeType) && Iops ? { Iops } : {}),
    ...(VolumeType === "gp3" && Throughput ? { Throughput } : {}),
    ...(VolumeInitializationRate ? { VolumeInitializationRate } : {}),
  };
}

/** What the io types do without asking is nothing: for them any number is a choice. */
function sameSpeed(volume: Volume, given: EbsBlockDevice): boolean {
  const isGp3 = volume.VolumeType === "gp3";
  return (
    volume.VolumeType === (given.VolumeType ?? volume.VolumeType) &&
    (!provisionedTypes.has(volume.VolumeType ?? "") ||
      volume.Iops === (given.Iops ?? (isGp3 ? gp3Baseline.iops : undefined))) &&
    (!isGp3 ||
      (volume.Throughput ?? gp3Baseline.throughputMibps) ===
        (given.Throughput ?? gp3Baseline.throughputMibps))
  );
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
