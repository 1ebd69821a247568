import type { TargetGroup } from "../../../src/simulator/balancer-records.ts";
import { forceAnswer } from "../../../src/simulator/controls.ts";
import { changeInstance, changeInterface } from "../../../src/simulator/instances.ts";
import { addListener, addSubnetBeside, addTargetGroup } from "../../../src/simulator/network.ts";
import { addHealthyTarget, addOldInstance } from "../../../src/simulator/old-instances.ts";
import type { Instance, Subnet } from "../../../src/simulator/records.ts";
import type { Ground } from "../checkers/ground.ts";
import { type Stage, stage } from "../harness.ts";
import type { Draw } from "./draw.ts";
import type { Scenario } from "./scenario.ts";

/** A scenario's stage, and what its checkers go by. */
export interface Setting {
  readonly scene: Stage;
  readonly ground: Ground;
  /** Subnets beside those of the fleet, one for each. */
  readonly moreSubnets: readonly string[];
}

/** For how long the fleet serves before anything happens, in milliseconds: what is ill shows by then. */
const beforehandMs = 300_000;

/** How the deregistration delays of further target groups differ. */
const factors = [0.3, 1, 2];

/** Sets the stage of a scenario. */
export async function setTheScene(scenario: Scenario, draw: Draw): Promise<Setting> {
  const { fleet, more, ill, isProtected, isForwarding } = scenario;
  const scene = stage(fleet);
  const { aws, clock } = scene;
  const { world } = aws;
  const balancer = world.loadBalancers.get(aws.loadBalancerArn);
  const first = world.targetGroups.get(aws.targetGroupArn);
  if (balancer === undefined || first === undefined) throw new Error("there is no load balancer");
  const instances = aws.oldInstanceIds.map((id) => world.instances.get(id) as Instance);
  const groups: TargetGroup[] = [first];
  for (const { port, share } of more) {
    const seconds = (fleet.deregistrationDelaySeconds ?? 300) * draw.pick(`delay:${port}`, factors);
    const deregistrationDelaySeconds = Math.min(3600, Math.round(seconds));
    const options = { ...fleet, deregistrationDelaySeconds };
    const group = addTargetGroup(world, balancer, `my-targets-${port}`, port, options);
    world.applicationPorts.add(port);
    addListener(world, balancer, group, port);
    groups.push(group);
    for (const instance of instances) {
      if (!draw.chance(`member:${instance.id}:${port}`, share)) continue;
      addHealthyTarget(world, group, instance, port);
    }
  }
  const subnets = [...world.subnets.values()];
  const bystanders = addBystanders(scene, subnets[0] as Subnet);
  const moreSubnets = subnets.map(({ id }) => addSubnetBeside(world, id).id);
  for (const { id } of instances) {
    if (isProtected) changeInstance(world, id, { disableApiTermination: true });
    if (isForwarding) changeInterface(world, id, 0, () => ({ sourceDestCheck: false }));
  }
  world.advance();
  for (const index of ill) forceAnswer(world, instances[index]?.id ?? "", 503);
  if (ill.length > 0) await clock.sleep(beforehandMs);
  world.advance();
  const held = groups.filter((group) =>
    world.targets.list().some((target) => target.targetGroupArn === group.arn),
  );
  const ground = {
    world,
    groups: held.map(({ arn }) => arn),
    places: held.map(({ arn, port }) => ({
      targetGroupArn: arn,
      port: arn === first.arn ? (fleet.port ?? port) : port,
    })),
    initial: new Set(aws.oldInstanceIds),
    bystanders,
    isProtected,
    isForwarding,
  };
  return { scene, ground, moreSubnets };
}

/** Somebody else's: an instance in a target group of its own behind the same load balancer, and one in none. */
function addBystanders({ aws }: Stage, subnet: Subnet): ReadonlySet<string> {
  const { world } = aws;
  const balancer = world.loadBalancers.get(aws.loadBalancerArn);
  const group = addTargetGroup(world, balancer, "others", 9090);
  world.applicationPorts.add(9090);
  if (balancer !== undefined) addListener(world, balancer, group, 9090);
  const [served, alone] = [100, 101].map((index) =>
    addOldInstance(world, {
      instanceType: aws.instanceType,
      keyName: aws.keyName,
      subnet,
      securityGroupId: aws.securityGroupId,
      index,
      tags: {},
    }),
  );
  if (served === undefined || alone === undefined) return new Set();
  addHealthyTarget(world, group, served, 9090);
  return new Set([served.id, alone.id]);
}
