import { defineAction } from "../action.ts";
import { FILTERS } from "../params.ts";
import type { Volume, WireRecord } from "../records.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { pick, volumeNotFound } from "./find.ts";
import { isoTime, tagsView } from "./instance-view.ts";
import { byPosition, PAGED, pageOf, refuseIdsWithMaxResults } from "./paging.ts";

/** DescribeVolumes, by id, by attachment.instance-id, or all. */
export const describeVolumes = defineAction({
  fields: {
    ...PAGED,
    VolumeId: { list: "string" },
    Filter: FILTERS,
    IncludeManagedResources: "boolean",
  },
  run({ world, asOfMs }, parameters) {
    refuseIdsWithMaxResults(parameters.VolumeId, parameters.MaxResults, "volumeSet");
    const byId = new Map(world.volumes.list(asOfMs).map((volume) => [volume.id, volume]));
    const found = pick(byId, parameters.VolumeId, volumeNotFound);
    const matching = applyFilters(found, parameters.Filter, VOLUME_FILTERS, ({ tags }) => tags);
    const page = pageOf(matching, parameters, byPosition);
    return { volumeSet: page.items.map(volumeView), nextToken: page.nextToken };
  },
});

const VOLUME_FILTERS: FilterFields<Volume> = {
  "volume-id": ({ id }) => [id],
  "volume-type": ({ volumeType }) => [volumeType],
  size: ({ sizeGib }) => [String(sizeGib)],
  "snapshot-id": ({ snapshotId }) => [snapshotId],
  encrypted: ({ encrypted }) => [String(encrypted)],
  "availability-zone": ({ zone }) => [zone],
  "create-time": ({ createdAtMs }) => [isoTime(createdAtMs)],
  status: ({ attached }) => [attached ? "in-use" : "available"],
  "attachment.instance-id": ({ instanceId, attached }) => (attached ? [instanceId] : []),
  "attachment.device": ({ deviceName, attached }) => (attached ? [deviceName] : []),
  "attachment.status": ({ attached }) => (attached ? ["attached"] : []),
  "attachment.delete-on-termination": ({ deleteOnTermination, attached }) =>
    attached ? [String(deleteOnTermination)] : [],
};

function volumeView(volume: Volume): WireRecord {
  const attachment = {
    volumeId: volume.id,
    instanceId: volume.instanceId,
    device: volume.deviceName,
    status: "attached",
    attachTime: isoTime(volume.createdAtMs),
    deleteOnTermination: volume.deleteOnTermination,
  };
  return {
    volumeId: volume.id,
    size: volume.sizeGib,
    snapshotId: volume.snapshotId,
    availabilityZone: volume.zone,
    status: volume.attached ? "in-use" : "available",
    createTime: isoTime(volume.createdAtMs),
    volumeType: volume.volumeType,
    iops: volume.iops,
    throughput: volume.throughputMibps,
    volumeInitializationRate: volume.initializationRateMibps,
    encrypted: volume.encrypted,
    kmsKeyId: volume.kmsKeyId,
    multiAttachEnabled: false,
    attachmentSet: volume.attached ? [attachment] : [],
    tagSet: tagsView(volume.tags),
  };
}
