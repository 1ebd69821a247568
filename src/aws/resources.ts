import {
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSpotInstanceRequestsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  type Image,
  type InstanceTypeInfo,
  paginateDescribeInstanceTypeOfferings,
  type SecurityGroup,
  type Subnet,
} from "@aws-sdk/client-ec2";
import { chunk, filterValuesLimit } from "./chunk.ts";

/** Elastic IP addresses of these instances, by instance id: an instance loses them when it is terminated. */
export async function describeElasticIps(
  ec2: EC2Client,
  ids: readonly string[],
): Promise<Map<string, string[]>> {
  const answers = await Promise.all(
    chunk(ids, filterValuesLimit).map((Values) =>
      ec2.send(new DescribeAddressesCommand({ Filters: [{ Name: "instance-id", Values }] })),
    ),
  );
  const addresses = new Map<string, string[]>();
  for (const { InstanceId = "", PublicIp = "" } of answers.flatMap((one) => one.Addresses ?? [])) {
    addresses.set(InstanceId, [...(addresses.get(InstanceId) ?? []), PublicIp]);
  }
  return addresses;
}

/** An AMI asked for by its id: an unknown one is the error `InvalidAMIID.NotFound`, or undefined soon after its end. */
export async function describeImage(ec2: EC2Client, id: string): Promise<Image | undefined> {
  return (await ec2.send(new DescribeImagesCommand({ ImageIds: [id] }))).Images?.[0];
}

/** Those of these AMIs that still exist. */
export async function describeImages(ec2: EC2Client, ids: readonly string[]): Promise<Image[]> {
  if (ids.length === 0) return [];
  const answers = await Promise.all(
    chunk(ids, filterValuesLimit).map((Values) =>
      ec2.send(
        new DescribeImagesCommand({
          Filters: [{ Name: "image-id", Values }],
          IncludeDeprecated: true,
        }),
      ),
    ),
  );
  return answers.flatMap((answer) => answer.Images ?? []);
}

/** An unknown type is the error `InvalidInstanceType`. */
export async function describeInstanceType(
  ec2: EC2Client,
  type: string,
): Promise<InstanceTypeInfo | undefined> {
  const answer = await ec2.send(
    new DescribeInstanceTypesCommand({
      InstanceTypes: [type as InstanceTypeInfo["InstanceType"] & string],
    }),
  );
  return answer.InstanceTypes?.[0];
}

/** The zones of the region in which an instance type is offered. */
export async function describeZonesOf(ec2: EC2Client, type: string): Promise<Set<string>> {
  const zones = new Set<string>();
  const pages = paginateDescribeInstanceTypeOfferings(
    { client: ec2 },
    {
      LocationType: "availability-zone",
      Filters: [{ Name: "instance-type", Values: [type] }],
    },
  );
  for await (const page of pages) {
    for (const { Location } of page.InstanceTypeOfferings ?? []) zones.add(Location ?? "");
  }
  return zones;
}

/** Those of these Spot requests that are persistent: they launch another instance when theirs is terminated. */
export async function describePersistentSpotRequests(
  ec2: EC2Client,
  ids: readonly string[],
): Promise<Set<string>> {
  const answers = await Promise.all(
    chunk(ids, filterValuesLimit).map((Values) =>
      ec2.send(
        new DescribeSpotInstanceRequestsCommand({
          Filters: [{ Name: "spot-instance-request-id", Values }],
        }),
      ),
    ),
  );
  const requests = answers.flatMap((answer) => answer.SpotInstanceRequests ?? []);
  const persistent = requests.filter(({ Type }) => Type === "persistent");
  return new Set(persistent.flatMap(({ SpotInstanceRequestId }) => SpotInstanceRequestId ?? []));
}

/** An unknown key pair is the error `InvalidKeyPair.NotFound`. */
export async function describeKeyPair(ec2: EC2Client, name: string): Promise<void> {
  await ec2.send(new DescribeKeyPairsCommand({ KeyNames: [name] }));
}

/** An unknown group is the error `InvalidGroup.NotFound`. */
export async function describeSecurityGroup(
  ec2: EC2Client,
  id: string,
): Promise<SecurityGroup | undefined> {
  return (await ec2.send(new DescribeSecurityGroupsCommand({ GroupIds: [id] })))
    .SecurityGroups?.[0];
}

/** Those of these subnets that exist. */
export async function describeSubnets(ec2: EC2Client, ids: readonly string[]): Promise<Subnet[]> {
  const answers = await Promise.all(
    chunk(ids, filterValuesLimit).map((Values) =>
      ec2.send(new DescribeSubnetsCommand({ Filters: [{ Name: "subnet-id", Values }] })),
    ),
  );
  return answers.flatMap((answer) => answer.Subnets ?? []);
}
