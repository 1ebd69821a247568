import { defineAction } from "../action.ts";
import type { Target, TargetGroup } from "../balancer-records.ts";
import { AwsError } from "../errors.ts";
import { isId } from "../ids.ts";
import { required } from "../params.ts";
import type { Instance, WireRecord } from "../records.ts";
import { deregisterTarget, type Health, healthOf, registerTarget, targetId } from "../targets.ts";
import type { World } from "../world.ts";
import { findTargetGroup } from "./find.ts";

const ELB = "elasticloadbalancing";

/** Quota of targets in one group (ELB guide, quotas). */
const MAX_TARGETS = 1000;

const TARGETS = {
  list: {
    fields: {
      Id: "string",
      Port: "integer",
      AvailabilityZone: "string",
      QuicServerId: "string",
    },
  },
} as const;

interface TargetParameter {
  readonly Id?: string;
  readonly Port?: number;
}

/** The instance ids and ports of a request; the group's port where none is given. */
function readTargets(
  group: TargetGroup,
  targets: readonly TargetParameter[] | undefined,
): readonly { readonly instanceId: string; readonly port: number }[] {
  return (targets ?? []).map(({ Id, Port }) => {
    const instanceId = required(ELB, "Id", Id);
    if (!isId("i", instanceId)) {
      throw new AwsError("ValidationError", `Instance ID '${instanceId}' is not valid`);
    }
    const port = Port ?? group.port;
    if (port < 1 || port > 65_535) {
      throw new AwsError("ValidationError", `Port '${port}' is not valid`);
    }
    return { instanceId, port };
  });
}

/** RegisterTargets: all of the named instances must run, else none is registered. */
export const registerTargets = defineAction({
  fields: { TargetGroupArn: "string", Targets: TARGETS },
  mutates: true,
  run({ world }, parameters) {
    const group = findTargetGroup(world, parameters.TargetGroupArn);
    const wanted = readTargets(group, required(ELB, "Targets", parameters.Targets));
    const instances = wanted.map(({ instanceId, port }) => ({
      instance: world.instances.get(instanceId),
      instanceId,
      port,
    }));
    const notRunning = instances.filter(({ instance }) => instance?.state !== "running");
    if (notRunning.length > 0) {
      const ids = notRunning.map(({ instanceId }) => `'${instanceId}'`).join(", ");
      throw new AwsError(
        "InvalidTarget",
        `The following targets are not in a running state and cannot be registered: ${ids}`,
      );
    }
    const running = instances.filter(
      (entry): entry is typeof entry & { readonly instance: Instance } =>
        entry.instance !== undefined,
    );
    const strangers = running.filter(({ instance }) => instance.vpcId !== group.vpcId);
    if (strangers.length > 0) {
      const ids = strangers.map(({ instanceId }) => `'${instanceId}'`).join(", ");
      throw new AwsError(
        "InvalidTarget",
        `The following targets are not in the target group VPC '${group.vpcId}': ${ids}`,
      );
    }
    refuseTooMany(world, group, running);
    for (const { instance, port } of running) registerTarget(world, group, instance, port);
    return {};
  },
});

function refuseTooMany(
  world: World,
  group: TargetGroup,
  wanted: readonly { readonly instanceId: string; readonly port: number }[],
): void {
  const ids = new Set(
    world.targets
      .list()
      .filter((target) => target.targetGroupArn === group.arn && target.registered)
      .map(({ id }) => id),
  );
  for (const { instanceId, port } of wanted) ids.add(targetId(group.arn, instanceId, port));
  if (ids.size <= MAX_TARGETS) return;
  throw new AwsError(
    "TooManyTargets",
    `The maximum number of targets for target group '${group.arn}' has been reached`,
  );
}

/**
 * DeregisterTargets: succeeds whether or not the target is registered; another port is another
 * target.
 */
export const deregisterTargets = defineAction({
  fields: { TargetGroupArn: "string", Targets: TARGETS },
  mutates: true,
  run({ world }, parameters) {
    const group = findTargetGroup(world, parameters.TargetGroupArn);
    const named = readTargets(group, required(ELB, "Targets", parameters.Targets));
    for (const { instanceId, port } of named) {
      deregisterTarget(world, group, targetId(group.arn, instanceId, port));
    }
    return {};
  },
});

/**
 * DescribeTargetHealth: all targets of a group, or those named, registered or not; it knows no
 * pages.
 */
export const describeTargetHealth = defineAction({
  fields: { TargetGroupArn: "string", Targets: TARGETS, Include: { list: "string" } },
  tables: ["targets"],
  run(context, parameters) {
    const { world, asOfMs } = context;
    const group = findTargetGroup(world, parameters.TargetGroupArn);
    const named = readTargets(group, parameters.Targets);
    if (named.length > 0) {
      const views = named.map(({ instanceId, port }) => {
        const target = world.targets.get(targetId(group.arn, instanceId, port), asOfMs);
        return target === undefined
          ? targetView(group, { instanceId, port }, healthOf("unused", "notRegistered"))
          : targetView(group, target, target);
      });
      return { TargetHealthDescriptions: views };
    }
    const listed = world.targets
      .list(asOfMs)
      .filter((target) => target.targetGroupArn === group.arn && !target.abandoned);
    return {
      TargetHealthDescriptions: listed.map((target) => targetView(group, target, target)),
    };
  },
});

function targetView(
  group: TargetGroup,
  { instanceId, port }: Pick<Target, "instanceId" | "port">,
  { state, reason, description }: Health,
): WireRecord {
  const { port: checkPort } = group.healthCheck;
  return {
    Target: { Id: instanceId, Port: port },
    HealthCheckPort: checkPort === "traffic-port" ? String(port) : checkPort,
    TargetHealth: { State: state, Reason: reason, Description: description },
    // AWS answers this whether or not it is asked for.
    AdministrativeOverride: {
      State: "no_override",
      Reason: "AdministrativeOverride.NoOverride",
      Description: "No override is currently active on target",
    },
  };
}
