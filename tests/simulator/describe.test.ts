import {
  DescribeImagesCommand,
  type DescribeImagesCommandInput,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  DescribeKeyPairsCommand,
  DescribeSecurityGroupsCommand,
  DescribeSubnetsCommand,
  DescribeVolumesCommand,
  type Filter,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { answerCall, parseCall } from "../../src/simulator/api.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { impairInstance, stopInstance } from "../../src/simulator/controls.ts";
import { errorOf, setUp } from "./clients.ts";

const filter = (Name: string, ...Values: string[]): Filter[] => [{ Name, Values }];

test("AMIs are the account's own: listed for self, and for nobody else", async () => {
  const { ec2 } = setUp();
  const idsOf = async (input: DescribeImagesCommandInput) =>
    (await ec2.send(new DescribeImagesCommand(input))).Images?.map(({ ImageId }) => ImageId);
  const all = Object.values(IMAGES);
  expect(await idsOf({})).toEqual(all);
  expect(await idsOf({ Owners: ["self"] })).toEqual(all);
  expect(await idsOf({ Owners: ["amazon", "123456789012"] })).toEqual(all);
  expect(await idsOf({ Owners: ["amazon"] })).toEqual([]);
  expect(await idsOf({ ExecutableUsers: ["all"] })).toEqual([]);
  expect(await idsOf({ ImageIds: [IMAGES.good] })).toEqual([IMAGES.good]);
  expect(await idsOf({ Filters: filter("name", "app-*d01") })).toEqual([
    IMAGES.good,
    IMAGES.neverHealthy,
  ]);
  expect(await idsOf({ Filters: filter("state", "pending") })).toEqual([]);
  expect(await idsOf({ Filters: filter("is-public", "true") })).toEqual([]);
  expect(await idsOf({ Filters: filter("owner-id", "123456789012") })).toEqual(all);
});

test.each([
  ["DescribeInstances", 5, 1000],
  ["DescribeInstanceStatus", 5, 1000],
  ["DescribeInstanceCreditSpecifications", 5, 1000],
  ["DescribeVolumes", 5, 1000],
  ["DescribeSubnets", 5, 1000],
  ["DescribeSecurityGroups", 5, 1000],
  ["DescribeInstanceTypes", 5, 100],
  ["DescribeInstanceTypeOfferings", 5, 1000],
  ["DescribeImages", 1, 1000],
])("%s takes pages of %i to %i", (action, lowest, highest) => {
  const { aws } = setUp();
  const ask = (maxResults: number) => {
    const body = `Action=${action}&Version=2016-11-15&MaxResults=${maxResults}`;
    return answerCall(aws.world, parseCall(body, undefined)!);
  };
  for (const right of [lowest, highest]) expect(ask(right).status).toBe(200);
  for (const wrong of [lowest - 1, highest + 1]) {
    expect(ask(wrong).body).toContain("<Code>InvalidParameterValue</Code>");
  }
});

test("AMIs come in pages to the end", async () => {
  const { ec2 } = setUp();
  const ids: (string | undefined)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(new DescribeImagesCommand({ MaxResults: 2, NextToken }));
    ids.push(...(page.Images ?? []).map(({ ImageId }) => ImageId));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(ids).toEqual(Object.values(IMAGES));
});

test("ids and pages exclude each other for volumes and credits too", async () => {
  const { aws, ec2 } = setUp();
  const VolumeIds = [aws.world.volumes.list()[0]?.id ?? ""];
  expect(
    await errorOf(ec2.send(new DescribeVolumesCommand({ VolumeIds, MaxResults: 500 }))),
  ).toMatchObject({
    name: "InvalidParameterCombination",
    message: "The parameter volumeSet cannot be used with the parameter maxResults",
  });
  const both = { InstanceIds: [...aws.oldInstanceIds], MaxResults: 500 };
  expect(
    await errorOf(ec2.send(new DescribeInstanceCreditSpecificationsCommand(both))),
  ).toMatchObject({ name: "InvalidParameterCombination" });
});

test("instances are found by what people look for", async () => {
  const { clock, aws, ec2 } = setUp();
  const [first = "", second = "", third = ""] = aws.oldInstanceIds;
  stopInstance(aws.world, second);
  await clock.sleep(60_000);
  const find = async (Filters: Filter[]) => {
    const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ Filters }));
    return Reservations.flatMap(({ Instances = [] }) =>
      Instances.map(({ InstanceId }) => InstanceId),
    );
  };
  expect(await find(filter("instance-state-code", "80"))).toEqual([second]);
  expect(await find(filter("launch-time", "2026-01-02T09:20*"))).toEqual([third]);
  expect(await find(filter("instance.group-id", aws.securityGroupId))).toHaveLength(3);
  expect(await find(filter("iam-instance-profile.arn", "*/app"))).toHaveLength(3);
  const volumeId = aws.world.volumes.list()[0]?.id ?? "";
  expect(await find(filter("block-device-mapping.volume-id", volumeId))).toEqual([first]);
  expect(await find(filter("instance-lifecycle", "spot"))).toEqual([]);
  expect(await find(filter("ip-address", "*"))).toEqual([]);
});

