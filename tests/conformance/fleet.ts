import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  CreateKeyPairCommand,
  CreateSecurityGroupCommand,
  DescribeImagesCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Instance,
  RunInstancesCommand,
  type Subnet,
  type Tag,
} from "@aws-sdk/client-ec2";
import {
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateTargetGroupCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  ModifyTargetGroupAttributesCommand,
  RegisterTargetsCommand,
  type TargetTypeEnum,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { newFolder } from "./program.ts";

/** What a fleet is to be like. */
export interface FleetOptions {
  /** The endpoint the fleet is built at. */
  readonly url: string;
  /** Each fleet has a region of its own, so that everything in it belongs to the fleet. */
  readonly region: string;
  /** How many, each in the next of three zones. */
  readonly instances: number;
  /** A second target group of the same load balancer, with the instances registered on port 9090. */
  readonly hasSecondTargetGroup?: boolean;
}

/** A fleet on an imitation of AWS, and how to look at it. */
export interface Fleet {
  readonly region: string;
  readonly oldAmi: string;
  readonly newAmi: string;
  readonly oldIds: readonly string[];
  readonly targetGroupArn: string;
  readonly secondTargetGroupArn: string | undefined;
  readonly loadBalancerArn: string;
  readonly userData: string;
  readonly ec2: EC2Client;
  readonly elbv2: ElasticLoadBalancingV2Client;
  /** A new folder with a config.json for this fleet. */
  folder(changes?: Readonly<Record<string, unknown>>): string;
  /** Every instance there ever was, terminated ones too. */
  everLaunched(): Promise<Instance[]>;
  /** Those that are running or may come to it. */
  alive(): Promise<Instance[]>;
  /** Health of targets as "instance id:port state", sorted. */
  targets(arn?: string): Promise<string[]>;
}

/** The credentials the fleet itself is built with. */
const builder = { accessKeyId: "AKIAFLEETBUILDER0000", secretAccessKey: "builder" };

/** The port the instances are registered on; the target group's own is 80. */
export const servingPort = 8080;

/** Builds instances named "v1" in three zones behind an application load balancer. */
export async function buildFleet(options: FleetOptions): Promise<Fleet> {
  const { url, region } = options;
  const ec2 = new EC2Client({ endpoint: url, region, credentials: builder });
  const elbv2 = new ElasticLoadBalancingV2Client({ endpoint: url, region, credentials: builder });
  const subnets = await threeSubnets(ec2);
  const [oldAmi, newAmi] = await twoImages(ec2);
  const { GroupId = "" } = await ec2.send(
    new CreateSecurityGroupCommand({
      GroupName: "my-group",
      Description: "The instances",
      VpcId: subnets[0]?.VpcId,
    }),
  );
  await ec2.send(new CreateKeyPairCommand({ KeyName: "my-key" }));
  const loadBalancerArn = await buildLoadBalancer(elbv2, "my-load-balancer", subnets);
  const inGroup = { elbv2, loadBalancerArn, vpcId: subnets[0]?.VpcId };
  const targetGroupArn = await buildTargetGroup({ ...inGroup, name: "my-targets", listenPort: 80 });
  const secondTargetGroupArn = options.hasSecondTargetGroup
    ? await buildTargetGroup({ ...inGroup, name: "my-other-targets", listenPort: 81 })
    : undefined;
  const userData = Buffer.from("#!/bin/sh\necho Grüße\n").toString("base64");
  const oldIds: string[] = [];
  for (let index = 0; index < options.instances; index++) {
    const launched = await ec2.send(
      new RunInstancesCommand({
        ImageId: oldAmi,
        InstanceType: "t3.micro",
        KeyName: "my-key",
        SecurityGroupIds: [GroupId],
        SubnetId: subnets[index % subnets.length]?.SubnetId,
        UserData: userData,
        MinCount: 1,
        MaxCount: 1,
        TagSpecifications: [
          {
            ResourceType: "instance",
            Tags: [
              { Key: "Name", Value: "v1" },
              { Key: "team", Value: "blue sky" },
            ],
          },
        ],
      }),
    );
    oldIds.push(launched.Instances?.[0]?.InstanceId ?? "");
  }
  await register(elbv2, targetGroupArn, oldIds, servingPort);
  if (secondTargetGroupArn) await register(elbv2, secondTargetGroupArn, oldIds, 9090);

  const config = {
    region,
    "ssh-key": "my-key",
    "security-group-id": [GroupId],
    "instance-type": "t3.micro",
    "target-group": { arn: targetGroupArn },
    loadbalancer: { arn: loadBalancerArn },
    version: "v2",
  };
  const everLaunched = async () => {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({}));
    return Reservations.flatMap(({ Instances = [] }) => Instances);
  };
  return {
    region,
    oldAmi,
    newAmi,
    oldIds,
    targetGroupArn,
    secondTargetGroupArn,
    loadBalancerArn,
    userData,
    ec2,
    elbv2,
    folder: (changes = {}) => {
      const folder = newFolder();
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...config, ...changes }));
      return folder;
    },
    everLaunched,
    alive: async () => (await everLaunched()).filter(({ State }) => State?.Name !== "terminated"),
    targets: async (arn = targetGroupArn) => {
      const answer = await elbv2.send(new DescribeTargetHealthCommand({ TargetGroupArn: arn }));
      return (answer.TargetHealthDescriptions ?? [])
        .map(({ Target, TargetHealth }) => `${Target?.Id}:${Target?.Port} ${TargetHealth?.State}`)
        .sort();
    },
  };
}

