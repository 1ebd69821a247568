// Goal: no step that is ever decided breaks guarantee 1 (no request is lost) or 2 (capacity never falls), whatever
// AWS shows. Method: snapshots that no rollout would produce as well as those it would, with random progress, and
// what a step would do to them, judged by rules that know nothing of how decisions are made.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Decision, decide } from "../../src/decide.ts";
import { noExpectations } from "../../src/expectations.ts";
import type { Mode, Phase, Progress, Situation, Step } from "../../src/needs.ts";
import { type Instance, isRegistered, ownTags, type Target } from "../../src/snapshot.ts";
import {
  ami,
  bothGroups,
  config,
  groupArn,
  oldInstance,
  plan,
  siblingArn,
  situation,
  snapshot,
} from "./situation.ts";

const states = [
  "pending",
  "running",
  "running",
  "running",
  "stopping",
  "stopped",
  "shutting-down",
  "terminated",
];
const healths = [
  "initial",
  "healthy",
  "healthy",
  "healthy",
  "unhealthy",
  "unused",
  "draining",
  "unhealthy.draining",
];
const phases: Phase[] = [
  "launch",
  "room",
  "run",
  "configure",
  "checks",
  "impaired",
  "register",
  "health",
  "bake",
  "capacity",
  "deregister",
  "drain",
  "terminate",
  "end",
];
const ids = Array.from({ length: 6 }, (_, index) => `i-${index}`);

const registrations = fc.uniqueArray(
  fc.record({
    targetGroupArn: fc.constantFrom(groupArn, groupArn, siblingArn),
    port: fc.constantFrom(8080, 8081),
    state: fc.constantFrom(...healths),
  }),
  { selector: ({ targetGroupArn, port }) => `${targetGroupArn} ${port}`, maxLength: 3 },
);

const member = fc.record({
  state: fc.constantFrom(...states),
  isUpToDate: fc.boolean(),
  replaces: fc.option(fc.constantFrom(...ids)),
  hasSpec: fc.boolean(),
  isForwarding: fc.boolean(),
  launchedAtMs: fc.integer({ min: 0, max: 9 }),
  registrations,
  status: fc.constantFrom("ok", "ok", "initializing", "impaired"),
});

const progressOf = fc.dictionary(
  fc.constantFrom(...ids),
  fc.record({
    phase: fc.constantFrom(...phases),
    instanceId: fc.constantFrom(...ids),
    seconds: fc.integer({ min: 0, max: 800 }),
  }),
);

const situations: fc.Arbitrary<Situation> = fc
  .record({
    members: fc.array(member, { minLength: 1, maxLength: ids.length }),
    progress: progressOf,
    mode: fc.constantFrom<Mode>("rolling", "rolling", "rolling", "failed", "interrupted"),
    maxSurge: fc.integer({ min: 1, max: 3 }),
    bakeTimeSeconds: fc.constantFrom(0, 60),
    healthyAtStart: fc.integer({ min: 0, max: 4 }),
    launched: fc.option(fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids))),
  })
  .map(({ members, progress, mode, maxSurge, bakeTimeSeconds, healthyAtStart, launched }) => {
    const instances = members.map(
      (one, index): Instance =>
        oldInstance(`i-${index}`, {
          state: one.state,
          launchedAtMs: one.launchedAtMs,
          source: { SourceDestCheck: !one.isForwarding },
          imageId: one.isUpToDate ? ami : "ami-1",
          tags: {
            Name: one.isUpToDate ? "v2" : "v1",
            ...(one.replaces === null || one.replaces === `i-${index}`
              ? {}
              : {
                  [ownTags.targetGroup]: groupArn,
                  [ownTags.replaces]: one.replaces,
                  [ownTags.spec]: one.hasSpec ? `spec of ${one.replaces}` : "another",
                }),
          },
        }),
    );
    const targets = members.flatMap((one, index) =>
      one.registrations.map((place): Target => ({ ...place, instanceId: `i-${index}` })),
    );
    const statuses = new Map(
      members.map(({ status }, index) => [`i-${index}`, { instance: status, system: "ok" }]),
    );
    const expected = noExpectations();
    const [replaced, replacement] = launched ?? [];
    const instance = instances.find(({ id }) => id === replacement);
    if (replaced !== undefined && instance !== undefined && replaced !== instance.id) {
      expected.launched.set(replaced, {
        instanceId: instance.id,
        atMs: 0,
        isAdopted: false,
        instance,
        wanted: [],
      });
    }
    return situation(snapshot(instances, targets, { statuses }), {
      plan: plan({
        config: { ...config, maxSurge, bakeTimeSeconds },
        targetGroups: bothGroups,
        healthyAtStart: new Map([
          [groupArn, healthyAtStart],
          [siblingArn, healthyAtStart],
        ]),
      }),
      mode,
      expected,
      progress: new Map(
        Object.entries(progress).map(([id, { phase, instanceId, seconds }]): [string, Progress] => {
          const sinceMs = 1_000_000 - seconds * 1000;
          return [
            id,
            { phase, instanceId, sinceMs, first: { [`${phase} ${instanceId}`]: sinceMs } },
          ];
        }),
      ),
    });
  });

