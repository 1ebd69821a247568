import type { Instance } from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  buildFleet,
  buildLoadBalancer,
  buildTargetGroup,
  type Fleet,
  servingPort,
  tagsOf,
  threeSubnets,
  userDataOf,
  volumeTagsOf,
} from "./fleet.ts";
import { type AwsRequest, startForwarder } from "./forwarder.ts";
import { isMotoHere, type Moto, skipWithoutMoto, startMoto } from "./moto.ts";
import { cleanUp, type Program, type ProgramEnd, runProgram, startProgram } from "./program.ts";

/** A rollout takes at least 30 s an instance, as long as load balancers may go on sending to it. */
const threeInstancesMs = 200_000;
/** One that follows on another waits a minute until all shows that the other did. */
const oneInstanceMs = 180_000;

let moto: Moto;

beforeAll(async () => {
  if (isMotoHere) moto = await startMoto();
});
beforeEach(skipWithoutMoto);
afterAll(async () => {
  await cleanUp();
  await moto?.stop();
});

describe.concurrent("a rolling update", () => {
  it("replaces three instances in three zones; the same command again changes nothing", {
    timeout: threeInstancesMs,
  }, async () => {
    const fleet = await buildFleet({ url: moto.url, region: "eu-west-1", instances: 3 });
    const old = await fleet.alive();
    const folder = fleet.folder({ tags: { "cost-center": "42" } });
    const end = await runProgram([fleet.newAmi], { env: environment(moto.url), folder });

    expect(end).toMatchObject({ exitCode: 0, stderr: "" });
    expect(messagesOf(end)).toEqual([
      expect.stringMatching(/^Account 123456789012, region eu-west-1 \(arn:aws:\S+\)$/),
      `Rolling update started: 3 instances of my-targets to ${fleet.newAmi} as "v2"; each old one drains for 30 s`,
      ...[1, 2, 3].flatMap((slot) =>
        [
          "Launching a new instance (replaces ID, AMI, ZONE)",
          "Launched instance ID to replace ID",
          "Waiting for instance to run (ID)",
          "Waiting for instance and system status checks to pass (ID)",
          "Registering instance to target group (ID, port 8080 of my-targets)",
          "Waiting for health check to pass (ID)",
          "Deregistering instance ID (port 8080 of my-targets)",
          "Waiting for instance to drain (ID: deregistered, up to 30 s left)",
          "Terminating instance ID",
          "Instance ID terminated",
        ].map((message) => `[${slot}/3] ${message}`),
      ),
      expect.stringMatching(/^Rolling update completed: 3 instances replaced in \d+ min \d+ s$/),
    ]);
    expect(end.stdout).not.toContain("\u001B");
    expect(end.elapsedMs).toBeGreaterThan(90_000);

    const alive = await fleet.alive();
    expect(await fleet.everLaunched()).toHaveLength(6);
    expect(alive.map(({ ImageId }) => ImageId)).toEqual(Array(3).fill(fleet.newAmi));
    expect(alive.map(({ Placement }) => Placement?.AvailabilityZone).sort()).toEqual([
      "eu-west-1a",
      "eu-west-1b",
      "eu-west-1c",
    ]);
    expect(await fleet.targets()).toEqual(healthyOnServingPort(alive));
    for (const instance of alive) {
      const { InstanceId = "", Tags } = instance;
      const replaced = old.find(
        ({ Placement }) => Placement?.AvailabilityZone === instance.Placement?.AvailabilityZone,
      );
      const ours = {
        Name: "v2",
        "cost-center": "42",
        "zero-deploy:target-group": fleet.targetGroupArn,
        "zero-deploy:replaces": replaced?.InstanceId,
        "zero-deploy:spec": expect.stringMatching(/^[0-9a-f]{32}$/),
        "zero-deploy:previous-ami": fleet.oldAmi,
        "zero-deploy:previous-name": "v1",
      };
      expect(tagsOf(Tags)).toEqual({ team: "blue sky", ...ours });
      expect(await volumeTagsOf(fleet.ec2, InstanceId)).toEqual([ours]);
      expect(await userDataOf(fleet.ec2, InstanceId)).toBe(fleet.userData);
      expect(instance).toMatchObject({
        InstanceType: "t3.micro",
        KeyName: "my-key",
        SubnetId: replaced?.SubnetId,
        SecurityGroups: replaced?.SecurityGroups,
        State: { Name: "running" },
      });
    }

    const forwarder = await startForwarder(moto.url);
    const again = await runProgram([fleet.newAmi], { env: environment(forwarder.url), folder });
    await forwarder.stop();
    expect(again).toMatchObject({ exitCode: 0, stderr: "" });
    expect(messagesOf(again)).toEqual([
      expect.stringContaining("Account 123456789012"),
      `Nothing to do: every instance runs ${fleet.newAmi} as "v2"`,
    ]);
    expect(changes(forwarder.requests)).toEqual([]);
    expect(await fleet.everLaunched()).toHaveLength(6);
  });

  it("tells as JSON, and serves every target group of the load balancer", {
    timeout: oneInstanceMs,
  }, async () => {
    const fleet = await buildFleet({
      url: moto.url,
      region: "eu-central-1",
      instances: 1,
      hasSecondTargetGroup: true,
    });
    const args = [fleet.newAmi, "--output", "json"];
    const options = { env: environment(moto.url), folder: fleet.folder() };
    const { exitCode, stdout, stderr } = await runProgram(args, options);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    const events: Record<string, unknown>[] = lines.map((line) => JSON.parse(line));
    for (const event of events) {
      expect(event).toEqual(
        expect.objectContaining({
          time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
          level: expect.stringMatching(/^(info|warn|error)$/),
          event: expect.stringMatching(/^[a-z-]+$/),
          message: expect.stringMatching(/./),
        }),
      );
    }
    expect(events.map(({ event }) => event)).toEqual([
      "account",
      "started",
      "launch",
      "launched",
      "run",
      "checks",
      "register",
      "health",
      "deregister",
      "drain",
      "terminate",
      "terminated",
      "completed",
    ]);
    const [replacement] = await fleet.alive();
    expect(events.find(({ event }) => event === "launched")).toMatchObject({
      slot: 1,
      slots: 1,
      instance: replacement?.InstanceId,
      replaces: fleet.oldIds[0],
    });
    expect(await fleet.alive()).toHaveLength(1);
    expect(await fleet.targets()).toEqual([`${replacement?.InstanceId}:8080 healthy`]);
    expect(await fleet.targets(fleet.secondTargetGroupArn)).toEqual([
      `${replacement?.InstanceId}:9090 healthy`,
    ]);
  });
});

