// Goal: one rollout of a target group works at a time, whatever the timing; a lock that is left behind never stays in the
// way for longer than it must.
// Method: whole runs on one virtual clock, started together, killed, interrupted and robbed of their lock; and the lock
// by itself, wanted by several at once, thousands of times.
import {
  DeregisterTargetsCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { beforeAll, describe, expect, it } from "vitest";
import type { Config } from "../../src/config.ts";
import { DeployError } from "../../src/errors.ts";
import { dropLateRepeats } from "../../src/lock/late-repeats.ts";
import { leasePrefix } from "../../src/lock/lease.ts";
import { unlock } from "../../src/lock/unlock.ts";
import { createLock, type Lock } from "../../src/lock.ts";
import type { TargetGroup } from "../../src/simulator/balancer-records.ts";
import { IMAGES } from "../../src/simulator/catalog.ts";
import { forceAnswer } from "../../src/simulator/controls.ts";
import type { Faults } from "../../src/simulator/faults.ts";
import {
  createRequestHandler,
  type HandlerOptions,
  type RequestRecord,
} from "../../src/simulator/handler.ts";
import { createRandom } from "../../src/simulator/random.ts";
import { deregisterTarget } from "../../src/simulator/targets.ts";
import { isFleetChange } from "./calls.ts";
import { expectConverged, expectSuccess, expectUntouched, fleetOf, launchesOf } from "./expect.ts";
import {
  errorText,
  hurried,
  linesOf,
  type RunOptions,
  type RunResult,
  run,
  type Stage,
  stage,
  watch,
} from "./harness.ts";

const small = { ...hurried, instances: 1, zones: 1 };
const second = 1000;

// The first calls of the SDK load modules, which takes real time; meanwhile virtual time would pass for all others.
beforeAll(async () => {
  await run(stage(small), { isWhole: true });
});

/** On another host, where nothing is known of the processes of this one. */
const elsewhere =
  (owner: string, skewMs = 0) =>
  (scene: Stage) => ({
    owner,
    host: `host-of-${owner}`,
    wallMs: () => scene.clock.now() + skewMs,
    hasEnded: () => false,
  });

function isTag(action: string): boolean {
  return action === "AddTags" || action === "RemoveTags";
}

/** Everything but reads, dry runs and tags. */
function changesOf({ requests }: RunResult): RequestRecord[] {
  return requests.filter(isFleetChange);
}

function tagsOf({ aws }: Stage, arn = aws.targetGroupArn): Record<string, string> {
  const tags = aws.world.elbTags.get(arn) ?? [];
  return Object.fromEntries(tags.map(({ key, value }) => [key, value]));
}

function setTags(
  { aws }: Stage,
  tags: Readonly<Record<string, string>>,
  arn = aws.targetGroupArn,
): void {
  const list = Object.entries(tags).map(([key, value]) => ({ key, value }));
  aws.world.elbTags.set(arn, list);
}

/** The lease of a run that is nowhere to be seen. */
function leaseOf(
  owner: string,
  heartbeat: string,
  { host = "far-away", process = "7@7" } = {},
): Record<string, string> {
  const fields = { host, process, ami: IMAGES.good, build: "none" };
  return Object.fromEntries(
    Object.entries({ ...fields, since: "2026-01-05T08:00:00.000Z", heartbeat }).map(
      ([field, value]) => [`${leasePrefix}${owner}:${field}`, value],
    ),
  );
}

/** The word of a run that has ended. */
function wordOf(owner: string, host: string, changedMs: number): Record<string, string> {
  return leaseOf(owner, new Date(changedMs).toISOString(), { host, process: "ended" });
}

function heartbeatsOf({ requests }: RunResult): number[] {
  return requests.flatMap(({ action, atMs, outcome, params }) => {
    const keys = [...params].filter(([name, value]) => /Key$/.test(name) && value.endsWith("beat"));
    return action === "AddTags" && outcome === 200 && keys.length > 0 ? atMs : [];
  });
}

function longestGap(times: readonly number[]): number {
  return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? 0)));
}

function codeOf({ error }: RunResult): string | undefined {
  return error instanceof DeployError ? error.code : error === undefined ? undefined : "Bug";
}

async function unlocking(scene: Stage) {
  const requestHandler = createRequestHandler(scene.aws);
  const elbv2 = new ElasticLoadBalancingV2Client({
    region: "eu-west-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    requestHandler,
  });
  const events: { message: string; lines?: readonly string[] }[] = [];
  const holder = { ...elsewhere("me")(scene), process: "1", build: "none" };
  const log = (event: (typeof events)[number]) => events.push(event);
  await unlock(scene.aws.targetGroupArn, { elbv2, holder, log });
  return events;
}

describe("two runs started together", () => {
  it.each([0, 1, 2, 3])(
    "of which exactly one works, 25 times over (%i of 4)",
    async (part) => {
      let races = 0;
      for (let seed = part * 25; seed < (part + 1) * 25; seed++) {
        const random = createRandom(seed);
        const scene = stage({ ...small, seed });
        const watched = watch(scene);
        const amis = [IMAGES.good, seed % 2 === 0 ? IMAGES.good : IMAGES.slow];
        const owners = seed % 3 === 0 ? ["a", "b"] : ["b", "a"];
        const start = async (who: 0 | 1, offsetMs: number) => {
          await scene.clock.sleep(offsetMs);
          let calls = 0;
          return run(scene, {
            ami: amis[who],
            staleReadsMs: 8 * second,
            lagIsConstant: seed % 4 === 0,
            config: { "waiting-period": 900 },
            holder: elsewhere(owners[who] ?? "")(scene),
            // Mostly around the lock, so that what comes in between does not keep the two apart.
            travelMs: (action) =>
              random.between(`${who} ${++calls}`, [0, action.includes("Tags") ? 3 * second : 50]),
          });
        };
        const results = await Promise.all([
          start(0, 0),
          start(1, random.between("offset", [0, 15 * second])),
        ]);
        const where = `seed ${seed}: ${results.map(errorText).join(" | ")}`;
        const winner = results.findIndex(({ error }) => error === undefined);
        const loser = results[1 - winner];
        expect(winner, where).toBeGreaterThanOrEqual(0);
        if (loser === undefined) throw new Error(where);
        expect(["Locked", "LockLost"], where).toContain(codeOf(loser));
        expect(changesOf(loser), where).toEqual([]);
        expect(watched.violations, where).toEqual([]);
        expect(launchesOf(scene), where).toBe(1);
        expectConverged(scene, { ami: amis[winner] });
        expect(tagsOf(scene), where).toEqual({});
        if (loser.requests.some(({ action }) => action === "AddTags")) races++;
      }
      // Else it would be the offsets alone that keep them apart.
      expect(races).toBeGreaterThan(5);
    },
    120_000,
  );
});

