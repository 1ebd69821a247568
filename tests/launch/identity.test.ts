import type { Instance as Ec2Instance, Subnet } from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import type { LaunchSource } from "../../src/aws/ec2.ts";
import type { Config } from "../../src/config.ts";
import {
  clientToken,
  isUpToDate,
  type LaunchTemplate,
  launchesOf,
  launchOf,
  subnetFor,
} from "../../src/launch.ts";
import type { Instance } from "../../src/snapshot.ts";
import { config, plainInstance, sourceOf, template } from "./source.ts";

function specOf(
  instance: Partial<Ec2Instance> = {},
  rest: Partial<LaunchSource> = {},
  changes: Partial<LaunchTemplate> = {},
): string {
  return launchOf(sourceOf(instance, rest), { ...template, ...changes }).spec;
}

function specWith(changes: Partial<Config>): string {
  return specOf({}, {}, { config: { ...config, ...changes } });
}

describe("the spec of a launch", () => {
  const Tags = [
    { Key: "Team", Value: "payments" },
    { Key: "Name", Value: "shop-1" },
    { Key: "Stage", Value: "live" },
  ];

  test("is the same each time, whatever the order in which AWS answers", () => {
    const reordered = Object.fromEntries(Object.entries(plainInstance).reverse());
    expect(specOf({ ...reordered, Tags })).toBe(specOf({ Tags }));
    expect(specOf({ Tags: Tags.toReversed() })).toBe(specOf({ Tags }));
    const CapacityReservationTarget = {
      CapacityReservationId: "cr-1",
      CapacityReservationResourceGroupArn: "arn:reservations",
    };
    const turned = Object.fromEntries(Object.entries(CapacityReservationTarget).reverse());
    expect(
      specOf({ CapacityReservationSpecification: { CapacityReservationTarget: turned } }),
    ).toBe(specOf({ CapacityReservationSpecification: { CapacityReservationTarget } }));
  });

  test("is the same when block devices come in another order", () => {
    const BlockDeviceMappings = ["/dev/xvda", "/dev/sdf"].map((DeviceName) => ({
      DeviceName,
      Ebs: { VolumeId: `vol-${DeviceName}`, DeleteOnTermination: true },
    }));
    const volumes = BlockDeviceMappings.map(({ Ebs }) => ({ VolumeId: Ebs.VolumeId, Size: 9 }));
    expect(
      specOf(
        { BlockDeviceMappings: BlockDeviceMappings.toReversed() },
        { volumes: volumes.toReversed() },
      ),
    ).toBe(specOf({ BlockDeviceMappings }, { volumes }));
  });

  test("does not change with what is not copied", () => {
    const elsewhere = {
      PrivateIpAddress: "10.0.9.9",
      LaunchTime: new Date(0),
      Tags: [...Tags, { Key: "aws:cloudformation:stack-name", Value: "stack" }],
    };
    expect(specOf(elsewhere)).toBe(specOf({ Tags }));
  });

  test.each<[string, () => string]>([
    ["the AMI", () => specOf({}, {}, { image: { ...template.image, ImageId: "ami-other" } })],
    ["the instance type", () => specWith({ instanceType: "m5.xlarge" })],
    ["the key pair", () => specWith({ keyName: "another" })],
    ["the security groups", () => specWith({ securityGroupIds: ["sg-new1"] })],
    ["the version", () => specWith({ version: "shop-3" })],
    ["a tag of config.json", () => specWith({ tags: { Stage: "live" } })],
    ["the target group", () => specWith({ targetGroupArn: "arn:other" })],
    ["the instance replaced", () => specOf({ InstanceId: "i-another" })],
    ["a tag of the instance replaced", () => specOf({ Tags })],
    ["its subnet", () => specOf({ SubnetId: "subnet-else" })],
    ["its user data", () => specOf({}, { userData: "IyEvYmluL3No" })],
    ["its instance profile", () => specOf({ IamInstanceProfile: { Arn: "arn:profile" } })],
    ["its monitoring", () => specOf({ Monitoring: { State: "enabled" } })],
    ["its metadata options", () => specOf({ MetadataOptions: { HttpTokens: "required" } })],
    ["its disk", () => specOf(...withDisk(20))],
  ])("changes with %s", (_name, spec) => {
    expect(spec()).not.toBe(specOf());
  });

  test("changes with the size of a disk", () => {
    expect(specOf(...withDisk(30))).not.toBe(specOf(...withDisk(20)));
  });

  function withDisk(Size: number): [Partial<Ec2Instance>, Partial<LaunchSource>] {
    const Ebs = { VolumeId: "vol-1", DeleteOnTermination: true };
    return [
      { BlockDeviceMappings: [{ DeviceName: "/dev/xvda", Ebs }] },
      { volumes: [{ VolumeId: "vol-1", Size }] },
    ];
  }
});

