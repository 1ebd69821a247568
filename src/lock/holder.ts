import { createHash, randomBytes } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { toTagValue } from "./lease.ts";

/** Who this run is to other runs, and what it can tell of them. */
export interface Holder {
  /** Unique for every run. */
  readonly owner: string;
  /** The host's name, and what tells its boot and its PID namespace from all others. */
  readonly host: string;
  /** The process id, and what tells this process from a later one of the same id. */
  readonly process: string;
  /** Where the build that started it can be looked at. */
  readonly build: string;
  /** What time it is here, in milliseconds since the epoch; other hosts may have another. */
  wallMs(): number;
  /** Whether it was a process of this same host, and has ended. In doubt it has not. */
  hasEnded(other: { readonly host: string; readonly process: string }): boolean;
}

/** This very process. */
export function thisProcess(): Holder {
  const { host, isSure } = thisHost();
  return {
    owner: randomBytes(8).toString("hex"),
    host,
    process: processOf(process.pid, startOf(process.pid)),
    build: buildUrl(process.env),
    wallMs: Date.now,
    hasEnded: (other) => isSure && other.host === host && !isAlive(other.process),
  };
}

/**
 * The build's address as Jenkins or GitHub Actions tell it, without a user's name or password; "none" elsewhere.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/variables
 */
export function buildUrl(env: Readonly<Record<string, string | undefined>>): string {
  const { BUILD_URL, GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID } = env;
  const github =
    GITHUB_SERVER_URL && GITHUB_REPOSITORY && GITHUB_RUN_ID
      ? `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}/actions/runs/${GITHUB_RUN_ID}`
      : "none";
  return (BUILD_URL || github).replace(/\/\/[^/]*@/, "//");
}

/** A process id says something only within one boot and one PID namespace: a container has one of its own. */
function thisHost(): { host: string; isSure: boolean } {
  // Two hosts may have the same name, and there is nothing to tell them apart.
  if (process.platform !== "linux") return { host: toTagValue(hostname()), isSure: false };
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    const namespace = readlinkSync("/proc/self/ns/pid");
    const print = createHash("sha256").update(`${boot} ${namespace}`).digest("hex").slice(0, 12);
    return { host: toTagValue(`${hostname().slice(0, 200)}/${print}`), isSure: true };
  } catch {
    return { host: toTagValue(hostname()), isSure: false };
  }
}

function processOf(pid: number, start: string | undefined): string {
  return start === undefined ? String(pid) : `${pid}@${start}`;
}

/** Whether a process of this host may still run: not when its id is nobody's, or that of a process started later. */
export function isAlive(holder: string): boolean {
  const [, id, start] = /^(\d+)(?:@(\d+))?$/.exec(holder) ?? [];
  if (id === undefined) return true;
  const pid = Number(id);
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, as somebody else.
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  const now = startOf(pid);
  return now === undefined || (now !== "ended" && (start === undefined || now === start));
}

/**
 * When a process started, in the kernel's ticks since the boot; "ended" where only its entry is left; undefined where
 * the system does not say. Its name, which may hold anything, stands in brackets before the fields that count.
 * https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html (fields 3 and 22)
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? "ended" : fields[19];
  } catch {
    return undefined;
  }
}
