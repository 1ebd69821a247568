import {
  DescribeAddressesCommand,
  DescribeImagesCommand,
  DescribeInstanceTypesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  type EC2Client,
  type Image,
  type InstanceTypeInfo,
  type SecurityGroup,
  type Subnet,
} from "@aws-sdk/client-ec2";
import { chunk, filterValuesLimit } from "./chunk.ts";

/** Elastic IP addresses of these instances, by instance id: they are lost when it is terminated. */
export async function describeElasticIps(
  ec2: EC2Client,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const answers = await Promise.all(
    chunk(ids, filterValuesLimit).map((Values) =>
      ec2.send(new DescribeAddressesCommand({ Filters: [{ Name: "instance-id", Values }] })),
    ),
  );
  return new Map(
    answers
      .flatMap((answer) => answer.Addresses ?? [])
      .map((address) => [address.InstanceId ?? "", address.PublicIp ?? ""]),
  );
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
