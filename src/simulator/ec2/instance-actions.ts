import { type ActionContext, defineAction, dryRunSucceeded } from "../action.ts";
import { AwsError } from "../errors.ts";
import { beginTermination, USER_SHUTDOWN } from "../instances.ts";
import { FILTERS, required } from "../params.ts";
import type { Instance, WireRecord } from "../records.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { findInstances, INSTANCE_FILTERS } from "./find-instances.ts";
import { isoTime, reservationsView, stateView } from "./instance-view.ts";
import { PAGED, pageOf, refuseIdsWithMaxResults } from "./paging.ts";

const LIST_FIELDS = {
  ...PAGED,
  InstanceId: { list: "string" },
  Filter: FILTERS,
  IncludeManagedResources: "boolean",
} as const;

/**
 * DescribeInstances: by ids, by filters, or all; every state, terminated ones included while they
 * are visible.
 */
export const describeInstances = defineAction({
  fields: LIST_FIELDS,
  tables: ["instances", "volumes"],
  run(context, parameters) {
    refuseIdsWithMaxResults(parameters.InstanceId, parameters.MaxResults);
    const found = findInstances(context, parameters.InstanceId);
    const matching = applyFilters(found, parameters.Filter, INSTANCE_FILTERS, ({ tags }) => tags);
    const page = pageOf(matching, parameters, ({ launchOrder }) => launchOrder);
    return {
      reservationSet: reservationsView(context.world, page.items, context.asOfMs),
      nextToken: page.nextToken,
    };
  },
});

/** DescribeInstanceStatus shows running instances only, unless IncludeAllInstances is set. */
export const describeInstanceStatus = defineAction({
  fields: { ...LIST_FIELDS, IncludeAllInstances: "boolean" },
  run(context, parameters) {
    const { InstanceId: ids, IncludeAllInstances: includeAll = false } = parameters;
    refuseIdsWithMaxResults(ids, parameters.MaxResults);
    if ((ids?.length ?? 0) > 100) {
      throw new AwsError("InvalidParameterValue", "The maximum number of instance IDs is 100");
    }
    const found = findInstances(context, ids).filter(
      ({ state }) => includeAll || state === "running",
    );
    const matching = applyFilters(found, parameters.Filter, STATUS_FILTERS, ({ tags }) => tags);
    const page = pageOf(matching, parameters, ({ launchOrder }) => launchOrder);
    return {
      instanceStatusSet: page.items.map((instance) => statusView(context, instance)),
      nextToken: page.nextToken,
    };
  },
});

const STATUS_FILTERS: FilterFields<Instance> = {
  ...INSTANCE_FILTERS,
  "instance-status.status": (instance) => [checkView(instance, "instanceCheck").status],
  "instance-status.reachability": (instance) => reachability(instance, "instanceCheck"),
  "system-status.status": (instance) => [checkView(instance, "systemCheck").status],
  "system-status.reachability": (instance) => reachability(instance, "systemCheck"),
  "attached-ebs-status.status": (instance) => [checkView(instance, "systemCheck").status],
};

function reachability(...of: Parameters<typeof checkView>): readonly string[] {
  return checkView(...of).details.map(({ status }) => status);
}

function statusView({ world }: ActionContext, instance: Instance): WireRecord {
  const zoneId = [...world.subnets.values()].find(({ zone }) => zone === instance.zone)?.zoneId;
  return {
    instanceId: instance.id,
    availabilityZone: instance.zone,
    availabilityZoneId: zoneId,
    instanceState: stateView(instance.state),
    systemStatus: checkView(instance, "systemCheck"),
    instanceStatus: checkView(instance, "instanceCheck"),
    attachedEbsStatus: checkView(instance, "systemCheck"),
  };
}

const DETAIL_STATUSES = { ok: "passed", impaired: "failed", initializing: "initializing" } as const;

function checkView(instance: Instance, which: "systemCheck" | "instanceCheck") {
  if (instance.state !== "running") return { status: "not-applicable", details: [] };
  const status = instance[which];
  const impairedSince =
    status === "impaired" ? isoTime(instance.impairedSinceMs ?? instance.launchTimeMs) : undefined;
  return {
    status,
    details: [{ name: "reachability", status: DETAIL_STATUSES[status], impairedSince }],
  };
}

