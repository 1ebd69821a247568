import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { Instance, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { pick } from "./find.ts";

/** An Elastic IP address, and what it stands for. */
interface Address {
  readonly publicIp: string;
  readonly allocationId: string;
  readonly associationId: string;
  readonly instanceId: string;
  readonly networkInterfaceId: string;
  readonly privateIp: string;
}

/** DescribeAddresses: the Elastic IP addresses that instances hold; others are not modelled. */
export const describeAddresses = defineAction({
  fields: {
    PublicIp: { list: "string" },
    AllocationId: { list: "string" },
    Filter: FILTERS,
    DryRun: "boolean",
  },
  run({ world, asOfMs }, parameters) {
    const held = world.instances.list(asOfMs).flatMap((instance) => addressesOf(world, instance));
    const byIp = new Map(held.map((address) => [address.publicIp, address]));
    const named = pick(
      byIp,
      parameters.PublicIp,
      (ip) => new AwsError("InvalidAddress.NotFound", `Address '${ip}' not found.`),
    );
    const byAllocation = new Map(named.map((address) => [address.allocationId, address]));
    const found = pick(
      byAllocation,
      parameters.AllocationId,
      (id) =>
        new AwsError("InvalidAllocationID.NotFound", `The allocation ID '${id}' does not exist`),
    );
    const matching = applyFilters(found, parameters.Filter, {
      ...ADDRESS_FILTERS,
      "network-interface-owner-id": () => [world.accountId],
    });
    return { addressesSet: matching.map((address) => addressView(world, address)) };
  },
});

const ADDRESS_FILTERS: FilterFields<Address> = {
  "instance-id": ({ instanceId }) => [instanceId],
  "public-ip": ({ publicIp }) => [publicIp],
  "allocation-id": ({ allocationId }) => [allocationId],
  "association-id": ({ associationId }) => [associationId],
  "network-interface-id": ({ networkInterfaceId }) => [networkInterfaceId],
  "private-ip-address": ({ privateIp }) => [privateIp],
};

function addressesOf(world: World, instance: Instance): readonly Address[] {
  const { publicIp, publicIpOwner, networkInterfaces } = instance;
  return networkInterfaces.flatMap(({ id: networkInterfaceId, privateIp, elasticIps }, index) => {
    const isOwn = index === 0 && publicIp !== undefined && publicIpOwner === world.accountId;
    const own = isOwn ? [[privateIp, publicIp] as const] : [];
    return [...own, ...Object.entries(elasticIps ?? {})].map(([address, elasticIp]) => {
      // The allocation is the address's, the association that of the two.
      const digits = (key: string) => world.random.hex(`${key}:${elasticIp}`, 16);
      return {
        publicIp: elasticIp,
        allocationId: `eipalloc-0${digits("eipalloc")}`,
        associationId: `eipassoc-0${digits(`eipassoc:${address}`)}`,
        instanceId: instance.id,
        networkInterfaceId,
        privateIp: address,
      };
    });
  });
}

function addressView(world: World, address: Address): WireRecord {
  const { privateIp, ...shown } = address;
  return {
    ...shown,
    privateIpAddress: privateIp,
    domain: "vpc",
    networkInterfaceOwnerId: world.accountId,
    networkBorderGroup: world.region,
    publicIpv4Pool: "amazon",
    tagSet: [],
  };
}
