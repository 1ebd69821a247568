import {
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  type EC2Client,
  ModifyInstanceAttributeCommand,
  type ModifyInstanceAttributeCommandInput,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { editInstance, setVcpuQuota, stopInstance } from "../../src/simulator/controls.ts";
import { changeInstance } from "../../src/simulator/instances.ts";
import { addSubnetBeside } from "../../src/simulator/network.ts";
import { errorOf, setUp } from "./clients.ts";

const modify = (ec2: EC2Client, input: ModifyInstanceAttributeCommandInput) =>
  ec2.send(new ModifyInstanceAttributeCommand(input));

const off = { Value: false };

describe("the source/destination check", () => {
  async function checksOf(ec2: EC2Client, id: string) {
    const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    const instance = Reservations?.[0]?.Instances?.[0];
    const attribute = await ec2.send(
      new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute: "sourceDestCheck" }),
    );
    return [
      instance?.SourceDestCheck,
      ...(instance?.NetworkInterfaces ?? []).map(({ SourceDestCheck }) => SourceDestCheck),
      attribute.SourceDestCheck?.Value,
    ];
  }

  test("is on, can be turned off and on again, and is shown wherever AWS shows it", async () => {
    const { aws, ec2 } = setUp();
    const [InstanceId = "", other = ""] = aws.oldInstanceIds;
    expect(await checksOf(ec2, InstanceId)).toEqual([true, true, true]);
    await modify(ec2, { InstanceId, SourceDestCheck: off });
    expect(await checksOf(ec2, InstanceId)).toEqual([false, false, false]);
    expect(await checksOf(ec2, other)).toEqual([true, true, true]);
    await modify(ec2, { InstanceId, SourceDestCheck: { Value: true } });
    expect(await checksOf(ec2, InstanceId)).toEqual([true, true, true]);
  });

  test("is shown as it was by reads that lag", async () => {
    const { aws, ec2, clock } = setUp({ staleReadsMs: 5_000, lagIsConstant: true });
    const [InstanceId = ""] = aws.oldInstanceIds;
    await modify(ec2, { InstanceId, SourceDestCheck: off });
    await clock.sleep(4_999);
    const before = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
    expect(before.Reservations?.[0]?.Instances?.[0]?.SourceDestCheck).toBe(true);
    await clock.sleep(2);
    const after = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [InstanceId] }));
    expect(after.Reservations?.[0]?.Instances?.[0]?.SourceDestCheck).toBe(false);
  });

  test("of one with several network interfaces is not the instance's", async () => {
    const { aws, ec2 } = setUp();
    const [InstanceId = ""] = aws.oldInstanceIds;
    const own = aws.world.instances.get(InstanceId)?.networkInterfaces ?? [];
    changeInstance(aws.world, InstanceId, { networkInterfaces: [...own, ...own] });
    expect(await errorOf(modify(ec2, { InstanceId, SourceDestCheck: off }))).toMatchObject({
      name: "InvalidInstanceID",
      status: 400,
    });
  });
});

describe("termination protection", () => {
  test("once lifted, lets an instance be terminated", async () => {
    const { aws, ec2 } = setUp();
    const [InstanceId = ""] = aws.oldInstanceIds;
    editInstance(aws.world, InstanceId, { disableApiTermination: true });
    const terminate = () => ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }));
    expect(await errorOf(terminate())).toMatchObject({ name: "OperationNotPermitted" });
    await modify(ec2, { InstanceId, DisableApiTermination: off });
    await terminate();
    expect(aws.world.instances.get(InstanceId)?.state).toBe("shutting-down");
  });

  test("can be turned on", async () => {
    const { aws, ec2 } = setUp();
    const [InstanceId = ""] = aws.oldInstanceIds;
    await modify(ec2, { InstanceId, DisableApiTermination: { Value: true } });
    expect(aws.world.instances.get(InstanceId)?.disableApiTermination).toBe(true);
  });
});

