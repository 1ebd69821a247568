import { answerCall, type Call, parseCall } from "./api.ts";
import {
  connectionReset,
  type Fault,
  type FaultRequest,
  type Faults,
  SimulatedCrash,
} from "./faults.ts";
import { newRequestId } from "./ids.ts";
import { errorResponse, type Service, type WireResponse } from "./query.ts";
import { readTimeMs, type StaleReads } from "./stale-reads.ts";
import { throttled } from "./token-buckets.ts";
import type { World } from "./world.ts";

/** How one client of the simulated AWS fares. */
export interface HandlerOptions extends StaleReads {
  readonly faults?: Faults;
  /**
   * Nothing is taken apart or put together twice: of the many requests of a rollout most have been made before, and are
   * answered as before. All answers carry the same request id, so that equal ones are equal texts. Default: each has its
   * own.
   */
  readonly remembers?: boolean;
  /** A name for the client, which every change it makes carries as part of its cause. Default: none. */
  readonly caller?: string;
  /** Takes the time of a request on its way to AWS, and of its answer on the way back. Default: none. */
  readonly travel?: (action: string) => Promise<void>;
}

const ONE_REQUEST_ID = "00000000-0000-4000-a000-000000000000";

/** One request a handler saw, and what became of it. */
export interface RequestRecord {
  readonly sequence: number;
  readonly atMs: number;
  readonly service: Service;
  readonly action: string;
  readonly params: ReadonlyMap<string, string>;
  /** An HTTP status, or how the client was left without one. */
  readonly outcome: number | "reset" | "crash";
}

/** The part of an SDK's HTTP request that is looked at. */
interface SdkRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkResponse {
  readonly response: {
    readonly statusCode: number;
    readonly headers: Record<string, string>;
    /** The body before it was encoded. */
    readonly text: string;
    readonly body: Uint8Array;
  };
}

/**
 * What the AWS SDK for JavaScript takes as `requestHandler`. Give the same handler to both clients
 * of a process: faults count their requests together, and a crash ends both.
 */
export interface SimulatedRequestHandler {
  readonly metadata: { readonly handlerProtocol: string };
  /** Every request so far, in order. */
  readonly requests: readonly RequestRecord[];
  handle(
    request: SdkRequest,
    options?: { readonly abortSignal?: { readonly aborted: boolean } },
  ): Promise<SdkResponse>;
  updateHttpClientConfig(key: string, value: unknown): void;
  httpHandlerConfigs(): Record<string, unknown>;
  destroy(): void;
}

/**
 * Makes the way of one client into the world. `handle` rejects as a lost connection does, or with
 * SimulatedCrash.
 */
export function createRequestHandler(
  { world }: { readonly world: World },
  options: HandlerOptions = {},
): SimulatedRequestHandler {
  const requests: RequestRecord[] = [];
  const calls = new Map<string, Call>();
  let hasCrashed = false;

  function callOf({ body, headers }: SdkRequest): Call {
    const text = textOf(body);
    const before = calls.get(text);
    if (before !== undefined) return before;
    const parsed = parseCall(text, headerOf(headers, "authorization"));
    if (parsed === undefined) throw new Error("the request is for no service that is simulated");
    const call = { ...parsed, caller: options.caller };
    if (!options.remembers) return call;
    const known = { ...call, requestId: ONE_REQUEST_ID, known: { answers: new Map() } };
    calls.set(text, known);
    return known;
  }

  const handle: SimulatedRequestHandler["handle"] = async (request, { abortSignal } = {}) => {
    if (hasCrashed) throw new SimulatedCrash("the process has crashed: nothing more is sent");
    if (abortSignal?.aborted) {
      throw Object.assign(new Error("Request aborted"), { name: "AbortError" });
    }
    const call = callOf(request);
    const { service, action, parameters: params } = call;
    await options.travel?.(action);
    world.advance();
    const sequence = requests.length + 1;
    const atMs = world.nowMs();
    const seen: FaultRequest = {
      ...{ service, action, sequence, params, atMs },
      get name() {
        return `${atMs} ${action} ${[...params.values()].join()}`;
      },
    };
    const fault = options.faults?.(seen);
    const reply = replyTo(world, call, fault, readTimeMs(world, options, seen));
    const outcome = typeof reply === "string" ? reply : reply.status;
    requests.push({ sequence, atMs, service, action, params, outcome });
    if (reply === "crash") {
      hasCrashed = true;
      throw new SimulatedCrash(`the process crashed at request ${sequence} (${action})`);
    }
    await options.travel?.(action);
    if (reply === "reset") throw connectionReset();
    return sdkResponse(reply);
  };

  return {
    metadata: { handlerProtocol: "http/1.1" },
    requests,
    handle,
    updateHttpClientConfig() {},
    httpHandlerConfigs: () => ({}),
    destroy() {},
  };
}

/** What the client gets for a call: an answer, a reset connection, or its own end. */
function replyTo(
  world: World,
  call: Call,
  fault: Fault | undefined,
  asOfMs: number | undefined,
): WireResponse | "reset" | "crash" {
  if (fault === undefined) return answerCall(world, call, asOfMs);
  switch (fault.kind) {
    case "reset":
      return "reset";
    case "crashBefore":
      return "crash";
    case "lostResponse":
      answerCall(world, call, asOfMs);
      return "reset";
    case "crashAfter":
      answerCall(world, call, asOfMs);
      return "crash";
    default:
      return errorResponse(
        call.service,
        call.requestId ?? newRequestId(world),
        faultError(world, call, fault),
      );
  }
}

/** Error code, text and status of a fault that AWS itself answers (botocore's retry tables). */
function faultError(
  world: World,
  { service, action }: Call,
  fault: Extract<Fault, { kind: "throttle" | "serverError" | "error" }>,
) {
  if (fault.kind === "error") return fault;
  if (fault.kind === "throttle") return throttled(world, service, action);
  return { code: "InternalError", message: "An internal error has occurred", status: 500 };
}

function textOf(body: unknown): string {
  if (typeof body === "string") return body;
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : "";
}

function headerOf(headers: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
}

function sdkResponse({ status, headers, body }: WireResponse): SdkResponse {
  const encoder = new TextEncoder();
  return {
    response: {
      statusCode: status,
      headers: { ...headers },
      text: body,
      get body() {
        return encoder.encode(body);
      },
    },
  };
}
