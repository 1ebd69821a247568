import { AwsError } from "./errors.ts";
import { type FormRequest, PROTOCOLS, type Service } from "./query.ts";
import type { World } from "./world.ts";

/** What is in a bucket, in thousandths of a token, and since when. */
export interface BucketLevel {
  readonly millitokens: number;
  readonly atMs: number;
}

interface BucketSize {
  readonly maximum: number;
  readonly refillPerSecond: number;
}

/** The tokens a request takes from one bucket. */
interface Charge extends BucketSize {
  readonly bucket: string;
  readonly tokens: number;
}

type Request = Pick<FormRequest, "action" | "parameters"> & { readonly service: Service };

/** EC2's request buckets, one for every action (EC2 developer guide, request throttling). */
const EC2_READ: BucketSize = { maximum: 100, refillPerSecond: 20 };
const EC2_CHANGE: BucketSize = { maximum: 50, refillPerSecond: 5 };
const EC2_OTHERS: ReadonlyMap<string, BucketSize> = new Map([
  ["RunInstances", { maximum: 5, refillPerSecond: 2 }],
  ["TerminateInstances", { maximum: 100, refillPerSecond: 5 }],
  ["CreateTags", { maximum: 100, refillPerSecond: 10 }],
]);

/** The bucket of a read that asks for everything at once, of the actions that have one. */
const EC2_WHOLE_READ: BucketSize = { maximum: 50, refillPerSecond: 10 };
const EC2_WHOLE_READS: ReadonlySet<string> = new Set([
  "DescribeInstances",
  "DescribeInstanceStatus",
  "DescribeSecurityGroups",
  "DescribeVolumes",
]);

/** EC2's resource buckets: a token for every instance a request is about. */
const EC2_RESOURCES: ReadonlyMap<string, BucketSize> = new Map([
  ["RunInstances", { maximum: 1000, refillPerSecond: 2 }],
  ["TerminateInstances", { maximum: 1000, refillPerSecond: 20 }],
]);

/** ELB's buckets, each for many actions (ELB user guide, request throttling). */
const ELB_READ: BucketSize = { maximum: 40, refillPerSecond: 10 };
const ELB_CHANGE: BucketSize = { maximum: 20, refillPerSecond: 3 };
const ELB_TARGETS: BucketSize = { maximum: 20, refillPerSecond: 4 };

/**
 * Takes the tokens of a request from the account's buckets, which refill with the world's time.
 * Throws the AwsError of `throttled` when one of them holds too few; a DryRun takes tokens too, but
 * none for instances. STS has no buckets that AWS tells of.
 */
export function takeTokens(world: World, request: Request): void {
  const after = chargesOf(request).map(
    (charge) => [charge.bucket, levelAfter(world, charge)] as const,
  );
  // One that is refused takes nothing from any bucket.
  if (after.some(([, { millitokens }]) => millitokens < 0)) {
    throw throttled(world, request.service, request.action);
  }
  for (const [bucket, level] of after) world.buckets.set(bucket, level);
}

/** What a bucket would hold after a charge; less than nothing where it holds too little. */
function levelAfter(world: World, { bucket, maximum, refillPerSecond, tokens }: Charge) {
  const nowMs = world.nowMs();
  const full = { millitokens: maximum * 1000, atMs: nowMs };
  const { millitokens, atMs } = world.buckets.get(bucket) ?? full;
  // A token per second is a thousandth per millisecond: no rounding, however often it is asked.
  const held = Math.min(full.millitokens, millitokens + (nowMs - atMs) * refillPerSecond);
  return { millitokens: held - tokens * 1000, atMs: nowMs };
}

/**
 * How a service refuses a request that comes too soon. The texts are those seen on AWS; ELB's guide
 * says ThrottlingException, its query API answers Throttling.
 */
export function throttled({ accountId }: World, service: Service, action: string): AwsError {
  if (PROTOCOLS[service] !== "ec2") return new AwsError("Throttling", "Rate exceeded");
  return new AwsError(
    "RequestLimitExceeded",
    `Request limit exceeded. Account ${accountId} has been throttled on ec2:${action} because it ` +
      "exceeded its request rate limit.",
    503,
  );
}

function chargesOf({ service, action, parameters }: Request): readonly Charge[] {
  switch (service) {
    case "ec2":
      return ec2Charges(action, parameters);
    case "elasticloadbalancing":
      return [elbCharge(action)];
    case "sts":
      return [];
  }
}

function ec2Charges(action: string, parameters: FormRequest["parameters"]): readonly Charge[] {
  const resources = EC2_RESOURCES.get(action);
  const request: Charge = { ...requestBucket(action, parameters), tokens: 1 };
  const isDryRun = parameters.get("DryRun")?.toLowerCase() === "true";
  if (resources === undefined || isDryRun) return [request];
  const tokens = instancesOf(action, parameters);
  return [request, { bucket: `ec2:${action}:resources`, ...resources, tokens }];
}

function requestBucket(
  action: string,
  parameters: FormRequest["parameters"],
): BucketSize & { readonly bucket: string } {
  const bucket = `ec2:${action}`;
  const names = [...parameters.keys()];
  // Ids are neither a filter nor pages: AWS does not say that they count as either.
  const isWhole = !names.some((name) => name === "MaxResults" || name.startsWith("Filter."));
  if (EC2_WHOLE_READS.has(action) && isWhole)
    return { bucket: `${bucket}:whole`, ...EC2_WHOLE_READ };
  const byDefault = action.startsWith("Describe") ? EC2_READ : EC2_CHANGE;
  return { bucket, ...(EC2_OTHERS.get(action) ?? byDefault) };
}

/** How many instances a request wants to launch or terminate. */
function instancesOf(action: string, parameters: FormRequest["parameters"]): number {
  if (action === "RunInstances") return Math.max(0, Number(parameters.get("MaxCount")) || 0);
  return [...parameters.keys()].filter((name) => name.startsWith("InstanceId.")).length;
}

function elbCharge(action: string): Charge {
  if (action.startsWith("Describe")) return { bucket: "elb:read", ...ELB_READ, tokens: 1 };
  const isTargets = action === "RegisterTargets" || action === "DeregisterTargets";
  if (isTargets) return { bucket: "elb:targets", ...ELB_TARGETS, tokens: 1 };
  return { bucket: "elb:change", ...ELB_CHANGE, tokens: 1 };
}