describe.concurrent("a rolling update that is killed", () => {
  it("is finished by the same command, and nothing is launched twice", {
    timeout: threeInstancesMs,
  }, async () => {
    const fleet = await buildFleet({ url: moto.url, region: "eu-west-2", instances: 3 });
    // Without the lock, which would wait a minute after each that is killed (lock.test.ts).
    const folder = fleet.folder({ lock: false });
    const start = () => startProgram([fleet.newAmi], { env: environment(moto.url), folder });

    // RunInstances has launched, but its answer never arrives.
    const lost = await signalAfterLaunch(fleet, "SIGKILL");
    expect(lost.exitCode).toBeUndefined();
    expect(lost.stdout).toContain("Launching a new instance");
    expect(lost.stdout).not.toContain("Launched instance");
    expect(await fleet.alive()).toHaveLength(4);

    const [lostId = ""] = await replacements(fleet);

    const draining = start();
    expect(await draining.line(/Adopting instance/)).toContain(lostId);
    await killAt(draining, /Waiting for instance to drain/);
    expect(await fleet.alive()).toHaveLength(4);

    const second = start();
    const launched = await killAt(second, /\[2\/3\] Launched instance/);
    const [secondId = "none"] = (await replacements(fleet)).filter((id) => id !== lostId);
    expect(launched).toContain(secondId);
    expect(await fleet.alive()).toHaveLength(4);

    const last = await start().end;
    expect(last).toMatchObject({ exitCode: 0, stderr: "" });
    expect(last.stdout).toMatch(/Rolling update completed: 2 instances replaced/);
    const alive = await fleet.alive();
    expect(alive.map(({ ImageId }) => ImageId)).toEqual(Array(3).fill(fleet.newAmi));
    expect(await fleet.everLaunched()).toHaveLength(6);
    expect(await fleet.targets()).toEqual(healthyOnServingPort(alive));
    expect(new Set(alive.map(({ SubnetId }) => SubnetId)).size).toBe(3);
  });
});