describe("the token of a launch", () => {
  test("is one that EC2 takes: at most 64 ASCII characters", () => {
    for (const attempt of [0, 49, 1_000_000]) {
      expect(clientToken(specOf(), attempt)).toMatch(/^[\x21-\x7e]{1,64}$/);
    }
  });

  test("is the same for the same attempt at the same launch", () => {
    expect(clientToken(specOf(), 3)).toBe(clientToken(specOf(), 3));
  });

  test("differs from attempt to attempt and from launch to launch", () => {
    const specs = [specOf(), specOf({ InstanceId: "i-another" }), specWith({ version: "shop-3" })];
    const tokens = specs.flatMap((spec) => [0, 1, 2, 10, 11].map((n) => clientToken(spec, n)));
    expect(new Set(tokens).size).toBe(15);
  });
});

describe("the subnet of a replacement", () => {
  const subnets: Subnet[] = [
    { SubnetId: "subnet-a1", AvailabilityZone: "eu-west-1a" },
    { SubnetId: "subnet-a2", AvailabilityZone: "eu-west-1a" },
    { SubnetId: "subnet-b1", AvailabilityZone: "eu-west-1b" },
    { SubnetId: "subnet-old", AvailabilityZone: "eu-west-1c" },
  ];

  function choose(old: Partial<Ec2Instance>, subnetIds: string[]): string | undefined {
    const template = { config: { ...config, subnetIds }, subnets };
    return subnetFor({ ...plainInstance, ...old }, template)?.SubnetId;
  }

  function inZone(AvailabilityZone: string, InstanceId = "i-old"): Partial<Ec2Instance> {
    return { InstanceId, Placement: { AvailabilityZone } };
  }

  test("is the old one's own where config.json names none", () => {
    expect(choose({ SubnetId: "subnet-b1" }, [])).toBe("subnet-b1");
    expect(choose({ SubnetId: "subnet-old" }, [])).toBe("subnet-old");
  });

  test("is one of config.json's in the old one's zone", () => {
    const ids = ["subnet-a1", "subnet-b1"];
    expect(choose(inZone("eu-west-1b"), ids)).toBe("subnet-b1");
    expect(choose(inZone("eu-west-1a"), ids)).toBe("subnet-a1");
  });

  test("is any of config.json's where none is in the old one's zone", () => {
    expect(choose(inZone("eu-west-1c"), ["subnet-b1"])).toBe("subnet-b1");
  });

  test("is the same for the same instance, in whatever order AWS answers", () => {
    const old = { ...plainInstance, ...inZone("eu-west-1a") };
    const template = { ...config, subnetIds: ["subnet-a1", "subnet-a2"] };
    const reversed = subnets.toReversed();
    expect(subnetFor(old, { config: template, subnets: reversed })?.SubnetId).toBe(
      subnetFor(old, { config: template, subnets })?.SubnetId,
    );
  });

  test("differs from instance to instance where there is a choice", () => {
    const chosen = Array.from({ length: 30 }, (_, index) =>
      choose(inZone("eu-west-1a", `i-${index}`), ["subnet-a1", "subnet-a2", "subnet-b1"]),
    );
    expect(new Set(chosen)).toEqual(new Set(["subnet-a1", "subnet-a2"]));
  });

  test("is where the launch goes", () => {
    const changes = { config: { ...config, subnetIds: ["subnet-b1"] }, subnets };
    const { input } = launchOf(sourceOf(inZone("eu-west-1b")), { ...template, ...changes });
    expect(input.SubnetId).toBe("subnet-b1");
  });
});