describe("a change of attributes", () => {
  test("is refused where it names none, several, or an instance that is not there", async () => {
    const { aws, ec2, clock } = setUp();
    const [InstanceId = ""] = aws.oldInstanceIds;
    const before = aws.world.instances.get(InstanceId);
    const both = { InstanceId, SourceDestCheck: off, DisableApiTermination: off };
    expect((await errorOf(modify(ec2, { InstanceId }))).name).toBe("InvalidParameterCombination");
    expect((await errorOf(modify(ec2, both))).name).toBe("InvalidParameterCombination");
    const unknown = { InstanceId: "i-0123456789abcdef0", SourceDestCheck: off };
    expect((await errorOf(modify(ec2, unknown))).name).toBe("InvalidInstanceID.NotFound");
    const malformed = { InstanceId: "nobody", SourceDestCheck: off };
    expect((await errorOf(modify(ec2, malformed))).name).toBe("InvalidInstanceID.Malformed");
    expect(aws.world.instances.get(InstanceId)).toEqual(before);
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [InstanceId] }));
    await clock.sleep(120_000);
    const late = modify(ec2, { InstanceId, SourceDestCheck: off });
    expect((await errorOf(late)).name).toBe("IncorrectInstanceState");
  });

  test("that is a dry run changes nothing", async () => {
    const { aws, ec2 } = setUp();
    const [InstanceId = ""] = aws.oldInstanceIds;
    const before = aws.world.instances.get(InstanceId);
    const dry = await errorOf(modify(ec2, { InstanceId, SourceDestCheck: off, DryRun: true }));
    expect(dry).toMatchObject({ name: "DryRunOperation", status: 412 });
    expect(aws.world.instances.get(InstanceId)).toEqual(before);
  });
});

describe("a quota of vCPUs", () => {
  // Three old t3.micro of two vCPUs each, and room for a fourth.
  async function full(MaxCount = 1) {
    const scene = setUp();
    setVcpuQuota(scene.aws.world, 8);
    const launch = (more = {}) =>
      scene.ec2.send(
        new RunInstancesCommand({
          ImageId: IMAGES.good,
          InstanceType: "t3.micro",
          SubnetId: [...scene.aws.world.subnets.keys()][0],
          MinCount: MaxCount,
          MaxCount,
          ...more,
        }),
      );
    return { ...scene, launch };
  }

  test("lets as much be launched as it allows, and no more, in AWS's words", async () => {
    const { launch, aws } = await full();
    await launch();
    expect(await errorOf(launch())).toMatchObject({
      name: "VcpuLimitExceeded",
      status: 400,
      message: expect.stringContaining("your current vCPU limit of 8 allows"),
    });
    expect(aws.world.instances.list()).toHaveLength(4);
    const two = await full(2);
    expect(await errorOf(two.launch())).toMatchObject({ name: "VcpuLimitExceeded" });
  });

  test("counts an instance until it is terminated, or stopped", async () => {
    const { launch, aws, ec2, clock } = await full();
    const [first = "", second = ""] = aws.oldInstanceIds;
    await launch();
    await ec2.send(new TerminateInstancesCommand({ InstanceIds: [first] }));
    expect((await errorOf(launch())).name).toBe("VcpuLimitExceeded");
    await clock.sleep(61_000);
    await launch();
    stopInstance(aws.world, second);
    expect((await errorOf(launch())).name).toBe("VcpuLimitExceeded");
    await clock.sleep(61_000);
    await launch();
  });

  test("is no matter of a dry run, and binds the token of what it refuses", async () => {
    const { launch, aws } = await full();
    await launch();
    expect((await errorOf(launch({ DryRun: true }))).name).toBe("DryRunOperation");
    const ClientToken = "token";
    expect((await errorOf(launch({ ClientToken }))).name).toBe("VcpuLimitExceeded");
    setVcpuQuota(aws.world, 10);
    const other = errorOf(launch({ ClientToken, EbsOptimized: true }));
    expect((await other).name).toBe("IdempotentParameterMismatch");
    await launch({ ClientToken });
  });
});

test("a subnet beside another is in its zone, with addresses of its own", async () => {
  const { aws, ec2 } = setUp();
  const [first] = [...aws.world.subnets.values()];
  const beside = addSubnetBeside(aws.world, first?.id ?? "");
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      SubnetId: beside.id,
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  expect(Instances?.[0]?.Placement?.AvailabilityZone).toBe(first?.zone);
  expect(Instances?.[0]?.PrivateIpAddress).toMatch(new RegExp(`^${beside.prefix}\\.`));
  expect(beside.prefix).not.toBe(first?.prefix);
});
