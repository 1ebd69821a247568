import {
  CreateTagsCommand,
  DescribeInstanceAttributeCommand,
  DescribeInstancesCommand,
  DescribeVolumesCommand,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  AddTagsCommand,
  DeregisterTargetsCommand,
  DescribeTagsCommand,
  DescribeTargetHealthCommand,
  RemoveTagsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { describe, expect, test } from "vitest";
import { isMutating } from "../../src/simulator/api.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { denyAction } from "../../src/simulator/controls.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

const USER = "User: arn:aws:iam::123456789012:user/operator";
const EC2_ARN = "arn:aws:ec2:eu-west-1:123456789012";
const ENCODED = /\. Encoded authorization failure message: [A-Za-z0-9_-]{100,}$/;

function setUp(...denied: readonly string[]) {
  const base = setUpAny();
  const { aws, ec2 } = base;
  for (const action of denied) denyAction(aws.world, action, true);
  const [id = ""] = aws.oldInstanceIds;
  const launch = (input: Partial<RunInstancesCommandInput> = {}) =>
    ec2.send(
      new RunInstancesCommand({
        ImageId: IMAGES.good,
        InstanceType: "t3.micro",
        MinCount: 1,
        MaxCount: 1,
        ...input,
      }),
    );
  return { ...base, id, launch };
}

/** What the text says before the encoded part, which must be there. */
function withoutEncoded(message: string): string {
  expect(message).toMatch(ENCODED);
  return message.replace(ENCODED, "");
}

describe("EC2", () => {
  test("refuses a change that is not allowed with the text of AWS, and makes none", async () => {
    const { aws, ec2, id } = setUp("ec2:TerminateInstances");
    const refusal = await errorOf(ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] })));
    expect(refusal).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
    expect(withoutEncoded(refusal.message)).toBe(
      `You are not authorized to perform this operation. ${USER} is not authorized to perform: ` +
        `ec2:TerminateInstances on resource: ${EC2_ARN}:instance/${id} because no identity-based ` +
        "policy allows the ec2:TerminateInstances action",
    );
    expect(aws.world.instances.get(id)?.state).toBe("running");
  });

  test("refuses a read without an encoded message", async () => {
    const { ec2, id } = setUp("ec2:DescribeVolumes", "ec2:DescribeInstanceAttribute");
    const text = "You are not authorized to perform this operation.";
    expect(await errorOf(ec2.send(new DescribeVolumesCommand({})))).toMatchObject({
      name: "UnauthorizedOperation",
      status: 403,
      message:
        `${text} ${USER} is not authorized to perform: ec2:DescribeVolumes because no ` +
        "identity-based policy allows the ec2:DescribeVolumes action",
    });
    // One of the few reads that can be allowed for some instances only.
    const ask = new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute: "userData" });
    expect(await errorOf(ec2.send(ask))).toMatchObject({
      message:
        `${text} ${USER} is not authorized to perform: ec2:DescribeInstanceAttribute on resource: ` +
        `${EC2_ARN}:instance/${id} because no identity-based policy allows the ` +
        "ec2:DescribeInstanceAttribute action",
    });
    await ec2.send(new DescribeInstancesCommand({}));
  });

  const PROFILE = { Name: "app" };
  const TAGS: RunInstancesCommandInput["TagSpecifications"] = [
    { ResourceType: "volume", Tags: [{ Key: "a", Value: "b" }] },
  ];

  test.each<[string, Partial<RunInstancesCommandInput>, string]>([
    ["ec2:RunInstances", {}, `${EC2_ARN}:instance/*`],
    ["ec2:CreateTags", { TagSpecifications: TAGS }, `${EC2_ARN}:volume/*`],
    ["iam:PassRole", { IamInstanceProfile: PROFILE }, "arn:aws:iam::123456789012:role/app"],
    [
      "iam:PassRole",
      { IamInstanceProfile: { Arn: "arn:aws:iam::123456789012:instance-profile/teams/app" } },
      "arn:aws:iam::123456789012:role/app",
    ],
  ])("a launch needs %s (%o)", async (action, input, resource) => {
    const { clock, aws, launch } = setUp(action);
    for (const DryRun of [true, false]) {
      // Only what is allowed is looked at any closer.
      for (const ImageId of [IMAGES.good, "ami-0123456789abcdef0"]) {
        const refusal = await errorOf(launch({ ...input, ImageId, DryRun, ClientToken: "token" }));
        expect(refusal).toMatchObject({ name: "UnauthorizedOperation", status: 403 });
        expect(withoutEncoded(refusal.message)).toContain(
          `perform: ${action} on resource: ${resource} because no identity-based policy allows the ${action} action`,
        );
      }
    }
    expect(aws.world.instances.list()).toHaveLength(3);
    // What was refused has bound no client token, and a permission can be given again.
    denyAction(aws.world, action, false);
    await clock.sleep(1000);
    expect(await errorOf(launch({ DryRun: true }))).toMatchObject({ name: "DryRunOperation" });
    await launch({ ClientToken: "token" });
    expect(aws.world.instances.list()).toHaveLength(4);
  });

  test("a launch without tags and without a profile needs neither permission", async () => {
    const { aws, launch } = setUp("ec2:CreateTags", "iam:PassRole");
    await launch();
    expect(aws.world.instances.list()).toHaveLength(4);
  });

  test("what is malformed is refused before it is asked who may do it", async () => {
    const { launch } = setUp("ec2:RunInstances");
    const refusal = await errorOf(launch({ RamdiskId: "ari-1" }));
    expect(refusal).toMatchObject({ name: "UnknownParameter", status: 400 });
  });

  test("a refused request takes its tokens", async () => {
    const { aws, ec2, id } = setUp("ec2:CreateTags");
    const tag = new CreateTagsCommand({ Resources: [id], Tags: [{ Key: "a", Value: "b" }] });
    for (let sent = 0; sent < 100; sent += 1) await errorOf(ec2.send(tag));
    expect(await errorOf(ec2.send(tag))).toMatchObject({ name: "RequestLimitExceeded" });
    expect(aws.world.instances.get(id)?.tags.some(({ key }) => key === "a")).toBe(false);
  });
});

