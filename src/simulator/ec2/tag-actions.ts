import { type ActionContext, defineAction, dryRunSucceeded } from "../action.ts";
import { AwsError } from "../errors.ts";
import { isId } from "../ids.ts";
import { changeInstance } from "../instances.ts";
import { required } from "../params.ts";
import type { Tag } from "../records.ts";
import { isReservedKey, isTooMany, withTags } from "../tags.ts";
import type { World } from "../world.ts";
import { pick, volumeNotFound } from "./find.ts";
import { findInstances } from "./find-instances.ts";

/** What can be tagged, and how its new tags are kept. */
interface Taggable {
  readonly tags: readonly Tag[];
  readonly keep: (tags: readonly Tag[]) => void;
}

/**
 * CreateTags, of instances and volumes: adds tags, or overwrites the values of keys that are there.
 * Changes all the resources or, when something about one is wrong, none.
 */
export const createTags = defineAction({
  fields: {
    ResourceId: { list: "string" },
    Tag: { list: { fields: { Key: "string", Value: "string" } } },
    DryRun: "boolean",
  },
  mutates: true,
  run({ world }: ActionContext, parameters) {
    const ids = required("ec2", "ResourceId", parameters.ResourceId);
    const added = required("ec2", "Tag", parameters.Tag).map(({ Key = "", Value = "" }) => ({
      key: Key,
      value: Value,
    }));
    const resources = findTaggables(world, [...new Set(ids)]);
    checkTags(added);
    const changes = resources.map(({ tags, keep }) => ({ tags: withTags(tags, added), keep }));
    if (changes.some(({ tags }) => isTooMany(tags))) throw tagLimitExceeded();
    if (parameters.DryRun === true) throw dryRunSucceeded();
    for (const { tags, keep } of changes) keep(tags);
    return { return: true };
  },
});

/**
 * Throws AwsError InvalidID for what is the id of neither an instance nor a volume, and the errors
 * of both for an id that names none.
 */
function findTaggables(world: World, ids: readonly string[]): readonly Taggable[] {
  const malformed = ids.find((id) => !isId("i", id) && !isId("vol", id));
  if (malformed !== undefined) {
    throw new AwsError("InvalidID", `The ID '${malformed}' is not valid`);
  }
  const instanceIds = ids.filter((id) => isId("i", id));
  const volumeIds = ids.filter((id) => isId("vol", id));
  const volumes = new Map(world.volumes.list().map((volume) => [volume.id, volume]));
  return [
    ...(instanceIds.length === 0 ? [] : findInstances({ world }, instanceIds)).map(
      ({ id, tags }) => ({
        tags,
        keep: (changed: readonly Tag[]) => changeInstance(world, id, { tags: changed }),
      }),
    ),
    ...(volumeIds.length === 0 ? [] : pick(volumes, volumeIds, volumeNotFound)).map((volume) => ({
      tags: volume.tags,
      keep: (tags: readonly Tag[]) => world.volumes.set(volume.id, { ...volume, tags }),
    })),
  ];
}

/** Throws the AwsError for reserved, duplicate or too many tags (EC2 guide, tag restrictions). */
export function checkTags(tags: readonly Tag[]): void {
  if (isTooMany(tags)) throw tagLimitExceeded();
  const seen = new Set<string>();
  for (const { key, value } of tags) {
    if (isReservedKey(key)) {
      throw new AwsError(
        "InvalidParameterValue",
        "Tag keys starting with 'aws:' are reserved for internal use",
      );
    }
    if (key === "" || key.length > 128 || value.length > 256) {
      throw new AwsError("InvalidParameterValue", `Tag '${key}' exceeds the maximum length`);
    }
    if (seen.has(key)) {
      throw new AwsError("InvalidParameterValue", `Duplicate tag key '${key}' specified.`);
    }
    seen.add(key);
  }
}

function tagLimitExceeded(): AwsError {
  return new AwsError(
    "TagLimitExceeded",
    "The maximum number of Tags for a resource has been reached.",
  );
}
