import { AwsError } from "./errors.ts";
import type { Fields, ParsedFields } from "./params.ts";
import type { WireRecord } from "./records.ts";
import type { World } from "./world.ts";

/** What an action may look at. */
export interface ActionContext {
  readonly world: World;
  /** Reads answer the world as it was then; undefined: as it is. In milliseconds. */
  readonly asOfMs?: number;
}

/** One action of a service: the parameters it understands, and what it does with them. */
export interface Action {
  readonly fields: Fields;
  /** True for actions that change something; those look after DryRun themselves. */
  readonly mutates: boolean;
  /** The tables that an answer comes from, where nothing else in it ever changes. */
  readonly tables?: readonly ("instances" | "volumes" | "targets")[];
  readonly run: (context: ActionContext, parameters: never) => WireRecord;
}

/**
 * Defines an action; its parameters are typed by the fields it declares. Throws from `run` are
 * AwsErrors.
 */
export function defineAction<const F extends Fields>(action: {
  readonly fields: F;
  readonly mutates?: boolean;
  readonly tables?: Action["tables"];
  readonly run: (context: ActionContext, parameters: ParsedFields<F>) => WireRecord;
}): Action {
  return { mutates: false, ...action };
}

/** What a permitted request with DryRun is answered with (RunInstances, DryRun). */
export function dryRunSucceeded(): AwsError {
  return new AwsError(
    "DryRunOperation",
    "Request would have succeeded, but DryRun flag is set.",
    412,
  );
}
