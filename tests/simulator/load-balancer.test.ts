// Goal: the load balancer treats real requests as an application load balancer does, and the instances behind it die as
// instances do.
// Method: real HTTP on loopback; simulated time runs 120 times as fast as real time, and tests wait for events in it.
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { Agent, get, type IncomingMessage, request } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { forceAnswer, terminateInstance } from "../../src/simulator/controls.ts";
import { createSimulatedAws, type SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { createHosts } from "../../src/simulator/hosts.ts";
import { startLoad } from "../../src/simulator/load.ts";
import { startLoadBalancer } from "../../src/simulator/load-balancer.ts";
import type { Prober } from "../../src/simulator/probe.ts";
import type { RequestResult } from "../../src/simulator/requests.ts";
import { createRouter } from "../../src/simulator/routing.ts";
import { createScaledClock } from "../../src/simulator/scaled-clock.ts";
import { deregisterTarget, registerTarget } from "../../src/simulator/targets.ts";
import type { World } from "../../src/simulator/world.ts";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const timings = {
  shuttingDown: [1_000, 1_000],
  applicationRegistration: [1_000, 1_000],
  applicationDeregistration: [18_000, 18_000],
} as const;

interface Options extends Omit<SimulatedAwsOptions, "clock" | "prober"> {
  readonly onCheck?: () => void;
}

async function setUp({ onCheck, ...options }: Options = {}) {
  const onMove = () => aws.world.advance();
  const clock = createScaledClock({ speed: 120, startMs: 0, onMove });
  const hosts = createHosts(clock);
  const prober: Prober = {
    ...hosts,
    probe(...check) {
      onCheck?.();
      hosts.probe(...check);
    },
  };
  const aws = createSimulatedAws({ timings, ...options, clock, prober });
  const { world, targetGroupArn } = aws;
  const router = createRouter(world);
  await hosts.follow(world);
  const balancer = await startLoadBalancer({ world, clock, router, hosts, targetGroupArn });
  const agent = new Agent({ keepAlive: true });
  ends.push(clock.stop, hosts.close, balancer.close, () => agent.destroy());
  const group = world.targetGroups.get(targetGroupArn);
  const [id = "", ...others] = aws.oldInstanceIds;
  const target = world.targets.list()[0];
  if (group === undefined || target === undefined) throw new Error("the fleet has both");
  const { url } = balancer;
  const deregister = () => {
    world.actAs({ by: "control" }, () => deregisterTarget(world, group, target.id));
  };
  const ask = (path = "/") => fetchFrom(url + path, agent);
  return { aws, world, clock, url, id, others, group, deregister, ask };
}

interface Answer {
  readonly status: number;
  readonly server: string | undefined;
  readonly text: string;
  /** False where the answer ended before it was complete. */
  readonly isWhole: boolean;
}

/** Asks, and resolves once the head of the answer is there; the rest is `rest`. */
function begin(
  url: string,
  agent: Agent,
): Promise<{ head: IncomingMessage; rest: Promise<Answer> }> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (head) => resolve({ head, rest: readAll(head) })).on("error", reject);
  });
}

/** Reads an answer to its end, whole or not. */
function readAll(head: IncomingMessage): Promise<Answer> {
  let text = "";
  head.setEncoding("utf8").on("data", (piece: string) => {
    text += piece;
  });
  head.on("error", () => {});
  return new Promise((resolve) => {
    head.on("close", () => {
      const { statusCode: status = 0, complete: isWhole } = head;
      resolve({ status, server: head.headers.server?.toString(), text, isWhole });
    });
  });
}

async function fetchFrom(url: string, agent: Agent): Promise<Answer> {
  return (await begin(url, agent)).rest;
}

/** Resolves at the first change after which `isSo`. */
function until(world: World, isSo: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = world.onTransition(() => {
      if (!isSo()) return;
      stop();
      resolve();
    });
  });
}

/** How many connections this process has begun since. */
function countSockets(): () => number {
  let sockets = 0;
  const count = () => {
    sockets += 1;
  };
  subscribe("net.client.socket", count);
  ends.push(() => unsubscribe("net.client.socket", count));
  return () => sockets;
}