describe.concurrent("a rolling update that is interrupted", () => {
  it("by SIGTERM takes back the replacement that does not serve yet", {
    timeout: oneInstanceMs,
  }, async () => {
    const fleet = await buildFleet({ url: moto.url, region: "us-east-1", instances: 1 });
    const [oldId = ""] = fleet.oldIds;
    const end = await signalAfterLaunch(fleet, "SIGTERM");
    expect(end).toMatchObject({ exitCode: 143, stderr: "" });
    // Nothing was ever sent there: there is nothing to wait for.
    expect(end.stdout).not.toMatch(/instance to drain/);
    expect(messagesOf(end)).toContain("Rolling update interrupted");
    expect(end.stdout).toMatch(
      new RegExp(`${oldId} \\(${fleet.oldAmi}, us-east-1a\\) running, healthy: not replaced`),
    );
    expect((await fleet.alive()).map(({ InstanceId }) => InstanceId)).toEqual([oldId]);
    expect(await fleet.everLaunched()).toHaveLength(2);
    expect(await fleet.targets()).toEqual([`${oldId}:${servingPort} healthy`]);

    await expectFinishedBy(commandIn(end), fleet);
    expect(await fleet.everLaunched()).toHaveLength(3);
  });

  it("by SIGINT leaves a replacement that serves, and lists what is left", {
    timeout: oneInstanceMs,
  }, async () => {
    const fleet = await buildFleet({ url: moto.url, region: "us-west-2", instances: 1 });
    const [oldId = ""] = fleet.oldIds;
    const program = startProgram([fleet.newAmi, "--bake-time", "5", "--config", "./config.json"], {
      env: environment(moto.url),
      folder: fleet.folder(),
    });
    await program.line(/Waiting for instance to drain/);
    program.process.kill("SIGINT");
    const end = await program.end;
    expect(end).toMatchObject({ exitCode: 130, stderr: "" });
    const alive = await fleet.alive();
    const newId = alive.find(({ ImageId }) => ImageId === fleet.newAmi)?.InstanceId ?? "";
    expect(alive).toHaveLength(2);
    expect(await fleet.targets()).toEqual([`${newId}:${servingPort} healthy`]);
    expect(end.stdout).toContain(`${newId} (${fleet.newAmi}, us-west-2a) running, healthy: `);
    expect(end.stdout).toContain(
      `${oldId} (${fleet.oldAmi}, us-west-2a) running, not a target: to be terminated`,
    );
    const command = commandIn(end);
    expect(command).toEqual([fleet.newAmi, "--bake-time", "5", "--config", "./config.json"]);

    await expectFinishedBy(command, fleet);
    expect(await fleet.everLaunched()).toHaveLength(2);
  });

  it("by a second signal leaves at once", { timeout: oneInstanceMs }, async () => {
    const fleet = await buildFleet({ url: moto.url, region: "us-east-2", instances: 1 });
    let program: Program | undefined;
    let signals = 0;
    // While this answer is held back the first signal can lead nowhere.
    const forwarder = await startForwarder(moto.url, async ({ action, isDryRun }) => {
      if (action !== "RunInstances" || isDryRun || program === undefined) return;
      for (const signal of ["SIGTERM", "SIGINT"] as const) {
        signals++;
        program.process.kill(signal);
      }
      await program.end;
    });
    program = startProgram([fleet.newAmi], {
      env: environment(forwarder.url),
      folder: fleet.folder(),
    });
    const end = await program.end;
    await forwarder.stop();
    expect(signals).toBe(2);
    expect([130, 143]).toContain(end.exitCode);
    expect(end.stderr).toBe("");
    expect(await fleet.everLaunched()).toHaveLength(2);
  });
});

