import type { Range } from "./random.ts";

/** What came of one request to the load balancer, as its client saw it. */
export interface RequestResult {
  readonly kind: "short" | "long";
  /** The instance that answered; undefined when none did. */
  readonly instanceId?: string;
  /** From the first byte sent to the last one received, in milliseconds. */
  readonly tookMs: number;
  /** Why it failed; undefined: it did not. */
  readonly failure?: Failure;
}

/**
 * How a request can fail: with an answer of the load balancer itself, with a bad one of the instance, or with none
 * (whole) at all.
 */
export type Failure =
  | "502 Bad Gateway"
  | "503 Service Unavailable"
  | "504 Gateway Time-out"
  | `${number} from the instance`
  | "cut off in the middle"
  | "connection lost";

/** The load balancer's own answers (ALB guide, troubleshooting). */
export const LOAD_BALANCER_ERRORS = {
  502: "502 Bad Gateway",
  503: "503 Service Unavailable",
  504: "504 Gateway Time-out",
} as const satisfies Record<number, Failure>;

/** How long a short request takes to answer, in simulated milliseconds. */
export const SHORT_REQUEST_MS: Range = [100, 1500];

/** For how long new requests may still come after a deregistration, and some time for the last of them, in seconds. */
const TAIL_SECONDS = 30;

/**
 * How long the long requests last, in whole simulated seconds: most of the deregistration delay, but so that even one
 * sent to a target after it was deregistered can end within it. Zero: there is no room for any.
 */
export function longRequestSeconds(delaySeconds: number, tailSeconds = TAIL_SECONDS): number {
  return Math.max(0, Math.floor(Math.min(0.8 * delaySeconds, delaySeconds - tailSeconds)));
}
