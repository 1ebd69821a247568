import type { Config } from "../config.ts";
import { instanceTags, tagsLimit } from "../launch/tags.ts";
import type { Instance } from "../snapshot.ts";

/** What has to be asked for beside DescribeInstances to know whether an instance can be replaced. */
export interface InstanceFacts {
  /** The instance that the program runs on, if it runs on one. */
  readonly ownInstanceId?: string;
  /** Elastic IP addresses, by instance id. */
  readonly elasticIps: ReadonlyMap<string, readonly string[]>;
  /** Ids of instances that are protected from termination. */
  readonly protectedIds: ReadonlySet<string>;
  /** Ids of persistent Spot requests. */
  readonly persistentRequests: ReadonlySet<string>;
}

/** Tags by which an instance tells who replaces it, and what to use instead. */
const managers: readonly [pattern: RegExp, manager: string, remedy: string][] = [
  [/^aws:autoscaling:groupName$/, "an Auto Scaling group", "use its Instance Refresh"],
  [/^(aws:)?eks:/, "EKS", "update its node group"],
  [/^karpenter\.sh\//, "Karpenter", "change its node pool"],
  [/^kubernetes\.io\/cluster\//, "a Kubernetes cluster", "drain and replace its nodes there"],
  [/^(AmazonECSManaged$|aws:ecs:)/, "ECS", "update its capacity provider"],
  [/^elasticbeanstalk:/, "Elastic Beanstalk", "update its environment"],
];

/** Why an old instance cannot be replaced: what a replacement could not take over, or somebody else would undo. */
export function oldInstanceProblems(old: Instance, facts: InstanceFacts, config: Config): string[] {
  const { id, state, source } = old;
  const problems: (string | false | undefined)[] = [
    managerOf(old),
    source.SpotInstanceRequestId !== undefined &&
      facts.persistentRequests.has(source.SpotInstanceRequestId) &&
      `belongs to the persistent Spot request ${source.SpotInstanceRequestId}, which would launch another when it is terminated; cancel the request first`,
    !["pending", "running"].includes(state) &&
      `is ${state}, not running; start it, or deregister it from the target group`,
    id === facts.ownInstanceId &&
      "is the machine that zero-deploy runs on, which would end with it; run it on another one",
    !config.discardExtraVolumes && extraVolumesOf(old),
    !config.discardExtraAddresses && extraAddressesOf(old, facts),
    instanceTags(source, config).length + 1 > tagsLimit &&
      `would pass on more than ${tagsLimit} tags with those of config.json and zero-deploy's own; remove some`,
  ];
  return problems.flatMap((problem) => (problem ? `instance ${id}: ${problem}` : []));
}

/** A protected instance, old or left over, would stop the rolling update half-way. */
export function protectionProblems(
  leaving: readonly Instance[],
  { protectedIds }: InstanceFacts,
  { liftTerminationProtection }: Config,
): string[] {
  if (liftTerminationProtection) return [];
  return leaving
    .filter(({ id }) => protectedIds.has(id))
    .map(
      ({ id }) =>
        `instance ${id}: is protected from termination; turn that off (disableApiTermination), or set "lift-termination-protection": true`,
    );
}

function managerOf({ tags, source }: Instance): string | undefined {
  const { Operator } = source;
  const by = "which would replace it itself";
  if (Operator?.Managed) return `is managed by ${Operator.Principal}, ${by}; update it there`;
  for (const [pattern, manager, remedy] of managers) {
    const key = Object.keys(tags).find((one) => pattern.test(one));
    if (key !== undefined) return `belongs to ${manager} (${key}: ${tags[key]}), ${by}; ${remedy}`;
  }
  return undefined;
}

function extraVolumesOf({ source }: Instance): string | undefined {
  const extra = (source.BlockDeviceMappings ?? []).filter(
    ({ DeviceName }) => DeviceName !== source.RootDeviceName,
  );
  if (extra.length === 0) return undefined;
  const named = extra.map(({ DeviceName, Ebs }) => `${Ebs?.VolumeId} (${DeviceName})`);
  return `has beside its root ${named.join(", ")}, whose data its replacement would not have; move the data, or set "discard-extra-volumes": true`;
}

/** An address is lost with its instance, and cannot be its replacement's while both serve. */
function extraAddressesOf({ id, source }: Instance, { elasticIps }: InstanceFacts) {
  const interfaces = source.NetworkInterfaces ?? [];
  const secondary = interfaces.flatMap(({ PrivateIpAddresses = [] }) =>
    PrivateIpAddresses.flatMap(({ Primary, PrivateIpAddress }) =>
      Primary === false ? (PrivateIpAddress ?? []) : [],
    ),
  );
  const prefixes = interfaces.flatMap(({ Ipv4Prefixes = [], Ipv6Prefixes = [] }) => [
    ...Ipv4Prefixes.flatMap(({ Ipv4Prefix }) => Ipv4Prefix ?? []),
    ...Ipv6Prefixes.flatMap(({ Ipv6Prefix }) => Ipv6Prefix ?? []),
  ]);
  const elastic = elasticIps.get(id) ?? [];
  const found = [
    elastic.length > 0 && `the Elastic IP address ${elastic.join(" and ")}`,
    interfaces.length > 1 && `${interfaces.length} network interfaces`,
    secondary.length > 0 && `the secondary address ${secondary.join(" and ")}`,
    prefixes.length > 0 && `the address prefix ${prefixes.join(" and ")}`,
  ].filter(Boolean);
  if (found.length === 0) return undefined;
  return `has ${found.join(", ")}, which its replacement would not have; take that off, or set "discard-extra-addresses": true`;
}
