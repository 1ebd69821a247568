import {
  DescribeImagesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  type Instance,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import type { Image, Subnet } from "../../src/simulator/records.ts";
import { errorOf, setUp } from "./clients.ts";

/** A world of one zone, whose subnet and AMI are like this. */
function worldWith(subnetTraits: Partial<Subnet> = {}, imageTraits: Partial<Image> = {}) {
  const { clock, aws, ec2 } = setUp({ zones: 1, instances: 0 });
  const { subnets, images } = aws.world;
  for (const [id, subnet] of subnets) subnets.set(id, { ...subnet, ...subnetTraits });
  const image = images.get(IMAGES.good);
  if (image === undefined) throw new Error("the AMI is there");
  images.set(image.id, { ...image, ...imageTraits });
  const [SubnetId] = [...subnets.keys()];
  const request = (changes: Partial<RunInstancesCommandInput>) => ({
    ImageId: IMAGES.good,
    InstanceType: "t3.micro" as const,
    MinCount: 1,
    MaxCount: 1,
    SubnetId,
    ...changes,
  });
  return {
    ec2,
    subnetId: SubnetId,
    refusal: (changes: Partial<RunInstancesCommandInput>) =>
      errorOf(ec2.send(new RunInstancesCommand(request(changes)))),
    async launch(changes: Partial<RunInstancesCommandInput> = {}): Promise<Instance> {
      const { Instances } = await ec2.send(new RunInstancesCommand(request(changes)));
      await clock.sleep(30_000);
      const InstanceIds = [Instances?.[0]?.InstanceId ?? ""];
      const found = await ec2.send(new DescribeInstancesCommand({ InstanceIds }));
      return found.Reservations?.[0]?.Instances?.[0] ?? {};
    },
  };
}

describe("IPv6 addresses", () => {
  test.each([
    [false, undefined, 0],
    [false, 2, 2],
    [true, undefined, 1],
    [true, 0, 0],
    [true, 3, 3],
  ])("of a subnet that assigns one (%s), asked for %s: %i", async (assigns, wanted, count) => {
    const { launch, subnetId } = worldWith({ assignIpv6AddressOnCreation: assigns });
    const plain = await launch({ Ipv6AddressCount: wanted });
    expect(plain.NetworkInterfaces?.[0]?.Ipv6Addresses ?? []).toHaveLength(count);
    const nic = { DeviceIndex: 0, SubnetId: subnetId, Ipv6AddressCount: wanted };
    const inInterface = await launch({ SubnetId: undefined, NetworkInterfaces: [nic] });
    expect(inInterface.NetworkInterfaces?.[0]?.Ipv6Addresses ?? []).toHaveLength(count);
  });

  test("have a primary one where that is asked for: the first", async () => {
    const { launch, subnetId } = worldWith();
    const primary = [{ IsPrimaryIpv6: true }, { IsPrimaryIpv6: false }];
    const plain = await launch({ Ipv6AddressCount: 2, EnablePrimaryIpv6: true });
    expect(plain.NetworkInterfaces?.[0]?.Ipv6Addresses).toMatchObject(primary);
    const nic = { DeviceIndex: 0, SubnetId: subnetId, Ipv6AddressCount: 2, PrimaryIpv6: true };
    const inInterface = await launch({ SubnetId: undefined, NetworkInterfaces: [nic] });
    expect(inInterface.NetworkInterfaces?.[0]?.Ipv6Addresses).toMatchObject(primary);
    const none = await launch({ Ipv6AddressCount: 1 });
    expect(none.NetworkInterfaces?.[0]?.Ipv6Addresses).toMatchObject([{ IsPrimaryIpv6: false }]);
  });
});

test("a launch that says nothing of its host name gets what its subnet says", async () => {
  const privateDnsNameOptionsOnLaunch = {
    hostnameType: "resource-name",
    enableResourceNameDnsARecord: true,
    enableResourceNameDnsAAAARecord: false,
  } as const;
  const { ec2, launch } = worldWith({ privateDnsNameOptionsOnLaunch });
  const shown = {
    HostnameType: "resource-name",
    EnableResourceNameDnsARecord: true,
    EnableResourceNameDnsAAAARecord: false,
  };
  const { Subnets } = await ec2.send(new DescribeSubnetsCommand({}));
  expect(Subnets?.[0]?.PrivateDnsNameOptionsOnLaunch).toEqual(shown);
  const byDefault = await launch();
  expect(byDefault.PrivateDnsNameOptions).toEqual(shown);
  expect(byDefault.PrivateDnsName).toBe(`${byDefault.InstanceId}.eu-west-1.compute.internal`);
  const named = await launch({ PrivateDnsNameOptions: { HostnameType: "ip-name" } });
  expect(named.PrivateDnsNameOptions).toEqual({ ...shown, HostnameType: "ip-name" });
  expect(named.PrivateDnsName).toMatch(/^ip-10-0-0-\d+\.eu-west-1\.compute\.internal$/);
});

describe("a Spot request", () => {
  test("launches a Spot Instance, which ends when it is shut down", async () => {
    const { ec2, launch } = worldWith();
    const spot = await launch({ InstanceMarketOptions: { MarketType: "spot" } });
    expect(spot).toMatchObject({
      InstanceLifecycle: "spot",
      SpotInstanceRequestId: expect.stringMatching(/^sir-[0-9a-f]{8}$/),
    });
    const { InstanceInitiatedShutdownBehavior } = await ec2.send(
      new DescribeInstanceAttributeCommand({
        InstanceId: spot.InstanceId,
        Attribute: "instanceInitiatedShutdownBehavior",
      }),
    );
    expect(InstanceInitiatedShutdownBehavior?.Value).toBe("terminate");
    const onDemand = await launch();
    expect(onDemand).not.toHaveProperty("InstanceLifecycle");
    expect(onDemand).not.toHaveProperty("SpotInstanceRequestId");
  });

  test("that is persistent wants its instance stopped, not terminated", async () => {
    const { refusal } = worldWith();
    const SpotOptions = { SpotInstanceType: "persistent" } as const;
    const InstanceMarketOptions = { MarketType: "spot", SpotOptions } as const;
    expect(await refusal({ InstanceMarketOptions })).toMatchObject({
      name: "InvalidParameterCombination",
    });
  });
});

describe("the root volume", () => {
  const root = {
    deviceName: "/dev/xvda",
    snapshotId: "snap-0123456789abcdef0",
    sizeGib: 40,
    volumeType: "io2",
    iops: 500,
    encrypted: false,
    deleteOnTermination: true,
  };

  async function rootWith(Ebs?: object) {
    const { ec2, launch } = worldWith({}, { blockDevices: [root] });
    await launch(Ebs && { BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs }] });
    return (await ec2.send(new DescribeVolumesCommand({}))).Volumes?.[0];
  }

  test("is as its AMI shows it, where nothing else is asked for", async () => {
    const { ec2 } = worldWith({}, { blockDevices: [root] });
    const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [IMAGES.good] }));
    expect(Images?.[0]?.BlockDeviceMappings?.[0]?.Ebs).toMatchObject({
      VolumeType: "io2",
      Iops: 500,
    });
    expect(await rootWith()).toMatchObject({ Size: 40, VolumeType: "io2", Iops: 500 });
    expect(await rootWith({ VolumeSize: 50 })).toMatchObject({ Size: 50, Iops: 500 });
  });

  test.each([
    [{ VolumeType: "gp2" }, { VolumeType: "gp2", Iops: 120 }],
    [
      { VolumeType: "gp2", VolumeSize: 9000 },
      { VolumeType: "gp2", Iops: 16_000 },
    ],
    [{ VolumeType: "gp3" }, { VolumeType: "gp3", Iops: 3000, Throughput: 125 }],
    [
      { VolumeType: "gp3", Iops: 4000, Throughput: 200 },
      { Iops: 4000, Throughput: 200 },
    ],
    [{ VolumeInitializationRate: 200 }, { VolumeType: "io2", VolumeInitializationRate: 200 }],
  ])("of %o is %o: what the AMI says of another type means nothing", async (wanted, shown) => {
    expect(await rootWith(wanted)).toMatchObject(shown);
  });

  test.each([
    [{ VolumeType: "gp2", Iops: 3000 }, "The parameter iops is not supported for gp2 volumes."],
    [{ VolumeType: "io1" }, "The parameter iops must be specified for io1 volumes."],
    [{ Throughput: 200 }, "throughput can only be specified for volumeType gp3."],
  ] as const)("of %o is refused", async (Ebs, message) => {
    const { refusal } = worldWith({}, { blockDevices: [root] });
    const BlockDeviceMappings = [{ DeviceName: "/dev/xvda", Ebs }];
    expect(await refusal({ BlockDeviceMappings })).toMatchObject({
      name: "InvalidParameterCombination",
      message,
    });
  });
});

