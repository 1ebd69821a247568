import {
  Agent,
  type ClientRequest,
  createServer,
  type IncomingMessage,
  ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { createProxyServer } from "httpxy";
import type { Target } from "./balancer-records.ts";
import type { Hosts } from "./hosts.ts";
import { LOAD_BALANCER_ERRORS } from "./requests.ts";
import type { Router } from "./routing.ts";
import type { ScaledClock } from "./scaled-clock.ts";
import type { World } from "./world.ts";

/** A load balancer that takes real requests. */
export interface LoadBalancerServer {
  readonly url: string;
  /** Ends it, and every connection. */
  close(): Promise<void>;
}

/** What a load balancer stands between. */
export interface LoadBalancerOptions {
  readonly world: World;
  readonly clock: ScaledClock;
  readonly router: Router;
  readonly hosts: Hosts;
  readonly targetGroupArn: string;
}

/** Limits of an application load balancer (ALB guide, troubleshooting; idle timeout), in simulated milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 60_000;

/** By this name an application load balancer signs the answers that are its own. */
export const SERVER = "awselb/2.0";

/** A request that was passed on to a target and is not answered yet. */
interface InFlight {
  readonly targetId: string;
  outgoing?: ClientRequest;
  /** When the target was last heard of, in simulated milliseconds. */
  heardMs: number;
  /** What its client is told if it ends badly. */
  status: keyof typeof LOAD_BALANCER_ERRORS;
}

/**
 * Starts the load balancer of a target group on a free port of loopback: an HTTP proxy that keeps connections to
 * clients and to targets alive, sends each request where the router says, and answers 502, 503 and 504 by itself.
 */
export async function startLoadBalancer(options: LoadBalancerOptions): Promise<LoadBalancerServer> {
  const { world, clock, router, hosts, targetGroupArn } = options;
  const proxy = createProxyServer();
  const inFlight = new Map<ServerResponse, InFlight>();
  // One pool an instance: ports of loopback are used again, and no request may meet a connection of an earlier life.
  const pools = new Map<string, Agent>();

  function poolOf(instanceId: string): Agent {
    const pool = pools.get(instanceId) ?? new Agent({ keepAlive: true });
    pools.set(instanceId, pool);
    return pool;
  }

  proxy.on("proxyReq", (outgoing, _request, response) => {
    const entry = inFlight.get(response);
    if (entry !== undefined) entry.outgoing = outgoing;
  });
  proxy.on("proxyRes", (incoming, _request, response) => {
    const entry = inFlight.get(response);
    incoming.on("data", () => {
      if (entry !== undefined) entry.heardMs = clock.now();
    });
  });
  proxy.on("error", (_error, _request, response) => {
    if (response instanceof ServerResponse) refuse(response, inFlight.get(response)?.status ?? 502);
  });

  function pass(request: IncomingMessage, response: ServerResponse, target: Target, port: number) {
    const entry: InFlight = { targetId: target.id, heardMs: clock.now(), status: 502 };
    inFlight.set(response, entry);
    const calm = endWhenIdle(entry, clock);
    response.on("close", () => {
      calm();
      inFlight.delete(response);
    });
    // Answered here already; passed on, it would hide the outgoing request from the listener above.
    delete request.headers.expect;
    const options = { target: { host: "127.0.0.1", port }, agent: poolOf(target.instanceId) };
    proxy.web(request, response, options).catch(() => refuse(response, 502));
  }

  const stopCutting = router.onCut(({ id }) => {
    for (const { targetId, outgoing } of inFlight.values())
      if (targetId === id) outgoing?.destroy();
  });
  const stopWatching = world.onTransition((transition) => {
    if (transition.kind !== "instance" || transition.after?.state !== "terminated") return;
    pools.get(transition.after.id)?.destroy();
    pools.delete(transition.after.id);
  });

  // An idle connection is never closed from here, so that no client's next request meets a closing one.
  const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
    const target = router.next(targetGroupArn);
    if (target === undefined) return refuse(response, 503);
    const { instanceId } = target;
    const port = hosts.addressOf(instanceId, target.port);
    if (port === "refused") return refuse(response, 502);
    if (port === "unreachable") {
      clock.after(CONNECT_TIMEOUT_MS, () => refuse(response, 504));
      return;
    }
    pass(request, response, target, port);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      stopCutting();
      stopWatching();
      for (const pool of pools.values()) pool.destroy();
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

/** Ends a request whose target says nothing for the idle timeout; the answer calls that off. */
function endWhenIdle(entry: InFlight, clock: ScaledClock): () => void {
  let cancel = clock.after(IDLE_TIMEOUT_MS, look);
  function look() {
    const leftMs = entry.heardMs + IDLE_TIMEOUT_MS - clock.now();
    if (leftMs > 0) {
      cancel = clock.after(leftMs, look);
      return;
    }
    entry.status = 504;
    entry.outgoing?.destroy();
  }
  return () => cancel();
}

/** Answers instead of a target; what has begun can only be cut off. */
function refuse(response: ServerResponse, status: keyof typeof LOAD_BALANCER_ERRORS): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const title = LOAD_BALANCER_ERRORS[status];
  response.writeHead(status, { "content-type": "text/html", server: SERVER });
  response.end(`<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`);
}