/** Steps that would be carried out: a failure stops everything else. */
function stepsOf({ needs }: Decision): Step[] {
  if (needs.some(({ failure }) => failure !== undefined)) return [];
  return needs.flatMap(({ step }) => step ?? []);
}

const runs = { numRuns: 5000 };

function holds(check: (steps: Step[], given: Situation, decision: Decision) => void): void {
  fc.assert(
    fc.property(situations, (given) => {
      const decision = decide(given);
      check(stepsOf(decision), given, decision);
    }),
    runs,
  );
}

const entriesOf = ({ snapshot: { targets } }: Situation, id: string) =>
  targets.filter((one) => one.instanceId === id);

describe("guarantee 1: no request is lost", () => {
  it("terminates nothing that any target group still lists", () => {
    holds((steps, given) => {
      for (const step of steps) {
        if (step.kind === "terminate") expect(entriesOf(given, step.instanceId)).toEqual([]);
      }
    });
  });

  it("terminates nothing before the floor, unless nothing was ever sent there", () => {
    holds((steps, given) => {
      for (const step of steps) {
        if (step.kind !== "terminate") continue;
        const isOurs = [...given.expected.launched.values()].some(
          (one) => one.instanceId === step.instanceId,
        );
        const own = [...given.progress.values()].filter(
          ({ instanceId }) => instanceId === step.instanceId,
        );
        const hasWaited = own.some(
          ({ phase, sinceMs }) => phase === "drain" && given.nowMs - sinceMs >= 30_000,
        );
        // That one has been decided on before, by this very rule.
        const isDecided = own.some(({ phase }) => phase === "terminate");
        expect(isOurs || hasWaited || isDecided).toBe(true);
      }
    });
  });

  it("takes no serving instance out unless one that is up to date is healthy wherever it is", () => {
    holds((steps, given, { fleet }) => {
      for (const step of steps) {
        if (step.kind !== "deregister") continue;
        const leaving = step.targets[0]?.instanceId ?? "";
        const slot = fleet.slots.find(({ old }) => old?.id === leaving);
        if (slot === undefined) continue;
        const replacement = slot.replacement?.id ?? "none";
        for (const { targetGroupArn, port } of entriesOf(given, leaving)) {
          const there = entriesOf(given, replacement).find(
            (one) => one.targetGroupArn === targetGroupArn && one.port === port,
          );
          expect(there?.state).toBe("healthy");
        }
      }
    });
  });

  it("deregisters an instance whole, each registration with its port", () => {
    holds((steps, given) => {
      for (const step of steps) {
        if (step.kind !== "deregister") continue;
        const id = step.targets[0]?.instanceId ?? "";
        const registered = entriesOf(given, id).filter(isRegistered);
        expect(step.targets).toEqual(registered);
      }
    });
  });
});

