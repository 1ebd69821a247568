import {
  awsErrorCode,
  explain,
  isAwsError,
  isUnusableEndpoint,
  toDeployError,
} from "../aws/errors.ts";

/** Reads AWS, and turns what it refuses into a problem, so that one refusal does not hide the next. */
export interface Reader {
  /** Everything found to be wrong, each once. */
  readonly problems: ReadonlySet<string>;
  /** Notes what is wrong. */
  report(...problems: readonly string[]): void;
  /**
   * What `ask` answers; undefined where AWS refuses, which is then among the problems.
   * @param what as a person calls it: "target group my-targets"
   * @throws DeployError where there are no credentials or no endpoint: all else would fail too
   */
  read<T>(what: string, ask: () => Promise<T>): Promise<T | undefined>;
}

/** A reader that has found nothing yet. */
export function createReader(): Reader {
  const problems = new Set<string>();
  return {
    problems,
    report: (...found) => {
      for (const problem of found) problems.add(problem);
    },
    async read(what, ask) {
      try {
        return await ask();
      } catch (error) {
        problems.add(`${what}: ${refusalOf(error, what)}`);
        return undefined;
      }
    },
  };
}

function refusalOf(error: unknown, what: string): string {
  if (!isAwsError(error)) throw error;
  const failure = toDeployError(error, `read ${what}`);
  if (failure.code === "CredentialsMissing" || isUnusableEndpoint(error)) throw failure;
  if (failure.code === "AccessDenied") {
    return `could not be read (${explain(error)}); allow it in the IAM policy`;
  }
  const code = awsErrorCode(error);
  if (code === "AuthFailure") {
    return `may not be used by this account (${explain(error)}); have it shared, or choose another`;
  }
  const isUnknown = /NotFound|InvalidInstanceType|Unavailable|Malformed/.test(code);
  return isUnknown
    ? `does not exist, or not in this region and account (${explain(error)}); correct it`
    : `could not be read (${explain(error)}); run it again`;
}
