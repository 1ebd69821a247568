import {
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeVolumesCommand,
  EC2Client,
  type Instance as Ec2Instance,
  type InstanceAttributeName,
} from "@aws-sdk/client-ec2";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import { describeLaunchSource, isTerminationProtected } from "../../src/aws/ec2.ts";

const mock = mockClient(EC2Client);
const ec2 = new EC2Client({ region: "eu-west-1" });

/** EC2 answers one attribute a call; asked for another one, each of these would be missing. */
function serveAttribute(Attribute: InstanceAttributeName, answer: object): void {
  mock
    .on(DescribeInstanceAttributeCommand, { InstanceId: "i-1", Attribute })
    .resolves({ InstanceId: "i-1", ...answer });
}

beforeEach(() => {
  mock.reset();
  serveAttribute("userData", { UserData: { Value: "IyEvYmluL3No" } });
  serveAttribute("instanceInitiatedShutdownBehavior", {
    InstanceInitiatedShutdownBehavior: { Value: "terminate" },
  });
  serveAttribute("disableApiStop", { DisableApiStop: { Value: true } });
  serveAttribute("disableApiTermination", { DisableApiTermination: { Value: false } });
  mock
    .on(DescribeInstanceCreditSpecificationsCommand, { InstanceIds: ["i-1"] })
    .resolves({ InstanceCreditSpecifications: [{ InstanceId: "i-1", CpuCredits: "unlimited" }] });
  mock.on(DescribeVolumesCommand).resolves({ Volumes: [{ VolumeId: "vol-1", Size: 8 }] });
});

const instance: Ec2Instance = {
  InstanceId: "i-1",
  InstanceType: "t3.micro",
  BlockDeviceMappings: [
    { DeviceName: "/dev/xvda", Ebs: { VolumeId: "vol-1" } },
    { DeviceName: "/dev/sdf", Ebs: { VolumeId: "vol-2" } },
  ],
};

describe("what a replacement copies", () => {
  test("is read attribute by attribute, with its volumes and its credits", async () => {
    expect(await describeLaunchSource(ec2, instance)).toEqual({
      instance,
      userData: "IyEvYmluL3No",
      shutdownBehavior: "terminate",
      disableApiStop: true,
      disableApiTermination: false,
      cpuCredits: "unlimited",
      volumes: [{ VolumeId: "vol-1", Size: 8 }],
    });
  });

  test("has the volumes asked for by a filter, so that one detached since is merely missing", async () => {
    await describeLaunchSource(ec2, instance);
    expect(mock.commandCalls(DescribeVolumesCommand).map((call) => call.args[0].input)).toEqual([
      expect.objectContaining({ Filters: [{ Name: "volume-id", Values: ["vol-1", "vol-2"] }] }),
    ]);
  });

  test("has no volumes where there are none: EC2 would answer with everybody's", async () => {
    const { volumes } = await describeLaunchSource(ec2, { ...instance, BlockDeviceMappings: [] });
    expect(volumes).toEqual([]);
    expect(mock.commandCalls(DescribeVolumesCommand)).toEqual([]);
  });

  test("has no user data where there is none", async () => {
    serveAttribute("userData", { UserData: {} });
    expect((await describeLaunchSource(ec2, instance)).userData).toBeUndefined();
  });

  async function creditsOf(InstanceType: string): Promise<unknown> {
    const type = InstanceType as Ec2Instance["InstanceType"];
    return (await describeLaunchSource(ec2, { ...instance, InstanceType: type })).cpuCredits;
  }

  function creditRequests(): number {
    return mock.commandCalls(DescribeInstanceCreditSpecificationsCommand).length;
  }

  test.each(["t2.nano", "t3.micro", "t3a.large", "t4g.small"])(
    "has the credits of a %s",
    async (type) => {
      expect(await creditsOf(type)).toBe("unlimited");
    },
  );

  test.each(["m5.large", "c6i.xlarge"])(
    "has no credits of a %s: EC2 refuses the call",
    async (type) => {
      expect(await creditsOf(type)).toBeUndefined();
      expect(creditRequests()).toBe(0);
    },
  );

  test.each(["trn1.2xlarge", "trn2.48xlarge"])(
    "has no credits of a %s, which is not burstable for its t: EC2 refuses the call",
    async (type) => {
      expect(await creditsOf(type)).toBeUndefined();
      expect(creditRequests()).toBe(0);
    },
  );

  test("fails as EC2 fails: a replacement must not lack what could not be read", async () => {
    const denied = Object.assign(new Error("denied"), { name: "UnauthorizedOperation" });
    mock.on(DescribeVolumesCommand).rejects(denied);
    await expect(describeLaunchSource(ec2, instance)).rejects.toBe(denied);
  });
});

describe("protection against termination", () => {
  test.each([
    [true, true],
    [false, false],
    [undefined, false],
  ])("is what its attribute says: %s", async (Value, isProtected) => {
    serveAttribute("disableApiTermination", { DisableApiTermination: { Value } });
    expect(await isTerminationProtected(ec2, "i-1")).toBe(isProtected);
  });
});
