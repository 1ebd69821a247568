import type { Log, LogEvent } from "../log.ts";
import { createSimulatedAws, type SimulatedAws } from "./fleet.ts";
import { watchFleet } from "./gauge.ts";
import { createHosts } from "./hosts.ts";
import { watchInvariants } from "./invariants.ts";
import { type Load, startLoad } from "./load.ts";
import { startLoadBalancer } from "./load-balancer.ts";
import { longRequestSeconds } from "./requests.ts";
import { createRouter } from "./routing.ts";
import { createScaledClock, type ScaledClock } from "./scaled-clock.ts";
import { createTally } from "./tally.ts";
import { causes, type Outcome } from "./verdict.ts";

/** What a fleet with real traffic is made from. */
export interface StageOptions {
  /** How many times faster than real time. */
  readonly speed: number;
  readonly instances: number;
  readonly deregistrationDelaySeconds: number;
  /** How many instances may run beyond the starting number. */
  readonly maxSurge: number;
  readonly seed: number;
  /** Makes the log; its times are those of `now`, in milliseconds since the epoch. */
  readonly openLog: (now: () => number) => Log;
}

/** A simulated AWS whose fleet takes real requests on loopback. */
export interface Stage {
  readonly aws: SimulatedAws;
  readonly clock: ScaledClock;
  readonly log: Log;
  /** Starts the traffic, and says where to find everything. */
  begin(): void;
  /** Sends no more requests, waits for those under way, ends everything, and says what was seen. */
  close(): Promise<Outcome>;
}

/** From one short request to the next, in real milliseconds. */
const REQUEST_EVERY_MS = 5;

/** A delay that may be over before the load balancer's last request to a deregistered target is. */
const SHORT_DELAY_SECONDS = 25;
const CUTS = "When so short a delay is over, the load balancer itself cuts what is in flight";

/** Failed requests are told of together, those of this long at a time, in simulated milliseconds. */
const FAILURES_EVERY_MS = 60_000;

/** How far reads may lag, in simulated milliseconds: AWS says no more of it than "eventually". */
export const STALE_READS_MS = 3_000;

/** Sets up a fleet and its load balancer. */
export async function openStage(options: StageOptions): Promise<Stage> {
  const { speed, instances, seed, deregistrationDelaySeconds, maxSurge } = options;
  const onMove = () => aws.world.advance();
  const clock = createScaledClock({ speed, startMs: Date.now(), onMove });
  const log = options.openLog(clock.now);
  const hosts = createHosts(clock);
  const fleet = { instances, seed, deregistrationDelaySeconds };
  const aws = createSimulatedAws({ ...fleet, clock, prober: hosts });
  const { world, targetGroupArn } = aws;
  const router = createRouter(world);
  await hosts.follow(world);
  const balancer = await startLoadBalancer({ world, clock, router, hosts, targetGroupArn });
  announceAddress(aws, balancer.url);
  const { violations } = watchInvariants(aws, {
    maxSurge,
    onViolation: ({ rule, message }) =>
      log({ event: "trouble", message: `Rule broken: ${rule}: ${message}` }),
  });
  const gauge = watchFleet(world, targetGroupArn);
  const longSeconds = longRequestSeconds(deregistrationDelaySeconds);
  const tally = createTally();
  const lost = tellOfFailures(clock, log);
  let load: Load | undefined;
  return {
    aws,
    clock,
    log,
    begin() {
      log(opening(options, balancer.url, longSeconds));
      load = startLoad({
        url: balancer.url,
        clock,
        everyMs: REQUEST_EVERY_MS,
        longSeconds,
        onResult(result) {
          tally.add(result);
          if (result.failure !== undefined) lost.add(result);
        },
      });
    },
    async close() {
      await load?.stop();
      await balancer.close();
      hosts.close();
      clock.stop();
      lost.tell();
      return { traffic: tally.total(), gauge, violations, longSeconds };
    },
  };
}

/** The load balancer's name is the address where it is truly found, so that whoever looks it up can use it. */
function announceAddress({ world, loadBalancerArn }: SimulatedAws, url: string): void {
  const balancer = world.loadBalancers.get(loadBalancerArn);
  if (balancer === undefined) return;
  world.loadBalancers.set(loadBalancerArn, { ...balancer, dnsName: new URL(url).host });
}

function opening(
  { speed, instances, deregistrationDelaySeconds: delaySeconds }: StageOptions,
  url: string,
  longSeconds: number,
): LogEvent {
  const real = (seconds: number) => `${Math.round((seconds / speed) * 100) / 100} s of real time`;
  const longOnes =
    longSeconds > 0
      ? ` and many that last ${longSeconds} s`
      : ", all short: the delay leaves no room for long ones";
  return {
    event: "simulation",
    message: `Simulating a fleet of ${instances} behind an application load balancer`,
    lines: [
      `Time passes ${speed} times as fast as real time, in AWS and for its requests`,
      `Deregistration delay: ${delaySeconds} s (${real(delaySeconds)})`,
      `Traffic: about ${1000 / REQUEST_EVERY_MS} requests per second of real time${longOnes}`,
      ...(delaySeconds < SHORT_DELAY_SECONDS ? [CUTS] : []),
      `See which instance answers: curl ${url}`,
    ],
    details: { speed, instances, deregistrationDelaySeconds: delaySeconds, loadBalancer: url },
  };
}

/** Tells of failed requests soon after the first one, and not of each. */
function tellOfFailures(clock: ScaledClock, log: Log) {
  let tally = createTally();
  let cancel: (() => void) | undefined;
  const tell = () => {
    const { failed, failures } = tally.total();
    if (failed > 0) {
      const message = `Requests lost: ${causes(failures).join(", ")}`;
      log({ event: "trouble", message, details: { failed, failures } });
    }
    tally = createTally();
    cancel?.();
    cancel = undefined;
  };
  return {
    tell,
    add(result: Parameters<typeof tally.add>[0]) {
      tally.add(result);
      cancel ??= clock.after(FAILURES_EVERY_MS, tell);
    },
  };
}
