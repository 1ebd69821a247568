import {
  DescribeAddressesCommand,
  type DescribeAddressesCommandInput,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import {
  assignPrivateIp,
  attachNetworkInterface,
  attachVolume,
  setSourceDestCheck,
} from "../../src/simulator/attachments.ts";
import { associateElasticIp, editInstance, stopInstance } from "../../src/simulator/controls.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

const ACCOUNT = "123456789012";

function setUp() {
  const base = setUpAny();
  const { clock, aws, ec2 } = base;
  const [id = "", otherId = ""] = aws.oldInstanceIds;
  const describe = async (InstanceId = id) => {
    const input = { InstanceIds: [InstanceId] };
    const { Reservations } = await ec2.send(new DescribeInstancesCommand(input));
    return Reservations?.[0]?.Instances?.[0];
  };
  const primaryOf = async () => (await describe())?.NetworkInterfaces?.[0];
  const addresses = async (input: DescribeAddressesCommandInput = {}) =>
    (await ec2.send(new DescribeAddressesCommand(input))).Addresses;
  const volumes = async (...VolumeIds: string[]) =>
    (await ec2.send(new DescribeVolumesCommand({ VolumeIds }))).Volumes;
  const freeAddresses = async () => {
    const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}));
    return Subnets?.map(({ AvailableIpAddressCount }) => AvailableIpAddressCount);
  };
  const terminate = async () => {
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
    await clock.sleep(2 * 60_000);
  };
  return {
    ...base,
    id,
    otherId,
    describe,
    primaryOf,
    addresses,
    volumes,
    freeAddresses,
    terminate,
  };
}

test("a volume that is attached later shows with its instance, and stays unless it is to go", async () => {
  const { aws, id, describe, volumes, terminate } = setUp();
  const { world } = aws;
  const stays = attachVolume(world, id);
  const goes = attachVolume(world, id, {
    deviceName: "/dev/sdg",
    deleteOnTermination: true,
    sizeGib: 500,
    volumeType: "st1",
    tags: [{ key: "Name", value: "scratch" }],
  });
  const mappings = (await describe())?.BlockDeviceMappings;
  expect(mappings).toMatchObject([
    { DeviceName: "/dev/xvda" },
    { DeviceName: "/dev/sdf", Ebs: { VolumeId: stays, DeleteOnTermination: false } },
    { DeviceName: "/dev/sdg", Ebs: { VolumeId: goes, DeleteOnTermination: true } },
  ]);
  expect(await volumes(stays, goes)).toMatchObject([
    { Size: 100, VolumeType: "gp3", State: "in-use", Attachments: [{ InstanceId: id }] },
    { Size: 500, VolumeType: "st1", Tags: [{ Key: "Name", Value: "scratch" }] },
  ]);
  await terminate();
  expect(await volumes(stays)).toMatchObject([{ State: "available", Attachments: [] }]);
  expect(await errorOf(volumes(goes))).toMatchObject({ name: "InvalidVolume.NotFound" });
});

test("another network interface has an address of its own, and takes one of its subnet's", async () => {
  const { aws, id, describe, freeAddresses } = setUp();
  const [before = 0, ...others] = (await freeAddresses()) ?? [];
  const nicId = attachNetworkInterface(aws.world, id, { description: "backup" });
  const interfaces = (await describe())?.NetworkInterfaces ?? [];
  expect(interfaces).toHaveLength(2);
  expect(interfaces[1]).toMatchObject({
    NetworkInterfaceId: nicId,
    Description: "backup",
    Attachment: { DeviceIndex: 1, DeleteOnTermination: false },
    SubnetId: interfaces[0]?.SubnetId,
    Groups: interfaces[0]?.Groups,
  });
  expect(interfaces[1]?.PrivateIpAddress).not.toBe(interfaces[0]?.PrivateIpAddress);
  expect(await freeAddresses()).toEqual([before - 1, ...others]);
});

test("secondary private addresses are shown beside the primary one, and find their instance", async () => {
  const { aws, ec2, id, primaryOf, freeAddresses } = setUp();
  const [before = 0] = (await freeAddresses()) ?? [];
  const ip = assignPrivateIp(aws.world, id);
  const primary = await primaryOf();
  expect(primary?.PrivateIpAddresses).toEqual([
    { Primary: true, PrivateIpAddress: primary?.PrivateIpAddress },
    { Primary: false, PrivateIpAddress: ip },
  ]);
  expect((await freeAddresses())?.[0]).toBe(before - 1);
  const Filters = [{ Name: "network-interface.addresses.private-ip-address", Values: [ip] }];
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ Filters }));
  expect(Reservations?.map(({ Instances }) => Instances?.[0]?.InstanceId)).toEqual([id]);
});

