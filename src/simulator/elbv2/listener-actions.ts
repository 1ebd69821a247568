import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import type { Listener, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { checkArn, findListener, findLoadBalancer } from "./find.ts";
import { MARKED, markedPage } from "./paging.ts";

/** DescribeListeners: by ARNs, or all of a load balancer; one of the two must be there. */
export const describeListeners = defineAction({
  fields: { LoadBalancerArn: "string", ListenerArns: { list: "string" }, ...MARKED },
  run({ world }, parameters) {
    const { LoadBalancerArn: balancerArn, ListenerArns: arns } = parameters;
    if ((balancerArn === undefined) === (arns === undefined)) {
      throw new AwsError(
        "ValidationError",
        "You must specify either listener ARNs or a load balancer ARN",
      );
    }
    const found =
      arns?.map((arn) => findListener(world, arn)) ??
      listenersOf(world, findLoadBalancer(world, balancerArn).arn);
    const page = markedPage(found, parameters);
    return {
      Listeners: page.items.map((listener) => listenerView(listener)),
      NextMarker: page.nextMarker,
    };
  },
});

function listenersOf(world: World, loadBalancerArn: string): readonly Listener[] {
  return [...world.listeners.values()].filter(
    (listener) => listener.loadBalancerArn === loadBalancerArn,
  );
}

/**
 * DescribeRules: by ARNs, or all of a listener; one of the two must be there. A listener has its
 * default rule only.
 */
export const describeRules = defineAction({
  fields: { ListenerArn: "string", RuleArns: { list: "string" }, ...MARKED },
  run({ world }, parameters) {
    const { ListenerArn: listenerArn, RuleArns: arns } = parameters;
    if ((listenerArn === undefined) === (arns === undefined)) {
      throw new AwsError("ValidationError", "You must specify either a listener or rules");
    }
    const found = arns?.map((arn) => listenerOfRule(world, arn)) ?? [
      findListener(world, listenerArn),
    ];
    const page = markedPage(found, parameters);
    return { Rules: page.items.map(defaultRuleView), NextMarker: page.nextMarker };
  },
});

function listenerOfRule(world: World, arn: string): Listener {
  checkArn("listener rule", arn);
  const listener = [...world.listeners.values()].find(
    ({ defaultRuleArn }) => defaultRuleArn === arn,
  );
  if (listener === undefined) throw new AwsError("RuleNotFound", "One or more rules not found");
  return listener;
}

function listenerView(listener: Listener): WireRecord {
  return {
    ListenerArn: listener.arn,
    LoadBalancerArn: listener.loadBalancerArn,
    Port: listener.port,
    Protocol: listener.protocol,
    DefaultActions: [forwardView(listener)],
  };
}

function defaultRuleView(listener: Listener): WireRecord {
  return {
    RuleArn: listener.defaultRuleArn,
    Priority: "default",
    Conditions: [],
    Actions: [forwardView(listener)],
    IsDefault: true,
  };
}

function forwardView({ targetGroupArn }: Listener): WireRecord {
  return {
    Type: "forward",
    TargetGroupArn: targetGroupArn,
    ForwardConfig: {
      TargetGroups: [{ TargetGroupArn: targetGroupArn, Weight: 1 }],
      TargetGroupStickinessConfig: { Enabled: false },
    },
  };
}

/** DescribeListenerCertificates: none, for no listener speaks TLS. */
export const describeListenerCertificates = defineAction({
  fields: { ListenerArn: "string", ...MARKED },
  run({ world }, parameters) {
    findListener(world, parameters.ListenerArn);
    return { Certificates: [] };
  },
});
