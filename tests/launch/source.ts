import type { Instance as Ec2Instance } from "@aws-sdk/client-ec2";
import type { LaunchSource } from "../../src/aws/ec2.ts";
import type { Config } from "../../src/config.ts";
import type { LaunchTemplate } from "../../src/launch.ts";

export const config: Config = {
  region: "eu-west-1",
  keyName: "new-key",
  securityGroupIds: ["sg-new1", "sg-new2"],
  instanceType: "m5.large",
  targetGroupArn: "arn:group",
  loadBalancerArn: "arn:balancer",
  version: "shop-2",
  maxSurge: 1,
  waitingPeriodSeconds: 400,
  bakeTimeSeconds: 0,
  subnetIds: [],
  tags: {},
  liftTerminationProtection: false,
  discardExtraVolumes: false,
  discardExtraAddresses: false,
  lock: true,
};

export const template: LaunchTemplate = {
  config,
  image: { ImageId: "ami-new", RootDeviceName: "/dev/xvda" },
  oldImages: [],
  instanceType: {
    InstanceType: "m5.large",
    VCpuInfo: { DefaultCores: 1, DefaultThreadsPerCore: 2 },
  },
  subnets: [{ SubnetId: "subnet-old", AvailabilityZone: "eu-west-1a" }],
};

/** An instance as plain as they come: every setting is EC2's default, as DescribeInstances shows it. */
export const plainInstance: Ec2Instance = {
  InstanceId: "i-old",
  ImageId: "ami-old",
  InstanceType: "m5.large",
  KeyName: "old-key",
  SubnetId: "subnet-old",
  VpcId: "vpc-1",
  SecurityGroups: [{ GroupId: "sg-old", GroupName: "old" }],
  PrivateIpAddress: "10.0.0.7",
  PrivateDnsName: "ip-10-0-0-7.eu-west-1.compute.internal",
  RootDeviceName: "/dev/xvda",
  EbsOptimized: false,
  SourceDestCheck: true,
  Monitoring: { State: "disabled" },
  Placement: { AvailabilityZone: "eu-west-1a", GroupName: "", Tenancy: "default" },
  CpuOptions: { CoreCount: 1, ThreadsPerCore: 2 },
  CapacityReservationSpecification: { CapacityReservationPreference: "open" },
  HibernationOptions: { Configured: false },
  EnclaveOptions: { Enabled: false },
  MaintenanceOptions: { AutoRecovery: "default" },
  MetadataOptions: {
    State: "applied",
    HttpTokens: "optional",
    HttpPutResponseHopLimit: 1,
    HttpEndpoint: "enabled",
    HttpProtocolIpv6: "disabled",
    InstanceMetadataTags: "disabled",
  },
  PrivateDnsNameOptions: {
    HostnameType: "ip-name",
    EnableResourceNameDnsARecord: false,
    EnableResourceNameDnsAAAARecord: false,
  },
  NetworkInterfaces: [
    {
      NetworkInterfaceId: "eni-1",
      PrivateIpAddress: "10.0.0.7",
      Attachment: { DeviceIndex: 0 },
      Ipv6Addresses: [],
    },
  ],
  Licenses: [],
  Tags: [{ Key: "Name", Value: "shop-1" }],
};

/** What is read about a plain instance with these changes. */
export function sourceOf(
  instance: Partial<Ec2Instance> = {},
  rest: Partial<LaunchSource> = {},
): LaunchSource {
  return {
    instance: { ...plainInstance, ...instance },
    shutdownBehavior: "stop",
    disableApiStop: false,
    volumes: [],
    ...rest,
  };
}
