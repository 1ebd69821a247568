import {
  DescribeInstanceAttributeCommand,
  DescribeInstanceCreditSpecificationsCommand,
  DescribeInstanceStatusCommand,
  DescribeVolumesCommand,
  type EC2Client,
  type Instance as Ec2Instance,
  type Filter,
  type InstanceAttribute,
  type InstanceAttributeName,
  ModifyInstanceAttributeCommand,
  type ModifyInstanceAttributeCommandInput,
  paginateDescribeInstances,
  RunInstancesCommand,
  type RunInstancesCommandInput,
  TerminateInstancesCommand,
  type Volume,
} from "@aws-sdk/client-ec2";
import type { Instance, InstanceStatus } from "../snapshot.ts";
import { chunk, filterValuesLimit } from "./chunk.ts";
import { awsErrorCode, isUnknownInstance } from "./errors.ts";

/** The most ids one DescribeInstanceStatus takes, and a page of DescribeInstances that is not throttled as unpaginated. */
const statusIdsLimit = 100;
const pageSize = 1000;

/** Everything about an instance that its replacement copies and DescribeInstances does not say. */
export interface LaunchSource {
  readonly instance: Ec2Instance;
  /** Base64, as EC2 keeps it. */
  readonly userData?: string;
  readonly shutdownBehavior?: string;
  readonly disableApiStop?: boolean;
  readonly disableApiTermination?: boolean;
  /** Of burstable instance types only. */
  readonly cpuCredits?: string;
  readonly volumes: readonly Volume[];
}

/**
 * Instances by id. Filters rather than ids: an unknown id then means a shorter answer, not a failed call.
 */
export async function describeInstances(
  ec2: EC2Client,
  ids: readonly string[],
): Promise<Instance[]> {
  const pages = chunk(ids, filterValuesLimit).map((values) =>
    describeByFilter(ec2, { Name: "instance-id", Values: values }),
  );
  return (await Promise.all(pages)).flat();
}

/** Instances that carry a tag with this value. */
export function describeInstancesByTag(
  ec2: EC2Client,
  key: string,
  value: string,
): Promise<Instance[]> {
  return describeByFilter(ec2, { Name: `tag:${key}`, Values: [value] });
}

async function describeByFilter(ec2: EC2Client, filter: Filter): Promise<Instance[]> {
  const instances: Instance[] = [];
  const pages = paginateDescribeInstances({ client: ec2, pageSize }, { Filters: [filter] });
  for await (const page of pages) {
    for (const reservation of page.Reservations ?? []) {
      instances.push(...(reservation.Instances ?? []).map(toInstance));
    }
  }
  return instances;
}

/**
 * Status checks of running instances, by instance id.
 * IncludeAllInstances is left out: a pending instance has no checks yet and is missing from the answer. So is, for a
 * while, one that DescribeInstances shows already: an unknown id fails the call, and then none is known yet.
 */
export async function describeStatuses(
  ec2: EC2Client,
  ids: readonly string[],
): Promise<Map<string, InstanceStatus>> {
  const answers = await Promise.all(
    chunk(ids, statusIdsLimit).map((chunk) => describeStatusPage(ec2, chunk)),
  );
  return new Map(
    answers.flat().map((status) => [
      status.InstanceId ?? "",
      {
        instance: status.InstanceStatus?.Status ?? "unknown",
        system: status.SystemStatus?.Status ?? "unknown",
      },
    ]),
  );
}

/** The first few status checks of whatever instances: asked for the permission's sake. */
export async function describeAnyStatus(ec2: EC2Client): Promise<void> {
  await ec2.send(new DescribeInstanceStatusCommand({ MaxResults: 5 }));
}

async function describeStatusPage(ec2: EC2Client, InstanceIds: string[]) {
  try {
    const answer = await ec2.send(new DescribeInstanceStatusCommand({ InstanceIds }));
    return answer.InstanceStatuses ?? [];
  } catch (error) {
    if (isUnknownInstance(error)) return [];
    throw error;
  }
}

/** How a part of something is asked for; where the asking may fail without an end to all, undefined is its answer. */
export type Ask = <T>(what: string, ask: () => Promise<T>) => Promise<T | undefined>;

/** Reads what only DescribeInstanceAttribute, DescribeInstanceCreditSpecifications and DescribeVolumes say. */
export async function describeLaunchSource(
  ec2: EC2Client,
  instance: Ec2Instance,
  read: Ask = (_what, ask) => ask(),
): Promise<LaunchSource> {
  const id = instance.InstanceId ?? "";
  const attribute = (name: InstanceAttributeName) =>
    read("attributes of instances", () => describeAttribute(ec2, id, name));
  const [userData, shutdown, apiStop, apiTermination, cpuCredits, volumes] = await Promise.all([
    attribute("userData"),
    attribute("instanceInitiatedShutdownBehavior"),
    attribute("disableApiStop"),
    attribute("disableApiTermination"),
    read("CPU credits of instances", () => describeCpuCredits(ec2, instance)),
    read("volumes of instances", () => describeVolumes(ec2, instance)),
  ]);
  return {
    instance,
    userData: userData?.UserData?.Value,
    shutdownBehavior: shutdown?.InstanceInitiatedShutdownBehavior?.Value,
    disableApiStop: apiStop?.DisableApiStop?.Value,
    disableApiTermination: apiTermination?.DisableApiTermination?.Value,
    cpuCredits,
    volumes: volumes ?? [],
  };
}

