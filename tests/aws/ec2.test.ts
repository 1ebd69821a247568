import {
  DescribeInstanceStatusCommand,
  type DescribeInstanceStatusCommandInput,
  DescribeInstancesCommand,
  type DescribeInstancesCommandInput,
  EC2Client,
  EC2ServiceException,
  type Instance as Ec2Instance,
} from "@aws-sdk/client-ec2";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, test } from "vitest";
import { describeInstances, describeInstancesByTag, describeStatuses } from "../../src/aws/ec2.ts";

const mock = mockClient(EC2Client);
const ec2 = new EC2Client({ region: "eu-west-1" });

beforeEach(() => {
  mock.reset();
});

function fault(name: string, httpStatusCode = 400): EC2ServiceException {
  return new EC2ServiceException({ name, $fault: "client", $metadata: { httpStatusCode } });
}

function ids(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `i-${index}`);
}

/** EC2 with these instances: filters, pages and their limits as EC2 has them. */
function serve(instances: readonly Ec2Instance[], largestPage = 1000): void {
  mock.on(DescribeInstancesCommand).callsFake((input: DescribeInstancesCommandInput) => {
    if (input.InstanceIds && input.MaxResults) throw fault("InvalidParameterCombination");
    const filters = input.Filters ?? [];
    if (filters.some(({ Values = [] }) => Values.length > 200)) throw fault("FilterLimitExceeded");
    const found = instances.filter((instance) =>
      filters.every(({ Name = "", Values = [] }) =>
        Name === "instance-id"
          ? Values.includes(instance.InstanceId ?? "")
          : instance.Tags?.some(
              ({ Key, Value = "" }) => `tag:${Key}` === Name && Values.includes(Value),
            ),
      ),
    );
    const from = Number(input.NextToken ?? 0);
    const to = from + Math.min(input.MaxResults ?? largestPage, largestPage);
    return {
      // One reservation may hold several instances, and a page several reservations.
      Reservations: [
        { Instances: found.slice(from, Math.min(from + 2, to)) },
        { Instances: found.slice(from + 2, to) },
      ],
      NextToken: to < found.length ? String(to) : undefined,
    };
  });
}

function requests() {
  return mock.commandCalls(DescribeInstancesCommand).map((call) => call.args[0].input);
}

describe("instances by id", () => {
  test("are asked for by a filter, so that an unknown one is merely missing", async () => {
    serve([{ InstanceId: "i-1" }, { InstanceId: "i-2" }]);
    const found = await describeInstances(ec2, ["i-1", "i-gone", "i-2"]);
    expect(found.map(({ id }) => id)).toEqual(["i-1", "i-2"]);
    expect(requests()).toEqual([
      expect.objectContaining({
        Filters: [{ Name: "instance-id", Values: ["i-1", "i-gone", "i-2"] }],
      }),
    ]);
    expect(requests()[0]).not.toHaveProperty("InstanceIds");
  });

  test("come in pages, since EC2 throttles a request for all at once sooner", async () => {
    serve([{ InstanceId: "i-1" }]);
    await describeInstances(ec2, ["i-1"]);
    const [{ MaxResults = 0 } = {}] = requests();
    expect(MaxResults).toBeGreaterThanOrEqual(5);
    expect(MaxResults).toBeLessThanOrEqual(1000);
  });

  test.each([0, 1, 101, 200, 201, 1001, 1234])("are all found, of %i", async (count) => {
    serve(ids(count).map((InstanceId) => ({ InstanceId })));
    const found = await describeInstances(ec2, ids(count));
    expect(found.map(({ id }) => id).sort()).toEqual(ids(count).sort());
    expect(requests()).toHaveLength(Math.ceil(count / 200));
  });

  test("are all found where EC2 makes its pages smaller than asked", async () => {
    serve(
      ids(150).map((InstanceId) => ({ InstanceId })),
      7,
    );
    const found = await describeInstances(ec2, ids(150));
    expect(new Set(found.map(({ id }) => id)).size).toBe(150);
  });

  test("have all that counts about them, in our terms", async () => {
    const source: Ec2Instance = {
      InstanceId: "i-1",
      ImageId: "ami-1",
      InstanceType: "t3.micro",
      KeyName: "key",
      State: { Code: 48, Name: "terminated" },
      StateReason: { Code: "Server.InternalError", Message: "Client.VolumeLimitExceeded: …" },
      Placement: { AvailabilityZone: "eu-west-1b" },
      SecurityGroups: [{ GroupId: "sg-1", GroupName: "web" }, { GroupId: "sg-2" }],
      Tags: [{ Key: "Name", Value: "v1" }],
      LaunchTime: new Date(1234),
    };
    serve([source]);
    expect(await describeInstances(ec2, ["i-1"])).toEqual([
      {
        id: "i-1",
        state: "terminated",
        stateReason: { code: "Server.InternalError", message: "Client.VolumeLimitExceeded: …" },
        zone: "eu-west-1b",
        imageId: "ami-1",
        instanceType: "t3.micro",
        keyName: "key",
        securityGroupIds: ["sg-1", "sg-2"],
        tags: { Name: "v1" },
        launchedAtMs: 1234,
        source,
      },
    ]);
  });

  test("fail as EC2 fails", async () => {
    mock.on(DescribeInstancesCommand).rejects(fault("UnauthorizedOperation", 403));
    await expect(describeInstances(ec2, ["i-1"])).rejects.toMatchObject({
      name: "UnauthorizedOperation",
    });
  });
});

