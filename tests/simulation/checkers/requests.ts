import type { Target } from "../../../src/simulator/balancer-records.ts";
import { plannedAnswer } from "../../../src/simulator/probe.ts";
import { longRequestSeconds } from "../../../src/simulator/requests.ts";
import { createRouter } from "../../../src/simulator/routing.ts";
import { deregistrationDelaySeconds } from "../../../src/simulator/targets.ts";
import type { Transition } from "../../../src/simulator/world.ts";
import type { CheckedRun, Ground, Report } from "./ground.ts";
import type { Others } from "./others.ts";

/** Looks after requests to the fleet. */
export interface RequestChecker {
  onTransition(transition: Transition): void;
}

/** From one request to the next, in virtual milliseconds. */
const everyMs = 5_000;

/** How long short requests last, in virtual milliseconds. */
const shortMs = 800;

/**
 * No request in flight is cut by an act of ours. Requests come all the while, to the groups in turn; every third lasts
 * most of the deregistration delay. What a load balancer cuts itself when the delay is over is none of ours.
 */
export function checkRequests(
  { world, groups }: Ground,
  runOf: (transition: Transition) => CheckedRun | undefined,
  others: Others,
  report: Report,
): RequestChecker {
  const router = createRouter(world);
  const inFlight = new Set<{ readonly target: Target; readonly atMs: number }>();
  const balancer = world.loadBalancers.get(
    world.targetGroups.get(groups[0] ?? "")?.loadBalancerArn ?? "",
  );
  const { applicationDeregistration, networkDeregistration } = world.timings;
  const lagMs = balancer?.type === "network" ? networkDeregistration : applicationDeregistration;
  let sent = 0;

  function send(): void {
    world.schedule(world.nowMs() + everyMs, send);
    sent += 1;
    const arn = groups[sent % groups.length] ?? "";
    const group = world.targetGroups.get(arn);
    const target = router.next(arn);
    if (group === undefined || target === undefined) return;
    if (typeof plannedAnswer(world, target.instanceId, target.port) === "string") return;
    const longMs =
      longRequestSeconds(deregistrationDelaySeconds(group), lagMs[1] / 1000 + 2) * 1000;
    const request = { target, atMs: world.nowMs() };
    inFlight.add(request);
    const lastsMs = sent % 3 === 0 && longMs > 0 ? longMs : shortMs;
    world.schedule(world.nowMs() + lastsMs, () => inFlight.delete(request));
  }

  router.onCut((gone) => {
    for (const request of inFlight) if (request.target.id === gone.id) inFlight.delete(request);
  });
  world.schedule(world.nowMs(), send);

  return {
    onTransition(transition) {
      if (transition.kind !== "instance") return;
      const { id = "" } = transition.after ?? transition.before ?? {};
      const run = runOf(transition);
      for (const request of inFlight) {
        const { target, atMs } = request;
        if (target.instanceId !== id) continue;
        if (typeof plannedAnswer(world, id, target.port) !== "string") continue;
        inFlight.delete(request);
        // What others have only just put in service no run can know of.
        const touchedMs = others.touchedMs(id) ?? Number.NEGATIVE_INFINITY;
        if (run === undefined || world.nowMs() - touchedMs <= run.blindMs) continue;
        const seconds = (world.nowMs() - atMs) / 1000;
        report(
          "request-cut",
          `${run.name} cut a request to ${id} that was sent ${seconds} s before`,
        );
      }
    },
  };
}
