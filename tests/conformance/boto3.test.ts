/*
 * Goal: scripts of boto3 find the simulated AWS no different: its waiters come to an end, its errors are those of AWS.
 * Method: Python scripts work against `zero-deploy simulate --serve` and say what they see as lines of JSON, which are
 * compared with what they would see on AWS.
 */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { cleanUp } from "./program.ts";
import {
  endTools,
  SERVING_PORT,
  skipWithoutBoto3,
  startSimulation,
  type ToolEnd,
} from "./simulation.ts";

beforeEach(skipWithoutBoto3);
afterAll(async () => {
  await endTools();
  await cleanUp();
});

describe.concurrent("boto3", () => {
  it("waits with success for each step of an instance's life, and no request is lost", async () => {
    const simulation = await startSimulation("--instances", "1");
    const end = await simulation.python("boto3_waiters.py", [IMAGES.good, String(SERVING_PORT)]);
    expect(linesOf(end)).toEqual([
      {
        step: "launched",
        state: "pending",
        instance: expect.stringMatching(/^i-[0-9a-f]{17}$/),
      },
      { step: "instance_running", state: "running" },
      { step: "instance_status_ok", checks: ["ok", "ok"] },
      { step: "target_in_service", health: ["healthy", null] },
      { step: "target_deregistered", health: ["unused", "Target.NotRegistered"] },
      { step: "instance_terminated", state: "terminated" },
    ]);
    const { exitCode, last } = await simulation.stop();
    expect(exitCode).toBe(0);
    expect(last).toMatchObject({ event: "report", failed: 0, launched: 1, violations: [] });
  });

  it("shows errors as it shows those of AWS", async () => {
    const simulation = await startSimulation("--instances", "1");
    const end = await simulation.python("boto3_errors.py", [IMAGES.good, IMAGES.dies]);
    const unknown = "i-0123456789abcdef0";
    expect(linesOf(end)).toEqual([
      clientError("a dry run", "RunInstances", {
        status: 412,
        Code: "DryRunOperation",
        Message: "Request would have succeeded, but DryRun flag is set.",
      }),
      clientError("an unknown image", "RunInstances", {
        Code: "InvalidAMIID.NotFound",
        Message: "The image id '[ami-0123456789abcdef0]' does not exist",
      }),
      clientError("an unknown key pair", "RunInstances", {
        Code: "InvalidKeyPair.NotFound",
        Message: "The key pair 'nobodys' does not exist",
      }),
      clientError("an unknown instance", "DescribeInstances", {
        Code: "InvalidInstanceID.NotFound",
        Message: `The instance ID '${unknown}' does not exist`,
      }),
      clientError("no instance id", "TerminateInstances", {
        Code: "InvalidInstanceID.Malformed",
        Message: 'Invalid id: "web-1"',
      }),
      clientError("an action that is not simulated", "DescribeVpcs", {
        Code: "InvalidAction",
        Message: "The action DescribeVpcs is not valid for this web service.",
      }),
      clientError("an unknown group", "DescribeTargetHealth", {
        class: "TargetGroupNotFoundException",
        Type: "Sender",
        Code: "TargetGroupNotFound",
        Message: "One or more target groups not found",
      }),
      clientError("no group ARN", "DescribeTargetHealth", {
        Type: "Sender",
        Code: "ValidationError",
        Message: "'my-targets' is not a valid target group ARN",
      }),
      clientError("a target that does not run", "RegisterTargets", {
        class: "InvalidTargetException",
        Type: "Sender",
        Code: "InvalidTarget",
        Message: `The following targets are not in a running state and cannot be registered: '${unknown}'`,
      }),
      {
        mistake: "to wait for one that dies",
        text: expect.stringMatching(
          /^Waiter InstanceRunning failed: Waiter encountered a terminal failure state: .*"terminated"/,
        ),
      },
    ]);
  });
});

/** An error of AWS as boto3 shows it; it is not tried again. */
function clientError(
  mistake: string,
  action: string,
  error: Readonly<Record<string, unknown>> & { Code: string; Message: string },
) {
  return {
    mistake,
    class: "ClientError",
    status: 400,
    hasRequestId: true,
    retries: 0,
    text: `An error occurred (${error.Code}) when calling the ${action} operation: ${error.Message}`,
    ...error,
  };
}

function linesOf({ exitCode, stdout, stderr }: ToolEnd): unknown[] {
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return stdout
    .trimEnd()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
}