describe.concurrent("bad input", () => {
  let fleet: Fleet;

  beforeAll(async () => {
    if (isMotoHere) {
      fleet = await buildFleet({ url: moto.url, region: "eu-north-1", instances: 1 });
    }
  });

  it("is told all at once, and nothing is launched", async () => {
    const problems = await expectRefused(
      { "ssh-key": "lost-key", "security-group-id": ["sg-0123456789abcdef0"] },
      "ami-0123456789abcdef0",
    );
    expect(problems.sort()).toEqual([
      expect.stringMatching(/^AMI ami-0123456789abcdef0: does not exist/),
      expect.stringMatching(/^security-group-id: sg-0123456789abcdef0: does not exist/),
      expect.stringMatching(/^ssh-key: key pair lost-key: does not exist/),
    ]);
  });

  it("names a target group and a load balancer that do not exist", async () => {
    const arn = (kind: string) =>
      `arn:aws:elasticloadbalancing:eu-north-1:123456789012:${kind}/lost/0123456789abcdef`;
    const problems = await expectRefused({
      "target-group": { arn: arn("targetgroup") },
      loadbalancer: { arn: arn("loadbalancer/app") },
    });
    expect(problems.sort()).toEqual([
      expect.stringMatching(/^loadbalancer\.arn: .*loadbalancer\/app\/lost.* does not exist/),
      expect.stringMatching(/^target-group\.arn: .*targetgroup\/lost.* does not exist/),
    ]);
  });

  it("refuses a target group of IP addresses", async () => {
    const arn = await anotherTargetGroup("my-addresses", 82, "ip");
    expect(await expectRefused({ "target-group": { arn } })).toEqual([
      "target group my-addresses: its targets are of type ip; only instances can be replaced",
    ]);
  });

  it("refuses an empty target group", async () => {
    const arn = await anotherTargetGroup("my-empty-group", 83, "instance");
    expect(await expectRefused({ "target-group": { arn } })).toEqual([
      "target group my-empty-group: has no registered targets, so there is nothing to replace; register some first",
    ]);
  });

  it("refuses a load balancer that does not use the target group", async () => {
    const subnets = await threeSubnets(fleet.ec2);
    const arn = await buildLoadBalancer(fleet.elbv2, "another-load-balancer", subnets);
    expect(await expectRefused({ loadbalancer: { arn } })).toEqual([
      `target group my-targets: is not used by load balancer ${arn}, but by ${fleet.loadBalancerArn}; correct target-group.arn or loadbalancer.arn`,
    ]);
  });

  async function anotherTargetGroup(
    name: string,
    listenPort: number,
    targetType: "ip" | "instance",
  ) {
    const [subnet] = await threeSubnets(fleet.ec2);
    const { elbv2, loadBalancerArn } = fleet;
    const vpcId = subnet?.VpcId;
    return buildTargetGroup({ elbv2, loadBalancerArn, vpcId, name, listenPort, targetType });
  }

  /** Runs with a changed configuration, which is refused before the first change; returns the problems listed. */
  async function expectRefused(changed: object, ami = fleet.newAmi): Promise<string[]> {
    const forwarder = await startForwarder(moto.url);
    const folder = fleet.folder({ ...changed });
    const end = await runProgram([ami], { env: environment(forwarder.url), folder });
    await forwarder.stop();
    expect(end).toMatchObject({ exitCode: 1, stderr: "" });
    const [account, headline, ...rest] = end.stdout.trimEnd().split("\n");
    const problems = rest.flatMap((line) => /^ {2}- (.*)$/.exec(line)?.[1] ?? []);
    expect(account).toContain("Account 123456789012");
    const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
    expect(headline).toContain(`The rolling update cannot start: ${count} in eu-north-1`);
    expect(end.stdout).toContain("nothing was changed");
    expect(changes(forwarder.requests)).toEqual([]);
    return problems;
  }
});

