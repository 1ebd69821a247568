import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { STSClient } from "@aws-sdk/client-sts";
import { parseConfig } from "../config.ts";
import { deploy } from "../deploy.ts";
import { thisProcess } from "../lock/holder.ts";
import { toEvent } from "../report/failure.ts";
import { imageThatIs } from "./catalog.ts";
import { configFor } from "./fleet.ts";
import { summariseFleet } from "./fleet-summary.ts";
import { createRequestHandler } from "./handler.ts";
import { naiveRollout } from "./naive.ts";
import type { ImageBehaviour } from "./records.ts";
import { openStage, STALE_READS_MS, type Stage, type StageOptions } from "./stage.ts";
import { surpriseOf } from "./surprise.ts";
import { isGood, reportOf } from "./verdict.ts";

/** What is to be simulated. */
export interface SimulateOptions extends StageOptions {
  /** What the new AMI does. */
  readonly behaviour: ImageBehaviour;
  /** Leaves deregistration and draining out. */
  readonly isNaive: boolean;
}

/**
 * Rolls a simulated fleet under real traffic with the very code that rolls a real one, and counts what becomes of the
 * requests.
 * @returns whether no request failed, no rule was broken, and the rollout ended as it should with this AMI
 */
export async function simulate(options: SimulateOptions, signal: AbortSignal): Promise<boolean> {
  const stage = await openStage(options);
  stage.begin();
  const error = await rollOut(stage, options, signal).catch((reason: unknown) => reason);
  if (error !== undefined) {
    // There is nothing to go on with: the fleet ends with the simulation.
    const { details: { rerun: _rerun, ...details } = {}, ...event } = toEvent(error);
    stage.log({ ...event, details });
  }
  const end = { ...options, error, oldIds: stage.aws.oldInstanceIds };
  // What a naive rollout leaves of the fleet is nobody's promise.
  const fleet = options.isNaive ? undefined : summariseFleet(stage.aws);
  const surprise = signal.aborted ? undefined : surpriseOf({ ...end, fleet });
  const outcome = { ...(await stage.close()), surprise };
  stage.log(reportOf(outcome));
  return isGood(outcome);
}

async function rollOut(
  { aws, clock, log }: Stage,
  { maxSurge, behaviour, isNaive }: SimulateOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = {
    region: aws.world.region,
    credentials: { accessKeyId: "simulated", secretAccessKey: "simulated" },
    requestHandler: createRequestHandler(aws, { staleReadsMs: STALE_READS_MS }),
  };
  const ec2 = new EC2Client(client);
  const elbv2 = new ElasticLoadBalancingV2Client(client);
  const sts = new STSClient(client);
  const file = { ...configFor(aws), "max-surge": maxSurge };
  const { config } = parseConfig(JSON.stringify(file), "config.json");
  const ami = imageThatIs(behaviour);
  const holder = { ...thisProcess(), wallMs: clock.now };
  const readOwnInstanceId = async () => undefined;
  const deps = { ec2, elbv2, sts, clock, log, holder, signal, readOwnInstanceId };
  if (isNaive) await naiveRollout(config, ami, deps);
  else await deploy({ config, ami, command: "" }, deps);
}
