// Goal: a replacement is like the old instance in everything that AWS lets one copy, apart from what config.json says.
// Method: any valid launch on the simulated AWS makes an old instance; its replacement's request is derived from what
// AWS describes and sent there too; then whatever AWS describes of both is compared, member by member. What may differ
// is listed here by name: a member that nobody has thought of has to be equal.
import {
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  type EC2Client,
  type Instance,
  type InstanceAttributeName,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  type Tag,
  type Volume,
} from "@aws-sdk/client-ec2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeLaunchSource } from "../../src/aws/ec2.ts";
import { describeImages, describeInstanceType, describeSubnets } from "../../src/aws/resources.ts";
import { parseConfig } from "../../src/config.ts";
import { launchOf } from "../../src/launch.ts";
import { IMAGES, INSTANCE_TYPES } from "../../src/simulator/catalog.ts";
import type { VirtualClock } from "../../src/simulator/clock.ts";
import { editInstance } from "../../src/simulator/controls.ts";
import { configFor, type SimulatedAws } from "../../src/simulator/fleet.ts";
import { setUp } from "../simulator/clients.ts";
import { anyCase, type Case, imageOf } from "./any-launch.ts";

interface World {
  readonly clock: VirtualClock;
  readonly aws: SimulatedAws;
  readonly ec2: EC2Client;
}

/** Everything that AWS describes of an instance. */
interface Described {
  readonly instance: Instance;
  readonly attributes: object;
  readonly credits: string | undefined;
  readonly volumes: readonly Volume[];
}

/** A world with the AMIs and subnets of a case. */
function worldOf({ oldImage, newImage, oldSubnet, newSubnet }: Case): World {
  const { clock, aws, ec2 } = setUp({ zones: 2, instances: 0 });
  const { images, subnets } = aws.world;
  images.set(IMAGES.old, imageOf(IMAGES.old, oldImage));
  images.set(IMAGES.good, imageOf(IMAGES.good, newImage));
  const [first, second] = [...subnets.values()];
  if (first === undefined || second === undefined) throw new Error("there are two zones");
  subnets.set(first.id, { ...first, ...oldSubnet });
  subnets.set(second.id, { ...second, ...newSubnet });
  return { clock, aws, ec2 };
}

const subnetIds = ({ aws }: World) => [...aws.world.subnets.keys()];

async function launchOld(world: World, { launch, publicIp }: Case): Promise<string> {
  const { aws } = world;
  const { Ipv6AddressCount, EnablePrimaryIpv6, ...others } = launch;
  const [SubnetId] = subnetIds(world);
  const groups = [aws.securityGroupId];
  const network: Partial<RunInstancesCommandInput> =
    publicIp === undefined
      ? { SubnetId, SecurityGroupIds: groups, Ipv6AddressCount, EnablePrimaryIpv6 }
      : {
          NetworkInterfaces: [
            {
              DeviceIndex: 0,
              SubnetId,
              Groups: groups,
              AssociatePublicIpAddress: publicIp,
              Ipv6AddressCount,
              PrimaryIpv6: EnablePrimaryIpv6,
            },
          ],
        };
  const input = { ...others, ...network, ImageId: IMAGES.old, KeyName: aws.keyName };
  const id = await launched(world, { ...input, MinCount: 1, MaxCount: 1 });
  const { tags = [] } = aws.world.instances.get(id) ?? {};
  // AWS's own, which nobody can ask for.
  const stack = { key: "aws:cloudformation:stack-name", value: "stack" };
  editInstance(aws.world, id, { tags: [...tags, stack] });
  return id;
}

/** Launches, and waits until AWS describes all there is. */
async function launched({ clock, ec2 }: World, input: RunInstancesCommandInput): Promise<string> {
  const { Instances } = await ec2.send(new RunInstancesCommand(input));
  await clock.sleep(30_000);
  return Instances?.[0]?.InstanceId ?? "";
}

