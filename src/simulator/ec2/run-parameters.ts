import type { ParsedFields } from "../params.ts";

/** Everything RunInstances understands here; whatever else AWS accepts is refused as unknown. */
export const RUN_INSTANCES_FIELDS = {
  ImageId: "string",
  InstanceType: "string",
  KeyName: "string",
  MinCount: "integer",
  MaxCount: "integer",
  SecurityGroupId: { list: "string" },
  SubnetId: "string",
  ClientToken: "string",
  DryRun: "boolean",
  UserData: "string",
  EbsOptimized: "boolean",
  Ipv6AddressCount: "integer",
  EnablePrimaryIpv6: "boolean",
  InstanceInitiatedShutdownBehavior: "string",
  DisableApiStop: "boolean",
  DisableApiTermination: "boolean",
  Monitoring: { fields: { Enabled: "boolean" } },
  IamInstanceProfile: { fields: { Arn: "string", Name: "string" } },
  CreditSpecification: { fields: { CpuCredits: "string" } },
  InstanceMarketOptions: {
    fields: {
      MarketType: "string",
      SpotOptions: {
        fields: {
          InstanceInterruptionBehavior: "string",
          MaxPrice: "string",
          SpotInstanceType: "string",
        },
      },
    },
  },
  HibernationOptions: { fields: { Configured: "boolean" } },
  EnclaveOptions: { fields: { Enabled: "boolean" } },
  MaintenanceOptions: { fields: { AutoRecovery: "string" } },
  NetworkPerformanceOptions: { fields: { BandwidthWeighting: "string" } },
  LicenseSpecification: { list: { fields: { LicenseConfigurationArn: "string" } } },
  TagSpecification: {
    list: {
      fields: {
        ResourceType: "string",
        Tag: { list: { fields: { Key: "string", Value: "string" } } },
      },
    },
  },
  BlockDeviceMapping: {
    list: {
      fields: {
        DeviceName: "string",
        VirtualName: "string",
        NoDevice: "string",
        Ebs: {
          fields: {
            DeleteOnTermination: "boolean",
            Iops: "integer",
            SnapshotId: "string",
            VolumeSize: "integer",
            VolumeType: "string",
            KmsKeyId: "string",
            Throughput: "integer",
            Encrypted: "boolean",
            VolumeInitializationRate: "integer",
          },
        },
      },
    },
  },
  MetadataOptions: {
    fields: {
      HttpTokens: "string",
      HttpPutResponseHopLimit: "integer",
      HttpEndpoint: "string",
      HttpProtocolIpv6: "string",
      InstanceMetadataTags: "string",
    },
  },
  Placement: {
    fields: {
      AvailabilityZone: "string",
      AvailabilityZoneId: "string",
      Affinity: "string",
      GroupName: "string",
      GroupId: "string",
      PartitionNumber: "integer",
      HostId: "string",
      Tenancy: "string",
      SpreadDomain: "string",
      HostResourceGroupArn: "string",
    },
  },
  CpuOptions: {
    fields: {
      CoreCount: "integer",
      ThreadsPerCore: "integer",
      AmdSevSnp: "string",
      NestedVirtualization: "string",
    },
  },
  CapacityReservationSpecification: {
    fields: {
      CapacityReservationPreference: "string",
      CapacityReservationTarget: {
        fields: { CapacityReservationId: "string", CapacityReservationResourceGroupArn: "string" },
      },
    },
  },
  PrivateDnsNameOptions: {
    fields: {
      HostnameType: "string",
      EnableResourceNameDnsARecord: "boolean",
      EnableResourceNameDnsAAAARecord: "boolean",
    },
  },
  NetworkInterface: {
    list: {
      fields: {
        AssociatePublicIpAddress: "boolean",
        DeleteOnTermination: "boolean",
        Description: "string",
        DeviceIndex: "integer",
        SecurityGroupId: { list: "string" },
        Ipv6AddressCount: "integer",
        SubnetId: "string",
        InterfaceType: "string",
        NetworkCardIndex: "integer",
        PrimaryIpv6: "boolean",
      },
    },
  },
} as const;

/** The parameters of a RunInstances request, read. */
export type RunParameters = ParsedFields<typeof RUN_INSTANCES_FIELDS>;
