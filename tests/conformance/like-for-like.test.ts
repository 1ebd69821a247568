// Goal: the request of a replacement is one that somebody else's AWS understands as it is meant. Method: an old
// instance with as many settings as moto keeps is launched there, its replacement is derived from what moto describes
// and launched there too, and whatever moto describes of both is compared.
import {
  CreateKeyPairCommand,
  CreateSecurityGroupCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Instance,
  ModifySubnetAttributeCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { describeLaunchSource } from "../../src/aws/ec2.ts";
import { describeImages, describeInstanceType, describeSubnets } from "../../src/aws/resources.ts";
import { parseConfig } from "../../src/config.ts";
import { launchOf } from "../../src/launch.ts";
import { tagsOf, threeSubnets, twoImages, volumeTagsOf } from "./fleet.ts";
import { isMotoHere, type Moto, skipWithoutMoto, startMoto } from "./moto.ts";

let moto: Moto;

beforeAll(async () => {
  if (isMotoHere) moto = await startMoto();
});
beforeEach(skipWithoutMoto);
afterAll(() => moto?.stop());

const userData = Buffer.from("#!/bin/sh\necho Grüße\n").toString("base64");
const type = "t3.micro";

/** An empty region: a subnet that gives public addresses, a key pair, a security group, two AMIs. */
async function region(name: string) {
  const credentials = { accessKeyId: "AKIALIKEFORLIKE00000", secretAccessKey: "like" };
  const ec2 = new EC2Client({ endpoint: moto.url, region: name, credentials });
  const [subnet] = await threeSubnets(ec2);
  const SubnetId = subnet?.SubnetId ?? "";
  const MapPublicIpOnLaunch = { Value: true };
  await ec2.send(new ModifySubnetAttributeCommand({ SubnetId, MapPublicIpOnLaunch }));
  await ec2.send(new CreateKeyPairCommand({ KeyName: "my-key" }));
  const { GroupId = "" } = await ec2.send(
    new CreateSecurityGroupCommand({
      GroupName: "my-group",
      Description: "The instances",
      VpcId: subnet?.VpcId,
    }),
  );
  const [oldAmi, newAmi] = await twoImages(ec2);
  return { name, ec2, SubnetId, GroupId, oldAmi, newAmi };
}

type Region = Awaited<ReturnType<typeof region>>;

async function launched({ ec2 }: Region, input: RunInstancesCommandInput): Promise<Instance> {
  const { Instances } = await ec2.send(new RunInstancesCommand(input));
  const InstanceIds = [Instances?.[0]?.InstanceId ?? ""];
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds }));
  return Reservations?.[0]?.Instances?.[0] ?? {};
}

async function replaced(where: Region, old: Instance): Promise<Instance> {
  const { name, ec2, SubnetId, GroupId, oldAmi, newAmi } = where;
  const arn = (resource: string) =>
    `arn:aws:elasticloadbalancing:${name}:123456789012:${resource}/0123456789abcdef`;
  const file = {
    region: name,
    "ssh-key": "my-key",
    "security-group-id": [GroupId],
    "instance-type": type,
    "target-group": { arn: arn("targetgroup/my-targets") },
    loadbalancer: { arn: arn("loadbalancer/app/my-load-balancer") },
    version: "v2",
    tags: { "cost-center": "42" },
    "lift-termination-protection": true,
  };
  const { config } = parseConfig(JSON.stringify(file), "config.json");
  const [image] = await describeImages(ec2, [newAmi]);
  const instanceType = await describeInstanceType(ec2, type);
  if (image === undefined || instanceType === undefined) throw new Error("moto has both");
  const source = await describeLaunchSource(ec2, old);
  const { input } = launchOf(source, {
    config,
    image,
    oldImages: await describeImages(ec2, [oldAmi]),
    instanceType,
    subnets: await describeSubnets(ec2, [SubnetId]),
  });
  return launched(where, input);
}

/** What is each instance's own, or the command's and config.json's. */
function shared(instance: Instance): Instance {
  return {
    ...instance,
    InstanceId: undefined,
    ImageId: undefined,
    LaunchTime: undefined,
    ClientToken: undefined,
    PrivateDnsName: undefined,
    PrivateIpAddress: undefined,
    PublicDnsName: undefined,
    PublicIpAddress: instance.PublicIpAddress && "one",
    UsageOperationUpdateTime: undefined,
    BlockDeviceMappings: instance.BlockDeviceMappings?.map(({ DeviceName, Ebs }) => ({
      DeviceName,
      Ebs: { DeleteOnTermination: Ebs?.DeleteOnTermination },
    })),
    NetworkInterfaces: instance.NetworkInterfaces?.map(({ Attachment, Groups, Association }) => ({
      Groups,
      Attachment: { DeviceIndex: Attachment?.DeviceIndex },
      Association: { IpOwnerId: Association?.IpOwnerId },
    })),
    Tags: undefined,
  };
}

