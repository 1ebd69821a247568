import type {
  EbsBlockDevice,
  Instance as Ec2Instance,
  Image,
  InstanceBlockDeviceMapping,
  Volume,
} from "@aws-sdk/client-ec2";
import { describe, expect, test } from "vitest";
import { blockDeviceMappings, volumesLeftBehind } from "../../src/launch/volumes.ts";
import { plainInstance } from "./source.ts";

/** An AMI whose root device is called /dev/xvda. */
function image(ImageId: string, devices: Record<string, EbsBlockDevice>): Image {
  return {
    ImageId,
    RootDeviceName: "/dev/xvda",
    BlockDeviceMappings: Object.entries(devices).map(([DeviceName, Ebs]) => ({ DeviceName, Ebs })),
  };
}

const eightGiB: EbsBlockDevice = {
  SnapshotId: "snap-1",
  VolumeSize: 8,
  VolumeType: "gp3",
  DeleteOnTermination: true,
  Encrypted: false,
};
const oldImage = image("ami-old", { "/dev/xvda": eightGiB });
const newImage = image("ami-new", { "/dev/xvda": { ...eightGiB, SnapshotId: "snap-2" } });

/** A root volume as the old AMI brings it. */
const rootVolume: Volume = {
  Size: 8,
  VolumeType: "gp3",
  Iops: 3000,
  Throughput: 125,
  Encrypted: false,
};

/** The block devices for an old instance with these volumes, by device. */
function mappings(
  volumes: Record<string, Volume & { outlives?: boolean }>,
  { newAmi = newImage, oldAmis = [oldImage], root = "/dev/xvda" } = {},
) {
  const devices = Object.entries(volumes).map(([DeviceName, { outlives, ...volume }]) => ({
    mapping: {
      DeviceName,
      Ebs: { VolumeId: `vol-${DeviceName}`, DeleteOnTermination: !outlives },
    },
    volume: { ...volume, VolumeId: `vol-${DeviceName}` },
  }));
  const instance: Ec2Instance = {
    ...plainInstance,
    RootDeviceName: root,
    BlockDeviceMappings: devices.map(({ mapping }) => mapping),
  };
  return blockDeviceMappings(
    { instance, volumes: devices.map(({ volume }) => volume) },
    newAmi,
    oldAmis,
  );
}

describe("the root volume", () => {
  test("is the new AMI's own where it was the old AMI's own", () => {
    expect(mappings({ "/dev/xvda": rootVolume })).toEqual([]);
  });

  test.each<[string, Partial<Volume>, EbsBlockDevice]>([
    [
      "a bigger size",
      { Size: 100 },
      { VolumeSize: 100, VolumeType: "gp3", Iops: 3000, Throughput: 125 },
    ],
    ["another type", { VolumeType: "gp2", Iops: 100 }, { VolumeSize: 8, VolumeType: "gp2" }],
    [
      "more operations a second",
      { Iops: 6000 },
      { VolumeSize: 8, VolumeType: "gp3", Iops: 6000, Throughput: 125 },
    ],
    [
      "more throughput",
      { Throughput: 500 },
      { VolumeSize: 8, VolumeType: "gp3", Iops: 3000, Throughput: 500 },
    ],
    [
      "a type with provisioned operations",
      { VolumeType: "io2", Iops: 5000, Throughput: undefined },
      { VolumeSize: 8, VolumeType: "io2", Iops: 5000 },
    ],
    [
      "encryption with a key of its own",
      { Encrypted: true, KmsKeyId: "arn:key" },
      { VolumeSize: 8, Encrypted: true, KmsKeyId: "arn:key" },
    ],
    ["encryption", { Encrypted: true }, { VolumeSize: 8, Encrypted: true }],
    [
      "a rate at which its data is fetched",
      { VolumeInitializationRate: 200 },
      {
        VolumeSize: 8,
        VolumeType: "gp3",
        Iops: 3000,
        Throughput: 125,
        VolumeInitializationRate: 200,
      },
    ],
  ])("keeps %s", (_name, changes, wanted) => {
    expect(mappings({ "/dev/xvda": { ...rootVolume, ...changes } })).toEqual([
      { DeviceName: "/dev/xvda", Ebs: wanted },
    ]);
  });

  test("goes by the new AMI's name for it: under the old name, a second volume would appear", () => {
    const before = image("ami-old", { "/dev/sda1": eightGiB });
    const volumes = { "/dev/sda1": { ...rootVolume, Size: 100 } };
    const [mapping, ...others] = mappings(volumes, { oldAmis: [before], root: "/dev/sda1" });
    expect(others).toEqual([]);
    expect(mapping).toMatchObject({ DeviceName: "/dev/xvda", Ebs: { VolumeSize: 100 } });
  });

  test("is never smaller than the new AMI's, which EC2 would refuse", () => {
    const newAmi = image("ami-new", { "/dev/xvda": { ...eightGiB, VolumeSize: 30 } });
    expect(mappings({ "/dev/xvda": { ...rootVolume, Size: 20 } }, { newAmi })).toEqual([]);
    const slow = { ...rootVolume, Size: 20, VolumeType: "gp2" as const, Iops: 100 };
    expect(mappings({ "/dev/xvda": slow }, { newAmi })).toEqual([
      { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 30, VolumeType: "gp2" } },
    ]);
  });

  test("is not encrypted twice: where the new AMI is, its key stands", () => {
    const newAmi = image("ami-new", { "/dev/xvda": { ...eightGiB, Encrypted: true } });
    const volume = { ...rootVolume, Encrypted: true, KmsKeyId: "arn:key" };
    expect(mappings({ "/dev/xvda": volume }, { newAmi })).toEqual([]);
  });

  test.each<[string, EbsBlockDevice]>([
    ["type", { VolumeType: "gp3" }],
    ["operations a second", { VolumeType: "io2", Iops: 5000 }],
  ])(
    "keeps its own where the new AMI has another %s, whether or not the old AMI had it",
    (_, settings) => {
      const newAmi = image("ami-new", { "/dev/xvda": { ...eightGiB, ...settings } });
      const before = image("ami-old", {
        "/dev/xvda": { ...eightGiB, VolumeType: "io2", Iops: 900 },
      });
      const volume: Volume = { Size: 8, VolumeType: "io2", Iops: 900 };
      for (const oldAmis of [[before], [oldImage], []]) {
        expect(mappings({ "/dev/xvda": volume }, { newAmi, oldAmis })).toEqual([
          { DeviceName: "/dev/xvda", Ebs: { VolumeSize: 8, VolumeType: "io2", Iops: 900 } },
        ]);
      }
    },
  );

  test("keeps what is usual where the new AMI has more", () => {
    const fast = { ...eightGiB, Iops: 6000, Throughput: 500 };
    const newAmi = image("ami-new", { "/dev/xvda": fast });
    expect(mappings({ "/dev/xvda": rootVolume }, { newAmi })).toEqual([
      {
        DeviceName: "/dev/xvda",
        Ebs: { VolumeSize: 8, VolumeType: "gp3", Iops: 3000, Throughput: 125 },
      },
    ]);
    const same: Volume = { ...rootVolume, Iops: 6000, Throughput: 500 };
    expect(mappings({ "/dev/xvda": same }, { newAmi })).toEqual([]);
  });

  test("keeps its size also where it outlives its instance", () => {
    const volume = { ...rootVolume, Size: 100, outlives: true };
    const [mapping] = mappings({ "/dev/xvda": volume });
    expect(mapping?.Ebs?.VolumeSize).toBe(100);
  });
});

