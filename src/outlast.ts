import { explain, isTransient, isUnknownInstance } from "./aws/errors.ts";
import type { Clock } from "./clock.ts";
import { DeployError } from "./errors.ts";

/** How often to try again while AWS does not answer. */
const retrySeconds = 5;

/** How {@link outlast} tries. */
export interface Patience {
  readonly clock: Clock;
  /** How long AWS may go without an answer. */
  readonly limitSeconds: number;
  /** Told when an outage begins, with what AWS said last. */
  readonly onOutage: (reason: string) => void;
  /** Ends the patience. */
  readonly signal?: AbortSignal;
}

/**
 * Repeats something that changes nothing until AWS answers: throttling, 5xx and network errors only slow it down.
 * @returns the answer, and for how long there was none, in milliseconds
 * @throws DeployError when AWS stays away longer than the limit, or after a signal; whatever else `attempt` throws
 */
export async function outlast<T>(
  attempt: () => Promise<T>,
  { clock, limitSeconds, onOutage, signal }: Patience,
): Promise<{ value: T; outageMs: number }> {
  const startMs = clock.now();
  for (let isFirst = true; ; isFirst = false) {
    const attemptMs = clock.now();
    try {
      return { value: await attempt(), outageMs: attemptMs - startMs };
    } catch (error) {
      if (!isTransient(error) && !isUnknownInstance(error)) throw error;
      const seconds = (clock.now() - startMs) / 1000;
      if (seconds >= limitSeconds || signal?.aborted) {
        const message = `AWS has not answered for ${Math.round(seconds)} s: ${explain(error)}`;
        const hint = "check the network and the region, and run the same command again";
        throw new DeployError("AwsUnreachable", message, { cause: error, hint });
      }
      if (isFirst) onOutage(explain(error));
    }
    await clock.sleep(retrySeconds * 1000, signal);
  }
}

/** The same client, each of whose calls outlasts an outage; for calls that change nothing. */
export function patient<C extends { send(...args: never[]): unknown }>(
  client: C,
  patience: Patience,
): C {
  const send = async (command: object) => {
    const attempt = async () => client.send(command as never);
    try {
      return (await outlast(attempt, patience)).value;
    } catch (error) {
      // A refusal does not always say what was refused.
      const action = command.constructor.name.replace(/Command$/, "");
      throw error instanceof Error ? Object.assign(error, { action }) : error;
    }
  };
  return new Proxy(client, {
    get: (target, key) => (key === "send" ? send : Reflect.get(target, key, target)),
  });
}
