/** What went wrong, as a word that scripts can match in `--output json`. */
export type DeployErrorCode =
  | "ConfigInvalid"
  | "PreflightFailed"
  | "CredentialsMissing"
  | "AccessDenied"
  | "AwsError"
  | "AwsUnreachable"
  | "Locked"
  | "LockLost"
  | "ReplacementFailed"
  | "Interrupted"
  | "SimulationFailed";

/** The parts of a {@link DeployError} beside its code and message. */
export interface DeployErrorDetails {
  /** Every problem found, where there can be several; one sentence each. */
  problems?: readonly string[];
  /** What to do next; one sentence. */
  hint?: string;
  /** The command that finishes what is left. */
  rerun?: string;
  cause?: unknown;
}

/** A failure that a user can cause or has to know of: printed without a stack trace. */
export class DeployError extends Error {
  readonly code: DeployErrorCode;
  readonly problems: readonly string[];
  readonly hint: string | undefined;
  readonly rerun: string | undefined;

  constructor(code: DeployErrorCode, message: string, details: DeployErrorDetails = {}) {
    super(message, { cause: details.cause });
    this.name = "DeployError";
    this.code = code;
    this.problems = details.problems ?? [];
    this.hint = details.hint;
    this.rerun = details.rerun;
  }
}

/** The end of a run that a signal stopped before it changed anything. */
export function interruptedEarly(): DeployError {
  return new DeployError("Interrupted", "Interrupted before the first change; nothing was changed");
}