describe("the lock, wanted by several at once", () => {
  function lockOf(scene: Stage, owner: string, options: HandlerOptions): Lock {
    const { clock, aws } = scene;
    const elbv2 = new ElasticLoadBalancingV2Client({
      region: "eu-west-1",
      credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
      maxAttempts: 1,
      requestHandler: createRequestHandler(aws, options),
    });
    const config = { targetGroupArn: aws.targetGroupArn, waitingPeriodSeconds: 400 } as Config;
    const holder = { ...elsewhere(owner)(scene), process: "1@1", build: "none" };
    const { signal } = new AbortController();
    const deployment = { config, ami: IMAGES.good, command: "", lockWaitSeconds: 900 };
    return createLock(deployment, { elbv2, clock, holder, log: () => {}, signal }, () => {});
  }

  async function take(lock: Lock, { aws }: Stage): Promise<void> {
    do await lock.whenFree();
    while (!(await lock.acquire([aws.targetGroupArn])));
  }

  async function contend(seed: number, count: number) {
    const random = createRandom(seed);
    const scene = stage(small);
    const { clock } = scene;
    const held: { owner: string; fromMs: number; toMs: number }[] = [];
    const want = async (owner: string) => {
      let calls = 0;
      const lock = lockOf(scene, owner, {
        staleReadsMs: 8 * second,
        lagIsConstant: seed % 2 === 0,
        travel: () => clock.sleep(random.between(`${owner} ${++calls}`, [0, 4 * second])),
      });
      await clock.sleep(random.between(`start ${owner}`, [0, 20 * second]));
      await take(lock, scene);
      const fromMs = clock.now();
      await clock.sleep(random.between(`work ${owner}`, [0, 40 * second]));
      held.push({ owner, fromMs, toMs: clock.now() });
      await lock.release(true);
    };
    const owners = Array.from({ length: count }, (_, index) => `${random.hex("id", 4)}${index}`);
    await Promise.all(owners.sort((a, b) => random.unit(a) - random.unit(b)).map(want));
    return { held, tags: tagsOf(scene) };
  }

  it.each([2, 3, 5])(
    "%i of them have it one after the other, and each of them once",
    async (count) => {
      for (let seed = 1; seed <= 200 / count; seed++) {
        const { held, tags } = await contend(seed, count);
        expect(held).toHaveLength(count);
        for (const [index, one] of held.entries()) {
          for (const other of held.slice(index + 1)) {
            const isApart = one.toMs <= other.fromMs || other.toMs <= one.fromMs;
            expect(isApart, `seed ${seed}: ${JSON.stringify([one, other])}`).toBe(true);
          }
        }
        expect(tags).toEqual({});
      }
    },
    60_000,
  );

  it("is not had by two though one of them reads the lease that it has given back since", async () => {
    const scene = stage(small);
    const { clock } = scene;
    await clock.sleep(100 * second);
    const startMs = clock.now();
    const seenAt = new Map<string, number>();
    const readsOf = (owner: string) => ({
      lagIsConstant: true,
      staleReadsMs: () => clock.now() - (seenAt.get(owner) ?? clock.now()),
    });
    const first = lockOf(scene, "first", readsOf("first"));
    const other = lockOf(scene, "other", readsOf("other"));
    const taking = [take(first, scene)];
    await clock.sleep(3 * second);
    // A rival that has precedence makes the first give its lease back, and is gone again.
    const rival = leaseOf("a-rival", new Date(clock.now()).toISOString());
    setTags(scene, { ...tagsOf(scene), ...rival });
    await clock.sleep(2 * second);
    expect(tagsOf(scene)).toEqual(rival);
    setTags(scene, {});
    await clock.sleep(second / 2);
    taking.push(take(other, scene));
    await clock.sleep(second / 10);
    seenAt.set("other", clock.now());
    seenAt.set("first", startMs + 2.5 * second);
    const [ofFirst, ofOther] = await Promise.allSettled(taking);
    expect(ofFirst).toMatchObject({ status: "rejected", reason: { code: "LockLost" } });
    expect(ofOther?.status).toBe("fulfilled");
  });
});