describe("ELB", () => {
  test("refuses a change with AccessDenied, and makes none", async () => {
    const { aws, elb, id } = setUp(
      "elasticloadbalancing:AddTags",
      "elasticloadbalancing:RemoveTags",
      "elasticloadbalancing:DeregisterTargets",
    );
    const TargetGroupArn = aws.targetGroupArn;
    const ResourceArns = [TargetGroupArn];
    const refused = async (action: string, send: Promise<unknown>) =>
      expect(await errorOf(send)).toMatchObject({
        name: "AccessDenied",
        status: 403,
        message:
          `${USER} is not authorized to perform: elasticloadbalancing:${action} on resource: ` +
          `${TargetGroupArn} because no identity-based policy allows the ` +
          `elasticloadbalancing:${action} action`,
      });
    const Tags = [{ Key: "a", Value: "b" }];
    await refused("AddTags", elb.send(new AddTagsCommand({ ResourceArns, Tags })));
    await refused("RemoveTags", elb.send(new RemoveTagsCommand({ ResourceArns, TagKeys: ["a"] })));
    const Targets = [{ Id: id, Port: 8080 }];
    const deregister = new DeregisterTargetsCommand({ TargetGroupArn, Targets });
    await refused("DeregisterTargets", elb.send(deregister));
    const { TagDescriptions } = await elb.send(new DescribeTagsCommand({ ResourceArns }));
    expect(TagDescriptions).toEqual([{ ResourceArn: TargetGroupArn, Tags: [] }]);
    const { TargetHealthDescriptions } = await elb.send(
      new DescribeTargetHealthCommand({ TargetGroupArn, Targets }),
    );
    expect(TargetHealthDescriptions?.[0]?.TargetHealth?.State).toBe("healthy");
  });

  test("refuses a read without saying of what", async () => {
    const { aws, elb } = setUp("elasticloadbalancing:DescribeTags");
    const ask = new DescribeTagsCommand({ ResourceArns: [aws.targetGroupArn] });
    expect(await errorOf(elb.send(ask))).toMatchObject({
      name: "AccessDenied",
      status: 403,
      message:
        `${USER} is not authorized to perform: elasticloadbalancing:DescribeTags because no ` +
        "identity-based policy allows the elasticloadbalancing:DescribeTags action",
    });
  });
});

test.each([
  ["ec2", "RunInstances", true],
  ["ec2", "TerminateInstances", true],
  ["ec2", "CreateTags", true],
  ["ec2", "DescribeInstances", false],
  ["elasticloadbalancing", "AddTags", true],
  ["elasticloadbalancing", "RemoveTags", true],
  ["elasticloadbalancing", "RegisterTargets", true],
  ["elasticloadbalancing", "DeregisterTargets", true],
  ["elasticloadbalancing", "DescribeTags", false],
  ["sts", "GetCallerIdentity", false],
  // Not simulated.
  ["ec2", "StopInstances", true],
  ["ec2", "DescribeVpcs", false],
] as const)("%s %s: changes something %s", (service, action, expected) => {
  expect(isMutating(service, action)).toBe(expected);
});
