import { RunInstancesCommand } from "@aws-sdk/client-ec2";
import {
  DeregisterTargetsCommand,
  DescribeTargetGroupAttributesCommand,
  DescribeTargetHealthCommand,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer, stopInstance, terminateInstance } from "../../src/simulator/controls.ts";
import { addTargetGroup } from "../../src/simulator/network.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

const SECONDS = 1000;
const MINUTES = 60 * SECONDS;

const timings = {
  applicationRegistration: [5 * SECONDS, 5 * SECONDS],
  networkRegistration: [120 * SECONDS, 120 * SECONDS],
  appBoot: [30 * SECONDS, 30 * SECONDS],
  abandonedIsNoticed: [10 * SECONDS, 10 * SECONDS],
  abandonedIsListed: [40 * SECONDS, 40 * SECONDS],
} as const;

/** A fleet with a few words for what the tests do to it over and over. */
function setUp(options: Parameters<typeof setUpAny>[0] = {}) {
  const base = setUpAny({ timings, ...options });
  const { aws, elb, ec2, clock } = base;
  const target = (Id: string, Port: number | undefined, TargetGroupArn = aws.targetGroupArn) => ({
    TargetGroupArn,
    Targets: [{ Id, Port }],
  });
  const register = (...of: Parameters<typeof target>) =>
    elb.send(new RegisterTargetsCommand(target(...of)));
  const deregister = (...of: Parameters<typeof target>) =>
    elb.send(new DeregisterTargetsCommand(target(...of)));
  /**
   * State, reason and description of targets by `id:port`; all that are listed when none is named.
   */
  const health = async (Targets?: { Id: string; Port?: number }[], arn = aws.targetGroupArn) => {
    const answer = await elb.send(
      new DescribeTargetHealthCommand({ TargetGroupArn: arn, Targets }),
    );
    return Object.fromEntries(
      (answer.TargetHealthDescriptions ?? []).map(({ Target, TargetHealth }) => [
        `${Target?.Id}:${Target?.Port}`,
        [TargetHealth?.State, TargetHealth?.Reason, TargetHealth?.Description]
          .filter((part) => part !== undefined)
          .join("|"),
      ]),
    );
  };
  const healthOf = async (id: string, port = 8080) => (await health())[`${id}:${port}`];
  /** Launches an instance and lets it boot. */
  const launch = async (ImageId: string = IMAGES.good) => {
    const { Instances } = await ec2.send(
      new RunInstancesCommand({
        ImageId,
        InstanceType: "t3.micro",
        SubnetId: [...aws.world.subnets.keys()][0],
        SecurityGroupIds: [aws.securityGroupId],
        MinCount: 1,
        MaxCount: 1,
      }),
    );
    await clock.sleep(4 * MINUTES);
    return Instances?.[0]?.InstanceId ?? "";
  };
  return { ...base, register, deregister, health, healthOf, launch };
}

const DRAINING = "draining|Target.DeregistrationInProgress|Target deregistration is in progress";
const REGISTERING = "initial|Elb.RegistrationInProgress|Target registration is in progress";
const CHECKING = "initial|Elb.InitialHealthChecking|Initial health checks in progress";
const NOT_REGISTERED = "unused|Target.NotRegistered|Target is not registered to the target group";

test("a healthy target has neither reason nor description, and its check port is text", async () => {
  const { elb, aws } = setUp({ instances: 1 });
  const { TargetHealthDescriptions } = await elb.send(
    new DescribeTargetHealthCommand({ TargetGroupArn: aws.targetGroupArn }),
  );
  expect(TargetHealthDescriptions).toEqual([
    {
      Target: { Id: aws.oldInstanceIds[0], Port: 8080 },
      HealthCheckPort: "8080",
      TargetHealth: { State: "healthy" },
      AdministrativeOverride: expect.objectContaining({ State: "no_override" }),
    },
  ]);
});

test("a new target registers, is checked, and is healthy after one passing check", async () => {
  const { clock, register, healthOf, launch } = setUp();
  const id = await launch();
  await register(id, 8080);
  expect(await healthOf(id)).toBe(REGISTERING);
  await clock.sleep(5 * SECONDS - 1);
  expect(await healthOf(id)).toBe(REGISTERING);
  await clock.sleep(1);
  expect(await healthOf(id)).toBe(CHECKING);
  await clock.sleep(30 * SECONDS);
  expect(await healthOf(id)).toBe("healthy");
});

test("behind a network load balancer registration takes minutes", async () => {
  const { clock, register, healthOf, launch } = setUp({ loadBalancerType: "network" });
  const id = await launch();
  await register(id, 8080);
  await clock.sleep(119 * SECONDS);
  expect(await healthOf(id)).toBe(REGISTERING);
  await clock.sleep(31 * SECONDS);
  expect(await healthOf(id)).toBe("healthy");
});