describe("instances by tag", () => {
  test("are all found, over more than one page", async () => {
    const Tags = [{ Key: "zero-deploy:target-group", Value: "arn:group" }];
    const others = [{ InstanceId: "i-other", Tags: [{ ...Tags[0], Value: "arn:other" }] }];
    serve([...ids(1500).map((InstanceId) => ({ InstanceId, Tags })), ...others]);
    const found = await describeInstancesByTag(ec2, "zero-deploy:target-group", "arn:group");
    expect(found.map(({ id }) => id).sort()).toEqual(ids(1500).sort());
    expect(requests()).toHaveLength(2);
  });
});

describe("status checks", () => {
  /** EC2 with these statuses, by instance id; it does not know the other ids. */
  function serveStatuses(statuses: Record<string, string | undefined>): void {
    mock
      .on(DescribeInstanceStatusCommand)
      .callsFake((input: DescribeInstanceStatusCommandInput) => {
        const { InstanceIds = [], MaxResults } = input;
        if (InstanceIds.length > 100) throw fault("InvalidParameterValue");
        if (InstanceIds.length > 0 && MaxResults) throw fault("InvalidParameterCombination");
        if (InstanceIds.some((id) => !(id in statuses))) throw fault("InvalidInstanceID.NotFound");
        return {
          InstanceStatuses: InstanceIds.flatMap((InstanceId) => {
            const Status = statuses[InstanceId];
            return Status === undefined
              ? []
              : { InstanceId, InstanceStatus: { Status }, SystemStatus: { Status: "ok" } };
          }),
        };
      });
  }

  function asked() {
    return mock.commandCalls(DescribeInstanceStatusCommand).map((call) => call.args[0].input);
  }

  test("are told apart: the instance's and the system's", async () => {
    serveStatuses({ "i-1": "initializing", "i-2": "impaired" });
    expect(await describeStatuses(ec2, ["i-1", "i-2"])).toEqual(
      new Map([
        ["i-1", { instance: "initializing", system: "ok" }],
        ["i-2", { instance: "impaired", system: "ok" }],
      ]),
    );
  });

  test("of a pending instance are not there yet", async () => {
    serveStatuses({ "i-1": undefined, "i-2": "ok" });
    expect([...(await describeStatuses(ec2, ["i-1", "i-2"])).keys()]).toEqual(["i-2"]);
    expect(asked()[0]?.IncludeAllInstances ?? false).toBe(false);
  });

  test("of an instance that is not known yet are not there yet, either", async () => {
    serveStatuses({});
    expect(await describeStatuses(ec2, ["i-1"])).toEqual(new Map());
  });

  test("fail as EC2 fails, with anything else", async () => {
    mock.on(DescribeInstanceStatusCommand).rejects(fault("UnauthorizedOperation", 403));
    await expect(describeStatuses(ec2, ["i-1"])).rejects.toMatchObject({
      name: "UnauthorizedOperation",
    });
  });

  test.each([100, 101, 250])(
    "are all found, of %i instances: at most 100 a call",
    async (count) => {
      serveStatuses(Object.fromEntries(ids(count).map((id) => [id, "ok"])));
      expect((await describeStatuses(ec2, ids(count))).size).toBe(count);
      expect(asked()).toHaveLength(Math.ceil(count / 100));
    },
  );

  test("of nobody are not asked for: EC2 would take that for everybody's", async () => {
    expect(await describeStatuses(ec2, [])).toEqual(new Map());
    expect(asked()).toEqual([]);
  });
});
