import {
  INSTANCE_STATE_CODES,
  type Instance,
  type InstanceState,
  type NetworkInterface,
  type Tag,
  type WireRecord,
} from "../records.ts";
import type { World } from "../world.ts";

/** A time as EC2 writes it. */
export function isoTime(atMs: number): string {
  return new Date(atMs).toISOString();
}

/** Tags as both services list them. */
export function tagsView(tags: readonly Tag[]): readonly WireRecord[] {
  return tags.map(({ key, value }) => ({ key, value }));
}

/** An instance's state with its code, as in instanceState, currentState and previousState. */
export function stateView(state: InstanceState): WireRecord {
  return { code: INSTANCE_STATE_CODES[state], name: state };
}

/**
 * Reservations of these instances, in the order given, with the structures of EC2's answers
 * (names: locationName of botocore's service model).
 */
export function reservationsView(
  world: World,
  instances: readonly Instance[],
  asOfMs?: number,
): readonly WireRecord[] {
  const byReservation = new Map<string, Instance[]>();
  for (const instance of instances) {
    const members = byReservation.get(instance.reservationId) ?? [];
    byReservation.set(instance.reservationId, [...members, instance]);
  }
  return [...byReservation].map(([reservationId, members]) => ({
    reservationId,
    ownerId: world.accountId,
    groupSet: [],
    instancesSet: members.map((instance) => instanceView(world, instance, asOfMs)),
  }));
}

function instanceView(world: World, instance: Instance, asOfMs?: number): WireRecord {
  const image = world.images.get(instance.imageId);
  const primary = instance.networkInterfaces[0];
  const isGone = instance.state === "terminated";
  return {
    instanceId: instance.id,
    imageId: instance.imageId,
    instanceState: stateView(instance.state),
    privateDnsName: isGone ? "" : privateDnsName(world, primary),
    dnsName: publicDnsName(world, instance),
    reason: instance.stateTransitionReason,
    keyName: instance.keyName,
    amiLaunchIndex: instance.launchIndex,
    productCodes: [],
    instanceType: instance.instanceType,
    launchTime: isoTime(instance.launchTimeMs),
    subnetId: isGone ? undefined : primary?.subnetId,
    vpcId: isGone ? undefined : instance.vpcId,
    privateIpAddress: isGone ? undefined : primary?.privateIp,
    ipAddress: instance.publicIp,
    architecture: image?.architecture ?? "x86_64",
    rootDeviceName: image?.rootDeviceName ?? "/dev/xvda",
    rootDeviceType: "ebs",
    virtualizationType: "hvm",
    hypervisor: "xen",
    enaSupport: true,
    platformDetails: "Linux/UNIX",
    usageOperation: "RunInstances",
    clientToken: instance.clientToken,
    instanceLifecycle: instance.lifecycle,
    stateReason: instance.stateReason && { ...instance.stateReason },
    blockDeviceMapping: volumesView(world, instance, asOfMs),
    networkInterfaceSet: isGone
      ? []
      : instance.networkInterfaces.map((nic) => networkInterfaceView(world, instance, nic)),
    groupSet: isGone ? [] : groupsView(world, primary?.groupIds ?? []),
    iamInstanceProfile: instance.iamInstanceProfileArn && {
      arn: instance.iamInstanceProfileArn,
      id: `AIPA${world.random.hex(instance.iamInstanceProfileArn, 17).toUpperCase()}`,
    },
    tagSet: tagsView(instance.tags),
    ...instance.shown,
    sourceDestCheck: primary?.sourceDestCheck ?? true,
    metadataOptions: {
      ...(instance.shown.metadataOptions as WireRecord),
      state: instance.state === "pending" ? "pending" : "applied",
    },
    placement: { ...(instance.shown.placement as WireRecord), availabilityZone: instance.zone },
  };
}

/** In the oldest region names have no region (EC2 guide, instance hostnames). */
function privateDnsName({ region }: World, nic: NetworkInterface | undefined): string {
  const domain = region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;
  return `ip-${nic?.privateIp.replaceAll(".", "-")}.${domain}`;
}

function publicDnsName(world: World, { publicIp }: Instance): string {
  if (publicIp === undefined) return "";
  return `ec2-${publicIp.replaceAll(".", "-")}.${world.region}.compute.amazonaws.com`;
}

function groupsView(world: World, groupIds: readonly string[]): readonly WireRecord[] {
  return groupIds.map((groupId) => ({
    groupId,
    groupName: world.securityGroups.get(groupId)?.name,
  }));
}

/** A pending instance shows no volumes yet. */
function volumesView(world: World, instance: Instance, asOfMs?: number): readonly WireRecord[] {
  if (instance.state === "pending") return [];
  return instance.volumeIds.flatMap((volumeId) => {
    const volume = world.volumes.get(volumeId, asOfMs);
    if (volume === undefined) return [];
    const ebs = {
      volumeId,
      status: "attached",
      attachTime: isoTime(volume.createdAtMs),
      deleteOnTermination: volume.deleteOnTermination,
    };
    return [{ deviceName: volume.deviceName, ebs }];
  });
}

function networkInterfaceView(world: World, instance: Instance, nic: NetworkInterface): WireRecord {
  const association =
    nic.deviceIndex === 0 && instance.publicIp !== undefined
      ? {
          publicIp: instance.publicIp,
          ipOwnerId: instance.publicIpOwner,
          publicDnsName: publicDnsName(world, instance),
        }
      : undefined;
  return {
    networkInterfaceId: nic.id,
    subnetId: nic.subnetId,
    vpcId: instance.vpcId,
    description: nic.description,
    ownerId: world.accountId,
    status: "in-use",
    interfaceType: "interface",
    privateIpAddress: nic.privateIp,
    sourceDestCheck: nic.sourceDestCheck ?? true,
    groupSet: groupsView(world, nic.groupIds),
    attachment: {
      attachmentId: nic.id.replace("eni-", "eni-attach-"),
      attachTime: isoTime(instance.launchTimeMs),
      deviceIndex: nic.deviceIndex,
      networkCardIndex: 0,
      status: instance.state === "pending" ? "attaching" : "attached",
      deleteOnTermination: nic.deleteOnTermination,
    },
    association,
    privateIpAddressesSet: [{ primary: true, privateIpAddress: nic.privateIp, association }],
    ipv6AddressesSet: nic.ipv6Addresses.map((ipv6Address) => ({ ipv6Address })),
  };
}
