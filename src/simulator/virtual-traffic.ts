import type { Target } from "./balancer-records.ts";
import { plannedAnswer } from "./probe.ts";
import { type Failure, type RequestResult, SHORT_REQUEST_MS } from "./requests.ts";
import type { Router } from "./routing.ts";
import type { World } from "./world.ts";

/** One simulated request; times are virtual, in milliseconds. */
export interface VirtualRequest extends RequestResult {
  readonly atMs: number;
}

/** What the traffic is like. */
export interface VirtualTrafficOptions {
  readonly targetGroupArn: string;
  /** From one request to the next. */
  readonly everyMs: number;
  /** How long every tenth request lasts; zero: all are short. */
  readonly longMs: number;
}

/** Traffic that passes in virtual time. */
export interface VirtualTraffic {
  /** Those that have ended, in the order of their end. */
  readonly ended: readonly VirtualRequest[];
  /** Sends no more. */
  stop(): void;
}

interface InFlight {
  readonly target: Target;
  end(failure?: Failure): void;
}

/**
 * Sends requests through the router's targets for as long as virtual time passes. No socket is used: whether a request
 * succeeds follows from what becomes of its instance and of its target while it lasts.
 */
export function sendVirtualTraffic(
  world: World,
  router: Router,
  { targetGroupArn, everyMs, longMs }: VirtualTrafficOptions,
): VirtualTraffic {
  const ended: VirtualRequest[] = [];
  const inFlight = new Set<InFlight>();
  let sent = 0;
  let isOn = true;

  function send() {
    if (!isOn) return;
    world.schedule(world.nowMs() + everyMs, send);
    sent += 1;
    const isLong = longMs > 0 && sent % 10 === 0;
    const atMs = world.nowMs();
    const target = router.next(targetGroupArn);
    const finish = (failure?: Failure) => {
      const kind = isLong ? "long" : "short";
      const tookMs = world.nowMs() - atMs;
      ended.push({ atMs, kind, instanceId: target?.instanceId, tookMs, failure });
    };
    const failure = failureOf(world, target);
    if (target === undefined || failure !== undefined) return finish(failure);
    const request: InFlight = {
      target,
      end(cause) {
        if (inFlight.delete(request)) finish(cause);
      },
    };
    inFlight.add(request);
    const lastsMs = isLong ? longMs : world.random.between(`request:${sent}`, SHORT_REQUEST_MS);
    world.schedule(atMs + lastsMs, () => request.end());
  }

  const cutAll = (isHit: (target: Target) => boolean) => {
    for (const request of [...inFlight]) {
      if (isHit(request.target)) request.end("cut off in the middle");
    }
  };
  router.onCut((gone) => cutAll(({ id }) => id === gone.id));
  world.onTransition((transition) => {
    if (transition.kind !== "instance") return;
    cutAll(
      ({ instanceId, port }) =>
        (transition.after ?? transition.before)?.id === instanceId &&
        typeof plannedAnswer(world, instanceId, port) === "string",
    );
  });
  world.schedule(world.nowMs(), send);
  return {
    ended,
    stop() {
      isOn = false;
    },
  };
}

/** Why a request fails at once: nobody to send it to, no connection, or a bad answer. */
function failureOf(world: World, target: Target | undefined): Failure | undefined {
  if (target === undefined) return "503 Service Unavailable";
  const answer = plannedAnswer(world, target.instanceId, target.port);
  if (answer === "refused") return "502 Bad Gateway";
  if (answer === "timeout") return "504 Gateway Time-out";
  return answer < 400 ? undefined : `${answer} from the instance`;
}
