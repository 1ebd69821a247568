import { z } from "zod";
import { describeIssue, isObject } from "./config-problems.ts";
import { DeployError } from "./errors.ts";

/** What one run has to know beside the AMI: config.json with every default filled in and every flag applied. */
export interface Config {
  readonly region: string;
  readonly keyName: string;
  readonly securityGroupIds: readonly string[];
  readonly instanceType: string;
  readonly targetGroupArn: string;
  readonly loadBalancerArn: string;
  /** Becomes the `Name` tag of every instance launched. */
  readonly version: string;
  /** Instances that may run beyond the starting number. */
  readonly maxSurge: number;
  /** The limit of each single wait. */
  readonly waitingPeriodSeconds: number;
  /** How long a replacement has to stay healthy before the old one leaves. */
  readonly bakeTimeSeconds: number;
  /** Where to launch; empty: in the old instance's own subnet. */
  readonly subnetIds: readonly string[];
  /** Tags added to those copied from the old instance. */
  readonly tags: Readonly<Record<string, string>>;
  /** Old instances may be protected from termination: that is lifted right before each one goes. */
  readonly liftTerminationProtection: boolean;
  /** Old instances may have volumes beside their root: what is on them does not go with the replacement. */
  readonly discardExtraVolumes: boolean;
  /** Old instances may have addresses or network interfaces that a replacement cannot have. */
  readonly discardExtraAddresses: boolean;
  /** Whether only one rollout of the target group at a time is let work. */
  readonly lock: boolean;
}

/** Values from the command line, under the names of config.json; they win over the file. */
export interface ConfigOverrides {
  "max-surge"?: unknown;
  "waiting-period"?: unknown;
  "bake-time"?: unknown;
}

/** A valid configuration and what its user should be told about it. */
export interface ParsedConfig {
  config: Config;
  notices: string[];
}

/** Keys of earlier tools of this kind, which a file may still hold. */
const ignoredKeys = ["launch-configuration-name", "autoscaling-group_name"];

const arnPattern = (resource: string) =>
  new RegExp(
    String.raw`^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:\d{12}:${resource}\/[A-Za-z0-9-]+\/[0-9a-f]+$`,
  );

const text = (what: string) =>
  z
    .string({ error: `should be ${what}` })
    .trim()
    .min(1, `should be ${what}, not empty`);

const shaped = (pattern: RegExp, what: string) =>
  z
    .string({ error: `should be ${what}` })
    .trim()
    .regex(pattern, `should be ${what}`);

const wholeNumber = (what: string, minimum: number, maximum: number) =>
  z
    .int({ error: `should be ${what}` })
    .min(minimum, `should be ${what}`)
    .max(maximum, `should be ${what}`);

const section = (resource: string, what: string) =>
  z.strictObject(
    { arn: shaped(arnPattern(resource), what).meta({ description: `Must be ${what}` }) },
    { error: (issue) => (issue.code === "invalid_type" ? 'should be {"arn": "…"}' : undefined) },
  );

const yesOrNo = z.boolean({ error: "should be true or false" });

const tagLimits = "a text of at most 256 characters";

const fileSchema = z.strictObject(
  {
    $schema: z
      .string()
      .optional()
      .meta({ description: "The JSON Schema of this file, for editors" }),
    region: shaped(/^[a-z]{2,4}(-[a-z]+)+-\d+$/, 'a region such as "eu-west-1"').meta({
      description: "The AWS region of the target group",
    }),
    "ssh-key": text("the name of an EC2 key pair").meta({
      description: "The name of the EC2 key pair of new instances",
    }),
    "security-group-id": z
      .array(shaped(/^sg-[0-9a-f]{8,17}$/, 'a security group id such as "sg-0123456789abcdef0"'), {
        error: 'should be a list of security group ids such as ["sg-0123456789abcdef0"]',
      })
      .min(1, 'should be a list of security group ids such as ["sg-0123456789abcdef0"], not empty')
      .meta({ description: "The security groups of new instances" }),
    "instance-type": shaped(
      /^[a-z][a-z0-9-]*\.[a-z0-9-]+$/,
      'an instance type such as "t3.micro"',
    ).meta({ description: "The instance type of new instances" }),
    "target-group": section(
      "targetgroup",
      'the ARN of a target group ("arn:aws:elasticloadbalancing:<region>:<account>:targetgroup/<name>/<id>")',
    ),
    loadbalancer: section(
      "loadbalancer\\/(?:app|net|gwy)",
      'the ARN of a load balancer ("arn:aws:elasticloadbalancing:<region>:<account>:loadbalancer/app/<name>/<id>")',
    ),
    version: text("the version to deploy, which becomes the Name tag")
      .max(256, `should be ${tagLimits}`)
      .meta({ description: "The Name tag of new instances" }),
    "max-surge": wholeNumber("a whole number from 1 to 1000", 1, 1000)
      .default(1)
      .meta({ description: "How many instances may run beyond the starting number" }),
    "waiting-period": wholeNumber("a whole number of seconds from 1 to 86400", 1, 86_400)
      .default(400)
      .meta({ description: "The limit of each single wait, in seconds" }),
    "bake-time": wholeNumber("a whole number of seconds from 0 to 86400", 0, 86_400)
      .default(0)
      .meta({
        description:
          "How long a new instance must stay healthy before the old one leaves, in seconds",
      }),
    "subnet-ids": z
      .array(shaped(/^subnet-[0-9a-f]{8,17}$/, 'a subnet id such as "subnet-0123456789abcdef0"'), {
        error: 'should be a list of subnet ids such as ["subnet-0123456789abcdef0"]',
      })
      .min(1, "should name at least one subnet; leave it out to use each old instance's own")
      .optional()
      .meta({ description: "Where to launch; default: the old instance's own subnet" }),
    tags: z
      .record(
        z
          .string()
          .min(1, "a tag's key should not be empty")
          .max(128, "a tag's key should have at most 128 characters")
          .regex(
            /^(?![aA][wW][sS]:|zero-deploy:|Name$)/,
            'a tag\'s key should not be "Name" (that is "version") nor begin with "aws:" or "zero-deploy:"',
          ),
        z.string({ error: `should be ${tagLimits}` }).max(256, `should be ${tagLimits}`),
        {
          error: (issue) =>
            issue.code === "invalid_type" ? 'should be {"key": "value"}' : undefined,
        },
      )
      .optional()
      .meta({ description: "Tags of new instances and their volumes, added to those copied" }),
    "lift-termination-protection": yesOrNo.default(false).meta({
      description:
        "Whether old instances may be protected from termination; it is lifted right before each one goes",
    }),
    "discard-extra-volumes": yesOrNo.default(false).meta({
      description:
        "Whether old instances may have volumes beside their root, whose data does not go with the replacement",
    }),
    "discard-extra-addresses": yesOrNo.default(false).meta({
      description:
        "Whether old instances may have Elastic IP addresses, secondary addresses or several network interfaces, which replacements do not have",
    }),
    lock: yesOrNo.default(true).meta({
      description: "Whether only one rollout of the target group at a time is let work",
    }),
    ...Object.fromEntries(
      ignoredKeys.map((key) => [
        key,
        z.unknown().optional().meta({ description: "Accepted and ignored", deprecated: true }),
      ]),
    ),
  },
  { error: (issue) => (issue.code === "invalid_type" ? "should be a JSON object" : undefined) },
);

