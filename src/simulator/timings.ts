import type { Range } from "./random.ts";

/**
 * How long things take, in milliseconds; each is drawn anew from its range for every instance or
 * target.
 */
export interface Timings {
  readonly pendingToRunning: Range;
  readonly pendingToTerminated: Range;
  /** From running until both status checks have a result. */
  readonly statusChecks: Range;
  /** From running until the application answers. */
  readonly appBoot: Range;
  readonly slowAppBoot: Range;
  /** How long the application of a flaky image answers well, and then badly. */
  readonly flakyGood: Range;
  readonly flakyBad: Range;
  readonly shuttingDown: Range;
  readonly stopping: Range;
  readonly terminatedShowsTags: Range;
  readonly terminatedIsVisible: Range;
  readonly applicationRegistration: Range;
  readonly networkRegistration: Range;
  /** For how long a load balancer goes on sending new requests to a target that was deregistered. */
  readonly applicationDeregistration: Range;
  readonly networkDeregistration: Range;
  /**
   * From terminated until a target nobody deregistered shows as draining, and from there until it
   * leaves lists.
   */
  readonly abandonedIsNoticed: Range;
  readonly abandonedIsListed: Range;
}

/**
 * Times seen on real AWS: seconds to run, minutes to pass status checks, a minute to terminate, an
 * hour to vanish.
 */
export const DEFAULT_TIMINGS: Timings = {
  pendingToRunning: [10_000, 20_000],
  pendingToTerminated: [5_000, 15_000],
  statusChecks: [120_000, 240_000],
  appBoot: [20_000, 45_000],
  slowAppBoot: [240_000, 330_000],
  flakyGood: [180_000, 240_000],
  flakyBad: [90_000, 120_000],
  shuttingDown: [40_000, 60_000],
  stopping: [20_000, 40_000],
  terminatedShowsTags: [1_500_000, 2_400_000],
  terminatedIsVisible: [3_600_000, 3_600_000],
  applicationRegistration: [3_000, 12_000],
  networkRegistration: [90_000, 180_000],
  applicationDeregistration: [15_000, 20_000],
  networkDeregistration: [110_000, 120_000],
  abandonedIsNoticed: [5_000, 15_000],
  abandonedIsListed: [30_000, 60_000],
};
