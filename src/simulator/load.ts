import { Agent, get, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { SERVER } from "./load-balancer.ts";
import { type Failure, LOAD_BALANCER_ERRORS, type RequestResult } from "./requests.ts";
import type { ScaledClock } from "./scaled-clock.ts";

/** What the traffic is like. */
export interface LoadOptions {
  /** Of the load balancer. */
  readonly url: string;
  readonly clock: ScaledClock;
  /** From one short request to the next, in real milliseconds. */
  readonly everyMs: number;
  /** How long the long requests last, in simulated seconds; zero: none are sent. */
  readonly longSeconds: number;
  /** Told of every request, when it has ended. */
  readonly onResult: (result: RequestResult) => void;
}

/** Traffic that goes on until it is stopped. */
export interface Load {
  /** Sends no more, and waits some seconds for what is under way; what then goes on is not counted. */
  stop(): Promise<void>;
}

/** How long requests under way are waited for at the end, in real milliseconds. */
const LAST_REQUESTS_MS = 5_000;

/** From one long request to the next, in simulated milliseconds. */
const LONG_EVERY_MS = 10_000;

/**
 * Sends real requests over kept-alive connections, at a steady rate whatever becomes of them: a load balancer that
 * answers slowly gets no fewer.
 */
export function startLoad({ url, clock, everyMs, longSeconds, onResult }: LoadOptions): Load {
  const agent = new Agent({ keepAlive: true });
  const underWay = new Set<Promise<void>>();
  let isCounting = true;

  function send(kind: RequestResult["kind"]) {
    const address = kind === "long" ? `${url}/?seconds=${longSeconds}` : url;
    const done = ask(address, agent, kind).then((result) => {
      if (isCounting) onResult(result);
    });
    underWay.add(done);
    void done.then(() => underWay.delete(done));
  }

  const timer = setInterval(send, everyMs, "short");
  let cancel = () => {};
  const sendLong = () => {
    send("long");
    cancel = clock.after(LONG_EVERY_MS, sendLong);
  };
  if (longSeconds > 0) sendLong();
  return {
    async stop() {
      clearInterval(timer);
      cancel();
      const patience = new AbortController();
      const limit = sleep(LAST_REQUESTS_MS, undefined, { signal: patience.signal });
      await Promise.race([Promise.all(underWay), limit]);
      patience.abort();
      await limit.catch(() => {});
      isCounting = false;
      agent.destroy();
    },
  };
}

/** One request, from its first byte to the last one of its answer. Never rejects. */
function ask(url: string, agent: Agent, kind: RequestResult["kind"]): Promise<RequestResult> {
  const startMs = performance.now();
  return new Promise((resolve) => {
    const end = (failure?: Failure, instanceId?: string) =>
      resolve({ kind, tookMs: performance.now() - startMs, failure, instanceId });
    const request = get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        if (text === "") text = piece;
      });
      // What is cut off closes too, and is counted then.
      response.on("error", () => {});
      response.on("close", () => {
        if (!response.complete) return end("cut off in the middle");
        const instanceId = /^i-[0-9a-f]+/.exec(text)?.[0];
        end(failureOf(response), instanceId);
      });
    });
    request.on("error", () => end("connection lost"));
  });
}

function failureOf({ statusCode = 0, headers }: IncomingMessage): Failure | undefined {
  if (statusCode < 400) return undefined;
  const isOwn = headers.server === SERVER && statusCode in LOAD_BALANCER_ERRORS;
  return isOwn
    ? LOAD_BALANCER_ERRORS[statusCode as keyof typeof LOAD_BALANCER_ERRORS]
    : `${statusCode} from the instance`;
}
