import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { required } from "../params.ts";
import type { Tag } from "../records.ts";
import { isReservedKey, isTooMany, withTags } from "../tags.ts";
import type { World } from "../world.ts";
import { kindOf, type ResourceKind } from "./find.ts";
import { rulesOf } from "./listener-actions.ts";

const ELB = "elasticloadbalancing";

/** Resources of one request (API reference, DescribeTags). */
const MAX_RESOURCES = 20;

const RESOURCE_ARNS = { ResourceArns: { list: "string" } } as const;

/** AddTags: adds tags, or overwrites the values of keys that are there; of all resources or none. */
export const addTags = defineAction({
  fields: { ...RESOURCE_ARNS, Tags: { list: { fields: { Key: "string", Value: "string" } } } },
  mutates: true,
  run({ world }, parameters) {
    const arns = findResources(world, parameters.ResourceArns);
    const added = required(ELB, "Tags", parameters.Tags).map(({ Key, Value = "" }) => ({
      key: required(ELB, "Key", Key),
      value: Value,
    }));
    checkTags(added);
    const changed = arns.map((arn) => ({ arn, tags: withTags(tagsOf(world, arn), added) }));
    if (changed.some(({ tags }) => isTooMany(tags))) {
      throw new AwsError(
        "TooManyTags",
        "You've reached the limit on the number of tags for this resource.",
      );
    }
    for (const { arn, tags } of changed) world.elbTags.set(arn, tags);
    return {};
  },
});

/** RemoveTags: succeeds whether or not a resource has the key. */
export const removeTags = defineAction({
  fields: { ...RESOURCE_ARNS, TagKeys: { list: "string" } },
  mutates: true,
  run({ world }, parameters) {
    const arns = findResources(world, parameters.ResourceArns);
    const keys = required(ELB, "TagKeys", parameters.TagKeys);
    for (const arn of arns) {
      const left = tagsOf(world, arn).filter(({ key }) => !keys.includes(key));
      world.elbTags.set(arn, left);
    }
    return {};
  },
});

/** DescribeTags, of up to 20 resources of any kind. */
export const describeTags = defineAction({
  fields: RESOURCE_ARNS,
  run({ world, asOfMs }, parameters) {
    const arns = findResources(world, parameters.ResourceArns);
    const TagDescriptions = arns.map((arn) => ({
      ResourceArn: arn,
      Tags: tagsOf(world, arn, asOfMs).map(({ key, value }) => ({ Key: key, Value: value })),
    }));
    return { TagDescriptions };
  },
});

function tagsOf(world: World, arn: string, asOfMs?: number): readonly Tag[] {
  return world.elbTags.get(arn, asOfMs) ?? [];
}

/**
 * The ARNs of a request, once all of them are known to name something. Throws AwsError
 * ValidationError for what is no ARN or for too many, and the NotFound of its kind.
 */
function findResources(world: World, arns: readonly string[] | undefined): readonly string[] {
  const given = required(ELB, "ResourceArns", arns);
  if (given.length > MAX_RESOURCES) {
    throw new AwsError("ValidationError", `Up to ${MAX_RESOURCES} resources can be specified`);
  }
  for (const arn of given) {
    const kind = kindOf(arn);
    if (kind === undefined) throw new AwsError("ValidationError", `'${arn}' must be in ARN format`);
    if (exists(world, kind, arn)) continue;
    const [code, what] = NOT_FOUND[kind];
    throw new AwsError(code, `${what} '${arn}' not found`);
  }
  return given;
}

const NOT_FOUND: Readonly<Record<ResourceKind, readonly [code: string, what: string]>> = {
  "load balancer": ["LoadBalancerNotFound", "Load balancers"],
  "target group": ["TargetGroupNotFound", "Target groups"],
  listener: ["ListenerNotFound", "Listeners"],
  "listener rule": ["RuleNotFound", "Rules"],
};

function exists(world: World, kind: ResourceKind, arn: string): boolean {
  switch (kind) {
    case "load balancer":
      return world.loadBalancers.has(arn);
    case "target group":
      return world.targetGroups.has(arn);
    case "listener":
      return world.listeners.has(arn);
    case "listener rule":
      return [...world.listeners.values()].flatMap(rulesOf).some((rule) => rule.arn === arn);
  }
}

/** What keys and values may consist of (API reference, Tag). */
const TAG_PATTERN = "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$";
const TAG_TEXT = new RegExp(TAG_PATTERN, "u");

/**
 * Throws the AwsError for keys that are reserved or given twice, and for keys and values that are too
 * long or consist of other characters than AWS takes (API reference, Tag).
 */
function checkTags(tags: readonly Tag[]): void {
  const seen = new Set<string>();
  for (const { key, value } of tags) {
    if (isReservedKey(key)) {
      throw new AwsError(
        "ValidationError",
        "Tag keys starting with 'aws:' are reserved for internal use",
      );
    }
    if (key.length > 128) throw invalid(key, "key", "have length less than or equal to 128");
    if (value.length > 256) throw invalid(value, "value", "have length less than or equal to 256");
    const pattern = `satisfy regular expression pattern: ${TAG_PATTERN}`;
    if (!TAG_TEXT.test(key)) throw invalid(key, "key", pattern);
    if (!TAG_TEXT.test(value)) throw invalid(value, "value", pattern);
    if (seen.has(key)) {
      throw new AwsError(
        "DuplicateTagKeys",
        "Duplicate Tag Keys found in the request. Tag keys should be unique.",
      );
    }
    seen.add(key);
  }
}

function invalid(text: string, member: "key" | "value", must: string): AwsError {
  return new AwsError(
    "ValidationError",
    `1 validation error detected: Value '${text}' at 'tags.member.${member}' failed to satisfy ` +
      `constraint: Member must ${must}`,
  );
}
