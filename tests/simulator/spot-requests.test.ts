import {
  DescribeInstancesCommand,
  DescribeSpotInstanceRequestsCommand,
  type DescribeSpotInstanceRequestsCommandInput,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2";
import { expect, test } from "vitest";
import { editInstance } from "../../src/simulator/controls.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

/** A fleet with one Spot Instance of a persistent request, one of an ordinary one, and one that is none. */
function setUp() {
  const base = setUpAny();
  const { aws, ec2 } = base;
  const [persistentId = "", oneTimeId = "", otherId = ""] = aws.oldInstanceIds;
  editInstance(aws.world, persistentId, {
    lifecycle: "spot",
    spotRequest: { type: "persistent", interruptionBehavior: "stop", maxPrice: "0.05" },
  });
  editInstance(aws.world, oneTimeId, { lifecycle: "spot" });
  const requests = async (input: DescribeSpotInstanceRequestsCommandInput = {}) =>
    (await ec2.send(new DescribeSpotInstanceRequestsCommand(input))).SpotInstanceRequests ?? [];
  const requestOf = async (InstanceId: string) => {
    const { Reservations } = await ec2.send(
      new DescribeInstancesCommand({ InstanceIds: [InstanceId] }),
    );
    const { InstanceLifecycle, SpotInstanceRequestId } = Reservations?.[0]?.Instances?.[0] ?? {};
    return [InstanceLifecycle, SpotInstanceRequestId] as const;
  };
  return { ...base, persistentId, oneTimeId, otherId, requests, requestOf };
}

test("a Spot Instance names its request, which says what it is", async () => {
  const { persistentId, oneTimeId, otherId, requests, requestOf } = setUp();
  const [lifecycle, requestId = ""] = await requestOf(persistentId);
  expect(lifecycle).toBe("spot");
  expect(requestId).toMatch(/^sir-[0-9a-f]{8}$/);
  expect(await requestOf(otherId)).toEqual([undefined, undefined]);
  const found = await requests({ SpotInstanceRequestIds: [requestId] });
  expect(found).toMatchObject([
    {
      SpotInstanceRequestId: requestId,
      InstanceId: persistentId,
      Type: "persistent",
      State: "active",
      Status: { Code: "fulfilled" },
      SpotPrice: "0.05",
      InstanceInterruptionBehavior: "stop",
      LaunchedAvailabilityZone: "eu-west-1a",
      LaunchSpecification: { InstanceType: "t3.micro" },
    },
  ]);
  const filtered = (Name: string, value: string) =>
    requests({ Filters: [{ Name, Values: [value] }] });
  expect(await filtered("spot-instance-request-id", requestId)).toEqual(found);
  expect(await filtered("instance-id", persistentId)).toEqual(found);
  const [ordinary, ...others] = await filtered("instance-id", oneTimeId);
  expect(others).toEqual([]);
  expect(ordinary).toMatchObject({ Type: "one-time", InstanceInterruptionBehavior: "terminate" });
  expect(ordinary).not.toHaveProperty("SpotPrice");
  expect(await filtered("instance-id", otherId)).toEqual([]);
  expect(await requests()).toHaveLength(2);
});

test("a request that is not there is not found", async () => {
  const { requests } = setUp();
  expect(await errorOf(requests({ SpotInstanceRequestIds: ["sir-00000000"] }))).toMatchObject({
    name: "InvalidSpotInstanceRequestID.NotFound",
    status: 400,
  });
});

test("once its instance is terminated a persistent request is open again, an ordinary one closed", async () => {
  const { clock, ec2, persistentId, oneTimeId, requests } = setUp();
  await ec2.send(new TerminateInstancesCommand({ InstanceIds: [persistentId, oneTimeId] }));
  const states = async () => (await requests()).map(({ State, InstanceId }) => [State, InstanceId]);
  expect(await states()).toEqual([
    ["active", persistentId],
    ["active", oneTimeId],
  ]);
  await clock.sleep(2 * 60_000);
  expect(await states()).toEqual([
    ["open", undefined],
    ["closed", oneTimeId],
  ]);
});
