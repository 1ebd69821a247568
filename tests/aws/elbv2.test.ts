import {
  type Action,
  AddTagsCommand,
  DeregisterTargetsCommand,
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeTagsCommand,
  type DescribeTagsCommandInput,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetGroupsCommand,
  type DescribeTargetGroupsCommandInput,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  type TargetGroup as ElbTargetGroup,
  RegisterTargetsCommand,
  RemoveTagsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import {
  addTags,
  deregisterTargets,
  describeLoadBalancer,
  describeTags,
  describeTargetGroup,
  describeTargetGroups,
  describeTargets,
  isForwardedTo,
  registerTargets,
  removeTags,
  withAttributes,
} from "../../src/aws/elbv2.ts";

const mock = mockClient(ElasticLoadBalancingV2Client);
const elbv2 = new ElasticLoadBalancingV2Client({ region: "eu-west-1" });

beforeEach(() => {
  mock.reset();
});

const group: ElbTargetGroup = {
  TargetGroupArn: "arn:group",
  TargetGroupName: "web",
  Port: 80,
  VpcId: "vpc-1",
  TargetType: "instance",
  LoadBalancerArns: ["arn:balancer"],
  HealthCheckProtocol: "HTTP",
  HealthCheckPort: "traffic-port",
  HealthCheckPath: "/health",
  HealthCheckIntervalSeconds: 15,
  Matcher: { HttpCode: "200-299" },
};

async function bareGroup(changes: ElbTargetGroup = {}) {
  mock
    .on(DescribeTargetGroupsCommand, { TargetGroupArns: ["arn:group"] })
    .resolves({ TargetGroups: [{ ...group, ...changes }] });
  return describeTargetGroup(elbv2, "arn:group");
}

describe("targets", () => {
  const targets = [
    { targetGroupArn: "arn:group", instanceId: "i-1", port: 8080 },
    { targetGroupArn: "arn:group", instanceId: "i-1", port: 9090 },
    { targetGroupArn: "arn:group", instanceId: "i-2", port: 80 },
  ];
  const asElbWantsThem = {
    TargetGroupArn: "arn:group",
    Targets: [
      { Id: "i-1", Port: 8080 },
      { Id: "i-1", Port: 9090 },
      { Id: "i-2", Port: 80 },
    ],
  };

  test("are registered with their ports", async () => {
    mock.on(RegisterTargetsCommand).resolves({});
    await registerTargets(elbv2, "arn:group", targets);
    const sent = mock.commandCalls(RegisterTargetsCommand).map((call) => call.args[0].input);
    expect(sent).toEqual([asElbWantsThem]);
  });

  test("are deregistered with their ports: without, nothing would happen", async () => {
    mock.on(DeregisterTargetsCommand).resolves({});
    await deregisterTargets(elbv2, "arn:group", targets);
    const sent = mock.commandCalls(DeregisterTargetsCommand).map((call) => call.args[0].input);
    expect(sent).toEqual([asElbWantsThem]);
  });

  test("are all read at once, never by id: one terminated would be draining for ever", async () => {
    mock.on(DescribeTargetHealthCommand).resolves({ TargetHealthDescriptions: [] });
    expect(await describeTargets(elbv2, "arn:group")).toEqual([]);
    const sent = mock.commandCalls(DescribeTargetHealthCommand).map((call) => call.args[0].input);
    expect(sent).toEqual([{ TargetGroupArn: "arn:group" }]);
  });

  test("are told with port, state, reason and description, as ELBv2 words them", async () => {
    mock.on(DescribeTargetHealthCommand).resolves({
      TargetHealthDescriptions: [
        {
          Target: { Id: "i-1", Port: 8080 },
          HealthCheckPort: "8081",
          TargetHealth: {
            State: "unhealthy",
            Reason: "Target.ResponseCodeMismatch",
            Description: "Health checks failed with these codes: [502]",
          },
        },
        { Target: { Id: "i-1", Port: 9090 }, TargetHealth: { State: "healthy" } },
      ],
    });
    expect(await describeTargets(elbv2, "arn:group")).toEqual([
      {
        targetGroupArn: "arn:group",
        instanceId: "i-1",
        port: 8080,
        state: "unhealthy",
        reason: "Target.ResponseCodeMismatch",
        description: "Health checks failed with these codes: [502]",
      },
      { targetGroupArn: "arn:group", instanceId: "i-1", port: 9090, state: "healthy" },
    ]);
  });

  test("fail as ELBv2 fails", async () => {
    const refusal = Object.assign(new Error("not running"), { name: "InvalidTargetException" });
    mock.on(RegisterTargetsCommand).rejects(refusal);
    await expect(registerTargets(elbv2, "arn:group", targets)).rejects.toBe(refusal);
  });
});

describe("a target group", () => {
  test("is told in our terms", async () => {
    expect(await bareGroup()).toEqual({
      arn: "arn:group",
      name: "web",
      port: 80,
      vpcId: "vpc-1",
      targetType: "instance",
      loadBalancerArns: ["arn:balancer"],
      healthCheck: "HTTP on port traffic-port, path /health, matcher 200-299",
      healthCheckIntervalSeconds: 15,
    });
  });

  test.each<[string, ElbTargetGroup, string]>([
    [
      "of TCP, which has no path and no matcher",
      {
        HealthCheckProtocol: "TCP",
        HealthCheckPort: "8081",
        HealthCheckPath: undefined,
        Matcher: undefined,
      },
      "TCP on port 8081",
    ],
    [
      "of gRPC, which has codes of its own",
      { HealthCheckPath: "/AWS.ALB/healthcheck", Matcher: { GrpcCode: "12" } },
      "HTTP on port traffic-port, path /AWS.ALB/healthcheck, matcher 12",
    ],
  ])("has a health check %s", async (_name, changes, healthCheck) => {
    expect((await bareGroup(changes)).healthCheck).toBe(healthCheck);
  });

  test.each(["ip", "lambda", "alb"] as const)("of %s is told as such", async (TargetType) => {
    expect((await bareGroup({ TargetType })).targetType).toBe(TargetType);
  });

  test.each([
    ["are read", { delay: "120", slowStart: "45" }, [120, 45]],
    ["may be zero", { delay: "0", slowStart: "0" }, [0, 0]],
    ["of an old group may be missing; then AWS's default holds", {}, [300, 0]],
  ])("has attributes, which %s", async (_name, { delay, slowStart }: Attributes, expected) => {
    mock.on(DescribeTargetGroupAttributesCommand, { TargetGroupArn: "arn:group" }).resolves({
      Attributes: [
        { Key: "stickiness.enabled", Value: "false" },
        ...(delay ? [{ Key: "deregistration_delay.timeout_seconds", Value: delay }] : []),
        ...(slowStart ? [{ Key: "slow_start.duration_seconds", Value: slowStart }] : []),
      ],
    });
    const bare = await bareGroup();
    const { deregistrationDelaySeconds, slowStartSeconds, ...rest } = await withAttributes(
      elbv2,
      bare,
    );
    expect([deregistrationDelaySeconds, slowStartSeconds]).toEqual(expected);
    expect(rest).toEqual(bare);
  });
});

interface Attributes {
  readonly delay?: string;
  readonly slowStart?: string;
}

describe("a load balancer", () => {
  test("has a type, a state and the zones it sends to", async () => {
    mock.on(DescribeLoadBalancersCommand, { LoadBalancerArns: ["arn:balancer"] }).resolves({
      LoadBalancers: [
        {
          LoadBalancerArn: "arn:balancer",
          Type: "network",
          State: { Code: "provisioning" },
          AvailabilityZones: [{ ZoneName: "eu-west-1a" }, { ZoneName: "eu-west-1b" }],
        },
      ],
    });
    expect(await describeLoadBalancer(elbv2, "arn:balancer")).toEqual({
      arn: "arn:balancer",
      type: "network",
      state: "provisioning",
      zones: ["eu-west-1a", "eu-west-1b"],
    });
  });
});

describe("whether a load balancer forwards to a target group", () => {
  const balancer = { arn: "arn:balancer", state: "active", zones: [] };
  const forward = (TargetGroupArn: string): Action => ({ Type: "forward", TargetGroupArn });
  const weighted = (TargetGroupArn: string): Action => ({
    Type: "forward",
    ForwardConfig: { TargetGroups: [{ TargetGroupArn: "arn:other" }, { TargetGroupArn }] },
  });

  function listenersAre(...actions: Action[]) {
    mock
      .on(DescribeListenersCommand, { LoadBalancerArn: "arn:balancer" })
      .resolves({
        Listeners: [{ ListenerArn: "arn:first", DefaultActions: [forward("arn:other")] }],
        NextMarker: "more",
      })
      .on(DescribeListenersCommand, { LoadBalancerArn: "arn:balancer", Marker: "more" })
      .resolves({ Listeners: [{ ListenerArn: "arn:second", DefaultActions: actions }] });
  }

  test.each<[string, Action]>([
    ["by default, on any page", forward("arn:group")],
    ["by default, to several by weight", weighted("arn:group")],
  ])("it does %s", async (_title, action) => {
    listenersAre(action);
    const asked = { ...balancer, type: "application" };
    expect(await isForwardedTo(elbv2, asked, "arn:group")).toBe(true);
    expect(mock.commandCalls(DescribeRulesCommand)).toEqual([]);
  });

  test("it does by a rule, on any page", async () => {
    listenersAre({ Type: "fixed-response" });
    mock
      .on(DescribeRulesCommand)
      .resolves({ Rules: [] })
      .on(DescribeRulesCommand, { ListenerArn: "arn:second" })
      .resolves({ Rules: [{ Actions: [forward("arn:other")] }], NextMarker: "more" })
      .on(DescribeRulesCommand, { ListenerArn: "arn:second", Marker: "more" })
      .resolves({ Rules: [{ Actions: [weighted("arn:group")] }] });
    const asked = { ...balancer, type: "application" };
    expect(await isForwardedTo(elbv2, asked, "arn:group")).toBe(true);
  });

  test("it does not, where neither says so", async () => {
    listenersAre({ Type: "fixed-response" });
    mock.on(DescribeRulesCommand).resolves({ Rules: [{ Actions: [forward("arn:other")] }] });
    const asked = { ...balancer, type: "application" };
    expect(await isForwardedTo(elbv2, asked, "arn:group")).toBe(false);
  });

  test("a network load balancer is not asked for rules, which it has not", async () => {
    listenersAre(forward("arn:other"));
    expect(await isForwardedTo(elbv2, { ...balancer, type: "network" }, "arn:group")).toBe(false);
    expect(mock.commandCalls(DescribeRulesCommand)).toEqual([]);
  });
});

describe("target groups", () => {
  test("are all found, over more than one page", async () => {
    const all = Array.from({ length: 100 }, (_, index) => `arn:group/${index}`);
    mock.on(DescribeTargetGroupsCommand).callsFake((input: DescribeTargetGroupsCommandInput) => {
      const { Marker, PageSize = 40, ...selectors } = input;
      if (Object.keys(selectors).length > 0) return { TargetGroups: [] };
      const from = Number(Marker ?? 0);
      const to = from + Math.min(PageSize, 40);
      return {
        TargetGroups: all.slice(from, to).map((TargetGroupArn) => ({ TargetGroupArn })),
        NextMarker: to < all.length ? String(to) : undefined,
      };
    });
    const groups = await describeTargetGroups(elbv2);
    expect(groups.map(({ arn }) => arn)).toEqual(all);
  });
});

test("reads and writes the tags of many target groups twenty at a time", async () => {
  const arns = Array.from({ length: 45 }, (_, index) => `arn:${index}`);
  mock.on(DescribeTagsCommand).callsFake(({ ResourceArns = [] }: DescribeTagsCommandInput) => ({
    TagDescriptions: ResourceArns.filter((arn) => arn !== "arn:none").map((arn) => ({
      ResourceArn: arn,
      Tags: [{ Key: "Name", Value: arn }],
    })),
  }));
  const tags = await describeTags(elbv2, [...arns, "arn:none"]);
  expect([...tags.keys()]).toEqual([...arns, "arn:none"]);
  expect(tags.get("arn:44")).toEqual(new Map([["Name", "arn:44"]]));
  await addTags(elbv2, arns, { a: "1" });
  await removeTags(elbv2, arns, ["a"]);
  const added = mock.commandCalls(AddTagsCommand).map(({ args }) => args[0].input.ResourceArns);
  const removed = mock
    .commandCalls(RemoveTagsCommand)
    .map(({ args }) => args[0].input.ResourceArns);
  for (const sent of [added, removed]) {
    const lists = sent.map((list) => list ?? []);
    expect(lists.map(({ length }) => length)).toEqual([20, 20, 5]);
    expect(lists.flat()).toEqual(arns);
  }
});