describe("a second run", () => {
  async function whileOneWorks(options: (scene: Stage) => RunOptions, afterMs = 30 * second) {
    const scene = stage({ ...small, deregistrationDelaySeconds: 60 });
    const watched = watch(scene);
    const holder = { ...elsewhere("first")(scene), build: "https://ci.example/job/7" };
    const first = run(scene, { holder });
    await scene.clock.sleep(afterMs);
    const startMs = scene.clock.now();
    const result = await run(scene, options(scene));
    const tookMs = scene.clock.now() - startMs;
    expectSuccess(await first);
    expect(watched.violations).toEqual([]);
    return { scene, result, tookMs };
  }

  it("says who is at work, since when, and what to do, and changes nothing", async () => {
    const { result } = await whileOneWorks((scene) => ({ holder: elsewhere("second")(scene) }));
    expect(codeOf(result)).toBe("Locked");
    const text = errorText(result);
    expect(text).toContain("another rollout of target group my-targets is under way");
    expect(text).toMatch(
      /process \d+@1 on host host-of-first, AMI ami-\w+, build https:\/\/ci\.exa/,
    );
    expect(text).toMatch(/since 2026-01-05T09:00:0\d\.\d{3}Z \d+ s ago, last heartbeat \d+ s ago/);
    expect(text).toMatch(/--lock-wait <seconds>.*`zero-deploy unlock`/);
    expect(result.requests.filter(({ action }) => isTag(action))).toEqual([]);
    expect(changesOf(result)).toEqual([]);
  });

  it.each([-10, -2, 2, 10])("is not let in by clocks %i min apart", async (minutes) => {
    const { result } = await whileOneWorks((scene) => ({
      holder: elsewhere("second", minutes * 60 * second)(scene),
    }));
    expect(codeOf(result)).toBe("Locked");
    expect(result.requests.filter(({ action }) => isTag(action))).toEqual([]);
  });

  it("that waits checks everything anew when the first has ended, and goes on", async () => {
    const { scene, result } = await whileOneWorks((scene) => ({
      ami: IMAGES.slow,
      config: { "waiting-period": 900 },
      lockWaitSeconds: 900,
      holder: elsewhere("second")(scene),
    }));
    expectSuccess(result);
    expectConverged(scene, { ami: IMAGES.slow });
    const waits = result.events.filter(({ message }) => message.startsWith("Waiting for another"));
    expect(waits.length).toBeGreaterThanOrEqual(3);
    expect(waits[0]?.message).toContain("host-of-first");
  });

  it("waits no longer than it was told to", async () => {
    const { result, tookMs } = await whileOneWorks((scene) => ({
      lockWaitSeconds: 40,
      holder: elsewhere("second")(scene),
    }));
    expect(codeOf(result)).toBe("Locked");
    expect(tookMs).toBeGreaterThanOrEqual(40 * second);
    expect(tookMs).toBeLessThan(50 * second);
  });

  it("that is interrupted while it waits leaves at once", async () => {
    const { result, tookMs } = await whileOneWorks((scene) => ({
      lockWaitSeconds: 900,
      interruptAfterMs: 12 * second,
      holder: elsewhere("second")(scene),
    }));
    expect(codeOf(result)).toBe("Interrupted");
    expect(tookMs).toBe(12 * second);
    expect(result.requests.filter(({ action }) => isTag(action))).toEqual([]);
  });
});

describe("two target groups of the same instances", () => {
  const twice = { ...hurried, instances: 2, zones: 2, secondPort: 9090 };
  const besideArn = ({ aws }: Stage) => aws.secondTargetGroupArn ?? "";
  const beside = (scene: Stage) => ({ config: { "target-group": { arn: besideArn(scene) } } });
  const besideTags = (scene: Stage) => scene.aws.world.elbTags.get(besideArn(scene)) ?? [];

  it.each([0, 3 * second, 40 * second])(
    "are not worked at by two runs at a time, one for each (%i ms apart)",
    async (apartMs) => {
      for (const ami of [IMAGES.good, IMAGES.slow]) {
        const scene = stage(twice);
        const watched = watch(scene);
        const first = run(scene, { holder: elsewhere("a")(scene) });
        await scene.clock.sleep(apartMs);
        const options = { ...beside(scene), ami, holder: elsewhere("b")(scene) };
        const [one, other] = await Promise.all([first, run(scene, options)]);
        expectSuccess(one);
        expect(codeOf(other)).toBe("Locked");
        expect(errorText(other)).toMatch(
          /rollout of target group my-(second-)?targets.* is under way; nothing was changed\nproc/,
        );
        expect(changesOf(other)).toEqual([]);
        expect(watched.violations).toEqual([]);
        expectConverged(scene);
        expect([tagsOf(scene), besideTags(scene)]).toEqual([{}, []]);
      }
    },
  );

  it("are waited for together", async () => {
    const scene = stage(twice);
    const first = run(scene, { holder: elsewhere("a")(scene) });
    await scene.clock.sleep(30 * second);
    const options = { ...beside(scene), lockWaitSeconds: 900, holder: elsewhere("b")(scene) };
    const result = await run(scene, options);
    expectSuccess(await first);
    expectSuccess(result);
    expectConverged(scene);
    // Not by checking everything again and again.
    const checks = result.requests.filter(({ action }) => action === "GetCallerIdentity");
    expect(checks.length).toBeLessThanOrEqual(3);
  });

  it("each hold a lease that counts for both, and is renewed and missed at both", async () => {
    const scene = stage(twice);
    const { clock, aws } = scene;
    const heartbeats: (string | undefined)[][] = [];
    const remember = () => {
      const groups = [aws.targetGroupArn, besideArn(scene)].map((arn) => {
        const tags = aws.world.elbTags.get(arn) ?? [];
        return tags.find(({ key }) => key.endsWith("heartbeat"))?.value;
      });
      heartbeats.push(groups);
    };
    clock.at(clock.now() + 15 * second, remember);
    clock.at(clock.now() + 45 * second, remember);
    const atMs = clock.now() + 46 * second;
    clock.at(atMs, () => aws.world.elbTags.set(besideArn(scene), []));
    const result = await run(scene);
    expect(codeOf(result)).toBe("LockLost");
    expect(changesOf(result).filter((request) => request.atMs > atMs)).toEqual([]);
    expect(heartbeats.map(([one, other]) => one !== undefined && one === other)).toEqual([
      true,
      true,
    ]);
    expect(heartbeats[0]?.[0]).not.toBe(heartbeats[1]?.[0]);
    // Nobody has it now, and the next run is told what may not show yet.
    expect(Object.values(tagsOf(scene))).toContain("ended");
    expectSuccess(await run(scene));
    expect([tagsOf(scene), besideTags(scene)]).toEqual([{}, []]);
  });

  it("are unlocked together", async () => {
    const scene = stage(twice);
    await run(scene, {
      hasBeenTried: true,
      faults: ({ action }) => (action === "RegisterTargets" ? { kind: "crashAfter" } : undefined),
    });
    expect(besideTags(scene)).toHaveLength(6);
    await unlocking(scene);
    expect([tagsOf(scene), besideTags(scene)]).toEqual([{}, []]);
  });
});

