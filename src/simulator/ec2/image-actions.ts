import { defineAction } from "../action.ts";
import { FILTERS } from "../params.ts";
import type { Image, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { imageNotFound, pick } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/**
 * DescribeImages, by id, by owner, or all. A deregistered AMI is not listed, and answers nothing
 * when asked for by id; a disabled one is only there for IncludeDisabled. Their owner sees deprecated
 * AMIs whatever IncludeDeprecated says. Every AMI is the account's own and nobody was given permission to launch
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
    const isShown = ({ state }: Image) =>
      state === "disabled" ? parameters.IncludeDisabled === true : state !== "deregistered";
    const found = pick(world.images, parameters.ImageId, imageNotFound).filter(
      (image) => isShown(image) && isOwn && users.length === 0,
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
  "root-device-type": ({ rootDeviceType }) => [rootDeviceType],
  "root-device-name": ({ rootDeviceName }) => [rootDeviceName],
  "virtualization-type": ({ virtualizationType }) => [virtualizationType],
  "ena-support": ({ enaSupport }) => [String(enaSupport)],
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
    rootDeviceType: image.rootDeviceType,
    rootDeviceName: image.rootDeviceName,
    virtualizationType: image.virtualizationType,
    hypervisor: "xen",
    bootMode: image.bootMode,
    tpmSupport: image.tpmSupport,
    deprecationTime: image.deprecationTime,
    enaSupport: image.enaSupport,
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
