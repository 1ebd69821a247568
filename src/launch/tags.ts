import type { Instance as Ec2Instance, Tag } from "@aws-sdk/client-ec2";
import type { LaunchSource } from "../aws/ec2.ts";
import type { Config } from "../config.ts";
import { ownTags } from "../snapshot.ts";

/** The most tags a resource takes. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html */
export const tagsLimit = 50;

/** Tags of the new instance without the spec's: the old one's, then config.json's, then ours; sorted by key. */
export function instanceTags(old: Ec2Instance, config: Config): Tag[] {
  return sorted({ ...copied(old.Tags), ...added(old, config) });
}

/**
 * Tags of each new volume without the spec's: those of the old root volume, then config.json's, then ours; sorted by
 * key. Of the copied ones the last are left out where all would be more than a resource takes: EC2 would not launch.
 */
export function volumeTags(source: LaunchSource, config: Config): Tag[] {
  const ours = added(source.instance, config);
  const kept = Object.entries(copied(rootVolume(source)?.Tags))
    .filter(([key]) => !(key in ours))
    .sort(byKey)
    .slice(0, Math.max(0, tagsLimit - 1 - Object.keys(ours).length));
  return sorted({ ...Object.fromEntries(kept), ...ours });
}

/** The volume the old instance booted from, as DescribeVolumes shows it. */
export function rootVolume({ instance, volumes }: LaunchSource) {
  const root = instance.BlockDeviceMappings?.find(
    ({ DeviceName }) => DeviceName === instance.RootDeviceName,
  );
  return root && volumes.find(({ VolumeId }) => VolumeId === root.Ebs?.VolumeId);
}

/** All tags but AWS's own, which nobody else may write, and an earlier rollout's. */
function copied(tags: readonly Tag[] = []): Record<string, string> {
  return Object.fromEntries(
    tags
      .filter(({ Key = "" }) => !Key.startsWith("aws:") && !Key.startsWith("zero-deploy:"))
      .map(({ Key = "", Value = "" }) => [Key, Value]),
  );
}

function added(old: Ec2Instance, config: Config): Record<string, string> {
  const oldName = copied(old.Tags).Name;
  return {
    ...config.tags,
    Name: config.version,
    [ownTags.targetGroup]: config.targetGroupArn,
    [ownTags.replaces]: old.InstanceId ?? "",
    [ownTags.previousAmi]: old.ImageId ?? "",
    ...(oldName === undefined ? {} : { [ownTags.previousName]: oldName }),
  };
}

function sorted(tags: Record<string, string>): Tag[] {
  return Object.entries(tags)
    .sort(byKey)
    .map(([Key, Value]) => ({ Key, Value }));
}

function byKey([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
