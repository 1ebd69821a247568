import {
  DescribeInstanceStatusCommand,
  DescribeInstancesCommand,
  type EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import {
  DeregisterTargetsCommand,
  DescribeTargetHealthCommand,
  type ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { errorOf, setUp } from "./clients.ts";

async function launch(ec2: EC2Client) {
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  return Instances?.[0]?.InstanceId ?? "";
}

async function healthOf(elb: ElasticLoadBalancingV2Client, TargetGroupArn: string, id: string) {
  const { TargetHealthDescriptions } = await elb.send(
    new DescribeTargetHealthCommand({ TargetGroupArn }),
  );
  return TargetHealthDescriptions?.find(({ Target }) => Target?.Id === id)?.TargetHealth?.State;
}

test("a lagging read does not know yet what was just launched", async () => {
  const { clock, ec2 } = setUp({ staleReadsMs: 8000, lagIsConstant: true });
  const id = await launch(ec2);
  const byId = () => ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  await clock.sleep(7999);
  expect(await errorOf(byId())).toMatchObject({ name: "InvalidInstanceID.NotFound" });
  await clock.sleep(1);
  expect((await byId()).Reservations?.[0]?.Instances?.[0]?.State?.Name).toBe("pending");
});

test("states and checks lag alike, and never reach back before the world began", async () => {
  const timings = {
    pendingToRunning: [10_000, 10_000],
    statusChecks: [120_000, 120_000],
  } as const;
  const { clock, aws, ec2 } = setUp({ staleReadsMs: 8000, lagIsConstant: true, timings });
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({}));
  expect(Reservations).toHaveLength(aws.oldInstanceIds.length);
  const id = await launch(ec2);
  const checks = async () => {
    const { InstanceStatuses } = await ec2.send(
      new DescribeInstanceStatusCommand({ InstanceIds: [id] }),
    );
    return InstanceStatuses?.[0]?.InstanceStatus?.Status;
  };
  await clock.sleep(17_999);
  expect(await checks()).toBeUndefined();
  await clock.sleep(1);
  expect(await checks()).toBe("initializing");
  await clock.sleep(119_999);
  expect(await checks()).toBe("initializing");
  await clock.sleep(1);
  expect(await checks()).toBe("ok");
});

test("writes act on the world as it is, whatever reads say", async () => {
  const { clock, aws, elb } = setUp({ staleReadsMs: 8000, lagIsConstant: true });
  const [id = ""] = aws.oldInstanceIds;
  await clock.sleep(10_000);
  const Targets = [{ Id: id, Port: 8080 }];
  const { targetGroupArn: TargetGroupArn } = aws;
  await elb.send(new DeregisterTargetsCommand({ TargetGroupArn, Targets }));
  expect(aws.world.targets.list()[0]?.state).toBe("draining");
  expect(await healthOf(elb, TargetGroupArn, id)).toBe("healthy");
  await clock.sleep(8000);
  expect(await healthOf(elb, TargetGroupArn, id)).toBe("draining");
});

test("reads of different lags go back and forth in time, the same for the same seed", async () => {
  const statesOf = async (seed: number) => {
    const { clock, aws, elb } = setUp({ staleReadsMs: 8000, seed });
    const [id = ""] = aws.oldInstanceIds;
    const { targetGroupArn: TargetGroupArn } = aws;
    await clock.sleep(10_000);
    await elb.send(
      new DeregisterTargetsCommand({ TargetGroupArn, Targets: [{ Id: id, Port: 8080 }] }),
    );
    const states: (string | undefined)[] = [];
    for (let count = 0; count < 12; count += 1) {
      await clock.sleep(700);
      states.push(await healthOf(elb, TargetGroupArn, id));
    }
    return states.join(" ");
  };
  const states = await statesOf(1);
  expect(states).toMatch(/draining.* healthy.* draining/);
  expect(states).toMatch(/draining$/);
  expect(await statesOf(1)).toBe(states);
});
