// Goal: a stage tells where its load balancer is truly found, and counts what becomes of the fleet.
import { afterEach, expect, it } from "vitest";
import type { LogEvent } from "../../src/log.ts";
import { terminateInstance } from "../../src/simulator/controls.ts";
import { openStage, type Stage } from "../../src/simulator/stage.ts";

let stage: Stage | undefined;

afterEach(() => stage?.close());

it("names the load balancer by the address where it takes requests, and counts those in service", async () => {
  const events: LogEvent[] = [];
  stage = await openStage({
    speed: 60,
    instances: 3,
    deregistrationDelaySeconds: 30,
    maxSurge: 1,
    seed: 1,
    openLog: () => (event) => events.push(event),
  });
  stage.begin();
  const { world, loadBalancerArn, oldInstanceIds } = stage.aws;
  const { dnsName } = world.loadBalancers.get(loadBalancerArn) ?? {};
  expect(events[0]?.details).toMatchObject({ loadBalancer: `http://${dnsName}` });
  const text = await (await fetch(`http://${dnsName}/`)).text();
  expect(oldInstanceIds).toContain(text.split(" ")[0]);
  terminateInstance(world, oldInstanceIds[0] ?? "");
  const { gauge } = await stage.close();
  stage = undefined;
  expect(gauge).toEqual({ inServiceAtStart: 3, lowestInService: 2, launched: 0 });
});
