import {
  DescribeImagesCommand,
  DescribeInstancesCommand,
  DescribeInstanceTypeOfferingsCommand,
  type DescribeInstanceTypeOfferingsCommandInput,
  DescribeInstanceTypesCommand,
  type Filter,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import type { Image } from "../../src/simulator/records.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

/** A fleet whose new AMI is changed in some way. */
function setUp(change: Partial<Image> = {}) {
  const base = setUpAny();
  const { aws, ec2 } = base;
  const image = aws.world.images.get(IMAGES.good)!;
  aws.world.images.set(IMAGES.good, { ...image, ...change });
  const launch = (InstanceType: string, DryRun?: boolean) =>
    ec2.send(
      new RunInstancesCommand({
        ImageId: IMAGES.good,
        InstanceType: InstanceType as "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        DryRun,
      }),
    );
  return { ...base, launch };
}

const filter = (Name: string, ...Values: string[]): Filter[] => [{ Name, Values }];

test("an AMI is shown as it is", async () => {
  const describeGood = async (change: Partial<Image>) => {
    const { ec2 } = setUp(change);
    const { Images } = await ec2.send(new DescribeImagesCommand({ ImageIds: [IMAGES.good] }));
    return Images?.[0];
  };
  const usual = {
    Architecture: "x86_64",
    VirtualizationType: "hvm",
    RootDeviceType: "ebs",
    EnaSupport: true,
    OwnerId: "123456789012",
  };
  const plain = await describeGood({});
  expect(plain).toMatchObject(usual);
  for (const absent of ["BootMode", "TpmSupport", "DeprecationTime"]) {
    expect(plain).not.toHaveProperty(absent);
  }
  const deprecationTime = "2026-01-03T00:00:00.000Z";
  expect(
    await describeGood({
      architecture: "arm64",
      virtualizationType: "paravirtual",
      rootDeviceType: "instance-store",
      bootMode: "uefi-preferred",
      tpmSupport: "v2.0",
      enaSupport: false,
      deprecationTime,
    }),
  ).toMatchObject({
    Architecture: "arm64",
    VirtualizationType: "paravirtual",
    RootDeviceType: "instance-store",
    BootMode: "uefi-preferred",
    TpmSupport: "v2.0",
    EnaSupport: false,
    DeprecationTime: deprecationTime,
  });
});

test.each([
  ["available", true],
  ["pending", true],
  ["failed", true],
  ["disabled", false],
  ["deregistered", false],
] as const)(
  "an AMI that is %s is shown: %s, and launched only when available",
  async (state, isShown) => {
    const { ec2, launch } = setUp({ state });
    const ask = async (IncludeDisabled?: boolean) => {
      const input = { ImageIds: [IMAGES.good], IncludeDisabled };
      return (await ec2.send(new DescribeImagesCommand(input))).Images?.map(({ State }) => State);
    };
    expect(await ask()).toEqual(isShown ? [state] : []);
    if (state === "disabled") expect(await ask(true)).toEqual([state]);
    expect(await errorOf(launch("t3.micro", true))).toMatchObject(
      state === "available" ? { name: "DryRunOperation" } : { name: "InvalidAMIID.Unavailable" },
    );
  },
);

test("instance types say what AMIs they take", async () => {
  const { ec2 } = setUp();
  const typeOf = async (name: string) => {
    const input = { InstanceTypes: [name as "t3.micro"] };
    return (await ec2.send(new DescribeInstanceTypesCommand(input))).InstanceTypes?.[0];
  };
  expect(await typeOf("t3.micro")).toMatchObject({
    Hypervisor: "nitro",
    SupportedUsageClasses: ["on-demand", "spot"],
    SupportedRootDeviceTypes: ["ebs"],
    SupportedVirtualizationTypes: ["hvm"],
    SupportedBootModes: ["legacy-bios", "uefi"],
    NetworkInfo: { EnaSupport: "required", BandwidthWeightings: ["default"] },
    EbsInfo: { EbsOptimizedSupport: "default" },
    NitroTpmSupport: "supported",
    NitroTpmInfo: { SupportedVersions: ["2.0"] },
    HibernationSupported: true,
  });
  const old = await typeOf("t2.micro");
  expect(old).toMatchObject({
    Hypervisor: "xen",
    SupportedBootModes: ["legacy-bios"],
    NetworkInfo: { EnaSupport: "unsupported" },
    EbsInfo: { EbsOptimizedSupport: "unsupported" },
    NitroTpmSupport: "unsupported",
  });
  expect(old).not.toHaveProperty("NitroTpmInfo");
  expect(await typeOf("t4g.micro")).toMatchObject({
    SupportedBootModes: ["uefi"],
    ProcessorInfo: { SupportedArchitectures: ["arm64"] },
  });
  expect(await typeOf("m8i.large")).toMatchObject({
    NetworkInfo: { BandwidthWeightings: ["default", "vpc-1", "ebs-1"] },
  });
  const found = async (Filters: Filter[]) => {
    const { InstanceTypes } = await ec2.send(new DescribeInstanceTypesCommand({ Filters }));
    return InstanceTypes?.map(({ InstanceType }) => InstanceType);
  };
  expect(await found(filter("network-info.ena-support", "unsupported"))).toEqual([
    "t2.micro",
    "m3.medium",
  ]);
  expect(await found(filter("supported-root-device-type", "instance-store"))).toEqual([
    "m3.medium",
  ]);
});

test.each<[string, Partial<Image>, string, string, string | RegExp]>([
  [
    "of another architecture",
    { architecture: "arm64" },
    "t3.micro",
    "InvalidParameterValue",
    /^The architecture 'x86_64' of the specified instance type does not match the architecture 'arm64'/,
  ],
  [
    "that is paravirtual",
    { virtualizationType: "paravirtual" },
    "t2.micro",
    "InvalidParameterCombination",
    "Virtualization type 'hvm' is required for instances of type 't2.micro'.",
  ],
  [
    "with an instance-store root",
    { rootDeviceType: "instance-store" },
    "t3.micro",
    "UnsupportedOperation",
    `AMI '${IMAGES.good}' with an instance-store root device is not supported for the instance type 't3.micro'.`,
  ],
  [
    "that boots by UEFI",
    { bootMode: "uefi" },
    "t2.micro",
    "InvalidParameterValue",
    "The t2.micro instance type does not support an AMI with a boot mode of UEFI. Only instance types built on " +
      "the Nitro System support UEFI. Specify an instance type that supports UEFI, and try again.",
  ],
  [
    "that needs a BIOS",
    { architecture: "arm64", bootMode: "legacy-bios" },
    "t4g.micro",
    "InvalidParameterValue",
    /^The t4g\.micro instance type does not support an AMI with a boot mode of LEGACY_BIOS/,
  ],
  [
    "with a TPM",
    { tpmSupport: "v2.0" },
    "t2.micro",
    "UnsupportedOperation",
    "The t2.micro instance type does not support an AMI with NitroTPM enabled.",
  ],
  [
    "without ENA",
    { enaSupport: false },
    "t3.micro",
    "InvalidParameterCombination",
    "Enhanced networking with the Elastic Network Adapter (ENA) is required for the 't3.micro' instance type. " +
      "Ensure that you are using an AMI that is enabled for ENA.",
  ],
])("an AMI %s is refused by a type that cannot run it", async (_what, change, type, name, text) => {
  const { aws, launch } = setUp(change);
  for (const isDryRun of [true, false]) {
    const message = text instanceof RegExp ? expect.stringMatching(text) : text;
    expect(await errorOf(launch(type, isDryRun))).toMatchObject({ name, status: 400, message });
  }
  expect(aws.world.instances.list()).toHaveLength(3);
});

test.each<[Partial<Image>, string, string]>([
  [{}, "t2.micro", "legacy-bios"],
  [{ architecture: "arm64" }, "t4g.micro", "uefi"],
  [{ bootMode: "uefi-preferred" }, "t2.micro", "legacy-bios"],
  [{ bootMode: "uefi-preferred" }, "t3.micro", "uefi"],
  [{ bootMode: "uefi", tpmSupport: "v2.0" }, "t3.micro", "uefi"],
  [{ enaSupport: false, deprecationTime: "2020-01-01T00:00:00.000Z" }, "t2.micro", "legacy-bios"],
  [
    { virtualizationType: "paravirtual", rootDeviceType: "instance-store", blockDevices: [] },
    "m3.medium",
    "legacy-bios",
  ],
])("an instance of an AMI with %o on %s boots by %s", async (change, type, bootMode) => {
  const { ec2, launch } = setUp(change);
  const id = (await launch(type)).Instances?.[0]?.InstanceId ?? "";
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const instance = Reservations?.[0]?.Instances?.[0];
  expect(instance).toMatchObject({
    CurrentInstanceBootMode: bootMode,
    Architecture: change.architecture ?? "x86_64",
    RootDeviceType: change.rootDeviceType ?? "ebs",
    VirtualizationType: change.virtualizationType ?? "hvm",
    EnaSupport: change.enaSupport ?? true,
  });
  expect(instance?.BootMode).toBe(change.bootMode);
  expect(instance?.TpmSupport).toBe(change.tpmSupport);
});

test("a type is offered in the region, in zones by name or by id, but not where it is missing", async () => {
  const { aws, ec2 } = setUp();
  const { world } = aws;
  const missing = (name: string, ...missingInZones: string[]) =>
    world.instanceTypes.set(name, { ...world.instanceTypes.get(name)!, missingInZones });
  missing("t3.micro", "eu-west-1b");
  missing("t2.micro", "eu-west-1a", "eu-west-1b", "eu-west-1c");
  const offered = async (input: DescribeInstanceTypeOfferingsCommandInput) => {
    const answer = await ec2.send(new DescribeInstanceTypeOfferingsCommand(input));
    return answer.InstanceTypeOfferings?.map(
      ({ InstanceType, LocationType, Location }) => `${InstanceType} ${LocationType} ${Location}`,
    );
  };
  const Filters = filter("instance-type", "t3.micro", "t2.micro");
  const inRegion = ["t3.micro region eu-west-1"];
  expect(await offered({ Filters })).toEqual(inRegion);
  expect(await offered({ Filters, LocationType: "region" })).toEqual(inRegion);
  expect(await offered({ Filters, LocationType: "availability-zone" })).toEqual([
    "t3.micro availability-zone eu-west-1a",
    "t3.micro availability-zone eu-west-1c",
  ]);
  expect(await offered({ Filters, LocationType: "availability-zone-id" })).toEqual([
    "t3.micro availability-zone-id euw1-az1",
    "t3.micro availability-zone-id euw1-az3",
  ]);
  expect(await offered({ Filters, LocationType: "outpost" })).toEqual([]);
  const inB = filter("location", "eu-west-1b");
  const namesInB = await offered({ LocationType: "availability-zone", Filters: inB });
  expect(namesInB).toHaveLength(world.instanceTypes.size - 2);
  expect(await errorOf(offered({ LocationType: "planet" as "region" }))).toMatchObject({
    name: "InvalidParameterValue",
    status: 400,
  });
});

test("offerings come in pages to the end", async () => {
  const { ec2 } = setUp();
  const LocationType = "availability-zone";
  const all = await ec2.send(new DescribeInstanceTypeOfferingsCommand({ LocationType }));
  const paged: unknown[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(
      new DescribeInstanceTypeOfferingsCommand({ LocationType, MaxResults: 5, NextToken }),
    );
    paged.push(...(page.InstanceTypeOfferings ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(paged).toEqual(all.InstanceTypeOfferings);
});
