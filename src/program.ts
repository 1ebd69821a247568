import { Command, InvalidArgumentError, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { behaviours } from "./simulator/catalog.ts";
import type { ImageBehaviour } from "./simulator/records.ts";

/** The flags of `zero-deploy <ami>`. Numbers that are none are told of together with the rest of the configuration. */
export interface DeployFlags {
  readonly config: string;
  readonly maxSurge?: number | string;
  readonly waitingPeriod?: number | string;
  readonly bakeTime?: number | string;
  readonly allowUnhealthy?: true;
  /** In seconds. */
  readonly lockWait: number;
  readonly dryRun?: true;
  readonly detailedExitcode?: true;
  readonly output: "text" | "json";
}

/** The flags of `zero-deploy unlock`. */
export interface UnlockFlags {
  readonly config: string;
  readonly output: "text" | "json";
}

/** The flags of `zero-deploy simulate`. */
export interface SimulateFlags {
  readonly instances: number;
  readonly maxSurge: number;
  readonly speed: number;
  readonly ami: ImageBehaviour;
  /** In seconds. */
  readonly deregistrationDelay: number;
  readonly seed: number;
  readonly naive?: true;
  readonly serve?: true;
  readonly port: number;
  readonly config: string;
  readonly output: "text" | "json";
}

/** What the command line asks for. */
export type Request =
  | { readonly command: "deploy"; readonly ami: string; readonly flags: DeployFlags }
  | { readonly command: "unlock"; readonly flags: UnlockFlags }
  | { readonly command: "simulate"; readonly flags: SimulateFlags };

const deployExamples = `
Examples:
  $ zero-deploy simulate
  $ zero-deploy ami-0123456789abcdef0 --dry-run
  $ zero-deploy ami-0123456789abcdef0
  $ zero-deploy ami-0123456789abcdef0 --config production.json --bake-time 60
  $ zero-deploy ami-0123456789abcdef0 --max-surge 2 --output json

Exit codes:
  0              done, or nothing to do
  1              failed
  2              with --detailed-exitcode: there is something to do
  129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM

Running the same command again is always right: it goes on where the last run
stopped.`;

const simulateExamples = `
Examples:
  $ zero-deploy simulate
  $ zero-deploy simulate --naive
  $ zero-deploy simulate --ami never-healthy --instances 6 --max-surge 2
  $ zero-deploy simulate --serve

Exit codes:
  0              no request was lost, no rule was broken, and the rollout ended
                 as it should with that AMI
  1              otherwise
  129, 130, 143  interrupted by SIGHUP, SIGINT, SIGTERM (not with --serve)`;

/**
 * Reads a command line.
 * @param argv as `process.argv`
 * @throws CommanderError after it has printed help, the version, or what is wrong
 */
export function parseArguments(argv: readonly string[]): Request {
  let request: Request | undefined;
  const program = new Command("zero-deploy")
    .description(
      "Replaces every EC2 instance behind a load balancer's target group with instances of a new AMI, without losing a request.",
    )
    .usage(
      "[options] <ami>\n       zero-deploy simulate [options]\n       zero-deploy unlock [options]",
    )
    .argument("<ami>", "the AMI to deploy, such as ami-0123456789abcdef0", parseAmi)
    .option("-c, --config <file>", "the configuration file", "config.json")
    .option("--max-surge <count>", "instances beyond the starting number (default: 1)", anyNumber)
    .option("--waiting-period <seconds>", "limit of each single wait (default: 400)", anyNumber)
    .option(
      "--bake-time <seconds>",
      "how long a new instance must stay healthy before the old one leaves (default: 0)",
      anyNumber,
    )
    .option("--dry-run", "check everything, show the plan, and change nothing")
    .option(
      "--detailed-exitcode",
      "with --dry-run: exit 0 if there is nothing to do, 2 if there is",
    )
    .option("--allow-unhealthy", "go ahead though no target is healthy")
    .option(
      "--lock-wait <seconds>",
      "how long to wait for another rollout of the target group to end",
      wholeNumber(0, 86_400),
      0,
    )
    .addOption(outputOption())
    .version(packageJson.version)
    .addHelpText("after", deployExamples)
    .showHelpAfterError("(zero-deploy --help shows how it is used)")
    // Both commands have options of the same names.
    .enablePositionalOptions()
    .exitOverride()
    .action((ami: string, flags: DeployFlags) => {
      if (flags.detailedExitcode && !flags.dryRun) {
        program.error("error: option '--detailed-exitcode' is of use with '--dry-run' only");
      }
      request = { command: "deploy", ami, flags };
    });
  addSimulate(program, (flags) => {
    request = { command: "simulate", flags };
  });
  addUnlock(program, (flags) => {
    request = { command: "unlock", flags };
  });
  program.parse(argv);
  if (request === undefined) throw new Error("the command line asks for nothing");
  return request;
}

function addSimulate(program: Command, onSimulate: (flags: SimulateFlags) => void): void {
  program
    .command("simulate")
    .summary("try it without AWS: roll a simulated fleet under real traffic")
    .description(
      "Rolls a simulated fleet that takes real HTTP requests on this machine, with the very code that rolls a real one, and counts the requests that fail. Needs no AWS account and no configuration.",
    )
    .option("--instances <count>", "instances of the fleet", wholeNumber(1, 50), 3)
    .option("--max-surge <count>", "instances beyond the starting number", wholeNumber(1, 50), 1)
    .option("--speed <factor>", "how much faster than real time", wholeNumber(1, 120), 60)
    .addOption(
      new Option("--ami <kind>", "what the new AMI is like").choices(behaviours).default("good"),
    )
    .option(
      "--deregistration-delay <seconds>",
      "of the target group, in simulated seconds",
      wholeNumber(0, 3600),
      120,
    )
    .option("--seed <number>", "another one: other times and ids", wholeNumber(0, 2 ** 31), 1)
    .addOption(
      new Option(
        "--naive",
        "leave out deregistration and draining, to see what that costs",
      ).conflicts("maxSurge"),
    )
    .addOption(
      new Option("--serve", "keep the simulated AWS up for other programs").conflicts([
        "naive",
        "ami",
        "maxSurge",
      ]),
    )
    .option("--port <number>", "where to serve it", wholeNumber(0, 65_535), 4580)
    .option("-c, --config <file>", "where --serve writes its configuration", "config.json")
    .addOption(outputOption())
    .addHelpText("after", simulateExamples)
    .showHelpAfterError("(zero-deploy simulate --help shows how it is used)")
    .exitOverride()
    .action((flags: SimulateFlags, command: Command) => {
      refuseBefore(program, "simulate");
      // A configuration that is silently not used would be taken for one that was tried.
      const idle = ["port", "config"].find((name) => command.getOptionValueSource(name) === "cli");
      if (idle !== undefined && !flags.serve) {
        command.error(`error: option '--${idle}' is of use with '--serve' only`);
      }
      onSimulate(flags);
    });
}

function addUnlock(program: Command, onUnlock: (flags: UnlockFlags) => void): void {
  program
    .command("unlock")
    .summary("remove the lock of a rollout that is no more")
    .description(
      "Removes the lock of the target group, whoever holds it, and says who that was. A rollout that still works there stops before its next change.",
    )
    .option("-c, --config <file>", "the configuration file", "config.json")
    .addOption(outputOption())
    .showHelpAfterError("(zero-deploy unlock --help shows how it is used)")
    .exitOverride()
    .action((flags: UnlockFlags) => {
      refuseBefore(program, "unlock");
      onUnlock(flags);
    });
}

/** Options of a command that were given before its name would count for nothing. */
function refuseBefore(program: Command, name: string): void {
  const stray = program.options.find(
    (option) => program.getOptionValueSource(option.attributeName()) === "cli",
  );
  if (stray !== undefined) {
    program.error(`error: option '${stray.flags}' of ${name} must come after "${name}"`);
  }
}

function outputOption(): Option {
  return new Option("--output <format>", "how to report").choices(["text", "json"]).default("text");
}

function parseAmi(value: string): string {
  if (/^ami-[0-9a-f]+$/.test(value)) return value;
  throw new InvalidArgumentError(
    'It should be an AMI id such as ami-0123456789abcdef0, or "simulate".',
  );
}

/** What is no number goes on as it is, to be refused together with all else that is wrong. */
function anyNumber(value: string): number | string {
  return value.trim() === "" || Number.isNaN(Number(value)) ? value : Number(value);
}

function wholeNumber(lowest: number, highest: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (/^\d+$/.test(value) && number >= lowest && number <= highest) return number;
    throw new InvalidArgumentError(`It should be a whole number from ${lowest} to ${highest}.`);
  };
}
