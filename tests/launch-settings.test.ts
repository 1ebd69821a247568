import type { Instance as Ec2Instance, InstanceTypeInfo, Subnet } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { LaunchSource } from "../src/aws/ec2.ts";
import { type LaunchTemplate, launchOf } from "../src/launch.ts";
import { config, plainInstance, sourceOf, template } from "./launch-source.ts";

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
    ["required tokens", { HttpTokens: "required" }, { HttpTokens: "required" }],
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
    ["t2.micro", "standard", undefined],
    ["t2.micro", "unlimited", { CpuCredits: "unlimited" }],
    ["t3.micro", "unlimited", undefined],
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
  test("are as many as the old one's primary network interface has", () => {
    const input = launch(network(false, 2), {}, inSubnet({}));
    expect(input).toMatchObject({ SubnetId: "subnet-old", Ipv6AddressCount: 2 });
  });

  test("stand in the network interface where there is one", () => {
    const input = launch(network(true, 2), {}, inSubnet({ MapPublicIpOnLaunch: false }));
    expect(input.NetworkInterfaces?.[0]?.Ipv6AddressCount).toBe(2);
    expect(input).not.toHaveProperty("Ipv6AddressCount");
  });

  test.each([
    ["the old one has none", 0, false],
    ["the subnet gives one anyway", 1, true],
  ])("are not asked for where %s", (_name, count, AssignIpv6AddressOnCreation) => {
    const input = launch(network(false, count), {}, inSubnet({ AssignIpv6AddressOnCreation }));
    expect(input).not.toHaveProperty("Ipv6AddressCount");
    expect(input).not.toHaveProperty("NetworkInterfaces");
  });
});