describe("a holder that was killed", () => {
  async function callsOf(): Promise<number> {
    return (await run(stage(small))).requests.length;
  }

  const killedAt = (call: number): Faults => {
    return ({ sequence }) => (sequence === call ? { kind: "crashAfter" } : undefined);
  };

  it("at each of its calls: the next run on the same host goes on, as soon as what it did must show", async () => {
    const calls = await callsOf();
    for (let call = 1; call <= calls; call++) {
      const scene = stage(small);
      await run(scene, { faults: killedAt(call), hasBeenTried: true });
      const isLocked = Object.keys(tagsOf(scene)).length > 0;
      const startMs = scene.clock.now();
      const again = await run(scene);
      expectSuccess(again);
      const takesOver = linesOf(again).some((line) => line.includes("its process has ended"));
      // The last calls leave nothing to do, and so nothing to take over.
      if (isLocked && changesOf(again).length > 0) expect(takesOver, `call ${call}`).toBe(true);
      const first = changesOf(again)[0]?.atMs ?? startMs;
      const { length } = changesOf(again);
      if (length > 1 && launchesOf(scene) === 1) {
        expect(first - startMs, `call ${call}`).toBeLessThan(80 * second);
      }
      expectConverged(scene);
    }
  }, 60_000);

  it("at each of its calls: one on another host goes on when the lease has expired", async () => {
    const calls = await callsOf();
    for (let call = 1; call <= calls; call += 3) {
      const scene = stage(small);
      await run(scene, { faults: killedAt(call), hasBeenTried: true });
      const heartbeat = Object.entries(tagsOf(scene)).find(([key]) => key.endsWith("heartbeat"));
      const refused = await run(scene, { holder: elsewhere("x")(scene) });
      if (heartbeat === undefined) {
        expectSuccess(refused);
        continue;
      }
      expect(codeOf(refused), `call ${call}`).toBe("Locked");
      const next = await run(scene, { holder: elsewhere("y")(scene), lockWaitSeconds: 300 });
      expectSuccess(next);
      const start = next.requests.find(({ action }) => action !== "DescribeTags");
      const afterMs = (start?.atMs ?? 0) - Date.parse(heartbeat[1]);
      expect(afterMs, `call ${call}`).toBeGreaterThanOrEqual(120 * second);
      expect(afterMs, `call ${call}`).toBeLessThan(180 * second);
      expectConverged(scene);
      // Where the last call was the last change, there is nothing to do, and so nothing is done.
      if (changesOf(next).length > 0) expect(tagsOf(scene)).toEqual({});
    }
  }, 60_000);

  it("is not followed before all it did must show, by a clock that is ahead", async () => {
    const scene = stage(small);
    await run(scene, { faults: killedAt(Math.round((await callsOf()) / 2)), hasBeenTried: true });
    const heartbeat = Object.entries(tagsOf(scene)).find(([key]) => key.endsWith("heartbeat"));
    const holder = elsewhere("y", 600 * second)(scene);
    const next = await run(scene, { holder, hasBeenTried: true, lockWaitSeconds: 300 });
    expectSuccess(next);
    const first = changesOf(next)[0]?.atMs ?? 0;
    // A change may have been sent for 30 s after the last renewal, and takes a minute to show.
    expect(first - Date.parse(heartbeat?.[1] ?? "")).toBeGreaterThanOrEqual(90 * second);
  });

  it("long ago is no hindrance: its lease is watched for a while, and taken over", async () => {
    const scene = stage(small);
    setTags(scene, leaseOf("gone", "2026-01-05T08:10:00.000Z"));
    const startMs = scene.clock.now();
    const result = await run(scene, { holder: elsewhere("next")(scene) });
    expectSuccess(result);
    expect(linesOf(result).join("\n")).toMatch(
      /Taking over .* no sign of life: process 7@7 on host/,
    );
    const first = changesOf(result)[0]?.atMs ?? 0;
    expect(first - startMs).toBeGreaterThan(45 * second);
    expect(first - startMs).toBeLessThan(100 * second);
    expect(tagsOf(scene)).toEqual({});
  });

  it("long ago is not waited for without end where looks are too slow to tell", async () => {
    const scene = stage(small);
    setTags(scene, leaseOf("gone", "2026-01-05T08:10:00.000Z"));
    const startMs = scene.clock.now();
    const result = await run(scene, {
      holder: elsewhere("next")(scene),
      travelMs: (action) => (action === "DescribeTags" ? 8 * second : 0),
      interruptAfterMs: 900 * second,
    });
    expect(codeOf(result)).toBe("Locked");
    expect(scene.clock.now() - startMs).toBeLessThan(240 * second);
  });

  it("and AWS being away is no proof of death", async () => {
    // Whichever of the two finds AWS back first.
    for (let shift = 0; shift < 5; shift++) {
      const scene = stage({ ...small, deregistrationDelaySeconds: 600 });
      const fromMs = scene.clock.now() + 80 * second;
      const faults: Faults = ({ atMs }) =>
        atMs >= fromMs && atMs < fromMs + (300 + shift) * second
          ? { kind: "serverError" }
          : undefined;
      const first = run(scene, { faults, holder: elsewhere("first")(scene) });
      await scene.clock.sleep(78 * second);
      const holder = elsewhere("other")(scene);
      const other = await run(scene, { faults, lockWaitSeconds: 340, holder });
      expect(codeOf(other), `${shift}`).toBe("Locked");
      expectSuccess(await first);
    }
  });
});

describe("heartbeats", () => {
  it("go on during a drain of an hour", async () => {
    const scene = stage({ ...small, deregistrationDelaySeconds: 3600 });
    const result = await run(scene);
    expectSuccess(result);
    expect(heartbeatsOf(result).length).toBeGreaterThan(150);
    expect(longestGap(heartbeatsOf(result))).toBeLessThanOrEqual(20 * second);
  });

  const away =
    (services: readonly string[], fromMs: number, toMs: number): Faults =>
    ({ atMs, service }) =>
      atMs >= fromMs && atMs < toMs && services.includes(service)
        ? { kind: "serverError" }
        : undefined;

  it("go on while EC2 is away", async () => {
    const scene = stage(small);
    const fromMs = scene.clock.now() + 20 * second;
    const result = await run(scene, { faults: away(["ec2"], fromMs, fromMs + 300 * second) });
    expectSuccess(result);
    expect(longestGap(heartbeatsOf(result))).toBeLessThanOrEqual(20 * second);
  });

  it("come back with Elastic Load Balancing, and the user is told that they were missing", async () => {
    const scene = stage(small);
    const fromMs = scene.clock.now() + 20 * second;
    const toMs = fromMs + 300 * second;
    const result = await run(scene, { faults: away(["elasticloadbalancing"], fromMs, toMs) });
    expectSuccess(result);
    const back = heartbeatsOf(result).find((atMs) => atMs >= toMs) ?? Number.POSITIVE_INFINITY;
    expect(back - toMs).toBeLessThanOrEqual(10 * second);
    const told = linesOf(result).filter((line) => line.includes("has not been renewed for"));
    expect(told).toEqual([expect.stringMatching(/for 6\d s: InternalError/)]);
  });
});

