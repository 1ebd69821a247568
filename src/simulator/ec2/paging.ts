import { AwsError } from "../errors.ts";

/** What a request says about paging. */
export interface PageRequest {
  readonly MaxResults?: number;
  readonly NextToken?: string;
}

/** The parameters of a Describe action that has pages. */
export const PAGED = { MaxResults: "integer", NextToken: "string", DryRun: "boolean" } as const;

/** Position in its list: what pages of lists that never change go by. */
export const byPosition = (_item: unknown, index: number): number => index;

/** What MaxResults may be. */
interface PageBounds {
  readonly lowest: number;
  readonly highest: number;
}

/** The bounds of most Describe actions (API reference, DescribeInstances). */
const PAGE_BOUNDS: PageBounds = { lowest: 5, highest: 1000 };

/**
 * One page of a list that is sorted by `orderOf`, and the token of the next one. Without MaxResults
 * everything is on it. Throws AwsError InvalidParameterValue for a MaxResults out of `bounds` or a
 * token that was not given out here.
 */
export function pageOf<T>(
  items: readonly T[],
  { MaxResults: maxResults, NextToken: token }: PageRequest,
  orderOf: (item: T, index: number) => number,
  { lowest, highest }: PageBounds = PAGE_BOUNDS,
): { readonly items: readonly T[]; readonly nextToken?: string } {
  if (maxResults !== undefined && (maxResults < lowest || maxResults > highest)) {
    throw new AwsError(
      "InvalidParameterValue",
      `Value ( ${maxResults} ) for parameter maxResults is invalid. Expecting a value ` +
        `between ${lowest} and ${highest}.`,
    );
  }
  const lastOrder = token === undefined || token === "" ? -1 : readToken(token);
  const rest = items
    .map((item, index) => ({ item, order: orderOf(item, index) }))
    .filter(({ order }) => order > lastOrder);
  const page = rest.slice(0, maxResults ?? rest.length);
  const last = page.at(-1);
  return {
    items: page.map(({ item }) => item),
    ...(last !== undefined && page.length < rest.length
      ? { nextToken: Buffer.from(`after:${last.order}`).toString("base64") }
      : {}),
  };
}

function readToken(token: string): number {
  const order = /^after:(\d+)$/.exec(Buffer.from(token, "base64").toString())?.[1];
  if (order === undefined) {
    throw new AwsError("InvalidParameterValue", "Unable to parse pagination token");
  }
  return Number(order);
}

/**
 * Throws AwsError InvalidParameterCombination when ids and MaxResults come together, which EC2
 * refuses for instances and volumes. `set` is what EC2 calls the ids.
 */
export function refuseIdsWithMaxResults(
  ids: readonly string[] | undefined,
  maxResults: number | undefined,
  set: "instancesSet" | "volumeSet" = "instancesSet",
): void {
  if (ids === undefined || ids.length === 0 || maxResults === undefined) return;
  throw new AwsError(
    "InvalidParameterCombination",
    `The parameter ${set} cannot be used with the parameter maxResults`,
  );
}
