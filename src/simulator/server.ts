import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { answerCall, type Call, parseCall } from "./api.ts";
import { newRequestId } from "./ids.ts";
import { API_VERSIONS, errorResponse, type Service, type WireResponse } from "./query.ts";
import { readTimeMs, type StaleReads } from "./stale-reads.ts";
import type { World } from "./world.ts";

/** What a server is started with. */
export interface ApiServerOptions extends StaleReads {
  readonly world: World;
  /** On loopback; 0: any that is free. */
  readonly port: number;
  /** Told of every request to a service that is simulated, after it was answered. */
  readonly onRequest?: (request: AnsweredRequest) => void;
}

/** One request that came in over the wire, and the status of its answer. */
export interface AnsweredRequest {
  readonly service: Service;
  readonly action: string;
  /** As sent: `InstanceId.1`. */
  readonly parameters: ReadonlyMap<string, string>;
  /** The HTTP status. */
  readonly status: number;
}

/** A server of the API. */
export interface ApiServer {
  /** What goes into AWS_ENDPOINT_URL. */
  readonly url: string;
  /** Takes no more requests and ends every connection that is open. */
  close(): Promise<void>;
}

/** Far more than any request needs that AWS takes. */
const MAX_BODY_BYTES = 1024 * 1024;

/**
 * How long an idle connection is kept, in milliseconds. Longer than a client waits from one poll to
 * the next, so that none is closed at the very moment it is used again.
 */
const KEEP_ALIVE_MS = 60_000;

/**
 * Serves the API of a world over HTTP, on 127.0.0.1 only: nobody else is to reach it, for it checks
 * no signature. Rejects with the error of node:net where it cannot listen; its `code` is EADDRINUSE
 * where the port is taken.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  let requests = 0;
  const server = createServer((request, response) => {
    readBody(request, (body) => {
      requests += 1;
      send(response, replyTo(options, request, body, requests));
    });
  });
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Reads a body to its end; undefined when it is too long. A client that is gone is not answered. */
function readBody(request: IncomingMessage, done: (body: string | undefined) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk);
  });
  request.on("end", () => {
    done(bytes <= MAX_BODY_BYTES ? Buffer.concat(chunks).toString() : undefined);
  });
}

function replyTo(
  options: ApiServerOptions,
  { method, url, headers }: IncomingMessage,
  body: string | undefined,
  sequence: number,
): WireResponse {
  const { world, onRequest } = options;
  if (method !== "POST" || url !== "/") {
    return refuse(world, 400, "InvalidRequest", "The API takes POST requests to the path / only.");
  }
  if (body === undefined) {
    const message = `The request is longer than ${MAX_BODY_BYTES} bytes.`;
    return refuse(world, 413, "RequestEntityTooLarge", message);
  }
  const call = parseCall(body, headers.authorization);
  if (call === undefined) {
    const services = Object.keys(API_VERSIONS).join(", ");
    const message =
      `Only these services are simulated: ${services}. Neither the credential scope of the ` +
      "request's signature nor its Version is one of theirs.";
    return refuse(world, 400, "InvalidAction", message);
  }
  const response = answer(options, call, sequence);
  const { service, action, parameters } = call;
  onRequest?.({ service, action, parameters, status: response.status });
  return response;
}

function answer(
  { world, ...staleReads }: ApiServerOptions,
  call: Call,
  sequence: number,
): WireResponse {
  try {
    return answerCall(
      world,
      call,
      readTimeMs(world, staleReads, { action: call.action, name: `${world.nowMs()}:${sequence}` }),
    );
  } catch (error) {
    // A mistake in here must not end the whole simulation; clients know what to make of this.
    const failure = { code: "InternalError", message: String(error), status: 500 };
    return errorResponse(call.service, newRequestId(world), failure);
  }
}

/** What is no request of a service is refused in the envelope that most of AWS's services use. */
function refuse(world: World, status: number, code: string, message: string): WireResponse {
  return errorResponse("sts", newRequestId(world), { code, message, status });
}

function send(response: ServerResponse, { status, headers, body }: WireResponse): void {
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
}