test.each([
  [503, "unhealthy|Target.ResponseCodeMismatch|Health checks failed with these codes: [503]"],
  ["timeout", "unhealthy|Target.Timeout|Request timed out"],
  ["refused", "unhealthy|Target.FailedHealthChecks|Health checks failed"],
] as const)(
  "an application that answers %s is unhealthy after two checks",
  async (answer, health) => {
    const { clock, aws, healthOf } = setUp();
    const [id = ""] = aws.oldInstanceIds;
    await clock.sleep(10 * MINUTES);
    forceAnswer(aws.world, id, answer);
    await clock.sleep(30 * SECONDS);
    expect(await healthOf(id)).toBe("healthy");
    await clock.sleep(35 * SECONDS);
    expect(await healthOf(id)).toBe(health);
  },
);

test("a check nobody answers fails when its timeout is over, not before", async () => {
  const unhealthyAfterMs = async (answer: 503 | "timeout") => {
    const { clock, aws } = setUp();
    const [id = ""] = aws.oldInstanceIds;
    let unhealthyAtMs = 0;
    aws.world.onTransition(({ atMs, kind, after }) => {
      if (kind === "target" && after?.state === "unhealthy") unhealthyAtMs = atMs;
    });
    forceAnswer(aws.world, id, answer);
    await clock.sleep(2 * MINUTES);
    aws.world.advance();
    return unhealthyAtMs - aws.world.startMs;
  };
  expect(await unhealthyAfterMs("timeout")).toBe((await unhealthyAfterMs(503)) + 5 * SECONDS);
});

test("a network load balancer only says that checks failed", async () => {
  const { clock, aws, healthOf } = setUp({ loadBalancerType: "network" });
  const [id = ""] = aws.oldInstanceIds;
  forceAnswer(aws.world, id, 503);
  await clock.sleep(65 * SECONDS);
  expect(await healthOf(id)).toBe("unhealthy|Target.FailedHealthChecks|Health checks failed");
});

test("an unhealthy target needs five passing checks to come back", async () => {
  const { clock, aws, healthOf } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  forceAnswer(aws.world, id, 503);
  await clock.sleep(5 * MINUTES);
  forceAnswer(aws.world, id, 200);
  await clock.sleep(120 * SECONDS);
  expect(await healthOf(id)).toMatch(/^unhealthy/);
  await clock.sleep(30 * SECONDS);
  expect(await healthOf(id)).toBe("healthy");
});

test("a target that never answers well stays initial until it has failed two checks", async () => {
  const { clock, register, healthOf, launch } = setUp();
  const id = await launch(IMAGES.neverHealthy);
  await register(id, 8080);
  await clock.sleep(34 * SECONDS);
  expect(await healthOf(id)).toBe(CHECKING);
  await clock.sleep(31 * SECONDS);
  expect(await healthOf(id)).toMatch(/^unhealthy\|Target.ResponseCodeMismatch/);
});

test("a flaky image goes from healthy to unhealthy, a slow one is healthy late", async () => {
  const { clock, register, healthOf, launch } = setUp();
  const flaky = await launch(IMAGES.flaky);
  await register(flaky, 8080);
  const seen = new Set<string | undefined>();
  for (let step = 0; step < 60; step += 1) {
    await clock.sleep(15 * SECONDS);
    seen.add((await healthOf(flaky))?.split("|")[0]);
  }
  expect(seen).toContain("healthy");
  expect(seen).toContain("unhealthy");
  const slow = await launch(IMAGES.slow);
  await register(slow, 8080);
  await clock.sleep(20 * SECONDS);
  expect(await healthOf(slow)).not.toBe("healthy");
  await clock.sleep(6 * MINUTES);
  expect(await healthOf(slow)).toBe("healthy");
});

test("draining shows for the whole delay, and is then gone from the list", async () => {
  const { clock, aws, deregister, health, healthOf } = setUp({ deregistrationDelaySeconds: 120 });
  const [id = ""] = aws.oldInstanceIds;
  await deregister(id, 8080);
  expect(await healthOf(id)).toBe(DRAINING);
  await clock.sleep(120 * SECONDS - 1);
  expect(await healthOf(id)).toBe(DRAINING);
  await clock.sleep(1);
  expect(await healthOf(id)).toBeUndefined();
  expect(await health([{ Id: id, Port: 8080 }])).toEqual({ [`${id}:8080`]: NOT_REGISTERED });
});

test("deregistering without the right port succeeds and does nothing", async () => {
  const { aws, deregister, healthOf } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  await deregister(id, undefined);
  await deregister(id, 9999);
  await deregister("i-0123456789abcdef0", 8080);
  expect(await healthOf(id)).toBe("healthy");
});

