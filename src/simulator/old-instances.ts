import type { Target, TargetGroup } from "./balancer-records.ts";
import { IMAGES, INSTANCE_TYPES, makeImage } from "./catalog.ts";
import { shownOptions } from "./ec2/launch-options.ts";
import { nextCheckAfter, scheduleCheck } from "./health-checks.ts";
import { newId } from "./ids.ts";
import type { Instance, Subnet, Tag } from "./records.ts";
import { targetId } from "./targets.ts";
import type { World } from "./world.ts";

const DAYS_MS = 24 * 60 * 60 * 1000;

/** What an old instance is made from. */
export interface OldInstanceOptions {
  readonly instanceType: string;
  readonly keyName: string;
  readonly subnet: Subnet;
  readonly securityGroupId: string;
  /** Its place among the old ones; each was launched ten minutes after the one before. */
  readonly index: number;
  readonly tags: Readonly<Record<string, string>>;
}

/**
 * An instance that has been running for days: launched by hand, with a bigger disk than its image
 * asks for.
 */
export function addOldInstance(
  world: World,
  { instanceType, keyName, subnet, securityGroupId, index, tags }: OldInstanceOptions,
): Instance {
  const id = newId(world, "i");
  // Some minutes apart, so that the oldest is a matter of fact.
  const launchTimeMs = world.nowMs() - 3 * DAYS_MS + index * 600_000;
  const image = makeImage(IMAGES.old, "good");
  const type = INSTANCE_TYPES.find(({ name }) => name === instanceType);
  if (type === undefined) throw new Error(`no instance type ${instanceType} is simulated`);
  const allTags = [
    { key: "Name", value: "v1" },
    ...Object.entries(tags).map(([key, value]) => ({ key, value })),
  ];
  const instance: Instance = {
    id,
    reservationId: newId(world, "r"),
    launchOrder: world.next("launch-order"),
    launchIndex: 0,
    imageId: IMAGES.old,
    instanceType,
    keyName,
    zone: subnet.zone,
    vpcId: subnet.vpcId,
    networkInterfaces: [
      {
        id: newId(world, "eni"),
        deviceIndex: 0,
        subnetId: subnet.id,
        groupIds: [securityGroupId],
        privateIp: `${subnet.prefix}.${4 + world.next(`address:${subnet.id}`)}`,
        ipv6Addresses: [],
        deleteOnTermination: true,
        description: "",
      },
    ],
    wantsPublicIp: false,
    clientToken: "",
    launchTimeMs,
    runningAtMs: launchTimeMs + 15_000,
    state: "running",
    stateTransitionReason: "",
    systemCheck: "ok",
    instanceCheck: "ok",
    tags: allTags,
    iamInstanceProfileArn: `arn:aws:iam::${world.accountId}:instance-profile/app`,
    userData: Buffer.from("#!/bin/sh\nsystemctl start app\n").toString("base64"),
    disableApiTermination: false,
    disableApiStop: false,
    shutdownBehavior: "stop",
    cpuCredits: type.burstable ? "unlimited" : undefined,
    volumeIds: [addRootVolume(world, id, subnet, allTags, launchTimeMs)],
    shown: shownOptions({}, { image, type, subnet }),
    answer: 200,
    answerIsForced: false,
  };
  world.instances.set(id, instance);
  return instance;
}

function addRootVolume(
  world: World,
  instanceId: string,
  subnet: Subnet,
  tags: readonly Tag[],
  createdAtMs: number,
): string {
  const id = newId(world, "vol");
  world.volumes.set(id, {
    id,
    instanceId,
    deviceName: "/dev/xvda",
    zone: subnet.zone,
    sizeGib: 20,
    volumeType: "gp3",
    iops: 3000,
    throughputMibps: 125,
    encrypted: false,
    snapshotId: makeImage(IMAGES.old, "good").blockDevices[0]?.snapshotId ?? "",
    deleteOnTermination: true,
    createdAtMs,
    attached: true,
    tags,
  });
  return id;
}

/** Registers an instance as if it had been in service since it was launched. */
export function addHealthyTarget(
  world: World,
  group: TargetGroup,
  instance: Instance,
  port: number,
): void {
  const id = targetId(group.arn, instance.id, port);
  const target: Target = {
    id,
    targetGroupArn: group.arn,
    instanceId: instance.id,
    port,
    zone: instance.zone,
    registered: true,
    state: "healthy",
    registeredAtMs: instance.launchTimeMs,
    registration: world.next(`registration:${id}`),
    firstCheckAtMs: instance.launchTimeMs + world.random.between(`grid:${id}`, [0, 30_000]),
    passes: 0,
    failures: 0,
    abandoned: false,
  };
  world.targets.set(id, target);
  // Where answers are planned nothing can come of a check until something changes.
  if (!world.prober.isPlanned) scheduleCheck(world, id, nextCheckAfter(world, target));
}