/** Registers instances on a port of a target group. */
export async function register(
  elbv2: ElasticLoadBalancingV2Client,
  TargetGroupArn: string,
  ids: readonly string[],
  Port: number,
): Promise<void> {
  const Targets = ids.map((Id) => ({ Id, Port }));
  await elbv2.send(new RegisterTargetsCommand({ TargetGroupArn, Targets }));
}

/** The default subnets of the first three zones. */
export async function threeSubnets(ec2: EC2Client): Promise<Subnet[]> {
  const { Subnets = [] } = await ec2.send(
    new DescribeSubnetsCommand({ Filters: [{ Name: "default-for-az", Values: ["true"] }] }),
  );
  const byZone = (one: Subnet, other: Subnet) =>
    (one.AvailabilityZone ?? "") < (other.AvailabilityZone ?? "") ? -1 : 1;
  const three = Subnets.sort(byZone).slice(0, 3);
  if (three.length < 3) throw new Error("a fleet needs a region with three zones");
  return three;
}

/** An application load balancer. */
export async function buildLoadBalancer(
  elbv2: ElasticLoadBalancingV2Client,
  Name: string,
  subnets: readonly Subnet[],
): Promise<string> {
  const { LoadBalancers } = await elbv2.send(
    new CreateLoadBalancerCommand({
      Name,
      Subnets: subnets.flatMap(({ SubnetId }) => SubnetId ?? []),
    }),
  );
  return LoadBalancers?.[0]?.LoadBalancerArn ?? "";
}

/** A target group of its own port 80, behind a listener of the load balancer. */
export async function buildTargetGroup({
  elbv2,
  loadBalancerArn,
  vpcId,
  name,
  listenPort,
  targetType = "instance",
}: {
  readonly elbv2: ElasticLoadBalancingV2Client;
  readonly loadBalancerArn: string;
  readonly vpcId: string | undefined;
  readonly name: string;
  readonly listenPort: number;
  readonly targetType?: TargetTypeEnum;
}): Promise<string> {
  const { TargetGroups } = await elbv2.send(
    new CreateTargetGroupCommand({
      Name: name,
      Protocol: "HTTP",
      Port: 80,
      VpcId: vpcId,
      TargetType: targetType,
      HealthCheckPath: "/health",
    }),
  );
  const TargetGroupArn = TargetGroups?.[0]?.TargetGroupArn ?? "";
  await elbv2.send(
    new ModifyTargetGroupAttributesCommand({
      TargetGroupArn,
      Attributes: [{ Key: "deregistration_delay.timeout_seconds", Value: "20" }],
    }),
  );
  await elbv2.send(
    new CreateListenerCommand({
      LoadBalancerArn: loadBalancerArn,
      Protocol: "HTTP",
      Port: listenPort,
      DefaultActions: [{ Type: "forward", TargetGroupArn }],
    }),
  );
  return TargetGroupArn;
}

/** The user data of an instance, as EC2 has it. */
export async function userDataOf(ec2: EC2Client, InstanceId: string): Promise<string | undefined> {
  const { UserData } = await ec2.send(
    new DescribeInstanceAttributeCommand({ InstanceId, Attribute: "userData" }),
  );
  return UserData?.Value;
}

/** The tags of every volume of an instance. */
export async function volumeTagsOf(
  ec2: EC2Client,
  instanceId: string,
): Promise<Record<string, string>[]> {
  const { Volumes = [] } = await ec2.send(
    new DescribeVolumesCommand({
      Filters: [{ Name: "attachment.instance-id", Values: [instanceId] }],
    }),
  );
  return Volumes.map(({ Tags }) => tagsOf(Tags));
}

/** Tags as an object. */
export function tagsOf(tags: readonly Tag[] = []): Record<string, string> {
  return Object.fromEntries(tags.map(({ Key = "", Value = "" }) => [Key, Value]));
}

/** Two AMIs that moto brings along for an instance type of today. */
export async function twoImages(ec2: EC2Client): Promise<[string, string]> {
  const { Images = [] } = await ec2.send(
    new DescribeImagesCommand({
      Filters: [
        { Name: "name", Values: ["ubuntu/images/hvm-ssd/*"] },
        { Name: "root-device-type", Values: ["ebs"] },
      ],
    }),
  );
  const [first, second] = Images.map(({ ImageId = "" }) => ImageId).sort();
  if (first === undefined || second === undefined) throw new Error("moto knows no two Ubuntu AMIs");
  return [first, second];
}