describe("a request", () => {
  it("is answered by each instance in turn, which says who it is", async () => {
    const { aws, ask } = await setUp();
    const texts = [await ask(), await ask(), await ask()].map(({ text }) => text);
    expect(texts.sort()).toEqual(
      aws.oldInstanceIds
        .map((id) => `${id} "v1" ami-0000000000000001d ${aws.world.instances.get(id)?.zone}\n`)
        .sort(),
    );
  });

  it("takes connections that are kept alive, to the load balancer and to the targets", async () => {
    const { ask } = await setUp();
    const sockets = countSockets();
    for (let index = 0; index < 30; index += 1) await ask();
    // One to the load balancer, one to each of three instances; the rest are those of health checks.
    expect(sockets()).toBeLessThan(30);
  });

  it("is not told that its connection will be closed, which could then meet the next request", async () => {
    const { url } = await setUp({ instances: 1 });
    const { head, rest } = await begin(url, new Agent({ keepAlive: true }));
    await rest;
    expect(head.headers).toMatchObject({ connection: "keep-alive" });
    expect(head.headers).not.toHaveProperty("keep-alive");
  });

  it("is told what the instance says, good or bad", async () => {
    const { world, ask, id } = await setUp({ instances: 1 });
    forceAnswer(world, id, 418);
    expect(await ask()).toMatchObject({ status: 418, server: undefined });
  });

  it.each(["//", "/%", "/?seconds=x", "/?seconds=-1", "http://[/", "/?seconds=1&seconds=2"])(
    "for %s is a request like any other",
    async (path) => {
      const { url, id } = await setUp({ instances: 1 });
      const { port } = new URL(url);
      const answer = await new Promise<Answer>((resolve, reject) => {
        request({ host: "127.0.0.1", port, path }, (head) => {
          readAll(head).then(resolve, reject);
        })
          .on("error", reject)
          .end();
      });
      expect(answer).toMatchObject({ status: 200, text: expect.stringContaining(id) });
    },
  );

  it("that lasts is answered piece by piece", async () => {
    const { ask } = await setUp({ instances: 1 });
    // Longer than the idle timeout, but never silent for as long.
    const { text, status, isWhole } = await ask("/?seconds=90");
    expect({ status, isWhole }).toEqual({ status: 200, isWhole: true });
    expect(text.split("\n").length).toBeGreaterThan(10);
  });
});

describe("the load balancer itself answers", () => {
  it("503 when no target is registered", async () => {
    const { world, ask } = await setUp();
    for (const { id } of world.targets.list()) world.targets.set(id, undefined);
    expect(await ask()).toMatchObject({ status: 503, server: "awselb/2.0" });
  });

  it("502 when the instance refuses the connection", async () => {
    const { world, ask, id } = await setUp({ instances: 1 });
    forceAnswer(world, id, "refused");
    expect(await ask()).toMatchObject({ status: 502, server: "awselb/2.0" });
  });

  it("502 when the instance dies before it has answered", async () => {
    const { world, ask, id } = await setUp({ instances: 1 });
    forceAnswer(world, id, "timeout");
    const answer = ask();
    await new Promise((resolve) => setImmediate(resolve));
    terminateInstance(world, id);
    expect(await answer).toMatchObject({ status: 502, server: "awselb/2.0" });
  });

  it("504 when the instance is gone, after the connect timeout", async () => {
    const { world, clock, ask, id } = await setUp({ instances: 1 });
    terminateInstance(world, id);
    await until(world, () => world.instances.get(id)?.state === "terminated");
    const startMs = clock.now();
    expect(await ask()).toMatchObject({ status: 504, server: "awselb/2.0" });
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(10_000);
  });

  it("504 when the instance hangs, after the idle timeout", async () => {
    const { world, clock, ask, id } = await setUp({ instances: 1 });
    forceAnswer(world, id, "timeout");
    const startMs = clock.now();
    expect(await ask()).toMatchObject({ status: 504, server: "awselb/2.0" });
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(60_000);
  });
});

describe("a request in flight", () => {
  it("is cut off at once when its instance is terminated", async () => {
    const { world, clock, url, id } = await setUp({ instances: 1 });
    const { rest } = await begin(`${url}/?seconds=3000`, new Agent());
    const startMs = clock.now();
    terminateInstance(world, id);
    expect(await rest).toMatchObject({ status: 200, isWhole: false });
    // Long before the load balancer would lose patience.
    expect(clock.now() - startMs).toBeLessThan(30_000);
  });

  it("is let finish when its target is deregistered", async () => {
    const { url, deregister } = await setUp({ instances: 1, deregistrationDelaySeconds: 60 });
    const { rest } = await begin(`${url}/?seconds=40`, new Agent());
    deregister();
    expect(await rest).toMatchObject({ status: 200, isWhole: true });
  });

  it("is cut off when the deregistration delay is over", async () => {
    const { clock, url, deregister } = await setUp({
      instances: 1,
      deregistrationDelaySeconds: 60,
    });
    const { rest } = await begin(`${url}/?seconds=3000`, new Agent());
    const startMs = clock.now();
    deregister();
    expect(await rest).toMatchObject({ status: 200, isWhole: false });
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(60_000);
  });
});

