import { AwsError } from "../errors.ts";

/** The parameters of a Describe action that has pages. */
export const MARKED = { Marker: "string", PageSize: "integer" } as const;

/**
 * One page of at most PageSize (1 to 400, default 400) items, and the marker of the next one. Throws
 * AwsError ValidationError for another PageSize, or a marker that was not given out here.
 */
export function markedPage<T>(
  items: readonly T[],
  { Marker: marker, PageSize: pageSize = 400 }: { Marker?: string; PageSize?: number },
): { readonly items: readonly T[]; readonly nextMarker?: string } {
  if (pageSize < 1 || pageSize > 400) {
    throw new AwsError("ValidationError", "Page size must be between 1 and 400");
  }
  const start = marker === undefined || marker === "" ? 0 : Number(marker);
  if (!Number.isInteger(start)) throw new AwsError("ValidationError", "Invalid marker");
  const end = start + pageSize;
  return {
    items: items.slice(start, end),
    ...(end < items.length ? { nextMarker: String(end) } : {}),
  };
}