async function launchNew(world: World, one: Case, old: Described): Promise<string> {
  const { aws, ec2 } = world;
  const file = {
    ...configFor(aws),
    "instance-type": one.newType,
    tags: one.configTags,
    "lift-termination-protection": true,
    ...(one.isMoved ? { "subnet-ids": [subnetIds(world)[1]] } : {}),
  };
  const { config } = parseConfig(JSON.stringify(file), "config.json");
  const [image] = await describeImages(ec2, [IMAGES.good]);
  const instanceType = await describeInstanceType(ec2, one.newType);
  if (image === undefined || instanceType === undefined) throw new Error("both are there");
  const { input } = launchOf(await describeLaunchSource(ec2, old.instance), {
    config,
    image,
    oldImages: await describeImages(ec2, [IMAGES.old]),
    instanceType,
    subnets: await describeSubnets(ec2, subnetIds(world)),
  });
  return launched(world, input);
}

async function describeAll({ ec2 }: World, id: string): Promise<Described> {
  const ids = { InstanceIds: [id] };
  const { Reservations } = await ec2.send(new DescribeInstancesCommand(ids));
  const instance = Reservations?.[0]?.Instances?.[0] ?? {};
  const attributes: object[] = [];
  const names: InstanceAttributeName[] = [
    "userData",
    "instanceInitiatedShutdownBehavior",
    "disableApiStop",
    "disableApiTermination",
  ];
  for (const Attribute of names) {
    const answer = await ec2.send(
      new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute }),
    );
    attributes.push({ ...answer, InstanceId: undefined, $metadata: undefined });
  }
  const credits = isBurstable(instance.InstanceType)
    ? await ec2.send(new DescribeInstanceCreditSpecificationsCommand(ids))
    : undefined;
  const Filters = [{ Name: "attachment.instance-id", Values: [id] }];
  const { Volumes = [] } = await ec2.send(new DescribeVolumesCommand({ Filters }));
  return {
    instance,
    attributes,
    credits: credits?.InstanceCreditSpecifications?.[0]?.CpuCredits,
    volumes: Volumes,
  };
}

const typeNamed = (name = "") => INSTANCE_TYPES.find((type) => type.name === name);
const isBurstable = (name?: string) => typeNamed(name)?.burstable === true;

/** What is each instance's own, or said by config.json, or judged by a rule of its own below. */
const ownOrJudged = {
  InstanceId: undefined,
  ImageId: undefined,
  LaunchTime: undefined,
  ClientToken: undefined,
  CurrentInstanceBootMode: undefined,
  PrivateDnsName: undefined,
  PrivateIpAddress: undefined,
  PublicDnsName: undefined,
  PublicIpAddress: undefined,
  SpotInstanceRequestId: undefined,
  SubnetId: undefined,
  RootDeviceName: undefined,
  InstanceType: undefined,
  BlockDeviceMappings: undefined,
  MetadataOptions: undefined,
  NetworkInterfaces: undefined,
  Tags: undefined,
};

/** What AWS describes that has to be equal; what the new type cannot have is as the type has it. */
function comparable({ instance, attributes, credits }: Described, one: Case, isOld: boolean) {
  const type = typeNamed(one.newType);
  const isSameType = one.launch.InstanceType === one.newType;
  const weighting = instance.NetworkPerformanceOptions?.BandwidthWeighting ?? "default";
  const hasWeighting = type?.bandwidthWeightings?.includes(weighting) === true;
  return {
    ...instance,
    ...ownOrJudged,
    attributes,
    credits: isBurstable(one.launch.InstanceType) && isBurstable(one.newType) ? credits : undefined,
    Placement: {
      ...instance.Placement,
      AvailabilityZone: one.isMoved ? undefined : instance.Placement?.AvailabilityZone,
    },
    CpuOptions: isSameType ? instance.CpuOptions : undefined,
    EbsOptimized: instance.EbsOptimized && !(isOld && type?.ebsOptimized === "unsupported"),
    NetworkPerformanceOptions: isOld && !hasWeighting ? "default" : weighting,
    networkInterfaces: instance.NetworkInterfaces?.map((nic) => ({
      ...nic,
      NetworkInterfaceId: undefined,
      PrivateDnsName: undefined,
      PrivateIpAddress: undefined,
      PrivateIpAddresses: nic.PrivateIpAddresses?.length,
      SubnetId: undefined,
      Attachment: { ...nic.Attachment, AttachmentId: undefined, AttachTime: undefined },
      Association: nic.Association?.IpOwnerId,
      Ipv6Addresses: nic.Ipv6Addresses?.map(({ IsPrimaryIpv6 }) => IsPrimaryIpv6),
    })),
  };
}

