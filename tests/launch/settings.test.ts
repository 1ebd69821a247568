import type { Instance as Ec2Instance, InstanceTypeInfo, Subnet } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { LaunchSource } from "../../src/aws/ec2.ts";
import { type LaunchTemplate, launchOf } from "../../src/launch.ts";
import { config, plainInstance, sourceOf, template } from "./source.ts";

function launch(
  instance: Partial<Ec2Instance> = {},
  rest: Partial<LaunchSource> = {},
  changes: Partial<LaunchTemplate> = {},
) {
  return launchOf(sourceOf(instance, rest), { ...template, ...changes }).input;
}

type Metadata = NonNullable<Ec2Instance["MetadataOptions"]>;

describe("metadata options", () => {
  const usual = plainInstance.MetadataOptions;

  test.each<[string, Metadata, object]>([
    [
      "required tokens and the exact hop limit, which is a protection then",
      { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
      { HttpTokens: "required", HttpPutResponseHopLimit: 1 },
    ],
    [
      "required tokens and a longer hop limit",
      { HttpTokens: "required", HttpPutResponseHopLimit: 5 },
      { HttpTokens: "required", HttpPutResponseHopLimit: 5 },
    ],
    ["a longer hop limit", { HttpPutResponseHopLimit: 2 }, { HttpPutResponseHopLimit: 2 }],
    ["IPv6", { HttpProtocolIpv6: "enabled" }, { HttpProtocolIpv6: "enabled" }],
    ["tags", { InstanceMetadataTags: "enabled" }, { InstanceMetadataTags: "enabled" }],
  ])("keep %s, with the enabled endpoint that EC2 wants beside it", (_name, old, wanted) => {
    expect(launch({ MetadataOptions: { ...usual, ...old } }).MetadataOptions).toEqual({
      HttpEndpoint: "enabled",
      ...wanted,
    });
  });

  test("keep a disabled endpoint, and say nothing else, as that needs an enabled one", () => {
    const MetadataOptions: Metadata = {
      ...usual,
      HttpEndpoint: "disabled",
      HttpTokens: "required",
    };
    expect(launch({ MetadataOptions }).MetadataOptions).toEqual({ HttpEndpoint: "disabled" });
  });

  test("never loosen what AMI or account ask for: optional tokens and one hop are not copied", () => {
    const old = { ...usual, HttpTokens: "optional", HttpPutResponseHopLimit: 1 } as const;
    expect(launch({ MetadataOptions: old })).not.toHaveProperty("MetadataOptions");
    const wider = { ...old, HttpPutResponseHopLimit: 3 };
    expect(launch({ MetadataOptions: wider }).MetadataOptions).not.toHaveProperty("HttpTokens");
  });
});

describe("CPU credits", () => {
  test.each([
    // Also what is usual: the account may have another default.
    ["t2.micro", "standard", { CpuCredits: "standard" }],
    ["t2.micro", "unlimited", { CpuCredits: "unlimited" }],
    ["t3.micro", "unlimited", { CpuCredits: "unlimited" }],
    ["t3.micro", "standard", { CpuCredits: "standard" }],
    ["t4g.nano", "standard", { CpuCredits: "standard" }],
    ["t3.micro", undefined, undefined],
    // Other types refuse the parameter.
    ["m5.large", "standard", undefined],
    ["trn1.2xlarge", "standard", undefined],
  ])("of a %s that replaces one with %s", (instanceType, cpuCredits, wanted) => {
    const input = launch({}, { cpuCredits }, { config: { ...config, instanceType } });
    expect(input.CreditSpecification).toEqual(wanted);
  });
});

describe("CPU options", () => {
  const m6a: InstanceTypeInfo = {
    InstanceType: "m6a.large",
    VCpuInfo: { DefaultCores: 1, DefaultThreadsPerCore: 2 },
  };

  test("are kept for the same instance type only", () => {
    const CpuOptions = { CoreCount: 1, ThreadsPerCore: 1 };
    expect(launch({ CpuOptions }).CpuOptions).toEqual(CpuOptions);
    expect(launch({ CpuOptions }, {}, { instanceType: m6a })).not.toHaveProperty("CpuOptions");
  });

  test("keep memory encryption, and do not repeat what is usual beside it", () => {
    const old = {
      InstanceType: "m6a.large" as const,
      CpuOptions: { CoreCount: 1, ThreadsPerCore: 2, AmdSevSnp: "enabled" as const },
    };
    expect(launch(old, {}, { instanceType: m6a }).CpuOptions).toEqual({ AmdSevSnp: "enabled" });
  });

  test("keep nested virtualization", () => {
    const CpuOptions = {
      CoreCount: 1,
      ThreadsPerCore: 2,
      NestedVirtualization: "enabled",
    } as const;
    expect(launch({ CpuOptions }).CpuOptions).toEqual({ NestedVirtualization: "enabled" });
  });
});

describe("EBS optimisation", () => {
  test.each([
    ["default", true],
    ["supported", true],
    ["unsupported", undefined],
  ] as const)("is kept where the new type does not lack it: %s", (EbsOptimizedSupport, wanted) => {
    const instanceType = { ...template.instanceType, EbsInfo: { EbsOptimizedSupport } };
    expect(launch({ EbsOptimized: true }, {}, { instanceType }).EbsOptimized).toBe(wanted);
    expect(launch({ EbsOptimized: false }, {}, { instanceType })).not.toHaveProperty(
      "EbsOptimized",
    );
  });
});

describe("the bandwidth weighting", () => {
  const weighted: InstanceTypeInfo = {
    ...template.instanceType,
    NetworkInfo: { BandwidthWeightings: ["default", "vpc-1", "ebs-1"] },
  };

  test.each([
    ["a type that has it", "vpc-1", weighted, { BandwidthWeighting: "vpc-1" }],
    ["a type without weightings", "vpc-1", template.instanceType, undefined],
    ["a type that has it, where none was chosen", "default", weighted, undefined],
  ] as const)("goes to %s", (_name, BandwidthWeighting, instanceType, wanted) => {
    const input = launch(
      { NetworkPerformanceOptions: { BandwidthWeighting } },
      {},
      { instanceType },
    );
    expect(input.NetworkPerformanceOptions).toEqual(wanted);
  });
});

describe("host name and DNS records", () => {
  const ipName = {
    HostnameType: "ip-name",
    EnableResourceNameDnsARecord: false,
    EnableResourceNameDnsAAAARecord: false,
  } as const;
  const resourceName = { ...ipName, HostnameType: "resource-name" } as const;
  const withRecord = { ...ipName, EnableResourceNameDnsARecord: true } as const;
  const withIpv6Record = { ...ipName, EnableResourceNameDnsAAAARecord: true } as const;
  const shapes = [undefined, ipName, resourceName, withRecord, withIpv6Record];

  test.each(shapes.flatMap((old) => shapes.map((given) => [old, given] as const)))(
    "%o are asked for in full where a subnet with %o would decide otherwise",
    (old, given) => {
      const input = launch(
        { PrivateDnsNameOptions: old },
        {},
        inSubnet({ PrivateDnsNameOptionsOnLaunch: given }),
      );
      const isGiven = old === undefined || old === (given ?? ipName);
      expect(input.PrivateDnsNameOptions).toEqual(isGiven ? undefined : old);
    },
  );
});

describe("the way it is bought", () => {
  test("is a one-time Spot request for a Spot Instance, without the price or the id of the old one's", () => {
    const input = launch({ InstanceLifecycle: "spot", SpotInstanceRequestId: "sir-7" });
    expect(input.InstanceMarketOptions).toEqual({
      MarketType: "spot",
      SpotOptions: { SpotInstanceType: "one-time" },
    });
  });

  test("is the same capacity block for an instance of one", () => {
    const CapacityReservationTarget = { CapacityReservationId: "cr-1" };
    const input = launch({
      InstanceLifecycle: "capacity-block",
      CapacityReservationSpecification: { CapacityReservationTarget },
    });
    expect(input).toMatchObject({
      InstanceMarketOptions: { MarketType: "capacity-block" },
      CapacityReservationSpecification: { CapacityReservationTarget },
    });
  });

  test("is on demand for any other", () => {
    expect(launch({ InstanceLifecycle: "scheduled" })).not.toHaveProperty("InstanceMarketOptions");
  });
});

describe("termination protection", () => {
  test.each([
    [true, true, true],
    [true, false, undefined],
    [false, true, undefined],
    [undefined, true, undefined],
  ])(
    "of the old one (%s), where it may be lifted (%s)",
    (disableApiTermination, liftTerminationProtection, wanted) => {
      const changes = { config: { ...config, liftTerminationProtection } };
      expect(launch({}, { disableApiTermination }, changes).DisableApiTermination).toBe(wanted);
    },
  );
});

/** The plain instance's network interface, with a public address or some of IPv6. */
function network(publicIp: boolean, ipv6Count = 0): Partial<Ec2Instance> {
  return {
    NetworkInterfaces: [
      {
        Attachment: { DeviceIndex: 1 },
        Ipv6Addresses: Array(5).fill({ Ipv6Address: "2001:db8::1" }),
      },
      {
        Attachment: { DeviceIndex: 0 },
        Association: publicIp ? { PublicIp: "203.0.113.7", IpOwnerId: "amazon" } : undefined,
        Ipv6Addresses: Array(ipv6Count).fill({ Ipv6Address: "2001:db8::7" }),
      },
    ],
  };
}

function inSubnet(subnet: Subnet): Partial<LaunchTemplate> {
  return { subnets: [{ SubnetId: "subnet-old", ...subnet }] };
}

describe("the public address", () => {
  test.each([
    [true, true],
    [false, false],
    [false, undefined],
  ])("is the subnet's own doing where old one (%s) and subnet (%s) agree", (hasOne, mapped) => {
    const input = launch(network(hasOne), {}, inSubnet({ MapPublicIpOnLaunch: mapped }));
    expect(input).toMatchObject({
      SubnetId: "subnet-old",
      SecurityGroupIds: ["sg-new1", "sg-new2"],
    });
    expect(input).not.toHaveProperty("NetworkInterfaces");
  });

  test.each([
    [true, false],
    [false, true],
  ])(
    "is as the old one has it (%s) where the subnet would decide otherwise (%s)",
    (hasOne, mapped) => {
      const input = launch(network(hasOne), {}, inSubnet({ MapPublicIpOnLaunch: mapped }));
      expect(input.NetworkInterfaces).toEqual([
        {
          DeviceIndex: 0,
          SubnetId: "subnet-old",
          Groups: ["sg-new1", "sg-new2"],
          AssociatePublicIpAddress: hasOne,
        },
      ]);
      // EC2 refuses these beside a network interface: InvalidParameterCombination.
      expect(input).not.toHaveProperty("SubnetId");
      expect(input).not.toHaveProperty("SecurityGroupIds");
    },
  );
});

describe("IPv6 addresses", () => {
  test.each([
    // How many the old one has, whether the subnet gives one, and what is asked for.
    [0, false, undefined],
    [1, false, 1],
    [2, false, 2],
    [0, true, 0],
    [1, true, undefined],
    [2, true, 2],
  ])("are as many as the old one's %i where the subnet gives one (%s)", (count, given, wanted) => {
    const subnet = { AssignIpv6AddressOnCreation: given };
    const plain = launch(network(false, count), {}, inSubnet(subnet));
    expect(plain.Ipv6AddressCount).toBe(wanted);
    expect(plain).not.toHaveProperty("NetworkInterfaces");
    const shared = { ...subnet, MapPublicIpOnLaunch: true };
    const inInterface = launch(network(false, count), {}, inSubnet(shared));
    expect(inInterface.NetworkInterfaces?.[0]?.Ipv6AddressCount).toBe(wanted);
    expect(inInterface).not.toHaveProperty("Ipv6AddressCount");
  });

  test.each([true, false])(
    "keep a primary one, asked for by number: subnet gives one (%s)",
    (given) => {
      const subnet = { AssignIpv6AddressOnCreation: given };
      const old = withPrimaryIpv6(network(false, 1));
      expect(launch(old, {}, inSubnet(subnet))).toMatchObject({
        Ipv6AddressCount: 1,
        EnablePrimaryIpv6: true,
      });
      const shared = inSubnet({ ...subnet, MapPublicIpOnLaunch: true });
      expect(launch(old, {}, shared).NetworkInterfaces).toMatchObject([
        { Ipv6AddressCount: 1, PrimaryIpv6: true },
      ]);
      expect(launch(old, {}, shared)).not.toHaveProperty("EnablePrimaryIpv6");
    },
  );

  function withPrimaryIpv6(old: Partial<Ec2Instance>): Partial<Ec2Instance> {
    return {
      NetworkInterfaces: old.NetworkInterfaces?.map((one) => ({
        ...one,
        Ipv6Addresses: one.Ipv6Addresses?.map((address) => ({ ...address, IsPrimaryIpv6: true })),
      })),
    };
  }
});
