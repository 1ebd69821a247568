import { readFile, writeFile } from "node:fs/promises";
import { DeployError } from "../errors.ts";
import type { LogEvent } from "../log.ts";
import { DEFAULT_BEHAVIOURS, IMAGES } from "./catalog.ts";
import { configFor } from "./fleet.ts";
import { type ApiServer, startApiServer } from "./server.ts";
import { openStage, STALE_READS_MS, type Stage, type StageOptions } from "./stage.ts";
import { isGood, reportOf } from "./verdict.ts";
import type { Transition } from "./world.ts";

/** What is to be served. */
export interface ServeOptions extends Omit<StageOptions, "maxSurge"> {
  /** Of the API, on loopback; 0: any that is free. */
  readonly port: number;
  /** Where a configuration that fits the fleet is written. */
  readonly configFile: string;
}

/**
 * Keeps a simulated AWS up for other programs, under real traffic, until `signal` aborts.
 * @returns whether no request failed and no rule was broken
 * @throws DeployError where the port is taken, or the file is there already and says something else
 */
export async function serve(options: ServeOptions, signal: AbortSignal): Promise<boolean> {
  // How many instances other programs may launch at a time is for them to say.
  const stage = await openStage({ ...options, maxSurge: Number.POSITIVE_INFINITY });
  const api = await open(stage, options).catch(async (error: unknown) => {
    await stage.close();
    throw error;
  });
  stage.begin();
  stage.log(invitation(stage, api.url, options.configFile));
  tellOfChanges(stage);
  await aborted(signal);
  await api.close();
  const outcome = await stage.close();
  stage.log(reportOf(outcome));
  return isGood(outcome);
}

async function open({ aws }: Stage, { port, configFile }: ServeOptions): Promise<ApiServer> {
  const { world } = aws;
  const api = await startApiServer({ world, staleReadsMs: STALE_READS_MS, port }).catch(
    (error: NodeJS.ErrnoException) => {
      const why = error.code === "EADDRINUSE" ? "it is taken" : error.message;
      throw new DeployError("SimulationFailed", `port ${port} cannot be served: ${why}`, {
        hint: "name another one with --port <number>, or 0 for any that is free",
        cause: error,
      });
    },
  );
  try {
    await writeConfig(configFile, `${JSON.stringify(configFor(aws), undefined, 2)}\n`);
    return api;
  } catch (error) {
    await api.close();
    throw error;
  }
}

/** What other programs need to know. */
function invitation({ aws }: Stage, endpoint: string, config: string): LogEvent {
  const environment = {
    AWS_ENDPOINT_URL: endpoint,
    AWS_REGION: aws.world.region,
    AWS_DEFAULT_REGION: aws.world.region,
    AWS_ACCESS_KEY_ID: "simulated",
    AWS_SECRET_ACCESS_KEY: "simulated",
  };
  const images = Object.entries(DEFAULT_BEHAVIOURS).filter(([id]) => id !== IMAGES.old);
  const option = config === "config.json" ? "" : ` --config ${config}`;
  return {
    event: "simulation",
    message: `Serving the simulated AWS at ${endpoint} until it is interrupted`,
    lines: [
      "In another terminal:",
      // A profile would win over the two keys.
      "  unset AWS_PROFILE",
      ...Object.entries(environment).map(([name, value]) => `  export ${name}=${value}`),
      `  zero-deploy ${IMAGES.good}${option}`,
      `${config} fits this fleet. The AMIs to deploy, and what they are like:`,
      ...images.map(([id, behaviour]) => `  ${id}  ${behaviour}`),
    ],
    details: { endpoint, environment, config, images: Object.fromEntries(images) },
  };
}

/** Never over a file that somebody else has written. */
async function writeConfig(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: "wx" });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await readFile(file, "utf8").catch(() => "")) === text) return;
    const why = code === "EEXIST" ? "is there already and is not of this simulation" : message;
    throw new DeployError("SimulationFailed", `${file} cannot be written: it ${why}`, {
      hint: "name another one with --config <file>",
      cause: error,
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Says what becomes of instances and targets, whoever's doing it is. */
function tellOfChanges({ aws, log }: Stage): void {
  aws.world.onTransition((transition) => {
    const message = changeOf(transition);
    if (message !== undefined) log({ event: "changed", message });
  });
}

function changeOf({ kind, before, after, cause }: Transition): string | undefined {
  if (kind === "volume") return undefined;
  const state = after?.state;
  if (before?.state === state || state === undefined) return undefined;
  const by = cause.by === "request" ? `${cause.action}: ` : "";
  if (kind === "instance") return `${by}instance ${after?.id} is ${state}`;
  return `${by}target ${after?.instanceId}:${after?.port} is ${state}`;
}