/** Whether TerminateInstances would be refused. */
export async function isTerminationProtected(ec2: EC2Client, id: string): Promise<boolean> {
  const attribute = await describeAttribute(ec2, id, "disableApiTermination");
  return attribute.DisableApiTermination?.Value === true;
}

function describeAttribute(
  ec2: EC2Client,
  InstanceId: string,
  Attribute: InstanceAttributeName,
): Promise<InstanceAttribute> {
  return ec2.send(new DescribeInstanceAttributeCommand({ InstanceId, Attribute }));
}

/** T2, T3, T3a, T4g; not trn1, which is something else. */
export function isBurstable(instanceType = ""): boolean {
  return /^t\d/.test(instanceType);
}

async function describeCpuCredits(
  ec2: EC2Client,
  instance: Ec2Instance,
): Promise<string | undefined> {
  // Asked for another type, the call is an error: InstanceCreditSpecification.NotSupported.
  if (!isBurstable(instance.InstanceType) || instance.InstanceId === undefined) return undefined;
  const answer = await ec2.send(
    new DescribeInstanceCreditSpecificationsCommand({ InstanceIds: [instance.InstanceId] }),
  );
  return answer.InstanceCreditSpecifications?.[0]?.CpuCredits;
}

async function describeVolumes(ec2: EC2Client, instance: Ec2Instance): Promise<Volume[]> {
  const ids = (instance.BlockDeviceMappings ?? []).flatMap(
    (mapping) => mapping.Ebs?.VolumeId ?? [],
  );
  if (ids.length === 0) return [];
  const answer = await ec2.send(
    new DescribeVolumesCommand({ Filters: [{ Name: "volume-id", Values: ids }], MaxResults: 500 }),
  );
  return answer.Volumes ?? [];
}

/** Launches one instance, or returns the one that this `ClientToken` launched before. */
export async function runInstance(
  ec2: EC2Client,
  input: RunInstancesCommandInput,
): Promise<Instance> {
  const answer = await ec2.send(new RunInstancesCommand(input));
  const instance = answer.Instances?.[0];
  if (instance === undefined) throw new Error("RunInstances answered without an instance");
  return toInstance(instance);
}

/** One id a call: with several, EC2 terminates some or none when one of them is refused. */
export async function terminateInstance(ec2: EC2Client, id: string): Promise<void> {
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [id] }));
}

/**
 * What may be changed of an instance: that it forwards packets that are not its own (for one with a single network
 * interface only), or whether it may be terminated (what is written is to be read only some time later).
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
 */
const attributeChanges = {
  forward: { SourceDestCheck: { Value: false } },
  unprotect: { DisableApiTermination: { Value: false } },
  protect: { DisableApiTermination: { Value: true } },
} as const satisfies Record<string, Omit<ModifyInstanceAttributeCommandInput, "InstanceId">>;

/** One of the changes of an instance's attributes. */
export type AttributeChange = keyof typeof attributeChanges;

/** Changes an attribute of an instance; done twice, it changes nothing more. */
export async function changeAttribute(
  ec2: EC2Client,
  InstanceId: string,
  change: AttributeChange,
): Promise<void> {
  try {
    await ec2.send(new ModifyInstanceAttributeCommand({ InstanceId, ...attributeChanges[change] }));
  } catch (error) {
    // A refusal does not always say what was refused.
    throw error instanceof Error
      ? Object.assign(error, { action: "ModifyInstanceAttribute" })
      : error;
  }
}

/** @returns why EC2 would refuse this change, or undefined where it would not */
export function dryRunChange(
  ec2: EC2Client,
  InstanceId: string,
  change: AttributeChange,
): Promise<unknown> {
  const input = { InstanceId, ...attributeChanges[change], DryRun: true };
  return dryRun(() => ec2.send(new ModifyInstanceAttributeCommand(input)));
}

/** @returns why EC2 would refuse this launch, or undefined where it would not (error code `DryRunOperation`) */
export function dryRunLaunch(ec2: EC2Client, input: RunInstancesCommandInput): Promise<unknown> {
  return dryRun(() => ec2.send(new RunInstancesCommand({ ...input, DryRun: true })));
}

/** @returns why EC2 would refuse to terminate these instances, or undefined */
export function dryRunTerminate(ec2: EC2Client, ids: readonly string[]): Promise<unknown> {
  return dryRun(() =>
    ec2.send(new TerminateInstancesCommand({ InstanceIds: [...ids], DryRun: true })),
  );
}

async function dryRun(send: () => Promise<unknown>): Promise<unknown> {
  try {
    await send();
    return undefined;
  } catch (error) {
    return awsErrorCode(error) === "DryRunOperation" ? undefined : error;
  }
}

function toInstance(source: Ec2Instance): Instance {
  const reason = source.StateReason;
  return {
    id: source.InstanceId ?? "",
    state: source.State?.Name ?? "pending",
    stateReason: reason && { code: reason.Code ?? "", message: reason.Message ?? "" },
    zone: source.Placement?.AvailabilityZone ?? "",
    imageId: source.ImageId ?? "",
    instanceType: source.InstanceType ?? "",
    keyName: source.KeyName,
    securityGroupIds: (source.SecurityGroups ?? []).flatMap((group) => group.GroupId ?? []),
    tags: Object.fromEntries((source.Tags ?? []).map((tag) => [tag.Key ?? "", tag.Value ?? ""])),
    launchedAtMs: source.LaunchTime?.getTime() ?? 0,
    source,
  };
}
