import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  DescribeLoadBalancersCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { answerCall, parseCall } from "../../src/simulator/api.ts";
import { errorOf, setUp } from "./clients.ts";

const EC2 = "Version=2016-11-15";
const ELB = "Version=2015-12-01";

function answerTo(body: string, authorization?: string) {
  const { aws } = setUp();
  const call = parseCall(body, authorization);
  if (call === undefined) throw new Error("not routed");
  return answerCall(aws.world, call);
}

test.each([
  [`Action=RebootInstances&${EC2}`, "InvalidAction", "The action RebootInstances is not valid"],
  [`Action=DeleteTargetGroup&${ELB}`, "InvalidAction", "The action DeleteTargetGroup is not valid"],
  [`Action=DescribeInstances&${EC2}&Colour=red`, "UnknownParameter", "Colour is not recognized"],
  [
    `Action=DescribeInstances&${EC2}&Filter.1.Nam=x`,
    "UnknownParameter",
    "Filter.1.Nam is not recognized",
  ],
  [`Action=RunInstances&${EC2}&MinCount.1=1`, "UnknownParameter", "MinCount.1 is not recognized"],
  [
    `Action=DescribeInstances&${EC2}&InstanceId.member.1=x`,
    "UnknownParameter",
    "InstanceId.member",
  ],
  [`Action=DescribeTargetGroups&${ELB}&Colour=red`, "ValidationError", "Colour is not recognized"],
  [
    `Action=DescribeTargetGroups&${ELB}&PageSize=many`,
    "ValidationError",
    "Invalid value &apos;many&apos;",
  ],
  [`Action=TerminateInstances&${EC2}`, "MissingParameter", "must contain the parameter InstanceId"],
  [`Action=DescribeTargetHealth&${ELB}`, "ValidationError", "Value null at"],
])("refuses %s", (body, code, text) => {
  const answer = answerTo(body);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(`<Code>${code}</Code>`);
  expect(answer.body.replaceAll("'", "&apos;")).toContain(text.replaceAll("'", "&apos;"));
});

test("each service has its own error envelope, and the request id is in the header too", () => {
  const ec2 = answerTo(`Action=Nonsense&${EC2}`);
  const id = ec2.headers["x-amzn-requestid"] ?? "";
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(ec2.body).toBe(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error><Code>InvalidAction</Code>' +
      "<Message>The action Nonsense is not valid for this web service.</Message></Error></Errors>" +
      `<RequestID>${id}</RequestID></Response>`,
  );
  const elb = answerTo(`Action=Nonsense&${ELB}`);
  expect(elb.body).toContain(
    '<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error>' +
      "<Type>Sender</Type><Code>InvalidAction</Code>",
  );
});

test("routes by credential scope first, and refuses a version of another service", () => {
  const scope = (service: string) =>
    `AWS4-HMAC-SHA256 Credential=AKID/20260105/eu-west-1/${service}/aws4_request, Signature=x`;
  expect(parseCall(`Action=A&${EC2}`, scope("elasticloadbalancing"))?.service).toBe(
    "elasticloadbalancing",
  );
  expect(parseCall(`Action=A&${EC2}`, undefined)?.service).toBe("ec2");
  expect(parseCall(`Action=A&${EC2}`, scope("sts"))?.service).toBe("sts");
  expect(parseCall("Action=A&Version=2010-05-08", scope("iam"))).toBeUndefined();
  const answer = answerTo("Action=DescribeInstances&Version=2010-01-01", scope("ec2"));
  expect(answer.body).toContain("<Code>NoSuchVersion</Code>");
});

test.each(["%20", "+"])("a space may be sent as %s", (space) => {
  const body = `Action=DescribeInstances&${EC2}&Filter.1.Name=tag:note&Filter.1.Value.1=a${space}b`;
  const { aws } = setUp({ tags: { note: "a b" } });
  const call = parseCall(body, undefined);
  if (call === undefined) throw new Error("not routed");
  expect(answerCall(aws.world, call).body.match(/<instanceId>/g)).toHaveLength(3);
});

test("what is special in XML survives the way there and back", async () => {
  const note = 'a <b> & "c" &amp; d';
  const { ec2 } = setUp({ tags: { note } });
  const { Reservations } = await ec2.send(
    new DescribeInstancesCommand({ Filters: [{ Name: "tag:note", Values: [note] }] }),
  );
  expect(Reservations?.[0]?.Instances?.[0]?.Tags).toContainEqual({ Key: "note", Value: note });
});