describe("a run that cannot renew its lock", () => {
  it("changes nothing that could land after another run has taken over, and says what happened", async () => {
    const tooLate: string[] = [];
    for (const bake of [80, 90, 100]) {
      const scene = stage({ ...small, deregistrationDelaySeconds: 60 });
      const watched = watch(scene);
      const fromMs = scene.clock.now() + 20 * second;
      const first = run(scene, {
        hasBeenTried: true,
        holder: elsewhere("a")(scene),
        config: { "bake-time": bake },
        faults: ({ action, atMs }) =>
          action === "AddTags" && atMs > fromMs ? { kind: "throttle" } : undefined,
        travelMs: (action) => (action === "DeregisterTargets" ? 25 * second : 0),
      });
      await scene.clock.sleep(25 * second);
      const other = await run(scene, {
        hasBeenTried: true,
        ami: IMAGES.slow,
        holder: elsewhere("b")(scene),
        config: { "waiting-period": 900 },
        lockWaitSeconds: 900,
      });
      const one = await first;
      const where = `bake time ${bake} s`;
      expectSuccess(other);
      expect(watched.violations, where).toEqual([]);
      const [, taken] = other.requests.filter(({ action }) => action === "RemoveTags");
      const changes = changesOf(one).filter(({ atMs }) => atMs > fromMs + 40 * second);
      expect(changes, where).toEqual([]);
      if (taken !== undefined) tooLate.push(errorText(one));
    }
    expect(tooLate.join("\n")).toMatch(/taken over .* as this one could not renew it for \d min/);
  }, 60_000);
});

describe("a check of the lock", () => {
  it("that takes long is no reason to act on what was read before it", async () => {
    const scene = stage(small);
    const watched = watch(scene, { tolerates: (failure) => failure.startsWith("503") });
    const { world, oldInstanceIds } = scene.aws;
    let slowCalls = 1;
    let hasFailed = false;
    world.onTransition((transition) => {
      if (transition.kind !== "target" || transition.after?.state !== "healthy") return;
      const { instanceId } = transition.after;
      if (hasFailed || oldInstanceIds.includes(instanceId)) return;
      hasFailed = true;
      world.schedule(world.nowMs() + 5 * second, () => forceAnswer(world, instanceId, 503));
    });
    const result = await run(scene, {
      hasBeenTried: true,
      travelMs: (action) =>
        action === "DescribeTags" && hasFailed && slowCalls-- > 0 ? 20 * second : 0,
    });
    expect(codeOf(result)).toBe("ReplacementFailed");
    expect(watched.violations).toEqual([]);
    for (const { id } of fleetOf(scene)) expect(oldInstanceIds).toContain(id);
  });

  it.each([
    [0, 3],
    [4 * second, 1],
  ])(
    "holds good for repeats of the SDK only if they come at once (%i ms of travel)",
    async (travelMs, sent) => {
      const { aws, clock } = stage(small);
      const requestHandler = createRequestHandler(aws, {
        faults: ({ action }) => (action === "DeregisterTargets" ? { kind: "reset" } : undefined),
        travel: (action) => clock.sleep(action === "DeregisterTargets" ? travelMs : 0),
      });
      const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
      const client = { region: "eu-west-1", credentials, maxAttempts: 3, requestHandler };
      const command = new DeregisterTargetsCommand({
        TargetGroupArn: aws.targetGroupArn,
        Targets: [{ Id: aws.oldInstanceIds[0] }],
      });
      dropLateRepeats(command, clock);
      const call = new ElasticLoadBalancingV2Client(client).send(command);
      await expect(call).rejects.toMatchObject({ code: "ECONNRESET" });
      expect(requestHandler.requests).toHaveLength(sent);
    },
  );

  it("is not trusted where each takes long", async () => {
    const scene = stage(small);
    const fromMs = scene.clock.now() + 15 * second;
    const untilMs = fromMs + 100 * second;
    const result = await run(scene, {
      hasBeenTried: true,
      travelMs: (action) => {
        const now = scene.clock.now();
        return action === "DescribeTags" && now >= fromMs && now < untilMs ? 4 * second : 0;
      },
    });
    expectSuccess(result);
    const during = changesOf(result).filter(({ atMs }) => atMs >= fromMs && atMs < untilMs);
    expect(during).toEqual([]);
  });
});

