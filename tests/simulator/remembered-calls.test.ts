// Goal: a client whose calls are remembered is answered as one whose are not. Method: both read the same world while
// everything in it that they see changes, with and without a lag.
import { expect, test } from "vitest";
import { attachVolume } from "../../src/simulator/attachments.ts";
import { editInstance, forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import { createRequestHandler } from "../../src/simulator/handler.ts";
import { deregisterTarget } from "../../src/simulator/targets.ts";
import { setUp } from "./clients.ts";

const EC2 = "Version=2016-11-15";
const ELB = "Version=2015-12-01";

test.each([0, 8000])("an answer is never older than it may be: reads lag %i ms", async (lagMs) => {
  const { aws, clock } = setUp();
  const { world, targetGroupArn } = aws;
  const [first = "", second = "", third = ""] = aws.oldInstanceIds;
  const volumeId = attachVolume(world, first);
  const changes = [
    () => {
      const volume = world.volumes.get(volumeId);
      if (volume) world.volumes.set(volumeId, { ...volume, deleteOnTermination: true });
    },
    () => editInstance(world, second, { tags: [{ key: "Name", value: "another" }] }),
    () => forceAnswer(world, second, 503),
    () => terminateInstance(world, third),
    () => {
      const group = world.targetGroups.get(targetGroupArn);
      const target = world.targets.list().find(({ instanceId }) => instanceId === first);
      if (group && target) deregisterTarget(world, group, target.id);
    },
  ];
  const bodies = [
    `Action=DescribeInstances&${EC2}`,
    `Action=DescribeInstances&${EC2}&InstanceId.1=${first}`,
    `Action=DescribeInstances&${EC2}&Filter.1.Name=instance-state-name&Filter.1.Value.1=running`,
    `Action=DescribeTargetHealth&${ELB}&TargetGroupArn=${encodeURIComponent(targetGroupArn)}`,
  ];
  const handlers = [true, false].map((remembers) =>
    createRequestHandler(aws, { remembers, staleReadsMs: lagMs }),
  );
  const seen = new Set<string>();
  let repeated = 0;
  for (let second = 0; second < 120; second += 1) {
    await clock.sleep(1000);
    if (second % 20 === 10) changes[(second - 10) / 20]?.();
    for (const body of bodies) {
      const [remembered = "", made] = await Promise.all(
        handlers.map(async (handler) => {
          const { response } = await handler.handle({ headers: {}, body });
          return response.text.replace(/(?<=<requestId>)[^<]+/gi, "");
        }),
      );
      expect(remembered).toBe(made);
      if (seen.has(remembered)) repeated += 1;
      seen.add(remembered);
    }
  }
  // Most come again, and enough of them differ that an old one would have been noticed.
  expect(repeated).toBeGreaterThan(300);
  expect(seen.size).toBeGreaterThan(8);
});

test("a call that comes again takes its tokens, and is refused where it is not allowed any more", async () => {
  const { aws } = setUp();
  const { handle } = createRequestHandler(aws, { remembers: true });
  const read = async () => {
    const { response } = await handle({ headers: {}, body: `Action=DescribeInstances&${EC2}` });
    return response.statusCode;
  };
  expect(await read()).toBe(200);
  aws.world.deniedActions.add("ec2:DescribeInstances");
  expect(await read()).toBe(403);
  aws.world.deniedActions.clear();
  const statuses = await Promise.all(Array.from({ length: 50 }, read));
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
});
