import type { LoadBalancerState, TargetGroup } from "./balancer-records.ts";
import type { Listener, ListenerAction, ListenerRule } from "./listener-records.ts";
import { followUse } from "./targets.ts";
import type { World } from "./world.ts";

/** Sends everything to one target group. */
export function forwardTo(targetGroupArn: string): ListenerAction {
  return { type: "forward", targetGroups: [{ targetGroupArn, weight: 1 }] };
}

/** Shares requests out among target groups by their weights; what has weight 0 gets none. */
export function forwardByWeight(weights: Readonly<Record<string, number>>): ListenerAction {
  return {
    type: "forward",
    targetGroups: Object.entries(weights).map(([targetGroupArn, weight]) => ({
      targetGroupArn,
      weight,
    })),
  };
}

/**
 * Puts a listener, or takes it away when it is undefined. A target group belongs to the load balancer
 * one of whose listeners or rules forwards to it, and to none else: its targets are then unused.
 */
export function setListener(world: World, arn: string, listener: Listener | undefined): void {
  const before = world.listeners.get(arn);
  if (listener === undefined) world.listeners.delete(arn);
  else world.listeners.set(arn, listener);
  for (const groupArn of new Set([...groupsOf(before), ...groupsOf(listener)])) {
    const group = world.targetGroups.get(groupArn);
    if (group !== undefined) putIntoUse(world, group);
  }
}

function putIntoUse(world: World, group: TargetGroup): void {
  const user = [...world.listeners.values()].find((one) => groupsOf(one).includes(group.arn));
  const loadBalancerArn = user?.loadBalancerArn;
  if (loadBalancerArn === group.loadBalancerArn) return;
  world.targetGroups.set(group.arn, { ...group, loadBalancerArn });
  followUse(world, group.arn);
}

/** The target groups that a listener forwards to, by any of its rules. */
function groupsOf(listener: Listener | undefined): readonly string[] {
  if (listener === undefined) return [];
  return [...listener.defaultActions, ...listener.rules.flatMap(({ actions }) => actions)].flatMap(
    (action) =>
      action.type === "forward"
        ? action.targetGroups.map(({ targetGroupArn }) => targetGroupArn)
        : [],
  );
}

/** Takes a listener away, as somebody may do in the console. */
export function removeListener(world: World, arn: string): void {
  world.actAs({ by: "control" }, () => setListener(world, arn, undefined));
}

/** Changes what a listener does with requests that no rule of its own is for. */
export function setDefaultActions(
  world: World,
  arn: string,
  ...defaultActions: readonly ListenerAction[]
): void {
  world.actAs({ by: "control" }, () =>
    setListener(world, arn, { ...listenerOf(world, arn), defaultActions }),
  );
}

/** Adds a rule to a listener, after those that it has; answers it. */
export function addRule(
  world: World,
  listenerArn: string,
  pathPattern: string,
  ...actions: readonly ListenerAction[]
): ListenerRule {
  return world.actAs({ by: "control" }, () => {
    const listener = listenerOf(world, listenerArn);
    const priority = (listener.rules.at(-1)?.priority ?? 0) + 1;
    const id = world.random.hex(`listener-rule:${listenerArn}:${priority}`, 16);
    const arn = `${listenerArn.replace(":listener/", ":listener-rule/")}/${id}`;
    const rule: ListenerRule = { arn, priority, pathPattern, actions };
    setListener(world, listenerArn, { ...listener, rules: [...listener.rules, rule] });
    return rule;
  });
}

function listenerOf(world: World, arn: string): Listener {
  const listener = world.listeners.get(arn);
  if (listener === undefined) throw new Error(`there is no listener ${arn}`);
  return listener;
}

/** Makes a load balancer say that it is in this state; that changes nothing else. */
export function setLoadBalancerState(
  world: World,
  arn: string,
  stateCode: LoadBalancerState,
): void {
  world.actAs({ by: "control" }, () => {
    const balancer = world.loadBalancers.get(arn);
    if (balancer !== undefined) world.loadBalancers.set(arn, { ...balancer, stateCode });
  });
}