describe("a lock that is taken away", () => {
  it.each([0, 8 * second])(
    "at any time ends the run before its next change (lag %i ms)",
    async (lagMs) => {
      const lengthMs = await lengthOf();
      let lost = 0;
      for (let afterMs = 12 * second; afterMs < lengthMs; afterMs += 3 * second) {
        const scene = stage(small);
        const watched = watch(scene);
        const atMs = scene.clock.now() + afterMs;
        scene.clock.at(atMs, () => {
          setTags(scene, { Team: "payments" });
        });
        const result = await run(scene, { staleReadsMs: lagMs });
        const where = `after ${afterMs / second} s`;
        const late = changesOf(result).filter((request) => request.atMs > atMs + lagMs);
        expect(watched.violations, where).toEqual([]);
        expect(tagsOf(scene).Team, where).toBe("payments");
        if (result.error === undefined) continue;
        lost++;
        expect(codeOf(result), where).toBe("LockLost");
        expect(late, where).toEqual([]);
        const looks = result.requests.filter(({ action }) => action === "DescribeTags");
        // As long as its own write may not show, it looks again.
        const looksLimit = afterMs > 75 * second ? 1 : 10;
        const missed = looks.filter((look) => look.atMs > atMs);
        if (lagMs === 0) expect(missed.length, where).toBeLessThanOrEqual(looksLimit);
        expect(errorText(result), where).toMatch(/^stopped at once: .* nobody has it now/);
        for (const { id } of fleetOf(scene)) expect(errorText(result), where).toContain(id);
        expect(errorText(result), where).toContain("zero-deploy ami-");
        expectSuccess(await run(scene));
        expectConverged(scene);
      }
      expect(lost).toBeGreaterThan(5);
    },
    60_000,
  );

  async function lengthOf(): Promise<number> {
    const scene = stage(small);
    const startMs = scene.clock.now();
    expectSuccess(await run(scene));
    return scene.clock.now() - startMs;
  }

  it("by another run is left with it", async () => {
    const scene = stage(small);
    const other = leaseOf("other", "2026-01-05T09:00:30.000Z");
    scene.clock.at(scene.clock.now() + 30 * second, () => setTags(scene, other));
    const result = await run(scene);
    expect(codeOf(result)).toBe("LockLost");
    expect(errorText(result)).toContain("process 7@7 on host far-away");
    expect(tagsOf(scene)).toEqual(other);
  });

  it("before the first change, while it is being taken, is taken again", async () => {
    const scene = stage(small);
    scene.clock.at(scene.clock.now() + 5 * second, () => setTags(scene, {}));
    const result = await run(scene);
    expectSuccess(result);
    expect(
      result.requests.filter(({ action, params }) => {
        return action === "AddTags" && params.has("Tags.member.2.Key");
      }),
    ).toHaveLength(2);
  });

  it("is never missed for what the lock's own reads cannot tell: without an answer nothing is changed", async () => {
    const scene = stage(small);
    const fromMs = scene.clock.now() + 15 * second;
    const faults: Faults = ({ action, atMs }) =>
      action === "DescribeTags" && atMs >= fromMs && atMs < fromMs + 100 * second
        ? { kind: "throttle" }
        : undefined;
    const result = await run(scene, { faults });
    expectSuccess(result);
    const during = changesOf(result).filter(
      ({ atMs }) => atMs >= fromMs && atMs < fromMs + 100 * second,
    );
    expect(during).toEqual([]);
    expectConverged(scene);
  });
});

describe("the lock is given back", () => {
  it("when the rollout is complete", async () => {
    const scene = stage(small);
    setTags(scene, { Team: "payments" });
    const during: Record<string, string>[] = [];
    scene.clock.at(scene.clock.now() + 30 * second, () => during.push(tagsOf(scene)));
    expectSuccess(await run(scene));
    expect(Object.keys(during[0] ?? {})).toHaveLength(7);
    expect(tagsOf(scene)).toEqual({ Team: "payments" });
  });

  it("when it fails, but for word of what it has only just done, for the next run to wait until it shows", async () => {
    const scene = stage(small);
    const startMs = scene.clock.now();
    const result = await run(scene, { ami: IMAGES.dies });
    expect(codeOf(result)).toBe("ReplacementFailed");
    const word = Object.fromEntries(
      Object.entries(tagsOf(scene)).map(([key, value]) => [key.split(":")[3], value]),
    );
    expect(word).toMatchObject({ process: "ended", ami: IMAGES.dies });
    const changedMs = changesOf(result).findLast(({ action }) => action === "RunInstances")?.atMs;
    expect(Date.parse(word.heartbeat ?? "")).toBe(changedMs);
    expect(Date.parse(word.since ?? "")).toBe(startMs);

    const again = await run(scene);
    expectSuccess(again);
    const waited = linesOf(again).filter((line) => line.includes("only just ended: waiting"));
    expect(waited).toHaveLength(1);
    const first = changesOf(again)[0]?.atMs ?? 0;
    expect(first).toBeGreaterThanOrEqual((changedMs ?? 0) + 60 * second);
    expect(first).toBeLessThan((changedMs ?? 0) + 90 * second);
    expect(tagsOf(scene)).toEqual({});
  });

  it.each([
    ["another host, just now", "host-2", 5, 60, 90],
    ["another host, whose clock is minutes ahead", "host-2", -300, 60, 90],
    ["another host, long ago", "host-2", 1200, 10, 30],
    ["this host, a while ago", "host-1", 40, 20, 50],
    ["this host, long ago", "host-1", 100, 10, 30],
    ["this host, whose clock was an hour ahead", "host-1", -3600, 60, 90],
  ])(
    "and word of %s is waited for no longer than it says something",
    async (_, host, agoSeconds, from, to) => {
      const scene = stage(small);
      const startMs = scene.clock.now();
      setTags(scene, wordOf("gone", host, startMs - agoSeconds * second));
      const hasEnded = () => false;
      const result = await run(scene, { holder: { host: "host-1", hasEnded } });
      expectSuccess(result);
      const first = changesOf(result)[0]?.atMs ?? 0;
      expect(first - startMs).toBeGreaterThanOrEqual(from * second);
      expect(first - startMs).toBeLessThan(to * second);
      expect(tagsOf(scene)).toEqual({});
    },
  );

  it("when it fails long after its last change", async () => {
    const scene = stage({ ...small, deregistrationDelaySeconds: 100 });
    const result = await run(scene, { ami: IMAGES.neverHealthy });
    expect(codeOf(result)).toBe("ReplacementFailed");
    expect(tagsOf(scene)).toEqual({});
  });

  it("after a signal, when what it had begun is wrapped up", async () => {
    for (let afterMs = 0; afterMs < 60 * second; afterMs += 2 * second) {
      const scene = stage(small);
      const result = await run(scene, { interruptAfterMs: afterMs });
      expect(codeOf(result), `${afterMs}`).toBe("Interrupted");
      const changes = changesOf(result);
      const shown = Object.entries(tagsOf(scene)).find(([key]) => key.endsWith(":process"));
      expect(shown?.[1], `${afterMs}`).toBe(changes.length > 0 ? "ended" : undefined);
      const last = changes.at(-1)?.sequence ?? 0;
      const release = result.requests.findLast(({ action }) => action.endsWith("Tags"));
      if (last > 0) expect(release?.sequence, `${afterMs}`).toBeGreaterThan(last);
    }
  });

  it.each([25, 60])("also where reads lag longer than AWS ever let on: %i s", async (lag) => {
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const scene = stage({ ...small, seed });
      scene.aws.world.advance();
      await scene.clock.sleep(120 * second);
      const lagIsConstant = seed === 1;
      const config = { "waiting-period": 900 };
      expectSuccess(await run(scene, { staleReadsMs: lag * second, lagIsConstant, config }));
      expect(tagsOf(scene)).toEqual({});
    }
  });

  it("or else that is told, and changes nothing of the outcome", async () => {
    const scene = stage(small);
    let calls = 0;
    const result = await run(scene, {
      faults: ({ action }) => {
        return action === "RemoveTags" && ++calls > 1 ? { kind: "throttle" } : undefined;
      },
    });
    expectSuccess(result);
    expect(result.events.at(-1)).toMatchObject({ event: "trouble" });
    expect(linesOf(result).at(-1)).toMatch(/could not be given back .* Throttling: Rate exceeded/);
  });

  it("or else that is told within seconds, however long AWS is silent", async () => {
    const scene = stage(small);
    const atMs = scene.clock.now() + 21 * second;
    const result = await run(scene, {
      hasBeenTried: true,
      interruptAfterMs: 22 * second,
      travelMs: (action) => (action === "AddTags" && scene.clock.now() > atMs ? 45 * second : 0),
    });
    const endMs = scene.clock.now();
    expect(codeOf(result)).toBe("Interrupted");
    expect(linesOf(result).join("\n")).toMatch(/could not be given back .* no answer within 10 s/);
    const last = result.requests.filter(({ action }) => action !== "AddTags").at(-1);
    expect(endMs - (last?.atMs ?? 0)).toBeLessThanOrEqual(11 * second);
  });

  it("though answers are lost and calls fail by chance", async () => {
    for (const kind of ["lostResponse", "serverError", "reset"] as const) {
      const scene = stage(small);
      let calls = 0;
      const result = await run(scene, {
        staleReadsMs: 8 * second,
        faults: ({ action }) =>
          action.endsWith("Tags") && ++calls % 3 === 1 ? { kind } : undefined,
      });
      expectSuccess(result);
      expect(tagsOf(scene), kind).toEqual({});
    }
  });
});

