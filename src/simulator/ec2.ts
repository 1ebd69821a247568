import type { Action } from "./action.ts";
import { describeAddresses } from "./ec2/address-actions.ts";
import { describeImages } from "./ec2/image-actions.ts";
import {
  describeInstanceAttribute,
  describeInstanceCreditSpecifications,
  describeInstanceStatus,
  describeInstances,
  terminateInstances,
} from "./ec2/instance-actions.ts";
import { modifyInstanceAttribute } from "./ec2/modify-instance-attribute.ts";
import {
  describeKeyPairs,
  describeSecurityGroups,
  describeSubnets,
} from "./ec2/network-actions.ts";
import { runInstances } from "./ec2/run-instances.ts";
import { describeSpotInstanceRequests } from "./ec2/spot-actions.ts";
import { createTags } from "./ec2/tag-actions.ts";
import { describeInstanceTypeOfferings, describeInstanceTypes } from "./ec2/type-actions.ts";
import { describeVolumes } from "./ec2/volume-actions.ts";

/** The actions of EC2 that are understood; every other name is answered with InvalidAction. */
export const EC2_ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["CreateTags", createTags],
  ["DescribeAddresses", describeAddresses],
  ["DescribeImages", describeImages],
  ["DescribeInstanceAttribute", describeInstanceAttribute],
  ["DescribeInstanceCreditSpecifications", describeInstanceCreditSpecifications],
  ["DescribeInstanceStatus", describeInstanceStatus],
  ["DescribeInstanceTypeOfferings", describeInstanceTypeOfferings],
  ["DescribeInstanceTypes", describeInstanceTypes],
  ["DescribeInstances", describeInstances],
  ["DescribeKeyPairs", describeKeyPairs],
  ["DescribeSecurityGroups", describeSecurityGroups],
  ["DescribeSpotInstanceRequests", describeSpotInstanceRequests],
  ["DescribeSubnets", describeSubnets],
  ["DescribeVolumes", describeVolumes],
  ["ModifyInstanceAttribute", modifyInstanceAttribute],
  ["RunInstances", runInstances],
  ["TerminateInstances", terminateInstances],
]);
