import type { Fault, FaultRequest, Faults } from "../../../src/simulator/faults.ts";
import type { Draw } from "./draw.ts";
import type { PlannedRun, Trouble, TroubleKind } from "./scenario.ts";

/** The way of one run to AWS and back. */
export interface Way {
  readonly faults: Faults;
  /** How long a request is on its way, in virtual milliseconds; absent: no time. */
  readonly travelMs?: (action: string) => number;
  readonly staleReadsMs: (action: string) => number;
}

/** What it is to go by. */
export interface WayOptions {
  readonly draw: Draw;
  /** Names the run among the draws. */
  readonly key: string;
  readonly nowMs: () => number;
  /** Whether something was launched with this token: then that is what its launch is answered with, room or not. */
  readonly hasLaunched: (token: string) => boolean;
  /** Told of every fault. */
  readonly onFault: (kind: TroubleKind | "staleRead", action: string) => void;
}

/** How much longer a slow request is on its way, in milliseconds. */
const slowMs = [500, 12_000] as const;

/** Makes the way of a planned run: troubles begin by chance, last, and hit a share of the requests meanwhile. */
export function createWay(
  run: PlannedRun,
  { draw, key, nowMs, hasLaunched, onFault }: WayOptions,
): Way {
  const untilMs = new Map<TroubleKind, number>();
  const asked = new Map<string, number>();
  let trips = 0;

  /** The same request at the same time may fare otherwise. */
  function momentOf({ name }: FaultRequest): string {
    const times = (asked.get(name) ?? 0) + 1;
    asked.set(name, times);
    return times === 1 ? name : `${name} again ${times}`;
  }

  function isHit({ kind, probability, minimumMs, share }: Trouble, moment: string): boolean {
    const isOn = nowMs() < (untilMs.get(kind) ?? 0);
    const begins = !isOn && draw.chance(`${key}:${kind}:begins:${moment}`, probability);
    if (begins) untilMs.set(kind, nowMs() + minimumMs);
    return begins || (isOn && draw.chance(`${key}:${kind}:hits:${moment}`, share));
  }

  return {
    faults(request) {
      const moment = momentOf(request);
      for (const trouble of run.troubles) {
        const fault = faultOf(trouble.kind, request, draw, hasLaunched);
        if (fault === undefined || !isHit(trouble, moment)) continue;
        onFault(trouble.kind, request.action);
        return fault;
      }
      return undefined;
    },
    travelMs: hasTravel(run)
      ? (action) => {
          trips += 1;
          const slow = run.troubles.find(({ kind }) => kind === "slow");
          const usualMs = draw.between(`${key}:trip:${trips}`, 0, run.travelMs);
          if (slow === undefined || !isHit(slow, `trip:${trips}`)) return usualMs;
          onFault("slow", action);
          return usualMs + draw.between(`${key}:slow:${trips}`, ...slowMs);
        }
      : undefined,
    staleReadsMs(action) {
      const { maximumMs, actions } = run.staleMs;
      if (maximumMs === 0 || !draw.chance(`${key}:lags:${action}`, actions)) return 0;
      if (action.startsWith("Describe")) onFault("staleRead", action);
      return maximumMs;
    },
  };
}

/** How long a request may be on its way, each way, in milliseconds. */
export function longestTripMs({ travelMs, troubles }: PlannedRun): number {
  return travelMs + (troubles.some(({ kind }) => kind === "slow") ? slowMs[1] : 0);
}

function hasTravel({ travelMs, troubles }: PlannedRun): boolean {
  return travelMs > 0 || troubles.some(({ kind }) => kind === "slow");
}

/** What a trouble does to a request; undefined: nothing, it is not of the kind. */
function faultOf(
  kind: TroubleKind,
  request: FaultRequest,
  draw: Draw,
  hasLaunched: WayOptions["hasLaunched"],
): Fault | undefined {
  const isLaunch = request.action === "RunInstances" && request.params.get("DryRun") !== "true";
  switch (kind) {
    case "slow":
      return undefined;
    case "noCapacity":
      return isLaunch && !hasLaunched(request.params.get("ClientToken") ?? "")
        ? { kind: "error", ...draw.pick(`room:${request.name}`, noRoom) }
        : undefined;
    case "lostLaunch":
      return isLaunch ? { kind: "lostResponse" } : undefined;
    case "notTerminated":
      return request.action === "TerminateInstances" ? { kind: "serverError" } : undefined;
    case "refused":
      return { kind: "error", ...draw.pick(`refusal:${request.name}`, refusals) };
    default:
      return { kind };
  }
}

const noRoom = [
  {
    status: 500,
    code: "InsufficientInstanceCapacity",
    message: "We currently do not have sufficient t3.micro capacity in the Availability Zone.",
  },
  {
    status: 400,
    code: "VcpuLimitExceeded",
    message: "You have requested more vCPU capacity than your current vCPU limit allows.",
  },
  {
    status: 400,
    code: "InsufficientFreeAddressesInSubnet",
    message: "There are not enough free addresses in the subnet.",
  },
] as const;

const refusals = [
  { status: 403, code: "AccessDenied", message: "not authorized to perform this action" },
  { status: 400, code: "InvalidParameterValue", message: "a value is not valid" },
  { status: 400, code: "ExpiredToken", message: "the security token has expired" },
] as const;
