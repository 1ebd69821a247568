import type { Caller } from "../aws/sts.ts";
import { volumesLeftBehind } from "../launch/volumes.ts";
import type { LaunchTemplate } from "../launch.ts";
import type { Fleet } from "../slots.ts";
import { type Instance, isRegistered, type Snapshot } from "../snapshot.ts";

/** What the user should know though it stops nothing. */
export function noticesOf(
  { fleet, snapshot }: { readonly fleet: Fleet; readonly snapshot: Snapshot },
  { image }: LaunchTemplate,
  caller: Caller | string,
  nowMs: number,
): string[] {
  const olds = fleet.slots.flatMap(({ old }) => old ?? []);
  const strays = fleet.strays.map(
    ({ id, state }) =>
      `instance ${id} (${state}) carries tags of an earlier rollout but is in no target group; it is left alone`,
  );
  const isDeprecated = Date.parse(image.DeprecationTime ?? "") < nowMs;
  return [
    ...(typeof caller === "string"
      ? [`STS does not say whose credentials these are: ${caller}`]
      : []),
    ...olds.flatMap(leftBehind),
    ...olds.flatMap(watchers),
    ...strays,
    ...unseen(snapshot),
    ...(isDeprecated ? [`AMI ${image.ImageId} is deprecated since ${image.DeprecationTime}`] : []),
  ];
}

function leftBehind({ id, source }: Instance): string[] {
  return volumesLeftBehind(source.BlockDeviceMappings ?? []).map(
    (volume) =>
      `volume ${volume} stays behind when ${id} is terminated: it is not deleted on termination`,
  );
}

/** Services may hide the instances that they manage. */
function unseen({ targets, instances }: Snapshot): string[] {
  const ids = targets.filter(isRegistered).map(({ instanceId }) => instanceId);
  return [...new Set(ids)]
    .filter((id) => !instances.has(id))
    .map((id) => `target ${id} is registered, but EC2 shows no such instance; it is left alone`);
}

/** Who may not like to see an instance replaced, but does not replace it itself. */
function watchers({ id, tags }: Instance): string[] {
  const stack = tags["aws:cloudformation:stack-name"];
  const fleet = tags["aws:ec2:fleet-id"] ?? tags["aws:ec2spot:fleet-request-id"];
  return [
    ...(stack
      ? [
          `instance ${id} is part of CloudFormation stack ${stack}, which will not know its replacement`,
        ]
      : []),
    ...(fleet
      ? [
          `instance ${id} was launched by fleet ${fleet}; one that maintains its size would replace it too`,
        ]
      : []),
  ];
}
