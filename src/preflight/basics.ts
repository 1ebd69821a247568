import type { Image, InstanceTypeInfo, SecurityGroup } from "@aws-sdk/client-ec2";
import { describeAnyStatus } from "../aws/ec2.ts";
import {
  type BareTargetGroup,
  describeLoadBalancer,
  describeTargetGroup,
  isForwardedTo,
  type LoadBalancer,
} from "../aws/elbv2.ts";
import { explain, isAwsError, toDeployError } from "../aws/errors.ts";
import {
  describeImage,
  describeInstanceType,
  describeKeyPair,
  describeSecurityGroup,
  describeZonesOf,
} from "../aws/resources.ts";
import { type Caller, describeCaller } from "../aws/sts.ts";
import type { Config } from "../config.ts";
import type { AwsClients } from "../observe.ts";
import type { Reader } from "./reader.ts";

/** What can be read without knowing the fleet; undefined where it could not, which is then among the problems. */
export interface Basics {
  readonly group?: BareTargetGroup;
  readonly loadBalancer?: LoadBalancer;
  /** Whether a listener of the load balancer forwards to the group. */
  readonly isForwardedTo?: boolean;
  readonly image?: Image;
  readonly instanceType?: InstanceTypeInfo;
  /** Zones of the region that offer the instance type. */
  readonly zonesOfType?: ReadonlySet<string>;
  readonly securityGroups: readonly SecurityGroup[];
}

/**
 * Whom the credentials belong to, or why that cannot be told: a network without a way to STS is no reason not to roll.
 * @throws DeployError where there are none, or AWS does not accept them
 */
export async function readCaller(aws: AwsClients): Promise<Caller | string> {
  try {
    return await describeCaller(aws.sts);
  } catch (error) {
    if (!isAwsError(error)) throw error;
    const failure = toDeployError(error, "find out whom the credentials belong to");
    if (failure.code === "CredentialsMissing") throw failure;
    return explain(error);
  }
}

/** Reads everything that config.json and the command name. */
export async function readBasics(
  config: Config,
  ami: string,
  aws: AwsClients,
  { read, report }: Reader,
): Promise<Basics> {
  const [group, loadBalancer, image, instanceType, zonesOfType, , , ...securityGroups] =
    await Promise.all([
      read(`target-group.arn: target group ${config.targetGroupArn}`, () =>
        describeTargetGroup(aws.elbv2, config.targetGroupArn),
      ),
      read(`loadbalancer.arn: load balancer ${config.loadBalancerArn}`, () =>
        describeLoadBalancer(aws.elbv2, config.loadBalancerArn),
      ),
      read(`AMI ${ami}`, async () => {
        const found = await describeImage(aws.ec2, ami);
        if (found === undefined) report(`AMI ${ami}: has been deregistered; choose another`);
        return found;
      }),
      read(`instance-type: ${config.instanceType}`, () =>
        describeInstanceType(aws.ec2, config.instanceType),
      ),
      read(`instance-type: zones that offer ${config.instanceType}`, () =>
        describeZonesOf(aws.ec2, config.instanceType),
      ),
      read(`ssh-key: key pair ${config.keyName}`, () => describeKeyPair(aws.ec2, config.keyName)),
      // Needed only once an instance runs that is not in service yet; that would be late to learn of a missing permission.
      read("status checks", () => describeAnyStatus(aws.ec2)),
      ...config.securityGroupIds.map((id) =>
        read(`security-group-id: ${id}`, () => describeSecurityGroup(aws.ec2, id)),
      ),
    ]);
  const isUsed =
    loadBalancer &&
    (await read(`loadbalancer.arn: listeners of ${config.loadBalancerArn}`, () =>
      isForwardedTo(aws.elbv2, loadBalancer, config.targetGroupArn),
    ));
  return {
    group,
    loadBalancer,
    isForwardedTo: isUsed,
    image,
    instanceType,
    zonesOfType,
    securityGroups: securityGroups.flatMap((found) => found ?? []),
  };
}

/** Credentials of another account would only find that nothing exists. */
export function accountProblems(config: Config, caller: Caller | string): string[] {
  if (typeof caller === "string") return [];
  const arns = [
    ["target-group.arn", config.targetGroupArn],
    ["loadbalancer.arn", config.loadBalancerArn],
  ] as const;
  return arns.flatMap(([key, arn]) => {
    const account = arn.split(":")[4];
    return account === caller.account
      ? []
      : [
          `${key}: belongs to account ${account}, but the credentials to ${caller.account} (${caller.arn}); use others (AWS_PROFILE), or correct the ARN`,
        ];
  });
}