/**
 * TerminateInstances: idempotent while the instance is visible; a bad id spares all. A protected
 * instance fails the request and spares the instances of its zone, while those of other zones go
 * (API reference).
 */
export const terminateInstances = defineAction({
  fields: {
    InstanceId: { list: "string" },
    Force: "boolean",
    SkipOsShutdown: "boolean",
    DryRun: "boolean",
  },
  mutates: true,
  run(context, parameters) {
    const { world } = context;
    const ids = required("ec2", "InstanceId", parameters.InstanceId);
    const instances = findInstances(context, ids);
    const isProtected = ({ disableApiTermination, state }: Instance) =>
      disableApiTermination && state !== "terminated";
    const culprit = instances.find(isProtected);
    if (parameters.DryRun === true) throw culprit ? isProtectedError(culprit) : dryRunSucceeded();
    const sparedZones = new Set(instances.filter(isProtected).map(({ zone }) => zone));
    const going = instances.filter(({ zone }) => !sparedZones.has(zone));
    for (const { id } of going) beginTermination(world, id, USER_SHUTDOWN);
    if (culprit !== undefined) throw isProtectedError(culprit);
    return {
      instancesSet: going.map(({ id, state }) => ({
        instanceId: id,
        currentState: stateView(world.instances.get(id)?.state ?? "terminated"),
        previousState: stateView(state),
      })),
    };
  },
});

function isProtectedError({ id }: Instance): AwsError {
  return new AwsError(
    "OperationNotPermitted",
    `The instance '${id}' may not be terminated. Modify its 'disableApiTermination' instance ` +
      "attribute and try again.",
  );
}

/** DescribeInstanceAttribute: the attributes that DescribeInstances does not show. */
export const describeInstanceAttribute = defineAction({
  fields: { InstanceId: "string", Attribute: "string", DryRun: "boolean" },
  run(context, parameters) {
    const id = required("ec2", "InstanceId", parameters.InstanceId);
    const attribute = required("ec2", "Attribute", parameters.Attribute);
    const [instance] = findInstances(context, [id]);
    const values: Record<string, WireRecord> = {
      userData: instance?.userData === undefined ? {} : { value: instance.userData },
      disableApiTermination: { value: instance?.disableApiTermination },
      disableApiStop: { value: instance?.disableApiStop },
      sourceDestCheck: { value: instance?.networkInterfaces[0]?.sourceDestCheck ?? true },
      instanceInitiatedShutdownBehavior: { value: instance?.shutdownBehavior },
      instanceType: { value: instance?.instanceType },
    };
    const value = Object.hasOwn(values, attribute) ? values[attribute] : undefined;
    if (value === undefined) {
      throw new AwsError(
        "InvalidParameterValue",
        `Value (${attribute}) for parameter attribute is invalid. Unknown attribute.`,
      );
    }
    return { instanceId: id, [attribute]: value };
  },
});

/**
 * DescribeInstanceCreditSpecifications: burstable types only; another type among the ids is an
 * error.
 */
export const describeInstanceCreditSpecifications = defineAction({
  fields: { ...PAGED, InstanceId: { list: "string" }, Filter: FILTERS },
  run(context, parameters) {
    const { InstanceId: ids } = parameters;
    refuseIdsWithMaxResults(ids, parameters.MaxResults);
    const isBurstable = ({ instanceType }: Instance) =>
      context.world.instanceTypes.get(instanceType)?.burstable === true;
    const found = findInstances(context, ids);
    const other = ids === undefined ? undefined : found.find((instance) => !isBurstable(instance));
    if (other !== undefined) {
      throw new AwsError(
        "InstanceCreditSpecification.NotSupported",
        `The instance '${other.id}' is not a burstable performance instance.`,
      );
    }
    const matching = applyFilters(found.filter(isBurstable), parameters.Filter, {
      "instance-id": (instance) => [instance.id],
    });
    const page = pageOf(matching, parameters, ({ launchOrder }) => launchOrder);
    return {
      instanceCreditSpecificationSet: page.items.map(({ id, cpuCredits }) => ({
        instanceId: id,
        cpuCredits: cpuCredits ?? "standard",
      })),
      nextToken: page.nextToken,
    };
  },
});