describe("like for like", () => {
  it("registers nothing that does not forward packets though the one it replaces does", () => {
    holds((steps, given, { fleet }) => {
      const isChecked = (id: string) =>
        given.snapshot.instances.get(id)?.source.SourceDestCheck !== false;
      for (const step of steps) {
        if (step.kind !== "register") continue;
        const id = step.targets[0]?.instanceId ?? "";
        const slot = fleet.slots.find(({ replacement }) => replacement?.id === id);
        if (slot?.old !== undefined) expect(isChecked(id) && !isChecked(slot.old.id)).toBe(false);
      }
    });
  });
});

describe("guarantee 2: capacity never falls", () => {
  it("takes no healthy target below what was healthy at the start", () => {
    holds((steps, given) => {
      const leaving = new Set(
        steps.flatMap((step) =>
          step.kind === "deregister" ? step.targets.map((one) => one.instanceId) : [],
        ),
      );
      for (const { arn } of given.plan.targetGroups) {
        const healthy = given.snapshot.targets.filter(
          ({ targetGroupArn, state, instanceId }) =>
            targetGroupArn === arn &&
            state === "healthy" &&
            ["pending", "running"].includes(given.snapshot.instances.get(instanceId)?.state ?? ""),
        );
        const after = healthy.filter((one) => !leaving.has(one.instanceId));
        if (after.length === healthy.length) continue;
        expect(after.length).toBeGreaterThanOrEqual(given.plan.healthyAtStart.get(arn) ?? 0);
      }
    });
  });

  it("launches no more than the surge allows", () => {
    holds((steps, given, { fleet }) => {
      const launches = steps.filter(({ kind }) => kind === "launch").length;
      if (launches === 0) return;
      const inSlots = fleet.slots.flatMap(({ old, replacement, retiring }) => [
        old,
        replacement,
        ...retiring,
      ]);
      const alive = inSlots.filter(
        (one) => one?.state === "pending" || one?.state === "running",
      ).length;
      expect(alive + launches).toBeLessThanOrEqual(fleet.slots.length + given.plan.config.maxSurge);
    });
  });
});

describe("guarantee 3: nothing twice, nothing forgotten", () => {
  it("launches one replacement for an instance in service, and only where there is none", () => {
    holds((steps, given) => {
      const launched = steps.flatMap((step) => (step.kind === "launch" ? step.slot : []));
      expect(new Set(launched.map(({ old }) => old?.id)).size).toBe(launched.length);
      for (const { old, replacement } of launched) {
        expect(replacement).toBeUndefined();
        expect(entriesOf(given, old?.id ?? "").some(isRegistered)).toBe(true);
        expect(given.expected.launched.has(old?.id ?? "")).toBe(false);
      }
    });
  });

  it("puts every present instance of ours in exactly one place", () => {
    holds((_steps, given, { fleet }) => {
      const placed = [
        ...fleet.slots.flatMap(({ old, replacement, retiring }) => [old, replacement, ...retiring]),
        ...fleet.strays,
      ].flatMap((one) => one?.id ?? []);
      expect(new Set(placed).size).toBe(placed.length);
      for (const { id, state, tags } of given.snapshot.instances.values()) {
        if (["shutting-down", "terminated"].includes(state)) continue;
        const inGroup = entriesOf(given, id).some(
          (one) => one.targetGroupArn === groupArn && isRegistered(one),
        );
        if (inGroup || tags[ownTags.targetGroup] === groupArn) expect(placed).toContain(id);
      }
    });
  });

  it("neither launches nor takes a healthy old one out after a failure or a signal", () => {
    holds((steps, given, { fleet }) => {
      if (given.mode === "rolling") return;
      const olds = new Set(fleet.slots.flatMap(({ old }) => old?.id ?? []));
      for (const step of steps) {
        expect(step.kind).not.toBe("launch");
        if (step.kind === "deregister") expect(olds).not.toContain(step.targets[0]?.instanceId);
        if (step.kind === "terminate") expect(olds).not.toContain(step.instanceId);
      }
    });
  });

  it("decides the same for the same situation, and changes nothing in it", () => {
    fc.assert(
      fc.property(situations, (given) => {
        const before = structuredClone(given);
        const first = decide(given);
        expect(decide(given)).toEqual(first);
        expect(given).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });
});