test("the SDK's errors carry AWS's codes, statuses and request ids", async () => {
  const { ec2, elb } = setUp();
  expect(
    await errorOf(
      ec2.send(new TerminateInstancesCommand({ InstanceIds: ["i-0123456789abcdef0"] })),
    ),
  ).toMatchObject({
    name: "InvalidInstanceID.NotFound",
    message: "The instance ID 'i-0123456789abcdef0' does not exist",
    status: 400,
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
  const TargetGroupArn =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/none/0123456789abcdef";
  expect(
    await errorOf(elb.send(new DescribeTargetHealthCommand({ TargetGroupArn }))),
  ).toMatchObject({
    name: "TargetGroupNotFoundException",
    code: "TargetGroupNotFound",
    message: "One or more target groups not found",
    status: 400,
  });
});

test("instances come in pages, and ids and MaxResults exclude each other", async () => {
  const { ec2, aws } = setUp({ instances: 12 });
  const sizes: number[] = [];
  const ids: (string | undefined)[] = [];
  let NextToken: string | undefined;
  do {
    const page = await ec2.send(new DescribeInstancesCommand({ MaxResults: 5, NextToken }));
    const instances = page.Reservations?.flatMap(({ Instances }) => Instances ?? []) ?? [];
    sizes.push(instances.length);
    ids.push(...instances.map(({ InstanceId }) => InstanceId));
    NextToken = page.NextToken;
  } while (NextToken !== undefined);
  expect(sizes).toEqual([5, 5, 2]);
  expect(ids).toEqual(aws.oldInstanceIds);
  const both = { InstanceIds: [...aws.oldInstanceIds], MaxResults: 5 };
  const refusal = {
    name: "InvalidParameterCombination",
    message: "The parameter instancesSet cannot be used with the parameter maxResults",
  };
  expect(await errorOf(ec2.send(new DescribeInstancesCommand(both)))).toMatchObject(refusal);
  expect(await errorOf(ec2.send(new DescribeInstanceStatusCommand(both)))).toMatchObject(refusal);
  expect(await errorOf(ec2.send(new DescribeInstancesCommand({ MaxResults: 4 })))).toMatchObject({
    name: "InvalidParameterValue",
  });
});

test("filters pick by value, wildcard and tag, complain about no id, and take 200 values", async () => {
  const { ec2, aws } = setUp();
  const find = async (Name: string, ...Values: string[]) => {
    const answer = await ec2.send(new DescribeInstancesCommand({ Filters: [{ Name, Values }] }));
    return answer.Reservations?.flatMap(({ Instances }) =>
      (Instances ?? []).map(({ InstanceId }) => InstanceId),
    );
  };
  const [first, second] = aws.oldInstanceIds;
  expect(await find("instance-id", first ?? "", second ?? "", "i-0123456789abcdef0")).toEqual([
    first,
    second,
  ]);
  expect(await find("tag:Name", "v*")).toHaveLength(3);
  expect(await find("tag:Name", "v2")).toEqual([]);
  expect(await find("instance-state-name", "stopped", "terminated")).toEqual([]);
  expect(await find("availability-zone", "eu-west-1b")).toEqual([second]);
  expect(await errorOf(find("nonsense", "x"))).toMatchObject({ name: "InvalidParameterValue" });
  const many = Array.from({ length: 201 }, (_, index) => `v${index}`);
  expect(await errorOf(find("tag:Name", ...many))).toMatchObject({ name: "FilterLimitExceeded" });
});

test("load balancers and target groups are found by ARN and by each other, in pages", async () => {
  const { elb, aws } = setUp({ secondPort: 9090, zones: 2 });
  const { LoadBalancers } = await elb.send(
    new DescribeLoadBalancersCommand({ LoadBalancerArns: [aws.loadBalancerArn] }),
  );
  expect(LoadBalancers?.[0]?.AvailabilityZones?.map(({ ZoneName }) => ZoneName)).toEqual([
    "eu-west-1a",
    "eu-west-1b",
  ]);
  const byBalancer = { LoadBalancerArn: aws.loadBalancerArn, PageSize: 1 };
  const first = await elb.send(new DescribeTargetGroupsCommand(byBalancer));
  expect(first.TargetGroups?.map(({ TargetGroupArn }) => TargetGroupArn)).toEqual([
    aws.targetGroupArn,
  ]);
  const second = await elb.send(
    new DescribeTargetGroupsCommand({ ...byBalancer, Marker: first.NextMarker }),
  );
  expect(second.TargetGroups?.map(({ TargetGroupArn }) => TargetGroupArn)).toEqual([
    aws.secondTargetGroupArn,
  ]);
  expect(second.NextMarker).toBeUndefined();
  expect(
    await errorOf(
      elb.send(
        new DescribeTargetGroupsCommand({
          LoadBalancerArn: aws.loadBalancerArn,
          TargetGroupArns: [aws.targetGroupArn],
        }),
      ),
    ),
  ).toMatchObject({ name: "ValidationError" });
  expect(
    await errorOf(elb.send(new DescribeTargetGroupsCommand({ TargetGroupArns: ["my-targets"] }))),
  ).toMatchObject({ message: "'my-targets' is not a valid target group ARN" });
});

test("a single value in place of a list of EC2 is refused, not passed over", async () => {
  const { aws } = setUp();
  const call = parseCall("Action=DescribeInstances&Version=2016-11-15&InstanceId=i-1", undefined);
  if (call === undefined) throw new Error("the version says that it is EC2's");
  expect(answerCall(aws.world, call)).toMatchObject({
    status: 400,
    body: expect.stringContaining("<Code>UnknownParameter</Code>"),
  });
});
