import { describeInstances, describeStatuses, runInstance, terminateInstance } from "../aws/ec2.ts";
import { describeTargets, registerTargets } from "../aws/elbv2.ts";
import type { Config } from "../config.ts";
import type { Deps } from "../deploy.ts";
import { DeployError } from "../errors.ts";
import type { Instance } from "../snapshot.ts";

/** Waits of a script of this kind: every 15 s, 40 times, as the waiters of AWS's own tools do it. */
const POLL_MS = 15_000;
const POLLS = 40;

/**
 * A rolling update as it is often scripted: launch, wait until it runs and passes its checks, register, wait until it
 * is healthy, and terminate the old one, which is neither deregistered nor drained. It shows what that costs.
 * @throws DeployError where a wait is not over in time or a signal came; everything then stays as it is
 */
export async function naiveRollout(config: Config, ami: string, deps: Deps): Promise<void> {
  const { ec2, elbv2, log } = deps;
  const arn = config.targetGroupArn;
  const targets = await describeTargets(elbv2, arn);
  const olds = await describeInstances(
    ec2,
    targets.map(({ instanceId }) => instanceId),
  );
  for (const [index, old] of olds.entries()) {
    const port = targets.find(({ instanceId }) => instanceId === old.id)?.port ?? 0;
    const say = (
      event: "launch" | "run" | "checks" | "register" | "health" | "terminate" | "terminated",
      message: string,
    ) => log({ event, message, slot: index + 1, slots: olds.length });
    say("launch", `Launching a new instance (replaces ${old.id})`);
    const { id } = await launch(config, ami, old, deps);
    say("run", `Waiting for instance to run (${id})`);
    await waitFor(`instance ${id} to run`, deps, () => isIn(deps, id, "running"));
    say("checks", `Waiting for instance and system status checks to pass (${id})`);
    await waitFor(`the status checks of instance ${id}`, deps, async () => {
      const status = (await describeStatuses(ec2, [id])).get(id);
      return status?.instance === "ok" && status.system === "ok";
    });
    say("register", `Registering instance to target group (${id})`);
    await registerTargets(elbv2, arn, [{ targetGroupArn: arn, instanceId: id, port }]);
    say("health", `Waiting for health check to pass (${id})`);
    await waitFor(`instance ${id} to be healthy`, deps, async () =>
      (await describeTargets(elbv2, arn)).some(
        ({ instanceId, state }) => instanceId === id && state === "healthy",
      ),
    );
    say("terminate", `Terminating instance ${old.id}, still registered`);
    await terminateInstance(ec2, old.id);
    await waitFor(`instance ${old.id} to terminate`, deps, () => isIn(deps, old.id, "terminated"));
    say("terminated", `Instance ${old.id} terminated`);
  }
}

function launch(config: Config, ami: string, { id: replaced, source }: Instance, { ec2 }: Deps) {
  return runInstance(ec2, {
    ImageId: ami,
    InstanceType: config.instanceType as never,
    KeyName: config.keyName,
    SecurityGroupIds: [...config.securityGroupIds],
    SubnetId: source.SubnetId,
    MinCount: 1,
    MaxCount: 1,
    ClientToken: `naive-${replaced}`,
    TagSpecifications: [
      { ResourceType: "instance", Tags: [{ Key: "Name", Value: config.version }] },
    ],
  });
}

async function isIn({ ec2 }: Deps, id: string, state: string): Promise<boolean> {
  const [instance] = await describeInstances(ec2, [id]);
  return instance?.state === state;
}

async function waitFor(
  what: string,
  { clock, signal }: Deps,
  isOver: () => Promise<boolean>,
): Promise<void> {
  for (let polls = 0; polls < POLLS; polls += 1) {
    if (await isOver()) return;
    await clock.sleep(POLL_MS, signal);
    if (signal.aborted)
      throw new DeployError("Interrupted", `Interrupted while waiting for ${what}`);
  }
  const seconds = (POLL_MS * POLLS) / 1000;
  throw new DeployError("ReplacementFailed", `Waited ${seconds} s in vain for ${what}`);
}
