import { styleText } from "node:util";
import pino from "pino";
import type { Phase } from "./needs.ts";

/** The name of every event, as `--output json` shows it in "event". */
export type EventName =
  | "notice"
  | "account"
  | "plan"
  | "lock"
  | "started"
  | "adopted"
  | Phase
  | "launched"
  | "waiting"
  | "terminated"
  | "trouble"
  | "stopping"
  | "completed"
  | "nothing-to-do"
  | "simulation"
  | "changed"
  | "report"
  | "error";

/** One thing that happened, for a person (`message`) and for a program (everything else). */
export interface LogEvent {
  readonly event: EventName;
  readonly message: string;
  /** Which slot of how many it is about. */
  readonly slot?: number;
  readonly slots?: number;
  readonly instance?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  /** More lines for a person, who cannot read `details`. */
  readonly lines?: readonly string[];
}

/** Takes what happens, as it happens. */
export type Log = (event: LogEvent) => void;

/** Where and how events are written. */
export interface LogOptions {
  readonly output: "text" | "json";
  readonly isColoured: boolean;
  /** Takes whole lines. */
  readonly write: (line: string) => void;
  /** What time it is, in milliseconds since the epoch. Default: the machine's own. */
  readonly now?: () => number;
}

const warnings: ReadonlySet<EventName> = new Set(["notice", "trouble", "impaired", "stopping"]);

const successes: ReadonlySet<EventName> = new Set(["completed", "nothing-to-do", "report"]);

/** Events as NDJSON (time, level, event, slot, …, msg), or as lines for a person. */
export function createLog({ output, isColoured, write, now = Date.now }: LogOptions): Log {
  const json = (line: string) => write(line);
  const text = (line: string) => write(`${toText(JSON.parse(line) as JsonLine, isColoured)}\n`);
  const logger = pino(
    {
      base: null,
      messageKey: "message",
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: output === "json" ? json : text },
  );
  return ({ event, message, details, lines, ...rest }) => {
    const level = event === "error" ? "error" : warnings.has(event) ? "warn" : "info";
    const more = output === "text" ? { lines } : {};
    logger[level]({ event, ...rest, ...details, ...more }, message);
  };
}

type JsonLine = LogEvent & {
  level: string;
  time: string;
  problems?: string[];
  hint?: string;
  rerun?: string;
};

function toText(line: JsonLine, isColoured: boolean): string {
  const paint = (style: Parameters<typeof styleText>[0], text: string) =>
    isColoured ? styleText(style, text, { validateStream: false }) : text;
  const time = paint("dim", new Date(line.time).toTimeString().slice(0, 8));
  const slot = line.slot === undefined ? "" : `${paint("cyan", `[${line.slot}/${line.slots}]`)} `;
  const message =
    line.level === "error"
      ? paint(["red", "bold"], line.message)
      : line.level === "warn"
        ? paint("yellow", line.message)
        : successes.has(line.event)
          ? paint(["green", "bold"], line.message)
          : line.message;
  const rest = (line.problems ?? []).map((problem) => `  - ${problem}`);
  rest.push(...(line.lines ?? []).map((one) => `  ${one}`));
  if (line.hint) {
    const end = line.hint.endsWith("?") ? "" : ".";
    rest.push(`  ${line.hint.charAt(0).toUpperCase()}${line.hint.slice(1)}${end}`);
  }
  // Alone on its line, to be copied.
  if (line.rerun) rest.push("  To finish the rollout, run:", `    ${line.rerun}`);
  return [`${time} ${slot}${message}`, ...rest].join("\n");
}
