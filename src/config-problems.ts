import { closestMatch } from "leven";
import type { z } from "zod";

/**
 * What is wrong, one sentence for each mistake: where, what was found, how to mend it.
 * @param flags values given on the command line, which are named as flags
 * @param topKeys the keys a file may have
 */
export function describeIssue(
  issue: z.core.$ZodIssue,
  input: unknown,
  flags: object,
  topKeys: readonly string[],
): string[] {
  const path = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    const known = issue.path.length === 0 ? topKeys : ["arn"];
    return issue.keys.map((key) => {
      const near = closestMatch(key, known, { maxDistance: Math.ceil(key.length / 3) });
      const mend = near === undefined ? "remove it" : `did you mean "${near}"?`;
      return `${pathOf([...issue.path, key])}: is not a known key; ${mend}`;
    });
  }
  const message =
    issue.code === "invalid_key" ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  const found = issue.path.reduce<unknown>(
    (value, key) => (isObject(value) || Array.isArray(value) ? (value as never)[key] : undefined),
    input,
  );
  const where = path === "" ? "the file" : path in flags ? `--${path}` : path;
  const state = found === undefined ? "is missing" : `is ${abbreviate(JSON.stringify(found))}`;
  return [`${where}: ${state}; ${message}`];
}

/** `tags.Team`, `security-group-id[0]` */
function pathOf(keys: readonly PropertyKey[]): string {
  return keys.reduce<string>((path, key) => {
    if (typeof key === "number") return `${path}[${key}]`;
    return path === "" ? String(key) : `${path}.${String(key)}`;
  }, "");
}

function abbreviate(value: string): string {
  return value.length > 80 ? `${value.slice(0, 79)}…` : value;
}

/** An object as JSON has it. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