describe("tags that people have changed", () => {
  const since = `${leasePrefix}x:since`;
  it.each<[string, Record<string, string>, "at once" | "after a while" | "not"]>([
    ["no heartbeat", { [since]: "2026-01-05T08:59:00.000Z" }, "after a while"],
    [
      "a heartbeat that is no time",
      { [since]: "?", [`${leasePrefix}x:heartbeat`]: "soon" },
      "after a while",
    ],
    [
      "nothing but a heartbeat",
      { [`${leasePrefix}x:heartbeat`]: "2026-01-05T09:00:00.000Z" },
      "at once",
    ],
    [
      "keys that mean nothing",
      { [leasePrefix]: "", [`${leasePrefix}x`]: "y", [`${leasePrefix}a:b:c`]: "" },
      "at once",
    ],
    ["empty values", { [since]: "", [`${leasePrefix}x:host`]: "" }, "after a while"],
    ["a heartbeat in the far future", leaseOf("x", "2126-01-05T09:00:00.000Z"), "after a while"],
    ["a heartbeat of just now", leaseOf("x", "2026-01-05T08:59:55.000Z"), "not"],
  ])("%s", async (_title, tags, goesOn) => {
    const scene = stage(small);
    setTags(scene, tags);
    const startMs = scene.clock.now();
    const result = await run(scene, { holder: elsewhere("me")(scene) });
    if (goesOn === "not") {
      expect(codeOf(result)).toBe("Locked");
      expect(tagsOf(scene)).toEqual(tags);
      return;
    }
    expectSuccess(result);
    const first = (changesOf(result)[0]?.atMs ?? 0) - startMs;
    if (goesOn === "at once") expect(first).toBeLessThan(20 * second);
    else expect(first).toBeGreaterThan(45 * second);
    expect(tagsOf(scene)).toEqual({});
  });
});

describe("what a run did that has only just ended", () => {
  const lagging = {
    staleReadsMs: (action: string) => (action === "DescribeTags" ? 0 : 60 * second),
    lagIsConstant: true,
    hasBeenTried: true,
  };
  const another = {
    ...lagging,
    ami: IMAGES.slow,
    version: "v3",
    config: { "waiting-period": 900 },
  };

  /** Reads lag a minute, and the run is killed right after it has launched something. */
  async function killedAtLaunch() {
    const scene = stage(small);
    scene.aws.world.advance();
    await scene.clock.sleep(120 * second);
    const watched = watch(scene);
    const isLaunch: Faults = ({ action, params }) =>
      action === "RunInstances" && params.get("DryRun") !== "true"
        ? { kind: "crashAfter" }
        : undefined;
    await run(scene, { ...lagging, faults: isLaunch });
    expect(launchesOf(scene)).toBe(1);
    return { scene, watched };
  }

  it("is waited for again where the run that waited for it was interrupted", async () => {
    const { scene, watched } = await killedAtLaunch();
    const interrupted = await run(scene, { ...another, interruptAfterMs: 20 * second });
    expect(codeOf(interrupted)).toBe("Interrupted");
    expect(changesOf(interrupted)).toEqual([]);
    expectSuccess(await run(scene, another));
    expect(watched.violations).toEqual([]);
    expect(tagsOf(scene)).toEqual({});
  });

  it("is found by one that would have nothing to do without it", async () => {
    const { scene } = await killedAtLaunch();
    expectSuccess(await run(scene, { ...lagging, ami: IMAGES.old, version: "v1" }));
    expectUntouched(scene);
    expect(tagsOf(scene)).toEqual({});
  });

  it("is waited for by each of two that are started together", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const random = createRandom(seed);
      const scene = stage({ ...small, seed });
      const wordMs = scene.clock.now() - random.between("age", [20, 45]) * second;
      setTags(scene, wordOf("gone", "host-1", wordMs));
      let calls = 0;
      const results = await Promise.all(
        ["a", "b"].map(async (owner) => {
          await scene.clock.sleep(random.between(`start ${owner}`, [0, 15 * second]));
          return run(scene, {
            holder: { ...elsewhere(owner)(scene), host: "host-1" },
            hasBeenTried: true,
            staleReadsMs: (seed % 2) * 8 * second,
            travelMs: (action) =>
              random.between(`${owner} ${++calls}`, [0, isTag(action) ? 3 * second : 50]),
          });
        }),
      );
      const outcomes = results.map((result) => codeOf(result) ?? "complete").sort();
      expect(outcomes, `seed ${seed}`).toEqual(["Locked", "complete"]);
      const first = Math.min(...results.flatMap(changesOf).map(({ atMs }) => atMs));
      expect(first - wordMs, `seed ${seed}`).toBeGreaterThanOrEqual(60 * second);
    }
  }, 60_000);

  it("at a second target group is waited for, too, and nothing stays where the fleet is no more", async () => {
    const scene = stage({ ...small, secondPort: 9090 });
    const { aws, clock } = scene;
    const group = aws.world.targetGroups.get(aws.secondTargetGroupArn ?? "") as TargetGroup;
    const startMs = clock.now();
    setTags(scene, wordOf("gone", "host-1", startMs - 20 * second), group.arn);
    clock.at(startMs + 15 * second, () => {
      for (const { id, targetGroupArn } of aws.world.targets.list()) {
        if (targetGroupArn === group.arn) deregisterTarget(aws.world, group, id);
      }
    });
    const result = await run(scene, { hasBeenTried: true, holder: { host: "host-1" } });
    expectSuccess(result);
    expect((changesOf(result)[0]?.atMs ?? 0) - startMs).toBeGreaterThanOrEqual(40 * second);
    expect(tagsOf(scene)).toEqual({});
    expect(Object.keys(tagsOf(scene, group.arn)).filter((key) => !key.includes("gone"))).toEqual(
      [],
    );
  });
});