describe("a request whose client expects a 100 first", () => {
  it("is cut off like any other when the deregistration delay is over", async () => {
    const { url, deregister } = await setUp({ instances: 1, deregistrationDelaySeconds: 30 });
    const { port } = new URL(url);
    const headers = { expect: "100-continue", "content-length": "4" };
    const answer = new Promise<Answer>((resolve, reject) => {
      const asked = request({
        ...{ host: "127.0.0.1", port, path: "/?seconds=3000", method: "POST", headers },
      });
      asked.on("continue", () => asked.end("body"));
      asked.on("response", (head) => {
        deregister();
        readAll(head).then(resolve, reject);
      });
      asked.on("error", reject);
      asked.flushHeaders();
    });
    expect(await answer).toMatchObject({ status: 200, isWhole: false });
  });
});

describe("health checks", () => {
  it("are made against the instances: a bad answer makes a target unhealthy, a good one healthy again", async () => {
    const { world, id } = await setUp({ instances: 2 });
    const state = () => world.targets.list().find(({ instanceId }) => instanceId === id)?.state;
    forceAnswer(world, id, 500);
    await until(world, () => state() === "unhealthy");
    forceAnswer(world, id, 200);
    await until(world, () => state() === "healthy");
  });

  it("go on while nothing seems to change", async () => {
    let checks = 0;
    await new Promise<void>((resolve) => {
      const count = () => {
        checks += 1;
        if (checks === 10) resolve();
      };
      void setUp({ instances: 2, onCheck: count });
    });
  });

  it("fail where the instance hangs, when their timeout is over", async () => {
    const { world, id } = await setUp({ instances: 1 });
    const target = () => world.targets.list().find(({ instanceId }) => instanceId === id);
    forceAnswer(world, id, "timeout");
    await until(world, () => target()?.state === "unhealthy");
    expect(target()?.reason).toBe("Target.Timeout");
  });

  it("fail on a port where no application listens", async () => {
    const { world, group, id } = await setUp({ instances: 1 });
    const instance = world.instances.get(id);
    if (instance === undefined) throw new Error("the fleet has an instance");
    world.actAs({ by: "control" }, () => registerTarget(world, group, instance, 9999));
    const stray = () => world.targets.list().find(({ port }) => port === 9999);
    await until(world, () => stray()?.state === "unhealthy");
    expect(stray()?.reason).toBe("Target.FailedHealthChecks");
  });
});

describe("traffic", () => {
  it("comes over connections that are kept alive", async () => {
    const { clock, url } = await setUp({ instances: 1 });
    const sockets = countSockets();
    let results = 0;
    await new Promise<void>((resolve) => {
      const onResult = () => {
        results += 1;
        if (results === 100) resolve();
      };
      const load = startLoad({ url, clock, everyMs: 5, longSeconds: 0, onResult });
      ends.push(load.stop);
    });
    expect(sockets()).toBeLessThan(80);
  });

  it("is counted to the end of the last request that was under way when it stopped", async () => {
    const { clock, url } = await setUp({ instances: 1 });
    const results: RequestResult[] = [];
    const onResult = (result: RequestResult) => results.push(result);
    const load = startLoad({ url, clock, everyMs: 5, longSeconds: 60, onResult });
    await load.stop();
    expect(results).toMatchObject([{ kind: "long", failure: undefined }]);
  });

  it("is counted request by request: who answered, and why it failed", async () => {
    const { world, clock, url, id, others } = await setUp({ instances: 2 });
    const results: RequestResult[] = [];
    const seen = (isIt: (result: RequestResult) => boolean) =>
      new Promise<void>((resolve) => {
        const look = () => (results.some(isIt) ? resolve() : setImmediate(look));
        look();
      });
    const load = startLoad({
      url,
      clock,
      everyMs: 5,
      longSeconds: 20,
      onResult: (result) => results.push(result),
    });
    await seen(({ kind, failure }) => kind === "long" && failure === undefined);
    await seen(({ instanceId }) => instanceId === others[0]);
    forceAnswer(world, id, 500);
    await seen(({ failure }) => failure === "500 from the instance");
    forceAnswer(world, id, "refused");
    await seen(({ failure }) => failure === "502 Bad Gateway");
    terminateInstance(world, others[0] ?? "");
    await seen(({ failure, kind }) => kind === "long" && failure === "cut off in the middle");
    await load.stop();
    const count = results.length;
    await new Promise((resolve) => setImmediate(resolve));
    expect(results.length).toBe(count);
  });
});
