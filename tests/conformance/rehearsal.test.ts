/*
 * Goal: a rollout can be rehearsed on the simulated AWS: a script that loses requests is found out there, and the
 * program itself loses none.
 * Method: both work as processes of their own against `zero-deploy simulate --serve`, whose last line says what became
 * of its requests. The program's rollout is watched by visitors of our own too, for 20,000 requests at least.
 */
import { Agent, get } from "node:http";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { cleanUp, startProgram } from "./program.ts";
import { endTools, lastEvent, skipWithoutBoto3, startSimulation } from "./simulation.ts";

/** The program waits 30 s in real time for each instance to drain, however fast the simulated AWS is. */
const rolloutMs = 300_000;

const INSTANCES = 3;

afterAll(async () => {
  await endTools();
  await cleanUp();
});

describe.concurrent("a rollout by a script that deregisters nothing", () => {
  beforeEach(skipWithoutBoto3);

  it("loses requests, and the simulation says so", { timeout: rolloutMs }, async () => {
    const simulation = await startSimulation("--instances", String(INSTANCES));
    const script = await simulation.python("naive_rollout.py", [IMAGES.good]);
    expect(script).toMatchObject({ exitCode: 0, stderr: "" });
    // The script itself has seen nothing wrong.
    expect(script.stdout.trimEnd().split("\n")).toHaveLength(INSTANCES);

    const { exitCode, stderr, last } = await simulation.stop();
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
    expect(last).toMatchObject({
      level: "error",
      event: "error",
      code: "RequestsLost",
      message: expect.stringMatching(/^[\d,]+ of [\d,]+ requests were lost$/),
      launched: INSTANCES,
    });
    expect(last.failed).toBeGreaterThan(0);
    expect(last.failures).toHaveProperty("502 Bad Gateway");
    const { violations } = last as unknown as { violations: { rule: string; message: string }[] };
    const rules = violations.map(({ rule }) => rule);
    expect(rules).toEqual(Array(INSTANCES).fill("terminated-in-service"));
    for (const { message } of violations) expect(message).toContain("healthy when it was");
  });
});

describe.concurrent("a rollout by the program", () => {
  it("loses none of 20,000 requests", { timeout: rolloutMs }, async () => {
    const simulation = await startSimulation("--instances", String(INSTANCES));
    const { loadBalancer, folder, environment } = simulation;
    const before = await visit(loadBalancer, 10 * INSTANCES);
    expect(before.statuses).toEqual({ 200: 10 * INSTANCES });
    expect(versionsOf(before)).toEqual(Array(INSTANCES).fill(`"v1" ${IMAGES.old}`));

    const args = [IMAGES.good, "--output", "json"];
    const program = startProgram(args, { folder, env: environment });
    const during = visit(loadBalancer, 20_000, program.end);
    const end = await program.end;
    expect(end).toMatchObject({ exitCode: 0, stderr: "" });
    expect(lastEvent(end)).toMatchObject({ event: "completed", replaced: INSTANCES });
    const visits = await during;
    expect(visits.statuses).toEqual({ 200: visits.sent });
    expect(visits.sent).toBeGreaterThanOrEqual(20_000);

    const after = await visit(loadBalancer, 10 * INSTANCES);
    expect(after.statuses).toEqual({ 200: 10 * INSTANCES });
    expect(versionsOf(after)).toEqual(Array(INSTANCES).fill(`"v2" ${IMAGES.good}`));
    // Nobody else has ever answered.
    const all = new Set([...before.instances.keys(), ...after.instances.keys()]);
    expect(all.size).toBe(2 * INSTANCES);
    expect(new Set(visits.instances.keys())).toEqual(all);

    const { exitCode, stderr, last } = await simulation.stop();
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(last).toMatchObject({
      event: "report",
      failed: 0,
      failures: {},
      violations: [],
      inServiceAtStart: INSTANCES,
      lowestInService: INSTANCES,
      launched: INSTANCES,
    });
    // Those that last long show that no request is cut off.
    expect(last.long).toBeGreaterThan(0);
  });
});

/** What visitors of a load balancer have seen. */
interface Visits {
  readonly sent: number;
  /** How many requests were answered with which status; 0 is for those that got no whole answer. */
  readonly statuses: Readonly<Record<number, number>>;
  /** What each instance that answered says of itself, by its id. */
  readonly instances: ReadonlyMap<string, string>;
}

/** Sends requests over kept-alive connections: so many, and on until `during` is over. */
async function visit(url: string, atLeast: number, during?: Promise<unknown>): Promise<Visits> {
  const agent = new Agent({ keepAlive: true });
  const statuses: Record<number, number> = {};
  const instances = new Map<string, string>();
  let [sent, isOver] = [0, during === undefined];
  const over = () => {
    isOver = true;
  };
  during?.then(over, over);
  const visitor = async () => {
    while (sent < atLeast || !isOver) {
      sent += 1;
      const { status, text } = await ask(url, agent);
      statuses[status] = (statuses[status] ?? 0) + 1;
      const [id = "", ...rest] = text.trimEnd().split(" ");
      if (status === 200) instances.set(id, rest.join(" "));
    }
  };
  await Promise.all([visitor(), visitor(), visitor()]);
  agent.destroy();
  return { sent, statuses, instances };
}

/** Never rejects. */
function ask(url: string, agent: Agent): Promise<{ status: number; text: string }> {
  return new Promise((done) => {
    const request = get(url, { agent }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (piece: string) => {
        text += piece;
      });
      response.on("error", () => done({ status: 0, text }));
      response.on("close", () => {
        done({ status: response.complete ? (response.statusCode ?? 0) : 0, text });
      });
    });
    request.on("error", () => done({ status: 0, text: "" }));
  });
}

/** Version and AMI of each instance that answered. */
function versionsOf({ instances }: Visits): string[] {
  return [...instances.values()].map((line) => line.split(" ").slice(0, 2).join(" "));
}
