import { defineAction } from "../action.ts";
import { FILTERS } from "../params.ts";
import type { PrivateDnsNameOptions, Subnet, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { groupNotFound, keyPairNotFound, pick, subnetNotFound } from "./find.ts";
import { isoTime } from "./instance-view.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/** DescribeSubnets, by id or all, with the addresses still free. */
export const describeSubnets = defineAction({
  fields: { ...PAGED, SubnetId: { list: "string" }, Filter: FILTERS },
  run({ world }, parameters) {
    const found = pick(world.subnets, parameters.SubnetId, subnetNotFound);
    const matching = applyFilters(found, parameters.Filter, {
      ...SUBNET_FILTERS,
      "owner-id": () => [world.accountId],
    });
    const page = pageOf(matching, parameters, byPosition);
    const subnetSet = page.items.map((subnet) => subnetView(world, subnet));
    return { subnetSet, nextToken: page.nextToken };
  },
});

const SUBNET_FILTERS: FilterFields<Subnet> = {
  "subnet-id": ({ id }) => [id],
  "vpc-id": ({ vpcId }) => [vpcId],
  "availability-zone": ({ zone }) => [zone],
  "availability-zone-id": ({ zoneId }) => [zoneId],
  "cidr-block": (subnet) => [cidrBlock(subnet)],
  state: () => ["available"],
  "default-for-az": () => ["false"],
  "map-public-ip-on-launch": ({ mapPublicIpOnLaunch }) => [String(mapPublicIpOnLaunch)],
};

function cidrBlock({ prefix }: Subnet): string {
  return `${prefix}.0/24`;
}

function subnetView(world: World, subnet: Subnet): WireRecord {
  return {
    subnetId: subnet.id,
    subnetArn: `arn:aws:ec2:${world.region}:${world.accountId}:subnet/${subnet.id}`,
    state: "available",
    vpcId: subnet.vpcId,
    ownerId: world.accountId,
    cidrBlock: cidrBlock(subnet),
    availableIpAddressCount: freeAddresses(world, subnet),
    availabilityZone: subnet.zone,
    availabilityZoneId: subnet.zoneId,
    defaultForAz: false,
    mapPublicIpOnLaunch: subnet.mapPublicIpOnLaunch,
    mapCustomerOwnedIpOnLaunch: false,
    assignIpv6AddressOnCreation: subnet.assignIpv6AddressOnCreation ?? false,
    ipv6CidrBlockAssociationSet: [],
    ipv6Native: false,
    enableDns64: false,
    privateDnsNameOptionsOnLaunch: { ...privateDnsNameOptions(subnet) },
  };
}

/** What a subnet gives a launch that says nothing of its host name. */
export function privateDnsNameOptions(subnet: Subnet): PrivateDnsNameOptions {
  return (
    subnet.privateDnsNameOptionsOnLaunch ?? {
      hostnameType: "ip-name",
      enableResourceNameDnsARecord: false,
      enableResourceNameDnsAAAARecord: false,
    }
  );
}

/**
 * Addresses of a subnet that no instance holds; stopped instances hold theirs, terminated ones do
 * not.
 */
export function freeAddresses(world: World, subnet: Subnet): number {
  const used = world.instances
    .list()
    .filter(({ state }) => state !== "terminated")
    .flatMap(({ networkInterfaces }) => networkInterfaces)
    .filter(({ subnetId }) => subnetId === subnet.id)
    .flatMap(({ privateIp, secondaryIps = [] }) => [privateIp, ...secondaryIps]).length;
  return subnet.usableAddresses - used;
}

/** DescribeSecurityGroups, by id or all. Rules are not modelled. */
export const describeSecurityGroups = defineAction({
  fields: { ...PAGED, GroupId: { list: "string" }, Filter: FILTERS },
  run({ world }, parameters) {
    const found = pick(world.securityGroups, parameters.GroupId, groupNotFound);
    const matching = applyFilters(found, parameters.Filter, {
      "group-id": ({ id }) => [id],
      "group-name": ({ name }) => [name],
      description: ({ name }) => [name],
      "vpc-id": ({ vpcId }) => [vpcId],
      "owner-id": () => [world.accountId],
    });
    const page = pageOf(matching, parameters, byPosition);
    const securityGroupInfo = page.items.map(({ id, name, vpcId }) => ({
      groupId: id,
      groupName: name,
      groupDescription: name,
      securityGroupArn: `arn:aws:ec2:${world.region}:${world.accountId}:security-group/${id}`,
      ownerId: world.accountId,
      vpcId,
      ipPermissions: [],
      ipPermissionsEgress: [],
    }));
    return { securityGroupInfo, nextToken: page.nextToken };
  },
});

/** DescribeKeyPairs, by name, by id, or all. */
export const describeKeyPairs = defineAction({
  fields: {
    KeyName: { list: "string" },
    KeyPairId: { list: "string" },
    Filter: FILTERS,
    DryRun: "boolean",
  },
  run({ world }, parameters) {
    const named = pick(world.keyPairs, parameters.KeyName, keyPairNotFound);
    const byId = new Map(named.map((keyPair) => [keyPair.id, keyPair]));
    const found = pick(byId, parameters.KeyPairId, keyPairNotFound);
    const matching = applyFilters(found, parameters.Filter, {
      "key-name": ({ name }) => [name],
      "key-pair-id": ({ id }) => [id],
      fingerprint: ({ id }) => [fingerprint(world, id)],
    });
    const keySet = matching.map(({ id, name }) => ({
      keyPairId: id,
      keyName: name,
      keyFingerprint: fingerprint(world, id),
      keyType: "rsa",
      createTime: isoTime(world.startMs - KEY_AGE_MS),
      tagSet: [],
    }));
    return { keySet };
  },
});

/** How long the key pair has been there when the world begins: a year. */
const KEY_AGE_MS = 365 * 24 * 60 * 60 * 1000;

/** Twenty bytes, as EC2 shows the digest of a private key that it made itself. */
function fingerprint(world: World, id: string): string {
  return (world.random.hex(`fingerprint:${id}`, 40).match(/../g) ?? []).join(":");
}