describe("without the permission", () => {
  const deny =
    (denied: string): Faults =>
    ({ action }) =>
      action === denied
        ? { kind: "error", status: 403, code: "AccessDenied", message: `not authorized: ${action}` }
        : undefined;
  const actions = ["AddTags", "DescribeTags", "RemoveTags"];

  it.each(actions)("to %s it names all three, and leaves nothing behind", async (denied) => {
    const scene = stage(small);
    const result = await run(scene, { faults: deny(denied) });
    expect(codeOf(result)).toBe("AccessDenied");
    const text = errorText(result);
    for (const action of actions) expect(text).toContain(`elasticloadbalancing:${action}`);
    expect(text).toContain('"lock": false');
    expect(text).toContain(`not authorized: ${denied}`);
    expect(changesOf(result)).toEqual([]);
    expect(tagsOf(scene)).toEqual({});
    expectUntouched(scene);
  });

  it("to DescribeTags it tells what the preflight finds, too", async () => {
    const result = await run(stage(small), {
      config: { "instance-type": "t9.huge" },
      faults: deny("DescribeTags"),
    });
    expect(codeOf(result)).toBe("PreflightFailed");
    expect(errorText(result)).toContain("t9.huge");
  });

  it("of tags left it says how many it needs", async () => {
    const scene = stage(small);
    setTags(scene, Object.fromEntries(Array.from({ length: 46 }, (_, i) => [`k${i}`, "v"])));
    const result = await run(scene);
    expect(errorText(result)).toMatch(/TooManyTags.*\n.*six more tags.*"lock": false/);
    expectUntouched(scene);
  });

  it('"lock": false does without', async () => {
    const scene = stage(small);
    setTags(scene, leaseOf("x", "2026-01-05T08:59:55.000Z"));
    const result = await run(scene, { config: { lock: false } });
    expectSuccess(result);
    expect(result.requests.filter(({ action }) => action.endsWith("Tags"))).toEqual([]);
    expectConverged(scene);
  });
});

describe("a run that changes nothing", () => {
  it("because the preflight refuses makes no call that could", async () => {
    const result = await run(stage(small), { config: { "instance-type": "t9.huge" } });
    expect(codeOf(result)).toBe("PreflightFailed");
    expect(result.requests.filter(({ action }) => isTag(action))).toEqual([]);
    expect(changesOf(result)).toEqual([]);
  });

  it("because nothing is to be done makes none either", async () => {
    const scene = stage(small);
    expectSuccess(await run(scene));
    const result = await run(scene);
    expect(linesOf(result).at(-1)).toContain("Nothing to do");
    expect(result.requests.filter(({ action }) => isTag(action))).toEqual([]);
    expect(changesOf(result)).toEqual([]);
  });
});

describe("unlock", () => {
  it("removes the lock of whoever holds it, and says who that was", async () => {
    const scene = stage(small);
    setTags(scene, {
      Team: "payments",
      ...leaseOf("x", "2026-01-05T08:59:55.000Z"),
      [`${leasePrefix}y:host`]: "",
    });
    const [event, advice] = await unlocking(scene);
    expect(event?.message).toBe("Unlocked target group my-targets, which was locked by:");
    expect(event?.lines).toEqual([
      `process 7@7 on host far-away, AMI ${IMAGES.good}, build none, since 2026-01-05T08:00:00.000Z 60 min 0 s ago, last heartbeat 5 s ago`,
    ]);
    expect(advice?.message).toMatch(/may not show yet: wait a minute before the next rollout$/);
    expect(tagsOf(scene)).toEqual({ Team: "payments" });
    expect(await unlocking(scene)).toEqual([
      { event: "lock", message: "Target group my-targets was not locked" },
    ]);
  });

  it("of a run that has ended long ago says so, and advises nothing", async () => {
    const scene = stage(small);
    setTags(scene, wordOf("gone", "host-2", scene.clock.now() - 300 * second));
    const [event, advice] = await unlocking(scene);
    expect(event?.message).toBe(
      "Target group my-targets was not locked; removed what was left by:",
    );
    expect(event?.lines?.[0]).toMatch(/^a rollout that has ended, on host host-2, AMI /);
    expect(advice).toBeUndefined();
    expect(tagsOf(scene)).toEqual({});
  });

  it("stops the run that held it before its next change", async () => {
    const scene = stage(small);
    const first = run(scene);
    await scene.clock.sleep(30 * second);
    const atMs = scene.clock.now();
    await unlocking(scene);
    const result = await first;
    expect(codeOf(result)).toBe("LockLost");
    expect(changesOf(result).filter((request) => request.atMs > atMs)).toEqual([]);
    expectSuccess(await run(scene));
    expectConverged(scene);
  });
});
