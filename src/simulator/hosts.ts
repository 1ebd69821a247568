import {
  type ClientRequest,
  createServer,
  get,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { type Prober, plannedAnswer } from "./probe.ts";
import type { AppAnswer } from "./records.ts";
import { SHORT_REQUEST_MS } from "./requests.ts";
import type { ScaledClock } from "./scaled-clock.ts";
import type { World } from "./world.ts";

/** The applications of all instances of a world, each a web server of its own on loopback. */
export interface Hosts extends Prober {
  /** Starts the application of every instance that runs, and from now on follows what becomes of each. */
  follow(world: World): Promise<void>;
  /**
   * The port on this machine where a port of an instance is found; `refused` where the host is up but nothing listens,
   * `unreachable` where there is no host.
   */
  addressOf(instanceId: string, port: number): number | "refused" | "unreachable";
  /** Ends them all. */
  close(): void;
}

/** From one piece of a long answer to the next, in simulated milliseconds; well within every idle timeout. */
const PIECE_MS = 2_000;

/** Who asks for health; that is answered at once. */
const HEALTH_CHECKER = "ELB-HealthChecker/2.0";

/** Makes the hosts of a world whose time is that of `clock`. */
export function createHosts(clock: ScaledClock): Hosts {
  const servers = new Map<string, Server>();
  let world: World | undefined;

  /** Brings the servers of one instance in line with what its record says. */
  function update(of: World, instanceId: string): Promise<unknown> {
    return Promise.all(
      [...of.applicationPorts].map((port) => {
        const key = keyOf(instanceId, port);
        const server = servers.get(key);
        const isUp = isListening(of, instanceId, port);
        if (isUp === (server !== undefined)) return undefined;
        if (server === undefined) return open(of, instanceId, port);
        // An instance that ends takes its connections with it, whatever they were doing.
        servers.delete(key);
        server.close();
        server.closeAllConnections();
        return undefined;
      }),
    );
  }

  function open(of: World, instanceId: string, port: number): Promise<void> {
    // Its clients give up idle connections first: that no request meets a closing one is the duty of any application
    // behind a load balancer.
    const server = createServer({ keepAliveTimeout: 0 }, (request, response) =>
      answer(of, clock, { instanceId, port }, request, response).catch(() => response.destroy()),
    );
    servers.set(keyOf(instanceId, port), server);
    return new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  }

  function addressOf(instanceId: string, port: number) {
    const address = servers.get(keyOf(instanceId, port))?.address() as
      | AddressInfo
      | null
      | undefined;
    if (address) return address.port;
    const { state } = world?.instances.get(instanceId) ?? { state: "terminated" };
    return state === "terminated" || state === "pending" ? "unreachable" : "refused";
  }

  return {
    isPlanned: false,
    addressOf,
    async follow(of) {
      world = of;
      of.onTransition((transition) => {
        const id = transition.kind === "instance" && (transition.after ?? transition.before)?.id;
        if (id) void update(of, id);
      });
      await Promise.all(of.instances.list().map(({ id }) => update(of, id)));
    },
    probe(of, { instanceId, port, path, timeoutMs }, done) {
      const address = addressOf(instanceId, port);
      let isDone = false;
      const finish = (result: AppAnswer) => {
        if (isDone) return;
        isDone = true;
        cancel();
        request?.destroy();
        of.actAs({ by: "time" }, () => done(result));
      };
      const cancel = clock.after(timeoutMs, () => finish("timeout"));
      const request = typeof address === "number" ? askHost(address, path, finish) : undefined;
      if (address === "refused") finish("refused");
    },
    close() {
      for (const server of servers.values()) {
        server.close();
        server.closeAllConnections();
      }
      servers.clear();
    },
  };
}

/** One health check over a connection of its own. */
function askHost(port: number, path: string, done: (answer: AppAnswer) => void): ClientRequest {
  const headers = { "user-agent": HEALTH_CHECKER, connection: "close" };
  const request = get({ host: "127.0.0.1", port, path, headers, agent: false });
  request.on("response", ({ statusCode = 0 }) => done(statusCode));
  request.on("error", () => done("refused"));
  return request;
}

function keyOf(instanceId: string, port: number): string {
  return `${instanceId}:${port}`;
}

/** A host that hangs still accepts connections: its kernel does. */
function isListening(world: World, instanceId: string, port: number): boolean {
  const instance = world.instances.get(instanceId);
  const answer = plannedAnswer(world, instanceId, port);
  return instance?.state === "running" && answer !== "refused";
}

/** The application: says who it is, at once or, asked for `?seconds=`, piece by piece over that many simulated ones. */
async function answer(
  world: World,
  clock: ScaledClock,
  { instanceId, port }: { readonly instanceId: string; readonly port: number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume();
  const seconds = Number(/[?&]seconds=(\d+)/.exec(request.url ?? "")?.[1] ?? 0);
  const number = world.next(`answer:${instanceId}`);
  const thinkMs = world.random.between(`answer:${instanceId}:${number}`, SHORT_REQUEST_MS);
  const isHealthCheck = request.headers["user-agent"] === HEALTH_CHECKER;
  const lastsMs = seconds > 0 ? seconds * 1000 : isHealthCheck ? 0 : thinkMs;
  const endMs = clock.now() + lastsMs;
  const answerNow = () => plannedAnswer(world, instanceId, port);
  const line = whoIs(world, instanceId);
  if (seconds > 0 && typeof answerNow() === "number") response.writeHead(Number(answerNow()));
  while (clock.now() < endMs && !response.destroyed) {
    if (response.headersSent) response.write(line);
    await clock.sleep(Math.min(PIECE_MS, endMs - clock.now()));
  }
  const status = answerNow();
  // A host that hangs says nothing any more, not even that it hangs.
  if (typeof status === "string" || response.destroyed) return;
  if (!response.headersSent) response.writeHead(status, { "content-type": "text/plain" });
  response.end(line);
}

/** One line such as `i-0123456789abcdef0 "v2" ami-0123456789abcdef0 eu-west-1a`. */
function whoIs(world: World, instanceId: string): string {
  const instance = world.instances.get(instanceId);
  const name = instance?.tags.find(({ key }) => key === "Name")?.value ?? "";
  return `${instanceId} "${name}" ${instance?.imageId} ${instance?.zone}\n`;
}
