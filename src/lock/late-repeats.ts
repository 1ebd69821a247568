import type { Clock } from "../clock.ts";

/** A call that the SDK repeats is not sent again later than this after it was first sent. */
const repeatsCountMs = 5_000;

interface WithMiddleware {
  readonly middlewareStack?: {
    addRelativeTo(
      middleware: (next: Next) => Next,
      options: { name: string; relation: "after"; toMiddleware: string },
    ): void;
  };
}

type Next = (args: never) => Promise<unknown>;

/**
 * Lets the SDK repeat a call only at once (after throttling, or when it has found the clock to be wrong): repeated after
 * a long silence, the call would land long after it was decided on.
 */
export function dropLateRepeats(command: object, clock: Clock): void {
  const inRetries = (next: Next): Next => {
    let firstMs: number | undefined;
    let failure: unknown;
    return async (args) => {
      firstMs ??= clock.now();
      if (failure !== undefined && clock.now() - firstMs > repeatsCountMs) throw failure;
      return next(args).catch((error: unknown) => {
        failure = error;
        throw error;
      });
    };
  };
  const where = { relation: "after", toMiddleware: "retryMiddleware" } as const;
  (command as WithMiddleware).middlewareStack?.addRelativeTo(inRetries, {
    name: "dropLateRepeats",
    ...where,
  });
}
