import { explain } from "../../../src/aws/errors.ts";
import { DeployError } from "../../../src/errors.ts";
import type { Transition } from "../../../src/simulator/world.ts";

/** What happened, a line each, in order. */
export interface Trace {
  /** Everything. */
  readonly lines: readonly string[];
  /** What changed, and what happened to whom; without the requests that only made it so. */
  readonly short: readonly string[];
  add(atMs: number, what: string): void;
  request(atMs: number, what: string): void;
  transition(transition: Transition): void;
}

/** A trace that keeps everything. Times are in seconds since `startMs`. */
export function createTrace(startMs: number): Trace {
  const lines: string[] = [];
  const short: string[] = [];
  const lineOf = (atMs: number, what: string) =>
    `${((atMs - startMs) / 1000).toFixed(3).padStart(10)} s  ${what}`;
  const add = (atMs: number, what: string) => {
    lines.push(lineOf(atMs, what));
    short.push(lineOf(atMs, what));
  };
  return {
    lines,
    short,
    add,
    request: (atMs, what) => lines.push(lineOf(atMs, what)),
    transition(transition) {
      const what = describe(transition);
      if (what !== undefined) add(transition.atMs, `${what}${causeOf(transition)}`);
    },
  };
}

/** A trace that keeps nothing, and costs no time. */
export const noTrace: Trace = { lines: [], short: [], add() {}, request() {}, transition() {} };

function describe(transition: Transition): string | undefined {
  if (transition.kind === "instance") {
    const { before, after } = transition;
    const changes = [
      [before?.state ?? "none", after?.state ?? "none"],
      [`answers ${before?.answer}`, `answers ${after?.answer}`],
      [`instance check ${before?.instanceCheck}`, after?.instanceCheck],
      [`${before?.tags.length} tags`, `${after?.tags.length} tags`],
    ].filter(([was, is]) => was !== is && !(before === undefined && was !== "none"));
    const ami = before === undefined ? ` (${after?.imageId})` : "";
    const what = changes.map(([was, is]) => `${was} -> ${is?.replace("answers ", "")}`).join(", ");
    return what === "" ? undefined : `${after?.id}${ami} ${what}`;
  }
  if (transition.kind === "target") {
    const { before, after } = transition;
    const one = after ?? before;
    const [was, is] = [before, after].map((target) => target?.state ?? "none");
    if (was === is && before?.registered === after?.registered) return undefined;
    return `${one?.instanceId}:${one?.port} ${one?.targetGroupArn.split("/")[1]} ${was} -> ${is}`;
  }
  return undefined;
}

function causeOf({ cause }: Transition): string {
  if (cause.by === "request") return `  by ${cause.caller ?? "somebody"}, ${cause.action}`;
  return cause.by === "control" ? "  from outside" : "";
}

/** How a run ended, in one line. */
export function endOf(error: unknown): string {
  if (error === undefined) return "ends with 0";
  if (error instanceof DeployError) {
    return [`ends with ${error.code}: ${error.message}`, ...error.problems].join("; ");
  }
  return `ends: ${explain(error)}`;
}
