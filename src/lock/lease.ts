import { duration } from "../duration.ts";

/**
 * What a run says of itself in tags of the target group while it works there. Every run has tags of its own, with its
 * id in their keys: so nobody ever overwrites or removes those of another run without meaning to.
 */
export interface Lease {
  /** Unique for every run. */
  readonly owner: string;
  readonly host: string;
  readonly process: string;
  readonly ami: string;
  readonly build: string;
  /** Times of the holder's wall clock, as ISO 8601; anything at all where somebody has changed the tag. */
  readonly since: string;
  readonly heartbeat: string;
}

/** What stands for the process of a run that has ended, and has said so: its last changes may not show yet. */
export const endedProcess = "ended";

/** What all keys of leases begin with. */
export const leasePrefix = "zero-deploy:lock:";

const fields = ["host", "process", "ami", "build", "since", "heartbeat"] as const;

type Field = (typeof fields)[number];

/** The key of one tag of a run's lease. */
export function leaseKey(owner: string, field: Field): string {
  return `${leasePrefix}${owner}:${field}`;
}

/** All keys of a run's lease. */
export function leaseKeys(owner: string): string[] {
  return fields.map((field) => leaseKey(owner, field));
}

/** A lease as tags. */
export function leaseTags(lease: Lease): Record<string, string> {
  return Object.fromEntries(
    fields.map((field) => [leaseKey(lease.owner, field), toTagValue(lease[field])]),
  );
}

/** What tags of a target group say of leases. */
export interface LeaseTags {
  /** By owner. */
  readonly leases: ReadonlyMap<string, Lease>;
  /** All keys of them. */
  readonly keys: readonly string[];
  /** Keys of ours that belong to no lease: `since`, which is written only once, is missing. */
  readonly strayKeys: readonly string[];
}

/** Reads leases out of all tags of a target group; a tag that is missing is an empty text. */
export function leasesIn(tags: ReadonlyMap<string, string>): LeaseTags {
  const leases = new Map<string, Lease>();
  const keys: string[] = [];
  const strayKeys: string[] = [];
  for (const key of tags.keys()) {
    if (!key.startsWith(leasePrefix)) continue;
    const [owner = "", field = "", ...rest] = key.slice(leasePrefix.length).split(":");
    const value = (name: Field) => tags.get(leaseKey(owner, name)) ?? "";
    const isOfLease = tags.has(leaseKey(owner, "since")) && rest.length === 0;
    if (!isOfLease || !fields.some((name) => name === field)) {
      strayKeys.push(key);
      continue;
    }
    keys.push(key);
    const values = Object.fromEntries(fields.map((name) => [name, value(name)]));
    leases.set(owner, { owner, ...(values as Record<Field, string>) });
  }
  return { leases, keys, strayKeys };
}

/**
 * A text as the value of a tag: what Elastic Load Balancing does not allow there becomes "_".
 * https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_Tag.html
 */
export function toTagValue(text: string): string {
  return text
    .replace(/[^\p{L}\p{Z}\p{N}_.:/=+\-@]/gu, "_")
    .slice(0, 256)
    .replace(/[\uD800-\uDBFF]$/, "");
}

/** For how long, by this wall clock, a lease shows no sign of life; endless where it shows no time at all. */
export function silentMs({ heartbeat }: Lease, wallMs: number): number {
  const atMs = Date.parse(heartbeat);
  return Number.isNaN(atMs) ? Number.POSITIVE_INFINITY : wallMs - atMs;
}

/** Whose lease it is and how old, as one phrase; the other host's clock may be wrong. */
export function describeLease(lease: Lease, wallMs: number): string {
  const { host, process, ami, build, since } = lease;
  const silent = silentMs(lease, wallMs);
  const who =
    process === endedProcess ? "a rollout that has ended," : `process ${process || "unknown"}`;
  return [
    `${who} on host ${host || "unknown"}`,
    `AMI ${ami || "unknown"}`,
    `build ${build || "unknown"}`,
    `since ${since || "unknown"}${ago(wallMs - Date.parse(since))}`,
    Number.isFinite(silent) ? `last heartbeat${ago(silent)}` : "no heartbeat",
  ].join(", ");
}

function ago(ms: number): string {
  if (Number.isNaN(ms)) return "";
  return ms >= 0
    ? ` ${duration(Math.round(ms / 1000))} ago`
    : " in the future of this host's clock";
}
