import {
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypeOfferingsCommand,
  type DescribeInstanceTypeOfferingsCommandInput,
  DescribeInstanceTypesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeSubnetsCommand,
  EC2Client,
  type Filter,
} from "@aws-sdk/client-ec2";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import {
  describeElasticIps,
  describeImage,
  describeImages,
  describeInstanceType,
  describeKeyPair,
  describePersistentSpotRequests,
  describeSecurityGroup,
  describeSubnets,
  describeZonesOf,
} from "../../src/aws/resources.ts";

const mock = mockClient(EC2Client);
const ec2 = new EC2Client({ region: "eu-west-1" });

beforeEach(() => {
  mock.reset();
});

const many = Array.from({ length: 450 }, (_, index) => `id-${index}`);

/** The values of the one filter of a request, which takes at most 200. */
function valuesOf({ Filters = [] }: { Filters?: Filter[] }, name: string): string[] {
  const [{ Name, Values = [] } = {}, ...others] = Filters;
  if (Name !== name || others.length > 0) throw new Error(`unexpected filter ${Name}`);
  if (Values.length > 200) throw new Error("FilterLimitExceeded");
  return Values;
}

describe("what is asked for by filter is all found, and what is unknown merely missing", () => {
  test("Elastic IP addresses, by instance", async () => {
    mock.on(DescribeAddressesCommand).callsFake((input) => ({
      Addresses: valuesOf(input, "instance-id")
        .filter((id) => id !== "id-7")
        .map((InstanceId) => ({ InstanceId, PublicIp: `address of ${InstanceId}` })),
    }));
    const found = await describeElasticIps(ec2, many);
    expect(found.size).toBe(449);
    expect(found.get("id-449")).toEqual(["address of id-449"]);
    expect(found.has("id-7")).toBe(false);
  });

  test("several Elastic IP addresses of one instance", async () => {
    const Addresses = ["1", "2"].map((PublicIp) => ({ InstanceId: "i-1", PublicIp }));
    mock.on(DescribeAddressesCommand).resolves({ Addresses });
    expect(await describeElasticIps(ec2, ["i-1"])).toEqual(new Map([["i-1", ["1", "2"]]]));
  });

  test("of Spot requests, those that are persistent", async () => {
    mock.on(DescribeSpotInstanceRequestsCommand).callsFake((input) => ({
      SpotInstanceRequests: valuesOf(input, "spot-instance-request-id").map((id) => ({
        SpotInstanceRequestId: id,
        Type: id === "id-8" || id === "id-440" ? "persistent" : "one-time",
      })),
    }));
    const found = await describePersistentSpotRequests(ec2, many);
    expect(found).toEqual(new Set(["id-8", "id-440"]));
  });

  test("images, deprecated ones too", async () => {
    mock.on(DescribeImagesCommand, { IncludeDeprecated: true }).callsFake((input) => ({
      Images: valuesOf(input, "image-id").map((ImageId) => ({ ImageId })),
    }));
    const found = await describeImages(ec2, many);
    expect(found.map(({ ImageId }) => ImageId).sort()).toEqual([...many].sort());
  });

  test("subnets", async () => {
    mock.on(DescribeSubnetsCommand).callsFake((input) => ({
      Subnets: valuesOf(input, "subnet-id").map((SubnetId) => ({ SubnetId })),
    }));
    const found = await describeSubnets(ec2, many);
    expect(found.map(({ SubnetId }) => SubnetId).sort()).toEqual([...many].sort());
  });

  test("nothing, where nothing is asked for: EC2 would answer with everybody's", async () => {
    expect(await describeImages(ec2, [])).toEqual([]);
    expect(await describeSubnets(ec2, [])).toEqual([]);
    expect(await describeElasticIps(ec2, [])).toEqual(new Map());
    expect(await describePersistentSpotRequests(ec2, [])).toEqual(new Set());
    expect(mock.calls()).toEqual([]);
  });
});

describe("the zones that offer an instance type", () => {
  test("are those of all pages", async () => {
    const request: DescribeInstanceTypeOfferingsCommandInput = {
      LocationType: "availability-zone",
      Filters: [{ Name: "instance-type", Values: ["t3.micro"] }],
    };
    mock
      .on(DescribeInstanceTypeOfferingsCommand, request)
      .resolves({ InstanceTypeOfferings: [{ Location: "eu-west-1a" }], NextToken: "more" })
      .on(DescribeInstanceTypeOfferingsCommand, { ...request, NextToken: "more" })
      .resolves({ InstanceTypeOfferings: [{ Location: "eu-west-1c" }] });
    expect(await describeZonesOf(ec2, "t3.micro")).toEqual(new Set(["eu-west-1a", "eu-west-1c"]));
  });
});

describe("what is asked for by its id", () => {
  test("is the image of that id, deprecated or not", async () => {
    mock
      .on(DescribeImagesCommand, { ImageIds: ["ami-1"] })
      .resolves({ Images: [{ ImageId: "ami-1" }] });
    expect(await describeImage(ec2, "ami-1")).toEqual({ ImageId: "ami-1" });
  });

  test("is no image, soon after that was deregistered", async () => {
    mock.on(DescribeImagesCommand).resolves({ Images: [] });
    expect(await describeImage(ec2, "ami-1")).toBeUndefined();
  });

  test("is the instance type of that name", async () => {
    const InstanceTypes = [{ InstanceType: "t3.micro" as const }];
    mock
      .on(DescribeInstanceTypesCommand, { InstanceTypes: ["t3.micro"] })
      .resolves({ InstanceTypes });
    expect(await describeInstanceType(ec2, "t3.micro")).toEqual({ InstanceType: "t3.micro" });
  });

  test("is the security group of that id", async () => {
    const SecurityGroups = [{ GroupId: "sg-1", VpcId: "vpc-1" }];
    mock.on(DescribeSecurityGroupsCommand, { GroupIds: ["sg-1"] }).resolves({ SecurityGroups });
    expect(await describeSecurityGroup(ec2, "sg-1")).toEqual({ GroupId: "sg-1", VpcId: "vpc-1" });
  });

  test("fails where EC2 does not know it", async () => {
    const unknown = Object.assign(new Error("unknown"), { name: "InvalidKeyPair.NotFound" });
    mock.on(DescribeKeyPairsCommand, { KeyNames: ["key"] }).rejects(unknown);
    await expect(describeKeyPair(ec2, "key")).rejects.toBe(unknown);
  });
});
