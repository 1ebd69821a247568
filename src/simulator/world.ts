import type { LoadBalancer, Target, TargetGroup } from "./balancer-records.ts";
import type { Listener } from "./listener-records.ts";
import { type Prober, plannedProber } from "./probe.ts";
import { createRandom, type Random } from "./random.ts";
import type {
  Image,
  Instance,
  InstanceType,
  KeyPair,
  LaunchRequest,
  SecurityGroup,
  Subnet,
  Tag,
  Volume,
} from "./records.ts";
import { createTable, type Table } from "./table.ts";
import { DEFAULT_TIMINGS, type Timings } from "./timings.ts";
import type { BucketLevel } from "./token-buckets.ts";

/** Who made a change: a request of the API, time alone, or a test acting from outside. */
export type Cause =
  | {
      readonly by: "request";
      readonly service: string;
      readonly action: string;
      /** The client, where it has a name. */
      readonly caller?: string;
    }
  | { readonly by: "time" }
  | { readonly by: "control" };

/**
 * One record before and after a change; `before` is undefined for a new one, `after` for one that
 * is gone.
 */
export type Transition = { readonly atMs: number; readonly cause: Cause } & (
  | { readonly kind: "instance"; readonly before?: Instance; readonly after?: Instance }
  | { readonly kind: "target"; readonly before?: Target; readonly after?: Target }
  | { readonly kind: "volume"; readonly before?: Volume; readonly after?: Volume }
);

/** What the account may use at most. */
export interface Quotas {
  /** vCPUs of On-Demand instances, of all types together. Default: any number. */
  vcpus?: number;
}

/** All state of a simulated account in one region, and its time. */
export interface World {
  readonly region: string;
  readonly accountId: string;
  readonly startMs: number;
  readonly random: Random;
  readonly timings: Timings;
  readonly instances: Table<Instance>;
  readonly volumes: Table<Volume>;
  readonly targets: Table<Target>;
  readonly images: Map<string, Image>;
  readonly instanceTypes: Map<string, InstanceType>;
  readonly subnets: Map<string, Subnet>;
  readonly securityGroups: Map<string, SecurityGroup>;
  readonly keyPairs: Map<string, KeyPair>;
  /** ARNs. */
  readonly instanceProfiles: Set<string>;
  readonly targetGroups: Map<string, TargetGroup>;
  readonly loadBalancers: Map<string, LoadBalancer>;
  readonly listeners: Map<string, Listener>;
  /** Tags of load balancers, target groups, listeners and rules, by ARN. */
  readonly elbTags: Table<readonly Tag[]>;
  /** By client token and its scope. */
  readonly launchRequests: Map<string, LaunchRequest>;
  /** The token buckets that requests have taken from. */
  readonly buckets: Map<string, BucketLevel>;
  /** The ports that the application of every instance listens on. */
  readonly applicationPorts: Set<number>;
  /** How health checks are made. */
  readonly prober: Prober;
  /** What the caller may not do, as IAM names it: `ec2:RunInstances`, `iam:PassRole`. */
  readonly deniedActions: Set<string>;
  /** Zones that answer every launch with InsufficientInstanceCapacity. */
  readonly zonesWithoutCapacity: Set<string>;
  /** The account's quotas that a test has set; there is no other. */
  readonly quotas: Quotas;
  /** Health checks that are waiting for their time, so that none is made twice. */
  readonly scheduledChecks: Set<string>;
  /** The time of the event being processed, else the clock's. */
  nowMs(): number;
  /** Lets everything happen that is due by the clock's time, in time order. */
  advance(): void;
  /** Lets `run` happen at `atMs`. */
  schedule(atMs: number, run: () => void): void;
  /** Runs `act` now; its changes carry `cause`. */
  actAs<T>(cause: Cause, act: () => T): T;
  /** Tells `listener` of every change from now on; the answer ends that. */
  onTransition(listener: (transition: Transition) => void): () => void;
  /** Numbers of a sequence that names things: 1, 2, 3. */
  next(sequence: string): number;
}

/** What a world is made from. */
export interface WorldOptions {
  readonly clock: { now(): number };
  readonly seed: number;
  readonly region: string;
  readonly timings?: Partial<Timings>;
  /** How health checks are made. Default: by the plan of the instance's image. */
  readonly prober?: Prober;
}

/** The account every simulated world belongs to. */
export const ACCOUNT_ID = "123456789012";

/**
 * Superseded records stay readable this long, in milliseconds: far longer than any lag a read may
 * have.
 */
const HISTORY_MS = 15 * 60_000;

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

/**
 * Makes an empty world. It moves only when asked: every request and every control first lets what
 * is due happen.
 */
export function createWorld(options: WorldOptions): World {
  const { clock, seed, region, timings, prober = plannedProber } = options;
  const startMs = clock.now();
  const events: Event[] = [];
  const listeners = new Set<(transition: Transition) => void>();
  const sequences = new Map<string, number>();
  let eventMs: number | undefined;
  let hasBegun = false;
  let cause: Cause = { by: "time" };

  const nowMs = () => eventMs ?? clock.now();
  const tell = (transition: Transition) => {
    for (const listener of listeners) listener(transition);
  };
  // What is put in before the world begins to move has always been there, for lagging reads too.
  const changeMs = () => (hasBegun ? nowMs() : Number.NEGATIVE_INFINITY);
  const tableOf = <T>(kind: Transition["kind"]) =>
    createTable<T>({
      nowMs: changeMs,
      historyMs: HISTORY_MS,
      onChange: (before, after) =>
        tell({ atMs: nowMs(), cause, kind, before, after } as Transition),
    });

  const world: World = {
    region,
    accountId: ACCOUNT_ID,
    startMs,
    random: createRandom(seed),
    timings: { ...DEFAULT_TIMINGS, ...timings },
    instances: tableOf<Instance>("instance"),
    volumes: tableOf<Volume>("volume"),
    targets: tableOf<Target>("target"),
    images: new Map(),
    instanceTypes: new Map(),
    subnets: new Map(),
    securityGroups: new Map(),
    keyPairs: new Map(),
    instanceProfiles: new Set(),
    targetGroups: new Map(),
    loadBalancers: new Map(),
    listeners: new Map(),
    elbTags: createTable({ nowMs: changeMs, historyMs: HISTORY_MS, onChange() {} }),
    launchRequests: new Map(),
    buckets: new Map(),
    applicationPorts: new Set(),
    prober,
    deniedActions: new Set(),
    zonesWithoutCapacity: new Set(),
    quotas: {},
    scheduledChecks: new Set(),
    nowMs,
    advance() {
      hasBegun = true;
      // A listener may ask for this in the middle of an event: the loop that runs it goes on
      // anyway.
      if (eventMs !== undefined) return;
      const untilMs = clock.now();
      for (;;) {
        const event = events[0];
        if (event === undefined || event.atMs > untilMs) break;
        events.shift();
        eventMs = event.atMs;
        event.run();
      }
      eventMs = undefined;
    },
    schedule(atMs, run) {
      let index = events.length;
      while (index > 0 && (events[index - 1] as Event).atMs > atMs) index -= 1;
      events.splice(index, 0, { atMs, run });
    },
    actAs(nextCause, act) {
      world.advance();
      const previous = cause;
      cause = nextCause;
      try {
        return act();
      } finally {
        cause = previous;
      }
    },
    onTransition(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    next(sequence) {
      const number = (sequences.get(sequence) ?? 0) + 1;
      sequences.set(sequence, number);
      return number;
    },
  };
  return world;
}
