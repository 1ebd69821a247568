import { AwsError } from "../errors.ts";
import type { Tag } from "../records.ts";

/** A filter as sent: any of its values may match. */
export interface Filter {
  readonly Name?: string;
  readonly Value?: readonly string[];
}

/** What the items of a list can be filtered by: the values an item has under each filter name. */
export type FilterFields<T> = {
  readonly [name: string]: (item: T) => readonly (string | undefined)[];
};

/** EC2 takes at most this many values in one filter (EC2 guide, filtering). */
const MAX_FILTER_VALUES = 200;

/**
 * The items that match every filter; `tag:KEY` and `tag-key` look at `tagsOf` an item. `*` and `?`
 * in a value are wildcards. A filter never complains about an id that does not exist. Throws
 * AwsError FilterLimitExceeded, or InvalidParameterValue for a filter name not listed in `fields`.
 */
export function applyFilters<T>(
  items: readonly T[],
  filters: readonly Filter[] | undefined,
  fields: FilterFields<T>,
  tagsOf: (item: T) => readonly Tag[] = () => [],
): readonly T[] {
  let matching = items;
  for (const { Name: name = "", Value: values = [] } of filters ?? []) {
    if (values.length > MAX_FILTER_VALUES) {
      throw new AwsError(
        "FilterLimitExceeded",
        `The maximum number of filter values specified on a single call is ${MAX_FILTER_VALUES}`,
      );
    }
    const read = Object.hasOwn(fields, name) ? fields[name] : tagReader(name, tagsOf);
    if (read === undefined) {
      throw new AwsError("InvalidParameterValue", `The filter '${name}' is invalid`);
    }
    const patterns = values.map(patternOf);
    matching = matching.filter((item) =>
      read(item).some(
        (value) => value !== undefined && patterns.some((pattern) => pattern.test(value)),
      ),
    );
  }
  return matching;
}

function tagReader<T>(name: string, tagsOf: (item: T) => readonly Tag[]) {
  const key = name.startsWith("tag:") ? name.slice("tag:".length) : undefined;
  if (key === undefined && name !== "tag-key") return undefined;
  return (item: T) =>
    tagsOf(item)
      .filter((tag) => key === undefined || tag.key === key)
      .map((tag) => (key === undefined ? tag.key : tag.value));
}

function patternOf(value: string): RegExp {
  const source = value
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    // One wildcard does what several in a row do, without trying every way to share out the text.
    .replaceAll(/\*+/g, ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`, "s");
}
