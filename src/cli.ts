import { readFile } from "node:fs/promises";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { systemClock } from "./clock.ts";
import { type ConfigOverrides, type ParsedConfig, parseConfig } from "./config.ts";
import { deploy } from "./deploy.ts";
import { DeployError } from "./errors.ts";
import { createLog, type Log } from "./log.ts";

interface Flags {
  config: string;
  maxSurge?: number | string;
  waitingPeriod?: number | string;
  bakeTime?: number | string;
  output: "text" | "json";
}

/** Exit codes of a process ended by a signal, as shells report them: 128 plus the signal's number. */
const signalExitCodes = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** A connection that says nothing must not hold up a rollout: the call is then made again. In milliseconds. */
const requestLimits = {
  connectionTimeout: 5_000,
  requestTimeout: 30_000,
  throwOnRequestTimeout: true,
  socketTimeout: 30_000,
};

/** The SDK's own warnings are for developers. */
const silence = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

type StopSignal = keyof typeof signalExitCodes;

const examples = `
Examples:
  $ zero-deploy ami-0123456789abcdef0
  $ zero-deploy ami-0123456789abcdef0 --config production.json --bake-time 60
  $ zero-deploy ami-0123456789abcdef0 --max-surge 2 --output json

Exit codes:
  0              done, or nothing to do
  1              failed
  129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM

Running the same command again is always right: it goes on where the last run
stopped.`;

/**
 * The whole program.
 * @param argv as `process.argv`
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  // Who reads may go away (`| head`, a closed terminal); a rollout half done must not die of that.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const program = createProgram();
  try {
    program.parse(argv);
  } catch (error) {
    // Commander has printed help, version or what was wrong.
    if (error instanceof CommanderError) return error.exitCode;
    throw error;
  }
  const [ami = ""] = program.args;
  const flags = program.opts<Flags>();
  const log = openLog(flags.output);
  const command = commandOf(argv);
  const stop = stopOnSignal(log, command);
  try {
    const { config, notices } = await readConfig(flags);
    for (const message of notices) log({ event: "notice", message });
    await rollOut(config, ami, command, log, stop.signal);
    return 0;
  } catch (error) {
    log(toEvent(error));
    const signal: StopSignal | undefined = stop.signal.reason;
    return signal !== undefined && error instanceof DeployError && error.code === "Interrupted"
      ? signalExitCodes[signal]
      : 1;
  } finally {
    stop.dispose();
  }
}

function createProgram(): Command {
  return new Command("zero-deploy")
    .description(
      "Replaces every EC2 instance behind a load balancer's target group with instances of a new AMI, without losing a request.",
    )
    .argument("<ami>", "the AMI to deploy, such as ami-0123456789abcdef0", parseAmi)
    .option("-c, --config <file>", "the configuration file", "config.json")
    .option("--max-surge <count>", "instances beyond the starting number (default: 1)", parseNumber)
    .option("--waiting-period <seconds>", "limit of each single wait (default: 400)", parseNumber)
    .option(
      "--bake-time <seconds>",
      "how long a new instance must stay healthy before the old one leaves (default: 0)",
      parseNumber,
    )
    .addOption(
      new Option("--output <format>", "how to report").choices(["text", "json"]).default("text"),
    )
    .version(packageJson.version)
    .addHelpText("after", examples)
    .showHelpAfterError("(zero-deploy --help shows how it is used)")
    .exitOverride();
}

function parseAmi(value: string): string {
  if (/^ami-[0-9a-f]+$/.test(value)) return value;
  throw new InvalidArgumentError("It should be an AMI id such as ami-0123456789abcdef0.");
}

/** What is no number goes on as it is, to be refused together with all else that is wrong. */
function parseNumber(value: string): number | string {
  return value.trim() === "" || Number.isNaN(Number(value)) ? value : Number(value);
}

async function readConfig(flags: Flags): Promise<ParsedConfig> {
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

async function rollOut(
  config: ParsedConfig["config"],
  ami: string,
  command: string,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  // Its warning about the Node version is for developers; ours decide that by "engines".
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true";
  const { AWS_PROFILE, AWS_ACCESS_KEY_ID } = process.env;
  if (AWS_PROFILE && AWS_ACCESS_KEY_ID) {
    log({
      event: "notice",
      message: `AWS_PROFILE and AWS_ACCESS_KEY_ID are both set; the profile "${AWS_PROFILE}" counts`,
    });
  }
  const options = { region: config.region, requestHandler: requestLimits, logger: silence };
  const ec2 = new EC2Client(options);
  const elbv2 = new ElasticLoadBalancingV2Client(options);
  try {
    await deploy({ config, ami, command }, { ec2, elbv2, clock: systemClock, log, signal });
  } finally {
    ec2.destroy();
    elbv2.destroy();
  }
}

/** The first signal asks the rolling update to stop, the second leaves at once. */
function stopOnSignal(log: Log, command: string): { signal: AbortSignal; dispose: () => void } {
  const controller = new AbortController();
  const onSignal = (signal: StopSignal) => {
    if (controller.signal.aborted) {
      const details = { code: "Interrupted", rerun: command };
      log({ event: "error", message: "Left at once, with everything as it stands", details });
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
    if (!isNpx() || process.ppid === parent) return;
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

function isNpx(): boolean {
  return process.env.npm_command === "exec";
}

/** The command line as it can be given again. */
function commandOf(argv: readonly string[]): string {
  return [...(isNpx() ? ["npx"] : []), "zero-deploy", ...argv.slice(2).map(quote)].join(" ");
}

function openLog(output: Flags["output"]): Log {
  const { NO_COLOR, TERM } = process.env;
  return createLog({
    output,
    isColoured: process.stdout.isTTY === true && !NO_COLOR && TERM !== "dumb",
    write: (line) => process.stdout.write(line),
  });
}

function toEvent(error: unknown): Parameters<Log>[0] {
  if (error instanceof DeployError) {
    const { code, message, problems, rerun } = error;
    const { AWS_PROFILE } = process.env;
    const hint =
      code === "CredentialsMissing" && AWS_PROFILE
        ? `AWS_PROFILE is "${AWS_PROFILE}": is there such a profile, and has it credentials?`
        : error.hint;
    const details = {
      code,
      ...(problems.length > 0 ? { problems } : {}),
      ...(hint ? { hint } : {}),
      ...(rerun ? { rerun } : {}),
    };
    return { event: "error", message: message.replace(/^[a-z]+ /, capitalise), details };
  }
  const stack = error instanceof Error ? error.stack : String(error);
  return {
    event: "error",
    message: `This is a bug in zero-deploy: ${stack}`,
    details: { code: "Bug" },
  };
}

function capitalise(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function quote(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", "'\\''")}'`;
}
