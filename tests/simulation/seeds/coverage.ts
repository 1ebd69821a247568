import type { DeployErrorCode } from "../../../src/errors.ts";
import type { EventName } from "../../../src/log.ts";
import { behaviours } from "../../../src/simulator/catalog.ts";
import { eventKinds, troubleKinds } from "./scenario.ts";

/** What is counted: of which kind, and its name. */
export type Occurrence =
  | `fault ${string}`
  | `outside ${string}`
  | `end ${string}`
  | `step ${string}`
  | `event ${string}`
  | `error ${string}`
  | `ami ${string}`;

/** How often things occurred. */
export interface Tally {
  readonly counts: ReadonlyMap<Occurrence, number>;
  count(what: Occurrence, times?: number): void;
}

/** A tally of nothing yet. */
export function createTally(): Tally {
  const counts = new Map<Occurrence, number>();
  return {
    counts,
    count(what, times = 1) {
      counts.set(what, (counts.get(what) ?? 0) + times);
    },
  };
}

/** True: it has to occur. Otherwise why it cannot. */
type Occurs = true | `not here: ${string}`;

const ofTheProgram = "not here: the program's, not the rollout's";

const events: Readonly<Record<EventName, Occurs>> = {
  notice: true,
  account: true,
  plan: "not here: a dry run's",
  lock: true,
  started: true,
  adopted: true,
  launch: true,
  room: true,
  run: true,
  configure: true,
  checks: true,
  impaired: true,
  register: true,
  health: true,
  bake: true,
  capacity: true,
  deregister: true,
  drain: true,
  terminate: true,
  protect: true,
  end: "not here: only that it lasts is told, as waiting",
  launched: true,
  waiting: true,
  terminated: true,
  trouble: true,
  stopping: true,
  completed: true,
  "nothing-to-do": true,
  simulation: ofTheProgram,
  changed: ofTheProgram,
  report: ofTheProgram,
  error: ofTheProgram,
};

const errors: Readonly<Record<DeployErrorCode, Occurs>> = {
  ConfigInvalid: ofTheProgram,
  PreflightFailed: true,
  CredentialsMissing: true,
  AccessDenied: true,
  AwsError: true,
  AwsUnreachable: true,
  Locked: true,
  LockLost: true,
  ReplacementFailed: true,
  Interrupted: true,
  SimulationFailed: ofTheProgram,
};

/** Every step of the rolling update, and of the lock, as a call. */
const steps = [
  "RunInstances",
  "configure",
  "RegisterTargets",
  "DeregisterTargets",
  "TerminateInstances",
  "unprotect",
  "protect",
  "AddTags",
  "RemoveTags",
];

const ends = ["signal", "crashBefore", "crashAfter", "two at once"];

/** Everything that has to occur in thousands of seeds. */
export const mustOccur: readonly Occurrence[] = [
  ...[...troubleKinds, "staleRead"].map((name) => `fault ${name}` as const),
  ...eventKinds.map((name) => `outside ${name}` as const),
  ...ends.map((name) => `end ${name}` as const),
  ...steps.map((name) => `step ${name}` as const),
  ...behaviours.map((name) => `ami ${name}` as const),
  ...namesOf(events).map((name) => `event ${name}` as const),
  ...namesOf(errors).map((name) => `error ${name}` as const),
];

function namesOf(table: Readonly<Record<string, Occurs>>): string[] {
  return Object.keys(table).filter((name) => table[name] === true);
}