test("a draining target can be registered again, and starts anew", async () => {
  const { clock, aws, register, deregister, healthOf } = setUp({ deregistrationDelaySeconds: 60 });
  const [id = ""] = aws.oldInstanceIds;
  await deregister(id, 8080);
  await clock.sleep(30 * SECONDS);
  await register(id, 8080);
  expect(await healthOf(id)).toBe(REGISTERING);
  await clock.sleep(35 * SECONDS);
  expect(await healthOf(id)).toBe("healthy");
  // The end of the first drain must not take it away.
  await clock.sleep(60 * SECONDS);
  expect(await healthOf(id)).toBe("healthy");
});

test("the same instance may be registered on several ports; registering again changes nothing", async () => {
  const { clock, aws, register, deregister, health } = setUp({ instances: 1 });
  const [id = ""] = aws.oldInstanceIds;
  await register(id, 8080);
  await register(id, undefined);
  expect(await health()).toEqual({ [`${id}:8080`]: "healthy", [`${id}:80`]: REGISTERING });
  await clock.sleep(40 * SECONDS);
  await deregister(id, 80);
  expect(await health()).toEqual({ [`${id}:8080`]: "healthy", [`${id}:80`]: DRAINING });
});

test("only running instances of the same VPC can be registered, all of a request or none", async () => {
  const { aws, elb, ec2, health } = setUp({ instances: 1 });
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  const pending = Instances?.[0]?.InstanceId ?? "";
  const [old = ""] = aws.oldInstanceIds;
  const register = (...ids: string[]) =>
    elb.send(
      new RegisterTargetsCommand({
        TargetGroupArn: aws.targetGroupArn,
        Targets: ids.map((Id) => ({ Id, Port: 9000 })),
      }),
    );
  expect(await errorOf(register(old, pending))).toMatchObject({
    name: "InvalidTargetException",
    code: "InvalidTarget",
    message: `The following targets are not in a running state and cannot be registered: '${pending}'`,
    status: 400,
  });
  expect(Object.keys(await health())).toEqual([`${old}:8080`]);
  expect(await errorOf(register("10.0.0.1"))).toMatchObject({
    name: "ValidationError",
    message: "Instance ID '10.0.0.1' is not valid",
  });
});

test("an instance nobody registered can be asked for", async () => {
  const { health } = setUp();
  const Id = "i-0123456789abcdef0";
  expect(await health([{ Id }])).toEqual({ [`${Id}:80`]: NOT_REGISTERED });
});

test("a stopped instance stays registered, unused", async () => {
  const { clock, aws, healthOf } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  stopInstance(aws.world, id);
  await clock.sleep(40 * SECONDS);
  expect(await healthOf(id)).toBe("unused|Target.InvalidState|Target is in the stopped state");
});

test("terminated while registered: leaves the list, yet asked for by id it drains for ever", async () => {
  const { clock, aws, health, healthOf } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  terminateInstance(aws.world, id);
  expect(await healthOf(id)).toBe("healthy");
  await clock.sleep(70 * SECONDS);
  expect(await healthOf(id)).toBe(DRAINING);
  await clock.sleep(41 * SECONDS);
  expect(await healthOf(id)).toBeUndefined();
  await clock.sleep(60 * MINUTES);
  expect(await health([{ Id: id, Port: 8080 }])).toEqual({ [`${id}:8080`]: DRAINING });
});

test("targets that get no traffic are unused: no load balancer, or not in their zone", async () => {
  const { aws, register, health } = setUp();
  const [id = ""] = aws.oldInstanceIds;
  const lonely = addTargetGroup(aws.world, undefined, "lonely", 80);
  await register(id, 80, lonely.arn);
  expect(await health(undefined, lonely.arn)).toEqual({
    [`${id}:80`]:
      "unused|Target.NotInUse|Target group is not configured to receive traffic from the load balancer",
  });
  const balancer = aws.world.loadBalancers.get(aws.loadBalancerArn);
  if (balancer === undefined) throw new Error("no load balancer");
  aws.world.loadBalancers.set(balancer.arn, { ...balancer, zones: balancer.zones.slice(1) });
  await register(id, 9000);
  expect((await health())[`${id}:9000`]).toBe(
    "unused|Target.NotInUse|Target is in an Availability Zone that is not enabled for the load balancer",
  );
});

test("a delay of 0 s is no delay, and attributes are text", async () => {
  const { aws, elb, deregister, healthOf } = setUp({ deregistrationDelaySeconds: 0 });
  const [id = ""] = aws.oldInstanceIds;
  await deregister(id, 8080);
  expect(await healthOf(id)).toBeUndefined();
  const { Attributes } = await elb.send(
    new DescribeTargetGroupAttributesCommand({ TargetGroupArn: aws.targetGroupArn }),
  );
  expect(Attributes).toContainEqual({
    Key: "deregistration_delay.timeout_seconds",
    Value: "0",
  });
});
