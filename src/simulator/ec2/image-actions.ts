import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { Image, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters } from "./filters.ts";
import { imageNotFound, pick } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/**
 * DescribeImages, by id or all. A deregistered AMI is not listed, and answers nothing when asked
 * for by id.
 */
export const describeImages = defineAction({
  fields: {
    ...PAGED,
    ImageId: { list: "string" },
    Owner: { list: "string" },
    ExecutableBy: { list: "string" },
    IncludeDeprecated: "boolean",
    IncludeDisabled: "boolean",
    Filter: FILTERS,
  },
  run({ world }, parameters) {
    const found = pick(world.images, parameters.ImageId, imageNotFound).filter(
      ({ state }) => state !== "deregistered",
    );
    const matching = applyFilters(found, parameters.Filter, {
      "image-id": ({ id }) => [id],
      name: ({ name }) => [name],
      state: ({ state }) => [state],
      architecture: ({ architecture }) => [architecture],
    });
    const page = pageOf(matching, parameters, byPosition);
    return {
      imagesSet: page.items.map((image) => imageView(world, image)),
      nextToken: page.nextToken,
    };
  },
});

function imageView(world: World, image: Image): WireRecord {
  return {
    imageId: image.id,
    imageLocation: `${world.accountId}/${image.name}`,
    imageState: image.state,
    imageOwnerId: world.accountId,
    isPublic: false,
    architecture: image.architecture,
    imageType: "machine",
    name: image.name,
    creationDate: image.creationDate,
    rootDeviceType: "ebs",
    rootDeviceName: image.rootDeviceName,
    virtualizationType: "hvm",
    hypervisor: "xen",
    enaSupport: true,
    sriovNetSupport: "simple",
    imdsSupport: image.imdsSupport,
    platformDetails: "Linux/UNIX",
    usageOperation: "RunInstances",
    blockDeviceMapping: image.blockDevices.map((device) => ({
      deviceName: device.deviceName,
      ebs: {
        snapshotId: device.snapshotId,
        volumeSize: device.sizeGib,
        volumeType: device.volumeType,
        deleteOnTermination: device.deleteOnTermination,
        encrypted: device.encrypted,
      },
    })),
  };
}

/** DescribeInstanceTypes, by name or all that this world knows. */
export const describeInstanceTypes = defineAction({
  fields: { ...PAGED, InstanceType: { list: "string" }, Filter: FILTERS },
  run({ world }, parameters) {
    const found = pick(
      world.instanceTypes,
      parameters.InstanceType,
      (name) =>
        new AwsError(
          "InvalidInstanceType",
          `The following supplied instance types do not exist: [${name}]`,
        ),
    );
    const matching = applyFilters(found, parameters.Filter, {
      "instance-type": ({ name }) => [name],
      "processor-info.supported-architecture": ({ architecture }) => [architecture],
      "burstable-performance-supported": ({ burstable }) => [String(burstable)],
    });
    const page = pageOf(matching, parameters, byPosition);
    const instanceTypeSet = page.items.map((type) => ({
      instanceType: type.name,
      currentGeneration: true,
      supportedRootDeviceTypes: ["ebs"],
      supportedVirtualizationTypes: ["hvm"],
      hypervisor: "nitro",
      bareMetal: false,
      processorInfo: { supportedArchitectures: [type.architecture] },
      vCpuInfo: {
        defaultVCpus: type.vcpus,
        defaultCores: Math.max(1, type.vcpus / 2),
        defaultThreadsPerCore: type.vcpus > 1 ? 2 : 1,
      },
      memoryInfo: { sizeInMiB: type.memoryMib },
      ebsInfo: { ebsOptimizedSupport: "default", nvmeSupport: "required" },
      burstablePerformanceSupported: type.burstable,
      hibernationSupported: false,
    }));
    return { instanceTypeSet, nextToken: page.nextToken };
  },
});
