import {
  type BootMode,
  INSTANCE_STATE_CODES,
  type Instance,
  type InstanceState,
  type NetworkInterface,
  type Tag,
  type WireRecord,
} from "../records.ts";
import type { World } from "../world.ts";
import { spotRequestId } from "./spot-actions.ts";

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
    privateDnsName: isGone ? "" : privateDnsName(world, instance),
    dnsName: publicDnsName(world, instance.publicIp),
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
    rootDeviceType: image?.rootDeviceType ?? "ebs",
    virtualizationType: image?.virtualizationType ?? "hvm",
    hypervisor: "xen",
    bootMode: image?.bootMode,
    currentInstanceBootMode: currentBootMode(world, instance),
    tpmSupport: image?.tpmSupport,
    enaSupport: image?.enaSupport ?? true,
    platformDetails: "Linux/UNIX",
    usageOperation: "RunInstances",
    clientToken: instance.clientToken,
    instanceLifecycle: instance.lifecycle,
    spotInstanceRequestId: instance.lifecycle && spotRequestId(world, instance),
    operator: { managed: false, ...instance.operator },
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

/** What an AMI that leaves it open starts by is up to the instance type (EC2 guide, boot modes). */
function currentBootMode(world: World, { imageId, instanceType }: Instance): BootMode {
  const supported = world.instanceTypes.get(instanceType)?.supportedBootModes ?? [];
  const wanted = world.images.get(imageId)?.bootMode;
  if (wanted === "uefi-preferred") return supported.includes("uefi") ? "uefi" : "legacy-bios";
  return wanted ?? supported[0] ?? "legacy-bios";
}

/** In the oldest region names have no region (EC2 guide, instance hostnames). */
function privateDnsName({ region }: World, { id, networkInterfaces, shown }: Instance): string {
  const domain = region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;
  const { hostnameType } = shown.privateDnsNameOptions as WireRecord;
  if (hostnameType === "resource-name") return `${id}.${domain}`;
  return `ip-${networkInterfaces[0]?.privateIp.replaceAll(".", "-")}.${domain}`;
}

function publicDnsName(world: World, publicIp: string | undefined): string {
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

/** The public address that stands for a private one, and whose it is. */
function publicAddressOf(
  { accountId }: World,
  { publicIp, publicIpOwner, networkInterfaces }: Instance,
  nic: NetworkInterface,
  privateIp: string,
): { readonly ip?: string; readonly owner?: string } {
  if (privateIp === networkInterfaces[0]?.privateIp) return { ip: publicIp, owner: publicIpOwner };
  return { ip: nic.elasticIps?.[privateIp], owner: accountId };
}

function networkInterfaceView(world: World, instance: Instance, nic: NetworkInterface): WireRecord {
  const association = (privateIp: string) => {
    const { ip, owner } = publicAddressOf(world, instance, nic, privateIp);
    if (ip === undefined) return undefined;
    return { publicIp: ip, ipOwnerId: owner, publicDnsName: publicDnsName(world, ip) };
  };
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
    association: association(nic.privateIp),
    privateIpAddressesSet: [nic.privateIp, ...(nic.secondaryIps ?? [])].map((ip, index) => ({
      primary: index === 0,
      privateIpAddress: ip,
      association: association(ip),
    })),
    ipv6AddressesSet: nic.ipv6Addresses.map((ipv6Address, index) => ({
      ipv6Address,
      isPrimaryIpv6: index === 0 && nic.hasPrimaryIpv6 === true,
    })),
  };
}
