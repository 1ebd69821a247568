import type { Action } from "./action.ts";
import {
  describeAccountLimits,
  describeCapacityReservation,
  describeListenerAttributes,
  describeLoadBalancerAttributes,
  describeTargetGroupAttributes,
} from "./elbv2/attribute-actions.ts";
import { describeLoadBalancers, describeTargetGroups } from "./elbv2/group-actions.ts";
import {
  describeListenerCertificates,
  describeListeners,
  describeRules,
} from "./elbv2/listener-actions.ts";
import { addTags, describeTags, removeTags } from "./elbv2/tag-actions.ts";
import {
  deregisterTargets,
  describeTargetHealth,
  registerTargets,
} from "./elbv2/target-actions.ts";
import {
  describeSslPolicies,
  describeTrustStoreAssociations,
  describeTrustStoreRevocations,
  describeTrustStores,
} from "./elbv2/tls-actions.ts";

/**
 * The actions of Elastic Load Balancing v2 that are understood; every other name is answered with
 * InvalidAction.
 */
export const ELBV2_ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["AddTags", addTags],
  ["DeregisterTargets", deregisterTargets],
  ["DescribeAccountLimits", describeAccountLimits],
  ["DescribeCapacityReservation", describeCapacityReservation],
  ["DescribeListenerAttributes", describeListenerAttributes],
  ["DescribeListenerCertificates", describeListenerCertificates],
  ["DescribeListeners", describeListeners],
  ["DescribeLoadBalancerAttributes", describeLoadBalancerAttributes],
  ["DescribeLoadBalancers", describeLoadBalancers],
  ["DescribeRules", describeRules],
  ["DescribeSSLPolicies", describeSslPolicies],
  ["DescribeTags", describeTags],
  ["DescribeTargetGroupAttributes", describeTargetGroupAttributes],
  ["DescribeTargetGroups", describeTargetGroups],
  ["DescribeTargetHealth", describeTargetHealth],
  ["DescribeTrustStoreAssociations", describeTrustStoreAssociations],
  ["DescribeTrustStoreRevocations", describeTrustStoreRevocations],
  ["DescribeTrustStores", describeTrustStores],
  ["RegisterTargets", registerTargets],
  ["RemoveTags", removeTags],
]);
