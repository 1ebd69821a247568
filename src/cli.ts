import { readFile } from "node:fs/promises";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { STSClient } from "@aws-sdk/client-sts";
import { CommanderError } from "commander";
import { systemClock } from "./clock.ts";
import { type ConfigOverrides, type ParsedConfig, parseConfig } from "./config.ts";
import { type Deployment, type Deps, deploy } from "./deploy.ts";
import { dryRun } from "./dry-run.ts";
import { DeployError } from "./errors.ts";
import { thisProcess } from "./lock/holder.ts";
import { unlock } from "./lock/unlock.ts";
import { createLog, type Log } from "./log.ts";
import { readOwnInstanceId } from "./metadata.ts";
import type { AwsClients } from "./observe.ts";
import {
  type DeployFlags,
  parseArguments,
  type Request,
  type SimulateFlags,
  type UnlockFlags,
} from "./program.ts";
import { toEvent } from "./report/failure.ts";
import { serve } from "./simulator/serve.ts";
import { simulate } from "./simulator/simulate.ts";
import { type StopSignal, signalExitCodes, stopOnSignal } from "./stop.ts";

/** A connection that says nothing must not hold up a rollout: the call is then made again. In milliseconds. */
const requestLimits = {
  connectionTimeout: 5_000,
  requestTimeout: 30_000,
  throwOnRequestTimeout: true,
  socketTimeout: 30_000,
};

/** The exit code of `--detailed-exitcode` for a plan that is not empty, as other tools of this kind have it. */
const somethingToDo = 2;

/** The SDK's own warnings are for developers. */
const silence = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/**
 * The whole program.
 * @param argv as `process.argv`
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  // Who reads may go away (`| head`, a closed terminal); a rollout half done must not die of that.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  // The SDK's warning about the Node version is for developers; ours decide that by "engines".
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  let request: Request;
  try {
    request = parseArguments(argv);
  } catch (error) {
    // Commander has printed help, version or what was wrong.
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  switch (request.command) {
    case "deploy":
      return runDeployment(request.ami, request.flags, commandOf(argv));
    case "unlock":
      return runUnlock(request.flags);
    case "simulate":
      return runSimulation(request.flags);
  }
}

async function runDeployment(ami: string, flags: DeployFlags, command: string): Promise<number> {
  const log = openLog(flags.output);
  const stop = stopOnSignal(isNpx(), () => {
    const details = { code: "Interrupted", rerun: command };
    log({ event: "error", message: "Left at once, with everything as it stands", details });
  });
  try {
    const { config, notices } = await readConfig(flags);
    for (const message of notices) log({ event: "notice", message });
    return await withClients(config.region, log, (clients) => {
      const { allowUnhealthy, lockWait: lockWaitSeconds } = flags;
      const deployment = { config, ami, command, allowUnhealthy, lockWaitSeconds };
      const { signal } = stop;
      return run(deployment, flags, {
        ...clients,
        clock: systemClock,
        log,
        holder: thisProcess(),
        signal,
        readOwnInstanceId: isOffHost() ? async () => undefined : readOwnInstanceId,
      });
    });
  } catch (error) {
    log(toEvent(withProfile(error)));
    const signal: StopSignal | undefined = stop.signal.reason;
    return signal !== undefined && error instanceof DeployError && error.code === "Interrupted"
      ? signalExitCodes[signal]
      : 1;
  } finally {
    stop.dispose();
  }
}

/** @returns the exit code */
async function run(deployment: Deployment, flags: DeployFlags, deps: Deps): Promise<number> {
  if (!flags.dryRun) {
    await deploy(deployment, deps);
    return 0;
  }
  const isAnythingToDo = await dryRun(deployment, deps);
  return flags.detailedExitcode && isAnythingToDo ? somethingToDo : 0;
}

async function runUnlock(flags: UnlockFlags): Promise<number> {
  const log = openLog(flags.output);
  try {
    const { config } = parseConfig(await readConfigFile(flags.config), flags.config);
    await withClients(config.region, log, ({ elbv2 }) =>
      unlock(config.targetGroupArn, { elbv2, log, holder: thisProcess() }),
    );
    return 0;
  } catch (error) {
    log(toEvent(withProfile(error)));
    return 1;
  }
}

