import { expect } from "vitest";
import { type ConfigOverrides, parseConfig } from "../src/config.ts";
import { DeployError } from "../src/errors.ts";

export type File = Record<string, unknown>;

export const groupArn =
  "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef";
export const balancerArn =
  "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/fedcba9876543210";

/** The seven keys that every file has to have. */
export const classic: File = {
  region: "eu-west-1",
  "ssh-key": "deployment",
  "security-group-id": ["sg-0123456789abcdef0", "sg-12345678"],
  "instance-type": "t3.micro",
  "target-group": { arn: groupArn },
  loadbalancer: { arn: balancerArn },
  version: "shop-1.2.3",
};

/** The error that a file's text leads to. */
export function refusalOf(source: string, overrides: ConfigOverrides = {}): DeployError {
  try {
    parseConfig(source, "my/config.json", overrides);
  } catch (error) {
    expect(error).toBeInstanceOf(DeployError);
    return error as DeployError;
  }
  throw new Error("the configuration was accepted");
}

/** The problems of the classic file with these changes. */
export function problemsOf(changes: File, overrides: ConfigOverrides = {}): readonly string[] {
  return refusalOf(JSON.stringify({ ...classic, ...changes }), overrides).problems;
}
