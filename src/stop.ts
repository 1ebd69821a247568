import { setMaxListeners } from "node:events";

/** Exit codes of a process ended by a signal, as shells report them: 128 plus the signal's number. */
export const signalExitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that asks the program to stop. */
export type StopSignal = keyof typeof signalExitCodes;

/** What the first signal sets off. */
export interface Stop {
  /** Aborted by the first signal, whose name is its reason. */
  readonly signal: AbortSignal;
  /** Signals do again what they do by themselves. */
  dispose(): void;
}

/**
 * The first signal asks the program to stop, the second leaves at once.
 * @param isNpx whether npx started the program
 * @param onLeave told right before the program leaves at once
 */
export function stopOnSignal(isNpx: boolean, onLeave: () => void): Stop {
  const controller = new AbortController();
  // Many calls may wait for it at once, while AWS is away; that is no leak, of which Node.js would warn the user.
  setMaxListeners(0, controller.signal);
  const onSignal = (signal: StopSignal) => {
    if (controller.signal.aborted) {
      onLeave();
      process.exit(signalExitCodes[signal]);
    }
    controller.abort(signal);
  };
  const signals = Object.keys(signalExitCodes) as StopSignal[];
  for (const signal of signals) process.on(signal, onSignal);
  // npx starts the program through a shell and passes no signal on that is sent to it alone: then all that can be seen
  // is that the shell is gone.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (!isNpx || process.ppid === parent) return;
    clearInterval(watch);
    if (!controller.signal.aborted) onSignal("SIGTERM");
  }, 500).unref();
  return {
    signal: controller.signal,
    dispose: () => {
      clearInterval(watch);
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
