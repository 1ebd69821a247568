import type { Service } from "./query.ts";
import { createRandom } from "./random.ts";

/** A request as faults see it, before AWS does. */
export interface FaultRequest {
  readonly service: Service;
  readonly action: string;
  /** Counts the requests of one client, all services together, from 1. */
  readonly sequence: number;
  /** What it asks for, and when: the same, in whatever order requests come that are made at once. */
  readonly name: string;
  /** Parameters as sent: `InstanceId.1`. */
  readonly params: ReadonlyMap<string, string>;
  /** Virtual time, in milliseconds. */
  readonly atMs: number;
}

/**
 * What can go wrong with a request: `throttle` RequestLimitExceeded 503 (EC2) or Throttling 400
 * (ELB), not executed; `serverError` InternalError 500, not executed; `error` any other answer of
 * AWS, not executed; `reset` the connection is reset on the way there, not executed; `lostResponse`
 * executed, and the connection is reset on the way back; `crashBefore` and `crashAfter` the
 * client's process ends before the request, or after it was executed.
 */
export type Fault =
  | { readonly kind: "throttle" }
  | { readonly kind: "serverError" }
  | {
      readonly kind: "error";
      readonly status: number;
      readonly code: string;
      readonly message: string;
    }
  | { readonly kind: "reset" }
  | { readonly kind: "lostResponse" }
  | { readonly kind: "crashBefore" }
  | { readonly kind: "crashAfter" };

/** Consulted for every request; undefined lets it pass. */
export type Faults = (request: FaultRequest) => Fault | undefined;

/**
 * Stands for the end of the client's process: once thrown, the handler that threw it refuses every
 * request with it.
 */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/** The error of a connection that was reset, as node raises it. */
export function connectionReset(): Error {
  return Object.assign(new Error("read ECONNRESET"), {
    code: "ECONNRESET",
    errno: -104,
    syscall: "read",
  });
}

/** The first fault any of `faults` has for a request. */
export function firstOf(...faults: readonly Faults[]): Faults {
  return (request) => {
    for (const fault of faults) {
      const found = fault(request);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** The same fault for the requests `when` picks. */
export function faultWhen(when: (request: FaultRequest) => boolean, fault: Fault): Faults {
  return (request) => (when(request) ? fault : undefined);
}

/** `fault` for the first `times` requests of one action, and none after that. */
export function firstRequests(action: string, times: number, fault: Fault): Faults {
  let left = times;
  return (request) => {
    if (request.action !== action || left === 0) return undefined;
    left -= 1;
    return fault;
  };
}

/** How likely each fault is for any one request: 0 never, 1 always. */
export interface FaultRates {
  readonly throttle?: number;
  readonly serverError?: number;
  readonly reset?: number;
  readonly lostResponse?: number;
}

/**
 * Faults by chance, the same for the same seed and the same requests. At most one of the rates hits
 * a request.
 */
export function randomFaults(seed: number, rates: FaultRates): Faults {
  const random = createRandom(seed);
  return ({ service, action, sequence }) => {
    let chance = random.unit(`${service}:${action}:${sequence}`);
    for (const kind of ["throttle", "serverError", "reset", "lostResponse"] as const) {
      chance -= rates[kind] ?? 0;
      if (chance < 0) return { kind };
    }
    return undefined;
  };
}
