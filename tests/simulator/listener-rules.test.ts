import {
  DescribeListenersCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeTagsCommand,
  DescribeTargetGroupsCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import {
  addRule,
  forwardByWeight,
  forwardTo,
  removeListener,
  setDefaultActions,
  setLoadBalancerState,
} from "../../src/simulator/listeners.ts";
import { addListener, addTargetGroup } from "../../src/simulator/network.ts";
import { createRouter } from "../../src/simulator/routing.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

/** A fleet with a listener, and a target group beside it that nobody uses. */
async function setUp() {
  const base = setUpAny();
  const { aws, elb } = base;
  const balancer = aws.world.loadBalancers.get(aws.loadBalancerArn)!;
  const other = addTargetGroup(aws.world, undefined, "others", 80);
  const { Listeners } = await elb.send(
    new DescribeListenersCommand({ LoadBalancerArn: aws.loadBalancerArn }),
  );
  const listenerArn = Listeners?.[0]?.ListenerArn ?? "";
  const defaultActions = async () => {
    const input = { ListenerArns: [listenerArn] };
    return (await elb.send(new DescribeListenersCommand(input))).Listeners?.[0]?.DefaultActions;
  };
  const rules = async (ListenerArn = listenerArn) =>
    (await elb.send(new DescribeRulesCommand({ ListenerArn }))).Rules;
  const balancersOf = async (arn: string) => {
    const input = { TargetGroupArns: [arn] };
    const { TargetGroups } = await elb.send(new DescribeTargetGroupsCommand(input));
    return TargetGroups?.[0]?.LoadBalancerArns;
  };
  const health = async (TargetGroupArn = aws.targetGroupArn) => {
    const answer = await elb.send(new DescribeTargetHealthCommand({ TargetGroupArn }));
    return answer.TargetHealthDescriptions?.map(({ TargetHealth }) =>
      [TargetHealth?.State, TargetHealth?.Reason].filter(Boolean).join(" "),
    );
  };
  return { ...base, balancer, other, listenerArn, defaultActions, rules, balancersOf, health };
}

test.each(["provisioning", "active_impaired", "failed", "active"] as const)(
  "a load balancer says that it is %s",
  async (stateCode) => {
    const { aws, elb } = await setUp();
    setLoadBalancerState(aws.world, aws.loadBalancerArn, stateCode);
    const { LoadBalancers } = await elb.send(new DescribeLoadBalancersCommand({}));
    expect(LoadBalancers?.map(({ State }) => State)).toEqual([{ Code: stateCode }]);
  },
);

test("rules come before the default one, by their priority, and are found by ARN", async () => {
  const { aws, elb, other, listenerArn, rules } = await setUp();
  const first = addRule(aws.world, listenerArn, "/api/*", forwardTo(other.arn));
  const second = addRule(aws.world, listenerArn, "/old", {
    type: "redirect",
    statusCode: "HTTP_301",
  });
  const shown = await rules();
  expect(shown).toMatchObject([
    {
      RuleArn: first.arn,
      Priority: "1",
      IsDefault: false,
      Conditions: [
        {
          Field: "path-pattern",
          Values: ["/api/*"],
          PathPatternConfig: { Values: ["/api/*"] },
        },
      ],
      Actions: [{ Type: "forward", TargetGroupArn: other.arn }],
    },
    {
      RuleArn: second.arn,
      Priority: "2",
      Actions: [{ Type: "redirect", RedirectConfig: { StatusCode: "HTTP_301" } }],
    },
    { Priority: "default", IsDefault: true, Actions: [{ TargetGroupArn: aws.targetGroupArn }] },
  ]);
  expect(first.arn).toMatch(/:listener-rule\/app\/my-load-balancer(\/[0-9a-f]{16}){3}$/);
  const byArn = await elb.send(new DescribeRulesCommand({ RuleArns: [second.arn] }));
  expect(byArn.Rules).toEqual([shown?.[1]]);
  const { TagDescriptions } = await elb.send(
    new DescribeTagsCommand({ ResourceArns: [first.arn] }),
  );
  expect(TagDescriptions).toEqual([{ ResourceArn: first.arn, Tags: [] }]);
});

test("actions are shown as AWS shows each: by weight, plainly, or without a target group", async () => {
  const { aws, other, listenerArn, defaultActions } = await setUp();
  const { world, targetGroupArn } = aws;
  setDefaultActions(world, listenerArn, forwardByWeight({ [targetGroupArn]: 0, [other.arn]: 100 }));
  expect(await defaultActions()).toEqual([
    {
      Type: "forward",
      ForwardConfig: {
        TargetGroups: [
          { TargetGroupArn: targetGroupArn, Weight: 0 },
          { TargetGroupArn: other.arn, Weight: 100 },
        ],
        TargetGroupStickinessConfig: { Enabled: false },
      },
    },
  ]);
  const targetGroups = [{ targetGroupArn, weight: 1 }];
  setDefaultActions(world, listenerArn, { type: "forward", targetGroups, isPlain: true });
  expect(await defaultActions()).toEqual([{ Type: "forward", TargetGroupArn: targetGroupArn }]);
  setDefaultActions(world, listenerArn, { type: "fixed-response", statusCode: "503" });
  expect(await defaultActions()).toEqual([
    {
      Type: "fixed-response",
      FixedResponseConfig: { StatusCode: "503", ContentType: "text/plain" },
    },
  ]);
});

test("a target group belongs to the load balancer that forwards to it by whatever rule", async () => {
  const { aws, balancer, other, listenerArn, balancersOf } = await setUp();
  const { world, targetGroupArn } = aws;
  const own = [balancer.arn];
  expect(await balancersOf(other.arn)).toEqual([]);
  const { arn: secondArn } = addListener(world, balancer, other, 8443);
  expect(await balancersOf(other.arn)).toEqual(own);
  removeListener(world, secondArn);
  expect(await balancersOf(other.arn)).toEqual([]);
  addRule(world, listenerArn, "/api/*", forwardByWeight({ [other.arn]: 0, [targetGroupArn]: 1 }));
  expect(await balancersOf(other.arn)).toEqual(own);
  // The first group is still in that rule when the default one leaves it.
  setDefaultActions(world, listenerArn, { type: "fixed-response", statusCode: "200" });
  expect(await balancersOf(targetGroupArn)).toEqual(own);
  removeListener(world, listenerArn);
  expect(await balancersOf(targetGroupArn)).toEqual([]);
  expect(await balancersOf(other.arn)).toEqual([]);
});

test("a listener that is gone is not found, nor are its rules", async () => {
  const { aws, elb, listenerArn, rules } = await setUp();
  const [rule] = (await rules()) ?? [];
  removeListener(aws.world, listenerArn);
  const { loadBalancerArn: LoadBalancerArn } = aws;
  const left = await elb.send(new DescribeListenersCommand({ LoadBalancerArn }));
  expect(left.Listeners).toEqual([]);
  expect(await errorOf(rules())).toMatchObject({ name: "ListenerNotFoundException" });
  const RuleArns = [rule?.RuleArn ?? ""];
  expect(await errorOf(elb.send(new DescribeRulesCommand({ RuleArns })))).toMatchObject({
    name: "RuleNotFoundException",
  });
});

test("targets of a group that nobody forwards to are unused and unchecked, and start anew with a listener", async () => {
  const { clock, aws, balancer, listenerArn, health } = await setUp();
  const { world, targetGroupArn } = aws;
  const router = createRouter(world);
  expect(router.next(targetGroupArn)).toBeDefined();
  removeListener(world, listenerArn);
  const unused = Array(3).fill("unused Target.NotInUse");
  expect(await health()).toEqual(unused);
  expect(router.next(targetGroupArn)).toBeUndefined();
  await clock.sleep(10 * 60_000);
  expect(await health()).toEqual(unused);
  addListener(world, balancer, world.targetGroups.get(targetGroupArn)!, 8080);
  expect(await health()).toEqual(Array(3).fill("initial Elb.RegistrationInProgress"));
  await clock.sleep(60_000);
  expect(await health()).toEqual(Array(3).fill("healthy"));
});

test("rules change nothing about where the default rule sends requests", async () => {
  const { clock, aws, elb, other, listenerArn, health } = await setUp();
  const { world, targetGroupArn } = aws;
  const router = createRouter(world);
  addRule(world, listenerArn, "/api/*", forwardTo(other.arn));
  const [Id = ""] = aws.oldInstanceIds;
  await elb.send(
    new RegisterTargetsCommand({ TargetGroupArn: other.arn, Targets: [{ Id, Port: 8080 }] }),
  );
  await clock.sleep(60_000);
  expect(await health(other.arn)).toEqual(["healthy"]);
  const turn = Array.from({ length: 3 }, () => router.next(targetGroupArn)?.instanceId);
  expect(turn).toEqual(aws.oldInstanceIds);
  expect(router.next(other.arn)?.instanceId).toBe(Id);
});