async function attributesOf({ ec2 }: Region, { InstanceId }: Instance): Promise<object> {
  const names = [
    "userData",
    "instanceInitiatedShutdownBehavior",
    "disableApiStop",
    "disableApiTermination",
  ] as const;
  const answers = names.map((Attribute) =>
    ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute })),
  );
  const attributes: object = Object.assign({}, ...(await Promise.all(answers)));
  return { ...attributes, InstanceId: undefined, $metadata: undefined };
}

async function rootVolumeOf({ ec2 }: Region, { InstanceId = "" }: Instance) {
  const Filters = [{ Name: "attachment.instance-id", Values: [InstanceId] }];
  const { Volumes = [] } = await ec2.send(new DescribeVolumesCommand({ Filters }));
  expect(Volumes).toHaveLength(1);
  return Volumes[0];
}

function plain({ SubnetId, GroupId, oldAmi }: Region): RunInstancesCommandInput {
  return {
    ImageId: oldAmi,
    InstanceType: type,
    KeyName: "my-key",
    SubnetId,
    SecurityGroupIds: [GroupId],
    MinCount: 1,
    MaxCount: 1,
  };
}

describe.concurrent("a replacement on moto", () => {
  it("is like an old instance with many settings", async () => {
    const where = await region("eu-west-1");
    const old = await launched(where, {
      ...plain(where),
      UserData: userData,
      Monitoring: { Enabled: true },
      EbsOptimized: true,
      MetadataOptions: {
        HttpEndpoint: "enabled",
        HttpTokens: "required",
        HttpPutResponseHopLimit: 3,
        InstanceMetadataTags: "enabled",
      },
      HibernationOptions: { Configured: true },
      InstanceInitiatedShutdownBehavior: "terminate",
      DisableApiStop: true,
      BlockDeviceMappings: [
        {
          DeviceName: "/dev/sda1",
          Ebs: { VolumeSize: 40, VolumeType: "gp3", Iops: 4000, Throughput: 250, Encrypted: true },
        },
      ],
      TagSpecifications: [
        { ResourceType: "instance", Tags: [{ Key: "team", Value: "blue sky" }] },
        { ResourceType: "volume", Tags: [{ Key: "backup", Value: "daily" }] },
      ],
    });
    // What moto lost of it would prove nothing.
    expect(old).toMatchObject({
      Monitoring: { State: "enabled" },
      EbsOptimized: true,
      MetadataOptions: {
        HttpTokens: "required",
        HttpPutResponseHopLimit: 3,
        InstanceMetadataTags: "enabled",
      },
      HibernationOptions: { Configured: true },
    });
    expect(await attributesOf(where, old)).toMatchObject({
      UserData: { Value: userData },
      InstanceInitiatedShutdownBehavior: { Value: "terminate" },
      DisableApiStop: { Value: true },
    });
    const fresh = await replaced(where, old);
    expect(fresh.InstanceId).not.toBe(old.InstanceId);
    expect(fresh.ImageId).toBe(where.newAmi);
    expect(shared(fresh)).toEqual(shared(old));
    expect(await attributesOf(where, fresh)).toEqual(await attributesOf(where, old));
    expect(tagsOf(fresh.Tags)).toMatchObject({
      team: "blue sky",
      "cost-center": "42",
      Name: "v2",
      "zero-deploy:replaces": old.InstanceId,
    });
    expect(await volumeTagsOf(where.ec2, fresh.InstanceId ?? "")).toEqual([
      expect.objectContaining({ backup: "daily", "cost-center": "42", Name: "v2" }),
    ]);
    // Moto has no throughput of volumes.
    const { Size, VolumeType, Iops, Encrypted } = (await rootVolumeOf(where, old)) ?? {};
    const root = { Size, VolumeType, Iops, Encrypted };
    expect(await rootVolumeOf(where, fresh)).toMatchObject(root);
    expect(root).toMatchObject({ Size: 40, VolumeType: "gp3", Encrypted: true });
  });

  it("has no public address where the old one has none though its subnet gives one", async () => {
    const where = await region("eu-central-1");
    const { SubnetId, SecurityGroupIds, ...input } = plain(where);
    const nic = { DeviceIndex: 0, SubnetId, Groups: SecurityGroupIds };
    const NetworkInterfaces = [{ ...nic, AssociatePublicIpAddress: false }];
    const old = await launched(where, { ...input, NetworkInterfaces });
    expect(old).not.toHaveProperty("PublicIpAddress");
    const fresh = await replaced(where, old);
    expect(shared(fresh)).toEqual(shared(old));
  });

  it("is a Spot Instance where the old one is", async () => {
    const where = await region("us-east-2");
    const InstanceMarketOptions = { MarketType: "spot" } as const;
    const old = await launched(where, { ...plain(where), InstanceMarketOptions });
    const fresh = await replaced(where, old);
    expect(fresh.InstanceLifecycle).toBe("spot");
    expect(shared(fresh)).toEqual(shared(old));
  });
});
