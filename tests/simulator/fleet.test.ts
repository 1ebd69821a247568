import { DescribeInstancesCommand, RunInstancesCommand } from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { configFor } from "../../src/simulator/fleet.ts";
import { summariseFleet } from "../../src/simulator/fleet-summary.ts";
import type { Transition } from "../../src/simulator/world.ts";
import { setUp } from "./clients.ts";

test("a fleet stands ready: spread over its zones, healthy on its port, old", () => {
  const { aws } = setUp({ instances: 4, zones: 2, port: 8443, secondPort: 9090 });
  const { live, leftovers } = summariseFleet(aws);
  expect(live.map(({ zone }) => zone)).toEqual([
    "eu-west-1a",
    "eu-west-1b",
    "eu-west-1a",
    "eu-west-1b",
  ]);
  for (const { targets, imageId, tags } of live) {
    expect(imageId).toBe(IMAGES.old);
    expect(tags).toEqual({ Name: "v1", Team: "payments", "cost-centre": "4711" });
    expect(targets).toEqual([
      { targetGroupArn: aws.targetGroupArn, port: 8443, state: "healthy" },
      { targetGroupArn: aws.secondTargetGroupArn, port: 9090, state: "healthy" },
    ]);
  }
  expect(leftovers).toEqual([]);
});

test("it stays healthy for as long as nothing happens to it", async () => {
  const { clock, aws } = setUp();
  const transitions: Transition[] = [];
  aws.world.onTransition((transition) => transitions.push(transition));
  await clock.sleep(24 * 60 * 60 * 1000);
  aws.world.advance();
  expect(transitions).toEqual([]);
});

test("the configuration names what the fleet is made of", () => {
  const { aws } = setUp({ loadBalancerType: "network" });
  expect(configFor(aws, "v7")).toEqual({
    region: "eu-west-1",
    "ssh-key": "my-key",
    "security-group-id": [aws.securityGroupId],
    "instance-type": "t3.micro",
    "target-group": { arn: aws.targetGroupArn },
    loadbalancer: { arn: aws.loadBalancerArn },
    version: "v7",
  });
  expect(aws.loadBalancerArn).toMatch(
    /^arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer\/net\/my-load-balancer\/[0-9a-f]{16}$/,
  );
  expect(aws.targetGroupArn).toMatch(
    /^arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup\/my-targets\/[0-9a-f]{16}$/,
  );
});

test("the same seed gives the same world, down to every id and time; another seed does not", async () => {
  const historyOf = async (seed: number) => {
    const { clock, aws, ec2 } = setUp({ seed });
    const history: string[] = [...aws.oldInstanceIds];
    aws.world.onTransition(({ atMs, kind, after }) => {
      history.push(`${atMs} ${kind} ${after?.id} ${after && "state" in after && after.state}`);
    });
    for (const ImageId of [IMAGES.good, IMAGES.flaky]) {
      await ec2.send(
        new RunInstancesCommand({
          ImageId,
          InstanceType: "t3.micro",
          MinCount: 1,
          MaxCount: 1,
        }),
      );
      await clock.sleep(60_000);
      await ec2.send(new DescribeInstancesCommand({}));
    }
    await clock.sleep(3_600_000);
    aws.world.advance();
    return history;
  };
  const history = await historyOf(1);
  expect(history.length).toBeGreaterThan(20);
  expect(await historyOf(1)).toEqual(history);
  expect(await historyOf(2)).not.toEqual(history);
});
