import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import type { Listener, ListenerAction } from "../listener-records.ts";
import type { WireRecord } from "../records.ts";
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
 * DescribeRules: by ARNs, or all of a listener by their priority; one of the two must be there. The
 * default rule is the last.
 */
export const describeRules = defineAction({
  fields: { ListenerArn: "string", RuleArns: { list: "string" }, ...MARKED },
  run({ world }, parameters) {
    const { ListenerArn: listenerArn, RuleArns: arns } = parameters;
    if ((listenerArn === undefined) === (arns === undefined)) {
      throw new AwsError("ValidationError", "You must specify either a listener or rules");
    }
    const found =
      arns?.map((arn) => findRule(world, arn)) ?? rulesOf(findListener(world, listenerArn));
    const page = markedPage(found, parameters);
    return { Rules: page.items.map(({ view }) => view), NextMarker: page.nextMarker };
  },
});

function findRule(world: World, arn: string): ShownRule {
  checkArn("listener rule", arn);
  const all = [...world.listeners.values()].flatMap(rulesOf);
  const rule = all.find((one) => one.arn === arn);
  if (rule === undefined) throw new AwsError("RuleNotFound", "One or more rules not found");
  return rule;
}

interface ShownRule {
  readonly arn: string;
  readonly view: WireRecord;
}

/** All rules of a listener, the default one last. */
export function rulesOf(listener: Listener): readonly ShownRule[] {
  const { defaultRuleArn, defaultActions, rules } = listener;
  const own = rules.map(({ arn, priority, pathPattern, actions }) => ({
    arn,
    view: {
      RuleArn: arn,
      Priority: String(priority),
      Conditions: [
        {
          Field: "path-pattern",
          Values: [pathPattern],
          PathPatternConfig: { Values: [pathPattern] },
        },
      ],
      Actions: actionsView(actions),
      IsDefault: false,
    },
  }));
  const view = {
    RuleArn: defaultRuleArn,
    Priority: "default",
    Conditions: [],
    Actions: actionsView(defaultActions),
    IsDefault: true,
  };
  return [...own, { arn: defaultRuleArn, view }];
}

function listenerView(listener: Listener): WireRecord {
  return {
    ListenerArn: listener.arn,
    LoadBalancerArn: listener.loadBalancerArn,
    Port: listener.port,
    Protocol: listener.protocol,
    DefaultActions: actionsView(listener.defaultActions),
  };
}

function actionsView(actions: readonly ListenerAction[]): readonly WireRecord[] {
  return actions.map((action, index) => ({
    ...actionView(action),
    // The order says something only where there are several.
    Order: actions.length > 1 ? index + 1 : undefined,
  }));
}

function actionView(action: ListenerAction): WireRecord {
  switch (action.type) {
    case "fixed-response":
      return {
        Type: action.type,
        FixedResponseConfig: { StatusCode: action.statusCode, ContentType: "text/plain" },
      };
    case "redirect":
      return {
        Type: action.type,
        RedirectConfig: {
          Protocol: "HTTPS",
          Port: "443",
          Host: "#{host}",
          Path: "/#{path}",
          Query: "#{query}",
          StatusCode: action.statusCode,
        },
      };
    case "forward": {
      const { targetGroups, isPlain = false } = action;
      const only = targetGroups.length === 1 ? targetGroups[0] : undefined;
      const config = {
        TargetGroups: targetGroups.map(({ targetGroupArn, weight }) => ({
          TargetGroupArn: targetGroupArn,
          Weight: weight,
        })),
        TargetGroupStickinessConfig: { Enabled: false },
      };
      return {
        Type: action.type,
        TargetGroupArn: only?.targetGroupArn,
        ForwardConfig: isPlain ? undefined : config,
      };
    }
  }
}

/** DescribeListenerCertificates: none, for no listener speaks TLS. */
export const describeListenerCertificates = defineAction({
  fields: { ListenerArn: "string", ...MARKED },
  run({ world }, parameters) {
    findListener(world, parameters.ListenerArn);
    return { Certificates: [] };
  },
});