function expectNotWeaker(old: Described, fresh: Described): void {
  const before = old.instance.MetadataOptions ?? {};
  const after = fresh.instance.MetadataOptions ?? {};
  expect(after.HttpEndpoint).toBe(before.HttpEndpoint);
  if (before.HttpEndpoint === "disabled") return;
  const { HttpTokens, HttpPutResponseHopLimit = 0, ...others } = before;
  expect(after).toMatchObject(others);
  if (HttpTokens === "required" || HttpPutResponseHopLimit > 1) {
    expect(after.HttpPutResponseHopLimit).toBe(HttpPutResponseHopLimit);
  } else if (after.HttpTokens === "optional") {
    expect(after.HttpPutResponseHopLimit).toBe(1);
  }
  if (HttpTokens === "required") expect(after.HttpTokens).toBe("required");
}

function expectRootLike(old: Described, fresh: Described, one: Case): void {
  const rootOf = ({ instance, volumes }: Described) => {
    const device = instance.BlockDeviceMappings?.find(
      ({ DeviceName }) => DeviceName === instance.RootDeviceName,
    );
    const volume = volumes.find(({ VolumeId }) => VolumeId === device?.Ebs?.VolumeId);
    return { ...volume, DeleteOnTermination: device?.Ebs?.DeleteOnTermination };
  };
  const before = rootOf(old);
  const after = rootOf(fresh);
  // A second volume would be the old root's under its old name.
  expect(fresh.volumes).toHaveLength(1);
  expect(after.Size).toBe(Math.max(before.Size ?? 0, one.newImage.root.sizeGib));
  const { VolumeType, Throughput, VolumeInitializationRate, DeleteOnTermination } = before;
  expect(after).toMatchObject({ VolumeType, DeleteOnTermination });
  expect(after.Throughput).toBe(Throughput);
  expect(after.VolumeInitializationRate).toBe(VolumeInitializationRate);
  if (VolumeType === "gp2") expect(after.Iops).toBeGreaterThanOrEqual(before.Iops ?? 0);
  else expect(after.Iops).toBe(before.Iops);
  if (before.Encrypted) expect(after.Encrypted).toBe(true);
  if (!one.newImage.root.encrypted) expect(after.KmsKeyId).toBe(before.KmsKeyId);
}

/** Without AWS's and ours, which no replacement takes over. */
function copiedTags(tags: readonly Tag[] = []): Record<string, string> {
  return Object.fromEntries(
    tags
      .filter(({ Key }) => !Key?.startsWith("aws:") && !Key?.startsWith("zero-deploy:"))
      .map(({ Key = "", Value = "" }) => [Key, Value]),
  );
}

describe("a replacement", () => {
  test("is like any old instance in all that AWS describes", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(anyCase, async (one) => {
        const world = worldOf(one);
        const old = await describeAll(world, await launchOld(world, one));
        const fresh = await describeAll(world, await launchNew(world, one, old));
        expect(comparable(fresh, one, false)).toEqual(comparable(old, one, true));
        expect(fresh.instance).toMatchObject({
          ImageId: IMAGES.good,
          InstanceType: one.newType,
          KeyName: world.aws.keyName,
          SubnetId: one.isMoved ? subnetIds(world)[1] : old.instance.SubnetId,
        });
        expectNotWeaker(old, fresh);
        expectRootLike(old, fresh, one);
        const said = { ...one.configTags, Name: "v2" };
        expect(copiedTags(fresh.instance.Tags)).toEqual({
          ...copiedTags(old.instance.Tags),
          ...said,
        });
        expect(copiedTags(fresh.volumes[0]?.Tags)).toEqual({
          ...copiedTags(old.volumes[0]?.Tags),
          ...said,
        });
      }),
      { numRuns: 200 },
    );
  });
});
