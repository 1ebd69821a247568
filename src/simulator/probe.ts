import type { AppAnswer } from "./records.ts";
import type { World } from "./world.ts";

/** One health check of one target. */
export interface ProbeRequest {
  readonly instanceId: string;
  readonly port: number;
  readonly path: string;
  /** In simulated milliseconds. */
  readonly timeoutMs: number;
}

/** Asks the applications of instances how they are, as the nodes of a load balancer do. */
export interface Prober {
  /** Tells `done` once what came of it: at the latest when the timeout is over. */
  probe(world: World, request: ProbeRequest, done: (answer: AppAnswer) => void): void;
  /**
   * Whether answers follow from the world's records alone: checks need then not go on while none of
   * those changes.
   */
  readonly isPlanned: boolean;
}

/** Asks nobody: what the record of an instance says is what its application answers. */
export const plannedProber: Prober = {
  isPlanned: true,
  probe(world, { instanceId, port, timeoutMs }, done) {
    const answer = plannedAnswer(world, instanceId, port);
    if (answer !== "timeout") done(answer);
    else world.schedule(world.nowMs() + timeoutMs, () => done(answer));
  },
};

/** What comes of a request to a port of an instance; a host that is gone swallows it. */
export function plannedAnswer(world: World, instanceId: string, port: number): AppAnswer {
  const answer = world.instances.get(instanceId)?.answer ?? "timeout";
  if (typeof answer === "number" && !world.applicationPorts.has(port)) return "refused";
  return answer;
}
