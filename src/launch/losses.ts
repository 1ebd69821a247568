import {
  type Comparison,
  type Difference,
  differ,
  gib,
  listed,
  none,
  volumeAt,
} from "./difference.ts";
import { primaryInterface } from "./network.ts";

/** Volumes beside the root, whose data no replacement has, and those that its AMI brings. */
export function inOtherVolumes(comparison: Comparison): Difference[] {
  const { source, old, template } = comparison;
  const others = (old.BlockDeviceMappings ?? []).filter(
    ({ DeviceName }) => DeviceName !== old.RootDeviceName,
  );
  const brought = (template.image.BlockDeviceMappings ?? []).filter(
    ({ DeviceName, Ebs }) =>
      Ebs !== undefined &&
      DeviceName !== template.image.RootDeviceName &&
      !others.some((other) => other.DeviceName === DeviceName),
  );
  return [
    ...others.flatMap(({ DeviceName, Ebs }) => {
      const volume = source.volumes.find(({ VolumeId }) => VolumeId === Ebs?.VolumeId);
      const after = volumeAt(comparison, DeviceName);
      const content = after?.SnapshotId === undefined ? "empty" : "as the AMI brings it";
      const stays = Ebs?.DeleteOnTermination === true ? "is lost" : "stays behind on it";
      return differ(
        `volume ${DeviceName}`,
        `${Ebs?.VolumeId}${volume?.Size === undefined ? "" : `, ${gib(volume.Size)}`}`,
        after === undefined ? none : `${content}, ${gib(after.VolumeSize)}`,
        `its data ${stays}`,
      );
    }),
    ...brought.flatMap(({ DeviceName, Ebs }) =>
      differ(`volume ${DeviceName}`, none, gib(Ebs?.VolumeSize), "the AMI brings it"),
    ),
  ];
}

/** Addresses and interfaces that are one instance's, so that two which serve at once cannot both have them. */
export function inAddresses({ old }: Comparison): Difference[] {
  const reason = "two instances cannot have it at once";
  const nic = primaryInterface(old);
  const { PublicIp, IpOwnerId = "amazon" } = nic?.Association ?? {};
  const secondary = (nic?.PrivateIpAddresses ?? [])
    .filter(({ Primary }) => Primary === false)
    .flatMap(({ PrivateIpAddress }) => PrivateIpAddress ?? []);
  const prefixes = [
    ...(nic?.Ipv4Prefixes ?? []).flatMap(({ Ipv4Prefix }) => Ipv4Prefix ?? []),
    ...(nic?.Ipv6Prefixes ?? []).flatMap(({ Ipv6Prefix }) => Ipv6Prefix ?? []),
  ];
  const extra = (old.NetworkInterfaces ?? []).filter((one) => one !== nic);
  return [
    ...(IpOwnerId === "amazon"
      ? []
      : differ("Elastic IP address", PublicIp, "a public address of Amazon's pool", reason)),
    ...differ("secondary addresses", listed(secondary), none, reason),
    ...differ("delegated prefixes", listed(prefixes), none, reason),
    ...extra.flatMap(({ NetworkInterfaceId, Attachment }) =>
      differ(`network interface ${Attachment?.DeviceIndex}`, NetworkInterfaceId, none, reason),
    ),
  ];
}
