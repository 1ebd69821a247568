import { defineAction } from "../action.ts";
import type { LoadBalancer, TargetGroup } from "../balancer-records.ts";
import { AwsError } from "../errors.ts";
import type { WireRecord } from "../records.ts";
import { checkArn, findTargetGroup } from "./find.ts";
import { MARKED, markedPage } from "./paging.ts";

/**
 * DescribeTargetGroups: by ARNs, by names, by load balancer, or all; the three exclude each other.
 */
export const describeTargetGroups = defineAction({
  fields: {
    LoadBalancerArn: "string",
    TargetGroupArns: { list: "string" },
    Names: { list: "string" },
    ...MARKED,
  },
  run({ world }, parameters) {
    const { LoadBalancerArn: balancerArn, TargetGroupArns: arns, Names: names } = parameters;
    const selectors = [balancerArn, arns?.[0], names?.[0]].filter((value) => value !== undefined);
    if (selectors.length > 1) {
      throw new AwsError(
        "ValidationError",
        "Target group ARNs, names and a load balancer ARN cannot be specified at the same time",
      );
    }
    if (balancerArn !== undefined) checkArn("load balancer", balancerArn);
    if (balancerArn !== undefined && !world.loadBalancers.has(balancerArn)) {
      throw loadBalancersNotFound();
    }
    const all = [...world.targetGroups.values()];
    const missingName = names?.find((name) => !all.some((group) => group.name === name));
    if (missingName !== undefined) {
      throw new AwsError("TargetGroupNotFound", "One or more target groups not found");
    }
    const named = arns?.map((arn) => findTargetGroup(world, arn));
    const found = (named ?? all).filter(
      (group) =>
        (balancerArn === undefined || group.loadBalancerArn === balancerArn) &&
        (names === undefined || names.length === 0 || names.includes(group.name)),
    );
    const page = markedPage(found, parameters);
    return { TargetGroups: page.items.map(targetGroupView), NextMarker: page.nextMarker };
  },
});

function targetGroupView(group: TargetGroup): WireRecord {
  const { healthCheck } = group;
  return {
    TargetGroupArn: group.arn,
    TargetGroupName: group.name,
    Protocol: group.protocol,
    ProtocolVersion: group.protocol.startsWith("HTTP") ? "HTTP1" : undefined,
    Port: group.port,
    VpcId: group.vpcId,
    HealthCheckProtocol: healthCheck.protocol,
    HealthCheckPort: healthCheck.port,
    HealthCheckEnabled: true,
    HealthCheckIntervalSeconds: healthCheck.intervalSeconds,
    HealthCheckTimeoutSeconds: healthCheck.timeoutSeconds,
    HealthyThresholdCount: healthCheck.healthyThreshold,
    UnhealthyThresholdCount: healthCheck.unhealthyThreshold,
    HealthCheckPath: healthCheck.path,
    Matcher: healthCheck.matcher === undefined ? undefined : { HttpCode: healthCheck.matcher },
    LoadBalancerArns: group.loadBalancerArn === undefined ? [] : [group.loadBalancerArn],
    TargetType: group.type,
    IpAddressType: "ipv4",
  };
}

/** DescribeLoadBalancers: by ARNs (20 at most), by names, or all. */
export const describeLoadBalancers = defineAction({
  fields: {
    LoadBalancerArns: { list: "string" },
    Names: { list: "string" },
    ...MARKED,
  },
  run({ world }, parameters) {
    const { LoadBalancerArns: arns = [], Names: names = [] } = parameters;
    if (arns.length > 20) {
      throw new AwsError("ValidationError", "Up to 20 load balancers can be specified");
    }
    for (const arn of arns) checkArn("load balancer", arn);
    const all = [...world.loadBalancers.values()];
    const isMissing =
      arns.some((arn) => !world.loadBalancers.has(arn)) ||
      names.some((name) => !all.some((balancer) => balancer.name === name));
    if (isMissing) throw loadBalancersNotFound();
    const found = all.filter(
      ({ arn, name }) =>
        (arns.length === 0 || arns.includes(arn)) && (names.length === 0 || names.includes(name)),
    );
    const page = markedPage(found, parameters);
    return { LoadBalancers: page.items.map(loadBalancerView), NextMarker: page.nextMarker };
  },
});

function loadBalancersNotFound(): AwsError {
  return new AwsError("LoadBalancerNotFound", "One or more load balancers not found");
}

function loadBalancerView(balancer: LoadBalancer): WireRecord {
  return {
    LoadBalancerArn: balancer.arn,
    DNSName: balancer.dnsName,
    CanonicalHostedZoneId: "Z00000000000000000000",
    CreatedTime: new Date(balancer.createdAtMs).toISOString(),
    LoadBalancerName: balancer.name,
    Scheme: "internet-facing",
    VpcId: balancer.vpcId,
    State: { Code: balancer.stateCode },
    Type: balancer.type,
    AvailabilityZones: balancer.zones.map(({ zone, subnetId }) => ({
      ZoneName: zone,
      SubnetId: subnetId,
      LoadBalancerAddresses: [],
    })),
    SecurityGroups: balancer.securityGroupIds,
    IpAddressType: "ipv4",
  };
}
