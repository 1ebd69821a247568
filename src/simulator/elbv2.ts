import type { Action } from "./action.ts";
import {
  describeLoadBalancers,
  describeTargetGroupAttributes,
  describeTargetGroups,
} from "./elbv2/group-actions.ts";
import {
  deregisterTargets,
  describeTargetHealth,
  registerTargets,
} from "./elbv2/target-actions.ts";

/**
 * The actions of Elastic Load Balancing v2 that are understood; every other name is answered with
 * InvalidAction.
 */
export const ELBV2_ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["DeregisterTargets", deregisterTargets],
  ["DescribeLoadBalancers", describeLoadBalancers],
  ["DescribeTargetGroupAttributes", describeTargetGroupAttributes],
  ["DescribeTargetGroups", describeTargetGroups],
  ["DescribeTargetHealth", describeTargetHealth],
  ["RegisterTargets", registerTargets],
]);
