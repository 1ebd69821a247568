import type { Caller } from "./aws/sts.ts";
import type { Config } from "./config.ts";
import { DeployError } from "./errors.ts";
import type { Launches, LaunchTemplate } from "./launch.ts";
import type { Plan } from "./needs.ts";
import { type AwsClients, deriveLaunches } from "./observe.ts";
import { accountProblems, readBasics, readCaller } from "./preflight/basics.ts";
import { type FleetSight, readFleet } from "./preflight/fleet.ts";
import { frontProblems, targetProblems } from "./preflight/front-rules.ts";
import { oldInstanceProblems, protectionProblems } from "./preflight/instance-rules.ts";
import { launchProblems } from "./preflight/launch-rules.ts";
import { noticesOf } from "./preflight/notices.ts";
import {
  dryRunProblems,
  inTurns,
  readInstanceFacts,
  strangerProblems,
} from "./preflight/probes.ts";
import { createReader } from "./preflight/reader.ts";
import { subnetProblems } from "./preflight/subnet-rules.ts";
import { type Fleet, healthyAtStart, isUnfinished } from "./slots.ts";
import type { Snapshot } from "./snapshot.ts";

/** What a run needs to know before its first change. */
export interface Preflight {
  readonly plan: Plan;
  readonly template: LaunchTemplate;
  readonly fleet: Fleet;
  readonly snapshot: Snapshot;
  /** The launches of replacements, made or still to be made, by the id of the instance replaced. */
  readonly launches: ReadonlyMap<string, Launches>;
  /** How many places of the fleet need something, and how many do not. */
  readonly pending: number;
  readonly upToDate: number;
  /** Ids of the instances in service. */
  readonly served: ReadonlySet<string>;
  /** What the user should know though it stops nothing. */
  readonly notices: readonly string[];
}

/** What a preflight goes by. */
export interface PreflightRequest {
  readonly config: Config;
  readonly ami: string;
  readonly isUnhealthyAllowed: boolean;
  /** The instance that the program runs on, if it runs on one. */
  readonly ownInstanceId: Promise<string | undefined>;
  readonly nowMs: number;
  /** Told whom the credentials belong to, as soon as that is known. */
  readonly onCaller: (caller: Caller) => void;
}

/**
 * How long load balancers go on sending requests after DeregisterTargets, and half a minute for the last of them to end:
 * up to 20 s and 120 s have been measured by their users, documented is neither.
 */
const drainFloorSeconds = { application: 30, other: 150 };

/** Problems of what a launch is made of, by what they begin with. */
const ofLaunch = /^(AMI |AMIs |ssh-key|security-group-id|instance-type|subnet)/;

/**
 * Every check before the first change; itself it changes nothing.
 * @throws DeployError with every problem found at once
 */
export async function preflight(request: PreflightRequest, aws: AwsClients): Promise<Preflight> {
  const { config, ami, isUnhealthyAllowed } = request;
  const reader = createReader();
  const { report, problems } = reader;
  const [caller, basics] = await Promise.all([
    readCaller(aws),
    readBasics(config, ami, aws, reader),
  ]);
  if (typeof caller !== "string") request.onCaller(caller);
  report(...accountProblems(config, caller));
  report(...launchProblems(config, basics), ...frontProblems(config, basics));
  const sight = await readFleet(config, ami, basics, aws, reader);
  // Without the fleet nothing more can be said.
  if (sight === undefined) throw refusal(config, problems);
  const { fleet, snapshot, template, launches, served } = sight;
  const olds = fleet.slots.flatMap(({ old }) => old ?? []);
  const toLaunch = fleet.slots.flatMap(({ old, replacement }) => (old && !replacement ? old : []));
  const leaving = [...olds, ...fleet.slots.flatMap(({ retiring }) => retiring)];
  await inTurns(toLaunch, (old) => deriveLaunches(old, template, launches, aws, reader.read));
  const facts = {
    ...(await readInstanceFacts(olds, leaving, launches, aws, reader)),
    ownInstanceId: await request.ownInstanceId,
  };
  report(
    // Who has nothing to replace needs nobody to stand in for it.
    ...targetProblems(sight, basics, olds.length > 0 && !isUnhealthyAllowed),
    ...olds.flatMap((old) => oldInstanceProblems(old, facts, config)),
    ...protectionProblems(leaving, facts, config),
    ...subnetProblems(toLaunch, fleet, config, template, basics),
    ...(await strangerProblems(olds, sight.others, sight.group, aws, reader)),
  );
  const isLaunchWrong = [...problems].some((problem) => ofLaunch.test(problem));
  const requests = { launches: [...launches.values()].flat(), olds, leaving, facts };
  report(...(await dryRunProblems(requests, config, isLaunchWrong, aws)));
  if (problems.size > 0) throw refusal(config, problems);
  const pending = fleet.slots.filter((slot) => isUnfinished(slot) || slot.ending.length > 0);
  return {
    template,
    fleet,
    snapshot,
    launches,
    plan: planOf(request, sight, basics.loadBalancer?.type ?? "application"),
    pending: pending.length,
    upToDate: fleet.slots.length - pending.length,
    served,
    notices: noticesOf(sight, template, caller, request.nowMs),
  };
}

function planOf(
  { config, ami }: PreflightRequest,
  { fleet, snapshot, targetGroups }: FleetSight,
  loadBalancerType: string,
): Plan {
  const floor = loadBalancerType === "application" ? "application" : "other";
  const healthy = targetGroups.map(
    ({ arn }) => [arn, healthyAtStart(fleet, snapshot, arn)] as const,
  );
  return {
    config,
    ami,
    targetGroups,
    loadBalancerType,
    drainFloorSeconds: drainFloorSeconds[floor],
    healthyAtStart: new Map(healthy),
  };
}

function refusal(config: Config, problems: ReadonlySet<string>): DeployError {
  const count = problems.size;
  return new DeployError(
    "PreflightFailed",
    `The rolling update cannot start: ${count} problem${count === 1 ? "" : "s"} in ${config.region}`,
    // They are found several at a time, in whatever order AWS answers.
    { problems: [...problems].sort(), hint: "correct this and run it again; nothing was changed" },
  );
}
