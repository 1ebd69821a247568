import type { World } from "../../../src/simulator/world.ts";

/** A fleet as it stood before anything happened to it; what checkers go by. */
export interface Ground {
  readonly world: World;
  /** The target groups that hold the fleet. */
  readonly groups: readonly string[];
  /** Where its instances are registered, each place once. */
  readonly places: readonly { readonly targetGroupArn: string; readonly port: number }[];
  /** Its instances. */
  readonly initial: ReadonlySet<string>;
  /** Instances of the same account that are none of ours. */
  readonly bystanders: ReadonlySet<string>;
  /** Whether its instances are protected from termination. */
  readonly isProtected: boolean;
  /** Whether their source/destination check is off. */
  readonly isForwarding: boolean;
}

/** One start of the program, as checkers know it. */
export interface CheckedRun {
  /** Its name, which the causes of its changes carry. */
  readonly name: string;
  readonly ami: string;
  readonly version: string;
  readonly maxSurge: number;
  readonly startedMs: number;
  /**
   * For how long the run may not know what others did, in milliseconds: how far its reads lag, how long its requests
   * are on their way, and for how long it may act on what it read.
   */
  readonly blindMs: number;
  /** How long a request is on its way, each way, in milliseconds. */
  readonly travelMs: number;
  /** The limit of each single wait. */
  readonly waitingSeconds: number;
  /** Whether answers to its requests may be lost. */
  readonly losesAnswers: boolean;
  /** When a signal asked it to stop, if one did. */
  signalledMs?: number;
  /** How it ended, once it has: what it threw (undefined: nothing), and the notices it gave. */
  ending?: { readonly atMs: number; readonly error: unknown; readonly notices: string };
}

/** What must never happen. */
export const invariants = [
  "capacity-lost",
  "terminated-in-service",
  "surge-exceeded",
  "launched-twice",
  "first-not-alone",
  "unlike",
  "signal-ignored",
  "not-ours",
  "request-cut",
  "lock-ignored",
  "not-up-to-date",
  "left-unlisted",
  "failed-in-vain",
  "bug",
  "endless",
  "not-converged",
  "left-behind",
] as const;

export type Invariant = (typeof invariants)[number];

/** One broken promise. */
export interface Violation {
  readonly atMs: number;
  readonly invariant: Invariant;
  readonly message: string;
}

/** Told of a broken promise, when it breaks. */
export type Report = (invariant: Invariant, message: string) => void;

/** How long a load balancer may go on sending requests to a deregistered target, and the last of them end: in seconds. */
export const floorSeconds = { application: 30, network: 150 } as const;