async function runSimulation(flags: SimulateFlags): Promise<number> {
  const stop = stopOnSignal(isNpx(), () => {});
  const options = {
    ...flags,
    deregistrationDelaySeconds: flags.deregistrationDelay,
    openLog: (now: () => number) => openLog(flags.output, now),
  };
  try {
    if (flags.serve) {
      return (await serve({ ...options, configFile: flags.config }, stop.signal)) ? 0 : 1;
    }
    const { ami: behaviour, naive: isNaive = false } = flags;
    const isGood = await simulate({ ...options, behaviour, isNaive }, stop.signal);
    const signal: StopSignal | undefined = stop.signal.reason;
    if (signal !== undefined) return signalExitCodes[signal];
    return isGood ? 0 : 1;
  } catch (error) {
    openLog(flags.output)(toEvent(error));
    return 1;
  } finally {
    stop.dispose();
  }
}

async function readConfig(flags: DeployFlags): Promise<ParsedConfig> {
  const overrides: ConfigOverrides = {
    "max-surge": flags.maxSurge,
    "waiting-period": flags.waitingPeriod,
    "bake-time": flags.bakeTime,
  };
  return parseConfig(await readConfigFile(flags.config), flags.config, overrides);
}

async function readConfigFile(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isMissing = code === "ENOENT";
    const what = isMissing ? "does not exist" : `cannot be read: ${message}`;
    throw new DeployError("ConfigInvalid", `${file || "a file without a name"} ${what}`, {
      hint: `${isMissing ? "create it (the README shows an example), or name" : "name"} another one with --config <file>`,
      cause: error,
    });
  }
}

async function withClients<T>(
  region: string,
  log: Log,
  work: (clients: AwsClients) => Promise<T>,
): Promise<T> {
  const { AWS_PROFILE, AWS_ACCESS_KEY_ID } = process.env;
  if (AWS_PROFILE && AWS_ACCESS_KEY_ID) {
    log({
      event: "notice",
      message: `AWS_PROFILE and AWS_ACCESS_KEY_ID are both set; the profile "${AWS_PROFILE}" counts`,
    });
  }
  const options = { region, requestHandler: requestLimits, logger: silence };
  const ec2 = new EC2Client(options);
  const elbv2 = new ElasticLoadBalancingV2Client(options);
  const sts = new STSClient(options);
  try {
    return await work({ ec2, elbv2, sts });
  } finally {
    for (const client of [ec2, elbv2, sts]) client.destroy();
  }
}

/** As the SDK understands it. */
function isOffHost(): boolean {
  const { AWS_EC2_METADATA_DISABLED: isDisabled } = process.env;
  return isDisabled !== undefined && isDisabled !== "" && isDisabled !== "false";
}

function isNpx(): boolean {
  return process.env.npm_command === "exec";
}

/** The command line as it can be given again. */
function commandOf(argv: readonly string[]): string {
  return [...(isNpx() ? ["npx"] : []), "zero-deploy", ...argv.slice(2).map(quote)].join(" ");
}

function openLog(output: "text" | "json", now?: () => number): Log {
  const { NO_COLOR, TERM } = process.env;
  return createLog({
    output,
    isColoured: process.stdout.isTTY === true && !NO_COLOR && TERM !== "dumb",
    write: (line) => process.stdout.write(line),
    now,
  });
}

/** Where a profile is named, it is the first thing to look at. */
function withProfile(error: unknown): unknown {
  const { AWS_PROFILE } = process.env;
  if (!AWS_PROFILE || !(error instanceof DeployError) || error.code !== "CredentialsMissing") {
    return error;
  }
  const hint = `AWS_PROFILE is "${AWS_PROFILE}": is there such a profile, and has it credentials?`;
  const { code, message, problems, rerun, cause } = error;
  return new DeployError(code, message, { problems, hint, rerun, cause });
}

function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