test("instance status is found by its checks", async () => {
  const { aws, ec2 } = setUp();
  const [first = ""] = aws.oldInstanceIds;
  impairInstance(aws.world, first);
  const find = async (Filters: Filter[]) => {
    const answer = await ec2.send(new DescribeInstanceStatusCommand({ Filters }));
    return answer.InstanceStatuses?.map(({ InstanceId }) => InstanceId);
  };
  expect(await find(filter("instance-status.reachability", "failed"))).toEqual([first]);
  expect(await find(filter("system-status.reachability", "passed"))).toHaveLength(3);
  expect(await find(filter("attached-ebs-status.status", "ok"))).toHaveLength(3);
});

test("volumes are found by what people look for", async () => {
  const { aws, ec2 } = setUp();
  const ids = aws.world.volumes.list().map(({ id }) => id);
  const find = async (...of: Parameters<typeof filter>) => {
    const { Volumes } = await ec2.send(new DescribeVolumesCommand({ Filters: filter(...of) }));
    return Volumes?.map(({ VolumeId }) => VolumeId);
  };
  expect(await find("availability-zone", "eu-west-1b")).toEqual([ids[1]]);
  expect(await find("size", "20")).toEqual(ids);
  expect(await find("size", "8")).toEqual([]);
  expect(await find("volume-type", "gp3")).toEqual(ids);
  expect(await find("encrypted", "true")).toEqual([]);
  expect(await find("create-time", "2026-01-02T09:10:00.000Z")).toEqual([ids[1]]);
  expect(await find("attachment.device", "/dev/xvda")).toEqual(ids);
  expect(await find("attachment.status", "attached")).toEqual(ids);
  expect(await find("attachment.delete-on-termination", "false")).toEqual([]);
  expect(await find("snapshot-id", "snap-0000000000000001d")).toEqual(ids);
});

test("subnets, security groups and key pairs show what people look at", async () => {
  const { aws, ec2 } = setUp();
  const { Subnets } = await ec2.send(
    new DescribeSubnetsCommand({ Filters: filter("cidr-block", "10.0.1.0/24") }),
  );
  expect(Subnets).toMatchObject([
    {
      AvailabilityZone: "eu-west-1b",
      AvailableIpAddressCount: 250,
      CidrBlock: "10.0.1.0/24",
      DefaultForAz: false,
      Ipv6Native: false,
      PrivateDnsNameOptionsOnLaunch: { HostnameType: "ip-name" },
      State: "available",
      VpcId: aws.vpcId,
    },
  ]);
  const { SecurityGroups } = await ec2.send(
    new DescribeSecurityGroupsCommand({ Filters: filter("owner-id", "123456789012") }),
  );
  const SecurityGroupArn = `arn:aws:ec2:eu-west-1:123456789012:security-group/${aws.securityGroupId}`;
  expect(SecurityGroups).toMatchObject([
    { GroupName: "app", SecurityGroupArn },
    // The load balancer's own.
    { GroupName: "alb" },
  ]);
  const { KeyPairs } = await ec2.send(new DescribeKeyPairsCommand({}));
  expect(KeyPairs).toEqual([
    {
      KeyPairId: expect.stringMatching(/^key-/),
      KeyName: "my-key",
      KeyType: "rsa",
      KeyFingerprint: expect.stringMatching(/^[0-9a-f]{2}(:[0-9a-f]{2}){19}$/),
      CreateTime: new Date("2025-01-05T09:00:00.000Z"),
      Tags: [],
    },
  ]);
  const KeyPairIds = [KeyPairs?.[0]?.KeyPairId ?? ""];
  expect((await ec2.send(new DescribeKeyPairsCommand({ KeyPairIds }))).KeyPairs).toEqual(KeyPairs);
  const none = new DescribeKeyPairsCommand({ KeyPairIds: ["key-0123456789abcdef0"] });
  expect(await errorOf(ec2.send(none))).toMatchObject({ name: "InvalidKeyPair.NotFound" });
});