describe("the launches of a replacement", () => {
  const subnets: Subnet[] = ["a1", "a2", "a3", "b1", "b2"].map((name) => ({
    SubnetId: `subnet-${name}`,
    AvailabilityZone: `eu-west-1${name[0]}`,
  }));

  function launches(zone: string, subnetIds: string[]) {
    const source = sourceOf({ SubnetId: "subnet-a1", Placement: { AvailabilityZone: zone } });
    return launchesOf(source, { ...template, config: { ...config, subnetIds }, subnets });
  }

  const ids = subnets.map(({ SubnetId = "" }) => SubnetId);
  const placesOf = (...of: Parameters<typeof launches>) =>
    launches(...of).map(({ input }) => input.SubnetId ?? "none");

  test("are one for each of subnet-ids in the zone, beginning with the chosen one", () => {
    const places = placesOf("eu-west-1a", ids);
    expect([...places].sort()).toEqual(["subnet-a1", "subnet-a2", "subnet-a3"]);
    const chosen = { config: { ...config, subnetIds: ids }, subnets };
    const old = { ...plainInstance, Placement: { AvailabilityZone: "eu-west-1a" } };
    expect(places[0]).toBe(subnetFor(old, chosen)?.SubnetId);
  });

  test("stay in the zone of the chosen one where there is none in the old one's", () => {
    const places = placesOf("eu-west-1c", ids);
    expect(new Set(places.map((id) => id.slice(0, -1))).size).toBe(1);
    expect(places.length).toBeGreaterThan(1);
  });

  test("are one without subnet-ids", () => {
    expect(placesOf("eu-west-1a", [])).toEqual(["subnet-a1"]);
  });

  test("differ in spec and token, and in nothing but the subnet and the spec's tag", () => {
    const all = launches("eu-west-1a", ids);
    expect(new Set(all.map(({ spec }) => spec)).size).toBe(3);
    expect(new Set(all.map(({ spec }) => clientToken(spec, 0))).size).toBe(3);
    const rest = all.map(({ spec, input }) =>
      JSON.stringify({ ...input, SubnetId: undefined }).replaceAll(spec, "spec"),
    );
    expect(new Set(rest).size).toBe(1);
  });
});

describe("an instance is up to date", () => {
  const instance: Instance = {
    id: "i-new",
    state: "running",
    zone: "eu-west-1a",
    imageId: "ami-new",
    instanceType: "m5.large",
    keyName: "new-key",
    securityGroupIds: ["sg-new1", "sg-new2"],
    tags: { Name: "shop-2", Team: "payments" },
    launchedAtMs: 0,
    source: {},
  };

  test("when it is what this run would launch, in whatever order its groups are listed", () => {
    expect(isUpToDate(instance, config, "ami-new")).toBe(true);
    const turned = { ...instance, securityGroupIds: ["sg-new2", "sg-new1"] };
    expect(isUpToDate(turned, config, "ami-new")).toBe(true);
  });

  test.each<[string, Partial<Instance>]>([
    ["another AMI", { imageId: "ami-old" }],
    ["another instance type", { instanceType: "m5.xlarge" }],
    ["another key pair", { keyName: "old-key" }],
    ["no key pair", { keyName: undefined }],
    ["another Name", { tags: { Name: "shop-1" } }],
    ["no Name", { tags: {} }],
    ["a security group less", { securityGroupIds: ["sg-new1"] }],
    ["a security group more", { securityGroupIds: ["sg-new1", "sg-new2", "sg-old"] }],
    ["another security group", { securityGroupIds: ["sg-new1", "sg-old"] }],
  ])("but not with %s", (_name, changes) => {
    expect(isUpToDate({ ...instance, ...changes }, config, "ami-new")).toBe(false);
  });
});
