import type {
  Instance as Ec2Instance,
  InstanceNetworkInterface,
  Subnet,
} from "@aws-sdk/client-ec2";

/** Where a replacement goes, and with which security groups. */
export interface Place {
  readonly subnetId: string | undefined;
  /** Undefined where it could not be read; then nothing is known of what it gives by itself. */
  readonly subnet: Subnet | undefined;
  readonly securityGroupIds: readonly string[];
}

/**
 * Security groups, subnet, and addresses. Whether there is a public one takes a network interface where the subnet
 * would decide otherwise than the old instance has it, and then all the rest has to stand there.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html
 */
export function network(old: Ec2Instance, { subnetId, subnet, securityGroupIds }: Place) {
  const oldInterface = primaryInterface(old);
  const hasPublicIp = oldInterface?.Association?.PublicIp !== undefined;
  const { count, hasPrimary } = ipv6(oldInterface, subnet);
  const groups = [...securityGroupIds];
  if (subnet === undefined || hasPublicIp === (subnet.MapPublicIpOnLaunch ?? false)) {
    return {
      SubnetId: subnetId,
      SecurityGroupIds: groups,
      Ipv6AddressCount: count,
      EnablePrimaryIpv6: hasPrimary,
    };
  }
  return {
    NetworkInterfaces: [
      {
        DeviceIndex: 0,
        SubnetId: subnetId,
        Groups: groups,
        AssociatePublicIpAddress: hasPublicIp,
        ...(count === undefined ? {} : { Ipv6AddressCount: count }),
        ...(hasPrimary ? { PrimaryIpv6: true } : {}),
      },
    ],
  };
}

/** The network interface whose address the load balancer sends to. */
export function primaryInterface(instance: Ec2Instance): InstanceNetworkInterface | undefined {
  return instance.NetworkInterfaces?.find(({ Attachment }) => Attachment?.DeviceIndex === 0);
}

/** How many to ask for, none included: nothing where the subnet gives as many by itself. */
function ipv6(oldInterface: InstanceNetworkInterface | undefined, subnet: Subnet | undefined) {
  const addresses = oldInterface?.Ipv6Addresses ?? [];
  const hasPrimary = addresses.some(({ IsPrimaryIpv6 }) => IsPrimaryIpv6);
  const given = subnet?.AssignIpv6AddressOnCreation ? 1 : 0;
  const isGiven = addresses.length === given;
  // The first of the addresses asked for becomes the primary one, so they are asked for.
  return { hasPrimary, count: isGiven && !hasPrimary ? undefined : addresses.length };
}
