import { type ActionContext, defineAction, dryRunSucceeded } from "../action.ts";
import { AwsError } from "../errors.ts";
import { newId } from "../ids.ts";
import { startLife } from "../instances.ts";
import type { Instance, LaunchRequest, NetworkInterface, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { reservationsView } from "./instance-view.ts";
import { shownOptions } from "./launch-options.ts";
import { type LaunchPlan, planLaunch } from "./launch-plan.ts";
import { createVolumes } from "./launch-volumes.ts";
import { RUN_INSTANCES_FIELDS, type RunParameters } from "./run-parameters.ts";

/**
 * RunInstances: answers `pending` instances, whose life then goes on by itself. A client token
 * makes it idempotent (EC2 guide, idempotency): the same request again answers the original
 * reservation as it is by then.
 */
export const runInstances = defineAction({
  fields: RUN_INSTANCES_FIELDS,
  mutates: true,
  run({ world }: ActionContext, parameters) {
    const token = parameters.ClientToken;
    const key = token === undefined ? undefined : `${tokenScope(world, parameters)}|${token}`;
    const { ClientToken: _token, DryRun: _dryRun, ...rest } = parameters;
    const request: LaunchRequest = { parameters: canonical(rest), instanceIds: [] };
    const earlier = key === undefined ? undefined : world.launchRequests.get(key);
    if (earlier !== undefined && parameters.DryRun !== true) {
      const replay = replayLaunch(world, earlier, request);
      if (replay !== undefined) return replay;
    }
    const plan = planLaunch(world, parameters);
    if (parameters.DryRun === true) throw dryRunSucceeded();
    // A token is bound by the first attempt even when that fails for want of capacity.
    if (key !== undefined) world.launchRequests.set(key, request);
    refuseBeyondQuota(world, plan);
    refuseWithoutCapacity(world, plan);
    const reservationId = newId(world, "r");
    const instances = Array.from({ length: plan.count }, (_, launchIndex) =>
      launchOne(world, parameters, plan, { reservationId, launchIndex }),
    );
    const instanceIds = instances.map(({ id }) => id);
    if (key !== undefined)
      world.launchRequests.set(key, { ...request, reservationId, instanceIds });
    return answer(world, instances);
  },
});

/** A token is good for one zone when the request names one, else for the region. */
function tokenScope(world: World, parameters: RunParameters): string {
  const subnetId = parameters.NetworkInterface?.[0]?.SubnetId ?? parameters.SubnetId ?? "";
  return parameters.Placement?.AvailabilityZone ?? world.subnets.get(subnetId)?.zone ?? "region";
}

/** The same text for the same parameters, in whatever order they were sent. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(
          Object.entries(member).sort(([left], [right]) => (left < right ? -1 : 1)),
        )
      : member,
  );
}

/**
 * The answer for a token used before; undefined when that attempt launched nothing and may be tried
 * again.
 */
function replayLaunch(
  world: World,
  earlier: LaunchRequest,
  request: LaunchRequest,
): WireRecord | undefined {
  if (earlier.parameters !== request.parameters) {
    throw new AwsError(
      "IdempotentParameterMismatch",
      "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    );
  }
  if (earlier.reservationId === undefined) return undefined;
  const instances = earlier.instanceIds
    .map((id) => world.instances.get(id))
    .filter((instance) => instance !== undefined);
  if (instances.every(({ state }) => state === "terminated")) {
    throw new AwsError(
      "IdempotentInstanceTerminated",
      "The client token you have provided is associated with a terminated instance. Please use a different " +
        "client token.",
    );
  }
  return answer(world, instances);
}

/** Stopped and terminated instances do not count (EC2 guide, On-Demand instance limits). */
function refuseBeyondQuota({ instances, instanceTypes, quotas }: World, plan: LaunchPlan): void {
  const limit = quotas.vcpus ?? Number.POSITIVE_INFINITY;
  const used = instances
    .list()
    .filter(({ state }) => state !== "stopped" && state !== "terminated")
    .map(({ instanceType }) => instanceTypes.get(instanceType)?.vcpus ?? 0)
    .reduce((sum, vcpus) => sum + vcpus, 0);
  if (used + plan.count * plan.type.vcpus <= limit) return;
  throw new AwsError(
    "VcpuLimitExceeded",
    `You have requested more vCPU capacity than your current vCPU limit of ${limit} allows for the ` +
      "instance bucket that the specified instance type belongs to. Please visit " +
      "http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit.",
  );
}

/** A server error, so that SDKs retry it at once (EC2 guide, error codes). */
function refuseWithoutCapacity(world: World, { subnet, type }: LaunchPlan): void {
  if (!world.zonesWithoutCapacity.has(subnet.zone)) return;
  const others = [...new Set([...world.subnets.values()].map(({ zone }) => zone))]
    .filter((zone) => !world.zonesWithoutCapacity.has(zone))
    .join(", ");
  throw new AwsError(
    "InsufficientInstanceCapacity",
    `We currently do not have sufficient ${type.name} capacity in the Availability Zone you requested ` +
      `(${subnet.zone}). Our system will be working on provisioning additional capacity. You can currently get ` +
      `${type.name} capacity by not specifying an Availability Zone in your request or choosing ${others}.`,
    500,
  );
}

function launchOne(
  world: World,
  parameters: RunParameters,
  plan: LaunchPlan,
  place: { readonly reservationId: string; readonly launchIndex: number },
): Instance {
  const id = newId(world, "i");
  const { image, subnet } = plan;
  const isSpot = parameters.InstanceMarketOptions?.MarketType === "spot";
  const networkInterfaces = networkInterfacesOf(world, parameters, plan);
  const instance: Instance = {
    id,
    ...place,
    launchOrder: world.next("launch-order"),
    imageId: image.id,
    instanceType: plan.type.name,
    keyName: plan.keyName,
    zone: subnet.zone,
    vpcId: subnet.vpcId,
    networkInterfaces,
    wantsPublicIp:
      parameters.NetworkInterface?.[0]?.AssociatePublicIpAddress ?? subnet.mapPublicIpOnLaunch,
    clientToken: parameters.ClientToken ?? "",
    launchTimeMs: world.nowMs(),
    state: "pending",
    stateReason: { code: "pending", message: "pending" },
    stateTransitionReason: "",
    systemCheck: "initializing",
    instanceCheck: "initializing",
    tags: plan.instanceTags,
    iamInstanceProfileArn: plan.profileArn,
    // An empty value is no user data: AWS shows none for it.
    userData: parameters.UserData || undefined,
    disableApiTermination: parameters.DisableApiTermination ?? false,
    disableApiStop: parameters.DisableApiStop ?? false,
    // A one-time Spot Instance cannot be stopped.
    shutdownBehavior:
      parameters.InstanceInitiatedShutdownBehavior ?? (isSpot ? "terminate" : "stop"),
    cpuCredits: plan.type.burstable ? creditsOf(parameters, plan) : undefined,
    volumeIds: createVolumes(world, parameters, plan, id),
    lifecycle: isSpot ? "spot" : undefined,
    shown: shownOptions(parameters, plan),
    answer: "timeout",
    answerIsForced: false,
  };
  world.instances.set(id, instance);
  startLife(world, id);
  return instance;
}

/**
 * T2 starts as standard, every later burstable family as unlimited (EC2 guide, burstable
 * instances).
 */
function creditsOf(parameters: RunParameters, { type }: LaunchPlan): string {
  const byDefault = type.name.startsWith("t2.") ? "standard" : "unlimited";
  return parameters.CreditSpecification?.CpuCredits ?? byDefault;
}

function networkInterfacesOf(
  world: World,
  parameters: RunParameters,
  plan: LaunchPlan,
): readonly NetworkInterface[] {
  const { subnet, groupIds } = plan;
  const { Ipv6AddressCount, EnablePrimaryIpv6: PrimaryIpv6 } = parameters;
  const wanted = parameters.NetworkInterface ?? [{ Ipv6AddressCount, PrimaryIpv6 }];
  return wanted.map((nic, index) => ({
    id: newId(world, "eni"),
    deviceIndex: nic.DeviceIndex ?? index,
    subnetId: nic.SubnetId ?? subnet.id,
    groupIds: nic.SecurityGroupId ?? groupIds,
    privateIp: nextAddress(world, nic.SubnetId ?? subnet.id),
    ipv6Addresses: Array.from(
      { length: nic.Ipv6AddressCount ?? givenIpv6(world, nic, plan) },
      () => {
        const host = world.random.hex(`ipv6:${world.next("ipv6")}`, 4);
        return `2001:db8:${subnet.prefix.split(".")[2]}::${host}`;
      },
    ),
    hasPrimaryIpv6: nic.PrimaryIpv6,
    deleteOnTermination: nic.DeleteOnTermination ?? true,
    description: nic.Description ?? "",
  }));
}

/** IPv6 addresses of an interface that asks for no number: the subnet decides (CreateNetworkInterface). */
function givenIpv6(world: World, nic: { SubnetId?: string }, { subnet }: LaunchPlan): number {
  const itsSubnet = world.subnets.get(nic.SubnetId ?? subnet.id);
  return itsSubnet?.assignIpv6AddressOnCreation ? 1 : 0;
}

/** The next address of a subnet: nobody's for a long time, as AWS too hands them out in turn. */
export function nextAddress(world: World, subnetId: string): string {
  const prefix = world.subnets.get(subnetId)?.prefix ?? "10.0.0";
  return `${prefix}.${4 + (world.next(`address:${subnetId}`) % 251)}`;
}

function answer(world: World, instances: readonly Instance[]): WireRecord {
  const [reservation] = reservationsView(world, instances);
  return reservation ?? {};
}