describe("an instance type", () => {
  test("shows which weightings of its bandwidth it has, and whether it is EBS-optimised", async () => {
    const { ec2 } = worldWith();
    const InstanceTypes = ["m8i.large", "t2.micro"] as const;
    const found = await ec2.send(
      new DescribeInstanceTypesCommand({ InstanceTypes: [...InstanceTypes] }),
    );
    expect(found.InstanceTypes).toMatchObject([
      {
        EbsInfo: { EbsOptimizedSupport: "default" },
        NetworkInfo: { BandwidthWeightings: ["default", "vpc-1", "ebs-1"] },
      },
      {
        EbsInfo: { EbsOptimizedSupport: "unsupported" },
        NetworkInfo: { BandwidthWeightings: ["default"] },
      },
    ]);
  });

  const weighted = { NetworkPerformanceOptions: { BandwidthWeighting: "vpc-1" } } as const;

  test("gives what it has", async () => {
    const { launch } = worldWith();
    expect(await launch({ ...weighted, InstanceType: "m8i.large" })).toMatchObject(weighted);
  });

  test.each<[string, Partial<RunInstancesCommandInput>]>([
    ["Unsupported", { InstanceType: "t2.micro", EbsOptimized: true }],
    ["InvalidParameterCombination", { InstanceType: "t3.micro", ...weighted }],
  ])("refuses with %s what it has not", async (name, changes) => {
    expect(await worldWith().refusal(changes)).toMatchObject({ name, status: 400 });
  });
});

test.each([
  [{ HttpEndpoint: "disabled", HttpTokens: "required" }, "InvalidParameterCombination"],
  [{ HttpEndpoint: "disabled", HttpPutResponseHopLimit: 2 }, "InvalidParameterCombination"],
  [{ HttpPutResponseHopLimit: 65 }, "InvalidParameterValue"],
] as const)("metadata options %o are refused", async (MetadataOptions, name) => {
  expect(await worldWith().refusal({ MetadataOptions })).toMatchObject({ name });
});
