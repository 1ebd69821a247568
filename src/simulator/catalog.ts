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
    virtualizationType: "hvm",
    rootDeviceType: "ebs",
    enaSupport: true,
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

/** The size of an instance type, and what it has otherwise than the rest of its generation. */
type TypeOptions = Pick<InstanceType, "name" | "vcpus" | "memoryMib"> & Partial<InstanceType>;

/** A type of today: on the Nitro System, which needs AMIs with the ENA driver. */
const nitro = (options: TypeOptions): InstanceType => ({
  architecture: "x86_64",
  burstable: options.name.startsWith("t"),
  hypervisor: "nitro",
  // Graviton knows no BIOS.
  supportedBootModes: options.architecture === "arm64" ? ["uefi"] : ["legacy-bios", "uefi"],
  supportedRootDeviceTypes: ["ebs"],
  supportedVirtualizationTypes: ["hvm"],
  enaSupport: "required",
  nitroTpmSupport: "supported",
  ebsOptimized: "default",
  hibernationSupported: options.architecture !== "arm64",
  missingInZones: [],
  ...options,
});

/** A type of before the Nitro System. */
const xen = (options: TypeOptions): InstanceType => ({
  ...nitro(options),
  hypervisor: "xen",
  supportedBootModes: ["legacy-bios"],
  enaSupport: "unsupported",
  nitroTpmSupport: "unsupported",
  ebsOptimized: "unsupported",
  ...options,
});

/** A few instance types, with their real sizes. */
export const INSTANCE_TYPES: readonly InstanceType[] = [
  xen({ name: "t2.micro", vcpus: 1, memoryMib: 1024 }),
  nitro({ name: "t3.micro", vcpus: 2, memoryMib: 1024 }),
  nitro({ name: "t3.medium", vcpus: 2, memoryMib: 4096 }),
  nitro({ name: "t3.large", vcpus: 2, memoryMib: 8192 }),
  nitro({ name: "t4g.micro", vcpus: 2, memoryMib: 1024, architecture: "arm64" }),
  nitro({ name: "t4g.medium", vcpus: 2, memoryMib: 4096, architecture: "arm64" }),
  nitro({ name: "m6i.large", vcpus: 2, memoryMib: 8192 }),
  nitro({ name: "m7g.large", vcpus: 2, memoryMib: 8192, architecture: "arm64" }),
  nitro({ name: "c6i.large", vcpus: 2, memoryMib: 4096 }),
  xen({
    name: "m3.medium",
    vcpus: 1,
    memoryMib: 3840,
    supportedRootDeviceTypes: ["ebs", "instance-store"],
    supportedVirtualizationTypes: ["hvm", "paravirtual"],
  }),
  nitro({
    name: "m8i.large",
    vcpus: 2,
    memoryMib: 8192,
    bandwidthWeightings: ["default", "vpc-1", "ebs-1"],
  }),
];
