import {
  EC2Client,
  EC2ServiceException,
  RunInstancesCommand,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import {
  dryRunLaunch,
  dryRunTerminate,
  runInstance,
  terminateInstance,
} from "../../src/aws/ec2.ts";

const mock = mockClient(EC2Client);
const ec2 = new EC2Client({ region: "eu-west-1" });

beforeEach(() => {
  mock.reset();
});

function fault(name: string, httpStatusCode = 400): EC2ServiceException {
  return new EC2ServiceException({ name, $fault: "client", $metadata: { httpStatusCode } });
}

describe("a launch", () => {
  const input = { ImageId: "ami-1", MinCount: 1, MaxCount: 1, ClientToken: "token" };

  test("is requested as it was derived, with its token", async () => {
    const instance = { InstanceId: "i-new", State: { Name: "pending" as const } };
    mock.on(RunInstancesCommand).resolves({ Instances: [instance] });
    expect(await runInstance(ec2, input)).toMatchObject({ id: "i-new", state: "pending" });
    expect(mock.commandCalls(RunInstancesCommand).map((call) => call.args[0].input)).toEqual([
      input,
    ]);
  });

  test("that EC2 answers without an instance has failed", async () => {
    mock.on(RunInstancesCommand).resolves({ Instances: [] });
    await expect(runInstance(ec2, input)).rejects.toThrow(/without an instance/);
  });
});

describe("a termination", () => {
  test("is of one instance: with several, a protected one keeps others alive", async () => {
    mock.on(TerminateInstancesCommand).resolves({});
    await terminateInstance(ec2, "i-1");
    const sent = mock.commandCalls(TerminateInstancesCommand).map((call) => call.args[0].input);
    expect(sent).toEqual([{ InstanceIds: ["i-1"] }]);
  });

  test("that EC2 refuses has failed", async () => {
    mock.on(TerminateInstancesCommand).rejects(fault("OperationNotPermitted"));
    await expect(terminateInstance(ec2, "i-1")).rejects.toMatchObject({
      name: "OperationNotPermitted",
    });
  });
});

describe("a dry run", () => {
  const input = { ImageId: "ami-1", MinCount: 1, MaxCount: 1 };
  const runs = [
    ["of a launch", RunInstancesCommand, () => dryRunLaunch(ec2, input)],
    ["of a termination", TerminateInstancesCommand, () => dryRunTerminate(ec2, ["i-1"])],
  ] as const;

  test.each(runs)("%s changes nothing", async (_name, command, run) => {
    mock.on(command as typeof RunInstancesCommand).rejects(fault("DryRunOperation", 412));
    await run();
    const sent = mock.commandCalls(command as typeof RunInstancesCommand);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.args[0].input.DryRun).toBe(true);
  });

  test.each(runs)("%s that EC2 would permit finds nothing", async (_name, command, run) => {
    mock.on(command as typeof RunInstancesCommand).rejects(fault("DryRunOperation", 412));
    expect(await run()).toBeUndefined();
  });

  test.each(runs)("%s that EC2 would refuse says why", async (_name, command, run) => {
    const refusal = fault("UnauthorizedOperation", 403);
    mock.on(command as typeof RunInstancesCommand).rejects(refusal);
    expect(await run()).toBe(refusal);
  });
});
