import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { FILTERS } from "../params.ts";
import type { Instance, SpotRequest, WireRecord } from "../records.ts";
import type { World } from "../world.ts";
import { applyFilters, type FilterFields } from "./filters.ts";
import { pick } from "./find.ts";
import { byPosition, PAGED, pageOf } from "./paging.ts";

/** What a Spot Instance was launched for that was told nothing else (RunInstances, SpotMarketOptions). */
const DEFAULT_REQUEST: SpotRequest = { type: "one-time", interruptionBehavior: "terminate" };

/** A Spot request, and the instance that was launched for it. */
interface Fulfilled {
  readonly id: string;
  readonly request: SpotRequest;
  readonly instance: Instance;
}

/** The id of the request that a Spot Instance was launched for. */
export function spotRequestId({ random }: Pick<World, "random">, { id }: Instance): string {
  return `sir-${random.hex(`spot:${id}`, 8)}`;
}

/** DescribeSpotInstanceRequests: the requests of the Spot Instances that are there; no others are modelled. */
export const describeSpotInstanceRequests = defineAction({
  fields: { ...PAGED, SpotInstanceRequestId: { list: "string" }, Filter: FILTERS },
  run({ world, asOfMs }, parameters) {
    const requests = world.instances
      .list(asOfMs)
      .filter(({ lifecycle }) => lifecycle === "spot")
      .map((instance) => ({
        id: spotRequestId(world, instance),
        request: instance.spotRequest ?? DEFAULT_REQUEST,
        instance,
      }));
    const found = pick(
      new Map(requests.map((request) => [request.id, request])),
      parameters.SpotInstanceRequestId,
      (id) =>
        new AwsError(
          "InvalidSpotInstanceRequestID.NotFound",
          `The spot instance request ID '${id}' does not exist`,
        ),
    );
    const matching = applyFilters(found, parameters.Filter, REQUEST_FILTERS);
    const page = pageOf(matching, parameters, byPosition);
    return { spotInstanceRequestSet: page.items.map(requestView), nextToken: page.nextToken };
  },
});

const REQUEST_FILTERS: FilterFields<Fulfilled> = {
  "spot-instance-request-id": ({ id }) => [id],
  "instance-id": ({ instance }) => [instance.id],
  "launched-availability-zone": ({ instance }) => [instance.zone],
  "spot-price": ({ request }) => [request.maxPrice],
  state: (fulfilled) => [stateOf(fulfilled)],
  type: ({ request }) => [request.type],
};

/** A persistent request waits for another instance once its own is terminated (EC2 guide, Spot request states). */
function stateOf({ request, instance }: Fulfilled): "active" | "closed" | "open" {
  if (instance.state !== "terminated") return "active";
  return request.type === "persistent" ? "open" : "closed";
}

function requestView(fulfilled: Fulfilled): WireRecord {
  const { id, request, instance } = fulfilled;
  const state = stateOf(fulfilled);
  const time = new Date(instance.launchTimeMs).toISOString();
  return {
    spotInstanceRequestId: id,
    spotPrice: request.maxPrice,
    type: request.type,
    state,
    status: statusView(state, time),
    createTime: time,
    instanceId: state === "open" ? undefined : instance.id,
    launchedAvailabilityZone: state === "open" ? undefined : instance.zone,
    launchSpecification: {
      imageId: instance.imageId,
      instanceType: instance.instanceType,
      keyName: instance.keyName,
      subnetId: instance.networkInterfaces[0]?.subnetId,
      placement: { availabilityZone: instance.zone },
    },
    productDescription: "Linux/UNIX",
    instanceInterruptionBehavior: request.interruptionBehavior,
    tagSet: [],
  };
}

function statusView(state: "active" | "closed" | "open", updateTime: string): WireRecord {
  const [code, message] = {
    active: ["fulfilled", "Your spot request is fulfilled."],
    closed: [
      "instance-terminated-by-user",
      "Spot Instance terminated due to user-initiated termination.",
    ],
    open: [
      "pending-evaluation",
      "Your Spot request has been submitted for review, and is pending evaluation.",
    ],
  }[state];
  return { code, message, updateTime };
}
