// Goal: a launch that may have been made before is never made twice, and a used-up idempotency token is not tried
// for ever. Method: the answers of RunInstances that no simulated AWS gives, through the mocked client.
import {
  DescribeInstanceAttributeCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { STSClient } from "@aws-sdk/client-sts";
import { mockClient } from "aws-sdk-client-mock";
import { beforeEach, describe, expect, it } from "vitest";
import { act, type Workbench } from "../src/act.ts";
import { noExpectations } from "../src/expectations.ts";
import type { Slot } from "../src/slots.ts";
import { ownTags } from "../src/snapshot.ts";
import { config, oldInstance } from "./decide/situation.ts";

const ec2 = mockClient(EC2Client);

const old = oldInstance("i-old", { source: { InstanceId: "i-old", InstanceType: "m6i.large" } });
const slot: Slot = { id: "i-old", old, retiring: [], ending: [], wanted: [] };

function workbench(): Workbench {
  return {
    aws: {
      ec2: new EC2Client({}),
      elbv2: new ElasticLoadBalancingV2Client({}),
      sts: new STSClient({}),
    },
    clock: { now: () => 0, sleep: async () => {} },
    template: { config, image: { ImageId: "ami-2" }, oldImages: [], instanceType: {}, subnets: [] },
    expected: noExpectations(),
    launches: new Map(),
    turns: new Map(),
    untold: new Map(),
    attempts: new Map(),
  };
}

function launched(id: string, state: "pending" | "running" | "shutting-down" | "terminated") {
  return { Instances: [{ InstanceId: id, State: { Name: state } }] };
}

function tokens(): (string | undefined)[] {
  return ec2
    .commandCalls(RunInstancesCommand)
    .map(({ args: [command] }) => command.input.ClientToken);
}

beforeEach(() => {
  ec2.reset();
  ec2.on(DescribeInstanceAttributeCommand).resolves({});
});

describe("a launch", () => {
  it("is expected from its answer on", async () => {
    ec2.on(RunInstancesCommand).resolves(launched("i-new", "pending"));
    const bench = workbench();
    await act({ kind: "launch", slot }, bench);
    expect(bench.expected.launched.get("i-old")).toMatchObject({
      instanceId: "i-new",
      isAdopted: false,
    });
  });

  it.each(["terminated", "shutting-down"] as const)(
    "whose token answers with an instance that is %s takes the next token",
    async (state) => {
      ec2
        .on(RunInstancesCommand)
        .resolvesOnce(launched("i-1", state))
        .resolves(launched("i-2", "pending"));
      const bench = workbench();
      const { launched: instance } = await act({ kind: "launch", slot }, bench);
      expect(instance?.id).toBe("i-2");
      expect(new Set(tokens()).size).toBe(2);
    },
  );

  it("remembers the tokens that are used up when the next call fails", async () => {
    ec2
      .on(RunInstancesCommand)
      .resolvesOnce(launched("i-1", "terminated"))
      .rejectsOnce(new Error("lost"))
      .resolves(launched("i-2", "pending"));
    const bench = workbench();
    await expect(act({ kind: "launch", slot }, bench)).rejects.toThrow("lost");
    await act({ kind: "launch", slot }, bench);
    expect(tokens()).toHaveLength(3);
    expect(tokens()[1]).toBe(tokens()[2]);
  });

  it("of an earlier run, running by now, is left to be adopted", async () => {
    const { Instances } = launched("i-new", "running");
    const Tags = [{ Key: ownTags.replaces, Value: "i-old" }];
    ec2.on(RunInstancesCommand).resolves({ Instances: Instances.map((one) => ({ ...one, Tags })) });
    const bench = workbench();
    await act({ kind: "launch", slot }, bench);
    expect(bench.expected.launched.size).toBe(0);
  });

  it("whose tags somebody has taken is known by its token", async () => {
    ec2.on(RunInstancesCommand).resolves(launched("i-new", "running"));
    const bench = workbench();
    await act({ kind: "launch", slot }, bench);
    expect(bench.expected.launched.get("i-old")).toMatchObject({
      instanceId: "i-new",
      isAdopted: true,
      instance: { tags: { [ownTags.replaces]: "i-old" } },
    });
  });

  it("gives up on tokens after a limit", async () => {
    ec2.on(RunInstancesCommand).resolves(launched("i-1", "terminated"));
    await expect(act({ kind: "launch", slot }, workbench())).rejects.toThrow(/50 launches/);
  });
});