function environment(url: string) {
  return {
    AWS_ENDPOINT_URL: url,
    AWS_ACCESS_KEY_ID: "AKIAENVIRONMENT00000",
    AWS_SECRET_ACCESS_KEY: "secret",
  };
}

/** The lines of a text log without their times; ids, which differ from run to run, by their kind. */
function messagesOf({ stdout }: ProgramEnd): string[] {
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) =>
      line
        .replace(/^\d\d:\d\d:\d\d /, "")
        .replaceAll(/\bi-[0-9a-f]{17}\b/g, "ID")
        .replace(/\(replaces ID, ami-[0-9a-f]+, [a-z0-9-]+\)/, "(replaces ID, AMI, ZONE)"),
    );
}

function healthyOnServingPort(instances: readonly { InstanceId?: string }[]): string[] {
  return instances.map(({ InstanceId }) => `${InstanceId}:${servingPort} healthy`).sort();
}

/** What would have changed something. */
function changes(requests: readonly AwsRequest[]): string[] {
  expect(requests.length).toBeGreaterThan(0);
  return requests
    .filter(({ action, isDryRun }) => !/^(Describe|Get)/.test(action) && !isDryRun)
    .map(({ action }) => action);
}

/** Runs the program and sends it a signal when moto has launched, before the program knows. */
async function signalAfterLaunch(fleet: Fleet, signal: NodeJS.Signals): Promise<ProgramEnd> {
  let program: Program | undefined;
  const forwarder = await startForwarder(moto.url, ({ action, isDryRun }) => {
    if (action === "RunInstances" && !isDryRun) program?.process.kill(signal);
  });
  const folder = fleet.folder();
  program = startProgram([fleet.newAmi], { env: environment(forwarder.url), folder });
  const end = await program.end;
  await forwarder.stop();
  return end;
}

/** Kills the program once it has said something; returns the line. */
async function killAt(program: Program, pattern: RegExp): Promise<string> {
  const line = await program.line(pattern);
  program.process.kill("SIGKILL");
  expect((await program.end).exitCode).toBeUndefined();
  return line;
}

/** The ids of those on the new AMI. */
async function replacements(fleet: Fleet): Promise<string[]> {
  const isNew = ({ ImageId }: Instance) => ImageId === fleet.newAmi;
  return (await fleet.alive()).filter(isNew).map(({ InstanceId = "" }) => InstanceId);
}

/** The arguments of the command that an error recommends. */
function commandIn({ stdout }: ProgramEnd): string[] {
  const command = /To finish the rollout, run:\n +zero-deploy (.*)$/m.exec(stdout)?.[1];
  expect(command).toBeDefined();
  return command?.split(" ") ?? [];
}

async function expectFinishedBy(args: readonly string[], fleet: Fleet): Promise<void> {
  const end = await runProgram(args, { env: environment(moto.url), folder: fleet.folder() });
  expect(end).toMatchObject({ exitCode: 0, stderr: "" });
  expect(end.stdout).toContain("Rolling update completed: 1 instance replaced");
  const alive = await fleet.alive();
  expect(alive.map(({ ImageId }) => ImageId)).toEqual([fleet.newAmi]);
  expect(await fleet.targets()).toEqual(healthyOnServingPort(alive));
}
