import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { Subnet } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters } from "./filters.ts";
import { groupNotFound, keyPairNotFound, pick, subnetNotFound } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/** DescribeSubnets, by id or all, with the addresses still free. */
export const describeSubnets = defineAction({
  fields: { ...PAGED, SubnetId: { list: "string" }, Filter: FILTERS },
  run({ world }, parameters) {
    const found = pick(world.subnets, parameters.SubnetId, subnetNotFound);
    const matching = applyFilters(found, parameters.Filter, {
      "subnet-id": ({ id }) => [id],
      "vpc-id": ({ vpcId }) => [vpcId],
      "availability-zone": ({ zone }) => [zone],
    });
    const page = pageOf(matching, parameters, byPosition);
    const subnetSet = page.items.map((subnet) => ({
      subnetId: subnet.id,
      subnetArn: `arn:aws:ec2:${world.region}:${world.accountId}:subnet/${subnet.id}`,
      state: "available",
      vpcId: subnet.vpcId,
      ownerId: world.accountId,
      cidrBlock: `${subnet.prefix}.0/24`,
      availableIpAddressCount: freeAddresses(world, subnet),
      availabilityZone: subnet.zone,
      availabilityZoneId: subnet.zoneId,
      defaultForAz: false,
      mapPublicIpOnLaunch: subnet.mapPublicIpOnLaunch,
      assignIpv6AddressOnCreation: false,
      ipv6CidrBlockAssociationSet: [],
    }));
    return { subnetSet, nextToken: page.nextToken };
  },
});

/**
 * Addresses of a subnet that no instance holds; stopped instances hold theirs, terminated ones do
 * not.
 */
export function freeAddresses(world: World, subnet: Subnet): number {
  const used = world.instances
    .list()
    .filter(({ state }) => state !== "terminated")
    .flatMap(({ networkInterfaces }) => networkInterfaces)
    .filter(({ subnetId }) => subnetId === subnet.id).length;
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
      "vpc-id": ({ vpcId }) => [vpcId],
    });
    const page = pageOf(matching, parameters, byPosition);
    const securityGroupInfo = page.items.map(({ id, name, vpcId }) => ({
      groupId: id,
      groupName: name,
      groupDescription: name,
      ownerId: world.accountId,
      vpcId,
      ipPermissions: [],
      ipPermissionsEgress: [],
    }));
    return { securityGroupInfo, nextToken: page.nextToken };
  },
});

/** DescribeKeyPairs, by name or all. */
export const describeKeyPairs = defineAction({
  fields: { KeyName: { list: "string" }, Filter: FILTERS, DryRun: "boolean" },
  run({ world }, parameters) {
    const found = pick(world.keyPairs, parameters.KeyName, keyPairNotFound);
    const matching = applyFilters(found, parameters.Filter, {
      "key-name": ({ name }) => [name],
      "key-pair-id": ({ id }) => [id],
    });
    const keySet = matching.map(({ id, name }) => ({
      keyPairId: id,
      keyName: name,
      keyType: "rsa",
      tagSet: [],
    }));
    return { keySet };
  },
});

/** DescribeAddresses: the Elastic IP addresses that instances hold; others are not modelled. */
export const describeAddresses = defineAction({
  fields: { PublicIp: { list: "string" }, Filter: FILTERS, DryRun: "boolean" },
  run({ world, asOfMs }, parameters) {
    const holders = world.instances
      .list(asOfMs)
      .filter(({ publicIp, publicIpOwner }) => publicIp && publicIpOwner === world.accountId);
    const byAddress = new Map(holders.map((holder) => [holder.publicIp ?? "", holder]));
    const found = pick(
      byAddress,
      parameters.PublicIp,
      (address) => new AwsError("InvalidAddress.NotFound", `Address '${address}' not found.`),
    );
    const matching = applyFilters(found, parameters.Filter, {
      "instance-id": ({ id }) => [id],
      "public-ip": ({ publicIp }) => [publicIp],
    });
    const addressesSet = matching.map(({ id, publicIp, networkInterfaces }) => ({
      publicIp,
      allocationId: `eipalloc-${id.slice("i-".length)}`,
      associationId: `eipassoc-${id.slice("i-".length)}`,
      domain: "vpc",
      instanceId: id,
      networkInterfaceId: networkInterfaces[0]?.id,
      networkInterfaceOwnerId: world.accountId,
      privateIpAddress: networkInterfaces[0]?.privateIp,
      tagSet: [],
    }));
    return { addressesSet };
  },
});