const knownKeys = Object.keys(fileSchema.shape).filter((one) => !ignoredKeys.includes(one));

/** The JSON Schema of config.json (draft 2020-12), for editors; what a file may hold before defaults are filled in. */
export function configJsonSchema(): unknown {
  return {
    title: "zero-deploy configuration",
    ...z.toJSONSchema(fileSchema, { io: "input" }),
  };
}

/**
 * Validates the text of a configuration file together with the flags that override it.
 * @param file the path shown in messages
 * @throws DeployError `ConfigInvalid` with every problem at once: its path, the value found, how to mend it
 */
export function parseConfig(
  source: string,
  file: string,
  overrides: ConfigOverrides = {},
): ParsedConfig {
  const json = parseJson(source, file);
  const set = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  );
  const input = isObject(json) ? { ...json, ...set } : json;
  const result = fileSchema.safeParse(input);
  const problems = [
    ...(result.error?.issues ?? []).flatMap((issue) => describeIssue(issue, input, set, knownKeys)),
    ...regionProblems(input),
  ];
  if (!result.success || problems.length > 0) {
    const isFlagsOnly = problems.every((problem) => problem.startsWith("--"));
    const what = isFlagsOnly ? "The flags are not valid" : `${file} is not a valid configuration`;
    throw new DeployError("ConfigInvalid", what, {
      problems,
      hint: "correct this and run it again; nothing was changed",
    });
  }
  return {
    config: toConfig(result.data),
    notices: ignoredKeys
      .filter((key) => isObject(json) && key in json)
      .map((key) => `${file}: "${key}" is not used and can be removed`),
  };
}

function parseJson(source: string, file: string): unknown {
  try {
    return JSON.parse(source.replace(/^\uFEFF/, ""));
  } catch (error) {
    const reason = (error as Error).message.replace(/\s+/g, " ");
    throw new DeployError("ConfigInvalid", `${file} is not JSON: ${reason}`, {
      hint: "correct the file and run it again; nothing was changed",
      cause: error,
    });
  }
}

function toConfig(file: z.output<typeof fileSchema>): Config {
  return {
    region: file.region,
    keyName: file["ssh-key"],
    securityGroupIds: [...new Set(file["security-group-id"])],
    instanceType: file["instance-type"],
    targetGroupArn: file["target-group"].arn,
    loadBalancerArn: file.loadbalancer.arn,
    version: file.version,
    maxSurge: file["max-surge"],
    waitingPeriodSeconds: file["waiting-period"],
    bakeTimeSeconds: file["bake-time"],
    subnetIds: [...new Set(file["subnet-ids"] ?? [])],
    tags: file.tags ?? {},
    liftTerminationProtection: file["lift-termination-protection"],
    discardExtraVolumes: file["discard-extra-volumes"],
    discardExtraAddresses: file["discard-extra-addresses"],
    lock: file.lock,
  };
}

/** Compares what can be compared: a region or an ARN that is no such thing has its own problem already. */
function regionProblems(input: unknown): string[] {
  const region = fileSchema.shape.region.safeParse(isObject(input) ? input.region : undefined);
  return (["target-group", "loadbalancer"] as const).flatMap((key) => {
    const section = fileSchema.shape[key].shape.arn.safeParse(
      isObject(input) && isObject(input[key]) ? input[key].arn : undefined,
    );
    const itsRegion = section.data?.split(":")[3];
    if (!region.success || !section.success || itsRegion === region.data) return [];
    return `${key}.arn: is in region "${itsRegion}" but "region" is "${region.data}"; make them the same`;
  });
}
