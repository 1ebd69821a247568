import type { Tag } from "./records.ts";

/** User tags a resource may have, at EC2 and at ELB (EC2 guide, tag restrictions; ELB quotas). */
export const MAX_TAGS = 50;

/** Whether a key is AWS's own: nobody else may write it, and it does not count against MAX_TAGS. */
export function isReservedKey(key: string): boolean {
  return key.toLowerCase().startsWith("aws:");
}

/** The tags of a resource after it was given others: a key it has already gets the new value. */
export function withTags(current: readonly Tag[], added: readonly Tag[]): readonly Tag[] {
  const values = new Map([...current, ...added].map(({ key, value }) => [key, value]));
  return [...values].map(([key, value]) => ({ key, value }));
}

/** Whether these are more tags than a resource may have. */
export function isTooMany(tags: readonly Tag[]): boolean {
  return tags.filter(({ key }) => !isReservedKey(key)).length > MAX_TAGS;
}
