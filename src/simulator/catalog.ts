import type { Image, ImageBehaviour, InstanceType } from "./records.ts";

/**
 * The AMIs every simulated fleet comes with: the one it runs, and one for each way a new one can
 * behave.
 */
export const IMAGES = {
  old: "ami-0000000000000001d",
  good: "ami-00000000000600d01",
  neverHealthy: "ami-000000000000bad01",
  dies: "ami-0000000000000dead",
  impaired: "ami-000000000000bad02",
  flaky: "ami-000000000000f1a51",
  slow: "ami-00000000000005105",
} as const;

/** What an instance of each of those AMIs does. */
export const DEFAULT_BEHAVIOURS: Readonly<Record<string, ImageBehaviour>> = {
  [IMAGES.old]: "good",
  [IMAGES.good]: "good",
  [IMAGES.neverHealthy]: "never-healthy",
  [IMAGES.dies]: "dies",
  [IMAGES.impaired]: "impaired",
  [IMAGES.flaky]: "flaky",
  [IMAGES.slow]: "slow",
};

/** Every way an AMI can behave. */
export const behaviours: readonly ImageBehaviour[] = [
  ...new Set(Object.values(DEFAULT_BEHAVIOURS)),
];

/** The AMI to roll out whose instances behave like this. */
export function imageThatIs(behaviour: ImageBehaviour): string {
  const ids = Object.keys(DEFAULT_BEHAVIOURS).filter((id) => id !== IMAGES.old);
  return ids.find((id) => DEFAULT_BEHAVIOURS[id] === behaviour) ?? IMAGES.good;
}

/** An AMI as a team bakes them: 8 GiB, 64-bit Intel, root device /dev/xvda. */
export function makeImage(id: string, behaviour: ImageBehaviour): Image {
  return {
    id,
    name: `app-${id.slice(-6)}`,
    state: "available",
    architecture: "x86_64",
    rootDeviceName: "/dev/xvda",
    blockDevices: [
      {
        deviceName: "/dev/xvda",
        snapshotId: `snap-${id.slice("ami-".length)}`,
        sizeGib: 8,
        volumeType: "gp3",
        encrypted: false,
        deleteOnTermination: true,
      },
    ],
    creationDate: "2026-01-02T08:00:00.000Z",
    behaviour,
  };
}

const type = (
  name: string,
  vcpus: number,
  memoryMib: number,
  architecture: InstanceType["architecture"] = "x86_64",
): InstanceType => ({
  name,
  vcpus,
  memoryMib,
  architecture,
  burstable: name.startsWith("t"),
  missingInZones: [],
});

/** A few instance types, with their real sizes. */
export const INSTANCE_TYPES: readonly InstanceType[] = [
  { ...type("t2.micro", 1, 1024), ebsOptimized: "unsupported" },
  type("t3.micro", 2, 1024),
  type("t3.medium", 2, 4096),
  type("t3.large", 2, 8192),
  type("t4g.micro", 2, 1024, "arm64"),
  type("t4g.medium", 2, 4096, "arm64"),
  type("m6i.large", 2, 8192),
  type("m7g.large", 2, 8192, "arm64"),
  type("c6i.large", 2, 4096),
  { ...type("m8i.large", 2, 8192), bandwidthWeightings: ["default", "vpc-1", "ebs-1"] },
];