describe("another volume", () => {
  const data: Volume = { Size: 200, VolumeType: "st1", Iops: 500, Encrypted: false };

  test("of the old launch that the new AMI lacks comes again, empty, and goes with its instance", () => {
    expect(mappings({ "/dev/xvda": rootVolume, "/dev/sdf": data })).toEqual([
      {
        DeviceName: "/dev/sdf",
        Ebs: { VolumeSize: 200, VolumeType: "st1", DeleteOnTermination: true },
      },
    ]);
  });

  test("that the new AMI brings is left to it, but for what was chosen", () => {
    const withData = {
      "/dev/xvda": eightGiB,
      "/dev/sdf": { VolumeSize: 200, VolumeType: "st1", DeleteOnTermination: true } as const,
    };
    const newAmi = image("ami-new", withData);
    const oldAmis = [image("ami-old", withData)];
    expect(mappings({ "/dev/sdf": data }, { newAmi, oldAmis })).toEqual([]);
    expect(mappings({ "/dev/sdf": { ...data, Size: 300 } }, { newAmi, oldAmis })).toEqual([
      { DeviceName: "/dev/sdf", Ebs: { VolumeSize: 300 } },
    ]);
  });

  test("goes with its instance as before, also where the new AMI would leave it behind", () => {
    const kept = { VolumeSize: 200, VolumeType: "st1", DeleteOnTermination: false } as const;
    const newAmi = image("ami-new", { "/dev/sdf": kept });
    const [mapping] = mappings({ "/dev/sdf": data }, { newAmi });
    expect(mapping).toMatchObject({ DeviceName: "/dev/sdf", Ebs: { DeleteOnTermination: true } });
  });

  test("that outlives its instance is not copied: its data would be missing", () => {
    expect(mappings({ "/dev/sdf": { ...data, outlives: true } })).toEqual([]);
  });

  test("that cannot be described is not guessed at", () => {
    const BlockDeviceMappings: InstanceBlockDeviceMapping[] = [
      { DeviceName: "/dev/sdf", Ebs: { VolumeId: "vol-1", DeleteOnTermination: true } },
    ];
    const instance = { ...plainInstance, BlockDeviceMappings };
    expect(blockDeviceMappings({ instance, volumes: [] }, newImage, [])).toEqual([]);
  });
});

describe("volumes left behind", () => {
  test("are those that outlive their instance, named with their device", () => {
    const left = volumesLeftBehind([
      { DeviceName: "/dev/xvda", Ebs: { VolumeId: "vol-1", DeleteOnTermination: true } },
      { DeviceName: "/dev/sdf", Ebs: { VolumeId: "vol-2", DeleteOnTermination: false } },
      { DeviceName: "/dev/sdg", Ebs: { VolumeId: "vol-3", DeleteOnTermination: false } },
    ]);
    expect(left).toEqual([
      expect.stringMatching(/vol-2.*\/dev\/sdf/),
      expect.stringMatching(/vol-3.*\/dev\/sdg/),
    ]);
  });
});
