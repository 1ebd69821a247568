import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { Image, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { imageNotFound, pick } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/**
 * DescribeImages, by id, by owner, or all. A deregistered AMI is not listed, and answers nothing
 * when asked for by id. Every AMI is the account's own and nobody was given permission to launch
 * it, so that none is listed for other owners or for ExecutableBy.
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
    const { Owner: owners = [], ExecutableBy: users = [] } = parameters;
    const isOwn =
      owners.length === 0 || owners.some((owner) => ["self", world.accountId].includes(owner));
    const found = pick(world.images, parameters.ImageId, imageNotFound).filter(
      ({ state }) => state !== "deregistered" && isOwn && users.length === 0,
    );
    const matching = applyFilters(found, parameters.Filter, {
      ...IMAGE_FILTERS,
      "owner-id": () => [world.accountId],
    });
    const page = pageOf(matching, parameters, byPosition, IMAGE_PAGE_BOUNDS);
    return {
      imagesSet: page.items.map((image) => imageView(world, image)),
      nextToken: page.nextToken,
    };
  },
});

/** DescribeImages came to pages late; like other actions of AMIs it takes any number from 1. */
const IMAGE_PAGE_BOUNDS = { lowest: 1, highest: 1000 };

const IMAGE_FILTERS: FilterFields<Image> = {
  "image-id": ({ id }) => [id],
  name: ({ name }) => [name],
  state: ({ state }) => [state],
  architecture: ({ architecture }) => [architecture],
  "creation-date": ({ creationDate }) => [creationDate],
  "is-public": () => ["false"],
  "image-type": () => ["machine"],
  "root-device-type": () => ["ebs"],
  "root-device-name": ({ rootDeviceName }) => [rootDeviceName],
  "virtualization-type": () => ["hvm"],
  "block-device-mapping.snapshot-id": ({ blockDevices }) =>
    blockDevices.map(({ snapshotId }) => snapshotId),
};

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
        iops: device.iops,
        throughput: device.throughputMibps,
        deleteOnTermination: device.deleteOnTermination,
        encrypted: device.encrypted,
      },
    })),
  };
}

/** What MaxResults may be in DescribeInstanceTypes (API reference). */
const TYPE_PAGE_BOUNDS = { lowest: 5, highest: 100 };

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
    const page = pageOf(matching, parameters, byPosition, TYPE_PAGE_BOUNDS);
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
      ebsInfo: { ebsOptimizedSupport: type.ebsOptimized ?? "default", nvmeSupport: "required" },
      networkInfo: { bandwidthWeightings: type.bandwidthWeightings ?? ["default"] },
      burstablePerformanceSupported: type.burstable,
      hibernationSupported: false,
    }));
    return { instanceTypeSet, nextToken: page.nextToken };
  },
});