test("Elastic IP addresses stand for any address of any interface, each with its allocation", async () => {
  const { aws, id, otherId, describe, addresses } = setUp();
  const { world } = aws;
  const secondary = assignPrivateIp(world, id);
  attachNetworkInterface(world, id);
  const second = world.instances.get(id)?.networkInterfaces[1]?.privateIp ?? "";
  associateElasticIp(world, id, "198.51.100.1");
  associateElasticIp(world, id, "198.51.100.2", secondary);
  associateElasticIp(world, id, "198.51.100.3", second);
  associateElasticIp(world, otherId, "198.51.100.4");
  const instance = await describe();
  expect(instance?.PublicIpAddress).toBe("198.51.100.1");
  const [primary, other] = instance?.NetworkInterfaces ?? [];
  const own = (PublicIp: string) => ({ PublicIp, IpOwnerId: ACCOUNT });
  expect(primary).toMatchObject({
    Association: own("198.51.100.1"),
    PrivateIpAddresses: [
      { Association: own("198.51.100.1") },
      { PrivateIpAddress: secondary, Association: own("198.51.100.2") },
    ],
  });
  expect(other).toMatchObject({ PrivateIpAddress: second, Association: own("198.51.100.3") });
  const Filters = [{ Name: "instance-id", Values: [id] }];
  const held = (await addresses({ Filters })) ?? [];
  expect(held).toMatchObject([
    {
      PublicIp: "198.51.100.1",
      PrivateIpAddress: primary?.PrivateIpAddress,
      NetworkInterfaceId: primary?.NetworkInterfaceId,
      InstanceId: id,
      Domain: "vpc",
    },
    { PublicIp: "198.51.100.2", PrivateIpAddress: secondary },
    { PublicIp: "198.51.100.3", NetworkInterfaceId: other?.NetworkInterfaceId },
  ]);
  const allocations = held.map(({ AllocationId = "" }) => AllocationId);
  for (const each of allocations) expect(each).toMatch(/^eipalloc-0[0-9a-f]{16}$/);
  expect(new Set(allocations).size).toBe(3);
  expect(await addresses({ AllocationIds: allocations.slice(1, 2) })).toEqual(held.slice(1, 2));
  expect(await errorOf(addresses({ AllocationIds: ["eipalloc-1"] }))).toMatchObject({
    name: "InvalidAllocationID.NotFound",
  });
  expect(await errorOf(addresses({ PublicIps: ["203.0.113.9"] }))).toMatchObject({
    name: "InvalidAddress.NotFound",
  });
});

test("an Elastic IP address stays with an instance that stops, and none with one that is terminated", async () => {
  const { clock, aws, id, otherId, describe, addresses, terminate } = setUp();
  const { world } = aws;
  associateElasticIp(world, id, "198.51.100.1");
  associateElasticIp(world, id, "198.51.100.2", assignPrivateIp(world, id));
  associateElasticIp(world, otherId, "198.51.100.3");
  stopInstance(world, otherId);
  await clock.sleep(60_000);
  expect((await describe(otherId))?.State?.Name).toBe("stopped");
  await terminate();
  expect((await addresses())?.map(({ PublicIp }) => PublicIp)).toEqual(["198.51.100.3"]);
});

test("the source/destination check is each interface's own, the instance's that of its primary one", async () => {
  const { aws, id, describe } = setUp();
  attachNetworkInterface(aws.world, id);
  const checks = async () => {
    const { SourceDestCheck, NetworkInterfaces } = (await describe()) ?? {};
    return [SourceDestCheck, ...(NetworkInterfaces ?? []).map((nic) => nic.SourceDestCheck)];
  };
  expect(await checks()).toEqual([true, true, true]);
  setSourceDestCheck(aws.world, id, false, 1);
  expect(await checks()).toEqual([true, true, false]);
  setSourceDestCheck(aws.world, id, false);
  expect(await checks()).toEqual([false, false, false]);
});

test("an instance that a service manages says so, and is terminated by that service only", async () => {
  const { aws, ec2, id, otherId, describe } = setUp();
  const operator = { managed: true, principal: "eks.amazonaws.com" } as const;
  editInstance(aws.world, id, { operator });
  expect((await describe())?.Operator).toEqual({ Managed: true, Principal: operator.principal });
  expect((await describe(otherId))?.Operator).toEqual({ Managed: false });
  const Filters = [{ Name: "operator.managed", Values: ["true"] }];
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ Filters }));
  expect(Reservations?.map(({ Instances }) => Instances?.[0]?.InstanceId)).toEqual([id]);
  for (const DryRun of [true, false]) {
    const command = new TerminateInstancesCommand({ InstanceIds: [otherId, id], DryRun });
    const refusal = await errorOf(ec2.send(command));
    expect(refusal).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
    expect(refusal.message).toContain(
      `ec2:TerminateInstances on resource: arn:aws:ec2:eu-west-1:${ACCOUNT}:instance/${id} with an explicit deny`,
    );
  }
  for (const each of [id, otherId]) expect((await describe(each))?.State?.Name).toBe("running");
});
