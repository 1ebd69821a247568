// Goal: for each stage a slot can be in, the next step is the one of the rolling update's list, and no other.
// Method: a snapshot with one slot in that stage, and the need that is decided.
import { describe, expect, it } from "vitest";
import { decide } from "../../src/decide.ts";
import { noExpectations } from "../../src/expectations.ts";
import { advance, type Phase, type Progress } from "../../src/needs.ts";
import { healthyAtStart } from "../../src/slots.ts";
import { type Instance, ownTags, type Snapshot, type Target } from "../../src/snapshot.ts";
import {
  bothGroups,
  config,
  groupArn,
  oldInstance,
  plan,
  replacementOf,
  siblingArn,
  situation,
  snapshot,
  target,
} from "./situation.ts";

const ok = { instance: "ok", system: "ok" };

function inPhase(
  slotId: string,
  phase: Phase,
  instanceId: string,
  seconds: number,
): Map<string, Progress> {
  const sinceMs = 1_000_000 - seconds * 1000;
  return new Map([
    [slotId, { phase, instanceId, sinceMs, first: { [`${phase} ${instanceId}`]: sinceMs } }],
  ]);
}

describe("the way of one slot", () => {
  const old = oldInstance("i-old");
  const serving = target("i-old", "healthy");
  const arrived = replacementOf("i-old", "i-new");
  const cases: [string, Snapshot, Phase | undefined, string?][] = [
    ["an old instance alone is replaced", snapshot([old], [serving]), "launch"],
    [
      "a pending replacement is waited for",
      snapshot([old, { ...arrived, state: "pending" }], [serving]),
      "run",
    ],
    ["a running one has to pass its checks", snapshot([old, arrived], [serving]), "checks"],
    [
      "one check is not enough",
      snapshot([old, arrived], [serving], {
        statuses: new Map([["i-new", { instance: "ok", system: "initializing" }]]),
      }),
      "checks",
    ],
    [
      "one that passed both is registered",
      snapshot([old, arrived], [serving], { statuses: new Map([["i-new", ok]]) }),
      "register",
    ],
    [
      "a registered one has to become healthy",
      snapshot([old, arrived], [serving, target("i-new", "initial")]),
      "health",
    ],
    [
      "healthy on another port is not healthy",
      snapshot([old, arrived], [serving, target("i-new", "healthy", { port: 80 })]),
      "register",
    ],
    [
      "once it is healthy, the old one is deregistered",
      snapshot([old, arrived], [serving, target("i-new", "healthy")]),
      "deregister",
    ],
    [
      "a draining old one is left to drain",
      snapshot([old, arrived], [target("i-old", "draining"), target("i-new", "healthy")]),
      "drain",
    ],
    [
      "one that has only just vanished from the list too",
      snapshot([old, arrived], [target("i-new", "healthy")]),
      "drain",
    ],
    [
      "its end is waited for",
      snapshot([{ ...old, state: "shutting-down" }, arrived], [target("i-new", "healthy")]),
      "end",
    ],
    [
      "and then nothing is left to do",
      snapshot([{ ...old, state: "terminated" }, arrived], [target("i-new", "healthy")]),
      undefined,
    ],
    [
      "an up-to-date instance is skipped, healthy or not",
      snapshot(
        [oldInstance("i-1", { imageId: "ami-2", tags: { Name: "v2" } })],
        [target("i-1", "unhealthy")],
      ),
      undefined,
    ],
    [
      "a new version alone makes instances old",
      snapshot(
        [oldInstance("i-1", { imageId: "ami-2", tags: { Name: "v1" } })],
        [target("i-1", "healthy")],
      ),
      "launch",
    ],
  ];
  it.each(cases)("%s", (_title, seen, phase) => {
    expect(decide(situation(seen)).needs.map((need) => need.phase)).toEqual(phase ? [phase] : []);
  });

  it("terminates an old one only when the floor has passed since it left", () => {
    const seen = snapshot([old, arrived], [target("i-new", "healthy")]);
    const phaseAfter = (seconds: number, deregistrationDelaySeconds: number) => {
      const [group] = bothGroups.map((one) => ({ ...one, deregistrationDelaySeconds }));
      const progress = inPhase("i-old", "drain", "i-old", seconds);
      const targetGroups = group === undefined ? [] : [group];
      return decide(situation(seen, { plan: plan({ targetGroups }), progress })).needs[0]?.phase;
    };
    expect([phaseAfter(29, 10), phaseAfter(30, 10)]).toEqual(["drain", "terminate"]);
    // That it is not listed may be from before it was registered.
    expect([phaseAfter(39, 40), phaseAfter(40, 40)]).toEqual(["drain", "terminate"]);
    expect([phaseAfter(59, 300), phaseAfter(60, 300)]).toEqual(["drain", "terminate"]);
  });

  it("knows no floor for a replacement that was never registered, but one for any other", () => {
    const left = { ...arrived, imageId: "ami-other" };
    const seen = snapshot([old, left], [serving]);
    const expected = noExpectations();
    expected.launched.set("i-gone", {
      instanceId: "i-new",
      atMs: 0,
      isAdopted: false,
      instance: left,
      wanted: [],
    });
    expect(decide(situation(seen, { mode: "failed", expected })).needs[0]?.phase).toBe("terminate");
    expected.touched.add("i-new");
    expect(decide(situation(seen, { mode: "failed", expected })).needs[0]?.phase).toBe("drain");
  });

  it("does not bake again while it waits for capacity", () => {
    const baking = plan({
      config: { ...config, bakeTimeSeconds: 60 },
      healthyAtStart: new Map([[groupArn, 2]]),
    });
    const seen = snapshot([old, arrived], [serving, target("i-new", "healthy")]);
    const progress = inPhase("i-old", "capacity", "i-old", 10);
    expect(decide(situation(seen, { plan: baking, progress })).needs[0]?.phase).toBe("capacity");
  });

  it("lets the replacement bake, and starts over when it loses its health", () => {
    const baking = plan({ config: { ...config, bakeTimeSeconds: 60 } });
    const seen = snapshot([old, arrived], [serving, target("i-new", "healthy")]);
    const phaseAfter = (seconds: number) =>
      decide(
        situation(seen, { plan: baking, progress: inPhase("i-old", "bake", "i-new", seconds) }),
      ).needs[0];
    expect(phaseAfter(59)?.phase).toBe("bake");
    expect(phaseAfter(60)?.phase).toBe("deregister");
    const lost = decide(
      situation(seen, { plan: baking, progress: inPhase("i-old", "health", "i-new", 100) }),
    );
    expect(lost.needs[0]?.phase).toBe("bake");
  });

  it("waits out the slow start of a group even without a bake time", () => {
    const slow = plan({
      targetGroups: bothGroups.slice(0, 1).map((one) => ({ ...one, slowStartSeconds: 90 })),
    });
    const seen = snapshot([old, arrived], [serving, target("i-new", "healthy")]);
    expect(decide(situation(seen, { plan: slow })).needs[0]?.phase).toBe("bake");
  });
});

describe("several target groups and ports", () => {
  const old = oldInstance("i-old");
  const arrived = replacementOf("i-old", "i-new");
  const places: [string, number][] = [
    [groupArn, 8080],
    [groupArn, 8081],
    [siblingArn, 9000],
  ];
  const everywhere = (id: string, state: string) =>
    places.map(([targetGroupArn, port]) => target(id, state, { targetGroupArn, port }));
  const both = plan({ targetGroups: bothGroups });

  it("registers the replacement on every port the old one has, in every group", () => {
    const seen = snapshot([old, arrived], everywhere("i-old", "healthy"), {
      statuses: new Map([["i-new", ok]]),
    });
    const [need] = decide(situation(seen, { plan: both })).needs;
    expect(need?.step).toEqual({
      kind: "register",
      targets: places.map(([targetGroupArn, port]) => ({
        targetGroupArn,
        port,
        instanceId: "i-new",
      })),
    });
  });

  it.each([0, 1, 2])(
    "keeps the old one while the replacement is not healthy in place %i",
    (index) => {
      const news = everywhere("i-new", "healthy").map((one, position) =>
        position === index ? { ...one, state: "initial" } : one,
      );
      const seen = snapshot([old, arrived], [...everywhere("i-old", "healthy"), ...news]);
      expect(decide(situation(seen, { plan: both })).needs[0]?.phase).toBe("health");
    },
  );

  it("deregisters the old one with each of its ports", () => {
    const seen = snapshot(
      [old, arrived],
      [...everywhere("i-old", "healthy"), ...everywhere("i-new", "healthy")],
    );
    const [need] = decide(situation(seen, { plan: both })).needs;
    expect(need?.step).toMatchObject({ kind: "deregister" });
    expect(need?.step?.kind === "deregister" && need.step.targets.map(({ port }) => port)).toEqual([
      8080, 8081, 9000,
    ]);
  });
});

describe("order and surge", () => {
  const launchesOf = (instances: Instance[], targets: Target[], maxSurge = 1) =>
    decide(
      situation(snapshot(instances, targets), { plan: plan({ config: { ...config, maxSurge } }) }),
    ).needs.flatMap(({ step }) => (step?.kind === "launch" ? (step.slot.old?.id ?? []) : []));
  const three = ["i-1", "i-2", "i-3"];

  it("begins with the unhealthy, then takes the oldest", () => {
    const instances = three.map((id, index) => oldInstance(id, { launchedAtMs: 100 - index }));
    const healthy = three.map((id) => target(id, "healthy"));
    expect(launchesOf(instances, healthy)).toEqual(["i-3"]);
    expect(launchesOf(instances, [target("i-1", "unhealthy"), ...healthy.slice(1)])).toEqual([
      "i-1",
    ]);
  });

  it("sends the first replacement alone, whatever the surge", () => {
    const instances = three.map((id) => oldInstance(id));
    expect(
      launchesOf(
        instances,
        three.map((id) => target(id, "healthy")),
        3,
      ),
    ).toHaveLength(1);
  });

  it("fills the surge once one replacement has proven itself", () => {
    const instances = [...three, "i-4"].map((id) => oldInstance(id));
    const proven = replacementOf("i-gone", "i-new");
    const targets = [...three, "i-4", "i-new"].map((id) => target(id, "healthy"));
    expect(launchesOf([...instances, proven], targets, 3)).toHaveLength(3);
    expect(launchesOf([...instances, proven], targets, 2)).toHaveLength(2);
  });

  it("keeps the first replacement alone until it has proven itself", () => {
    const instances = [...three.map((id) => oldInstance(id)), replacementOf("i-1", "i-new")];
    const targets = [...three.map((id) => target(id, "healthy")), target("i-new", "initial")];
    expect(launchesOf(instances, targets, 3)).toEqual([]);
  });

  it("launches the next one as soon as the termination of the old one is accepted, not before", () => {
    const during = (state: string) =>
      launchesOf(
        [oldInstance("i-1", { state }), oldInstance("i-2"), replacementOf("i-1", "i-new")],
        [target("i-2", "healthy"), target("i-new", "healthy")],
      );
    expect(during("running")).toEqual([]);
    expect(during("shutting-down")).toEqual(["i-2"]);
  });

  it("holds an old one back while too few would be healthy without it", () => {
    const seen = snapshot(
      [oldInstance("i-1"), oldInstance("i-2"), replacementOf("i-1", "i-new")],
      [target("i-1", "healthy"), target("i-2", "unhealthy"), target("i-new", "healthy")],
    );
    const needing = (count: number) =>
      decide(situation(seen, { plan: plan({ healthyAtStart: new Map([[groupArn, count]]) }) }))
        .needs[0]?.phase;
    expect([needing(1), needing(2)]).toEqual(["deregister", "capacity"]);
  });

  it("lets an unhealthy old one go however few are healthy", () => {
    const seen = snapshot(
      [oldInstance("i-1"), replacementOf("i-1", "i-new")],
      [target("i-1", "unhealthy"), target("i-new", "healthy")],
    );
    const needing = decide(
      situation(seen, { plan: plan({ healthyAtStart: new Map([[groupArn, 5]]) }) }),
    );
    expect(needing.needs[0]?.phase).toBe("deregister");
  });
});

describe("what earlier runs left", () => {
  const old = oldInstance("i-old");
  const serving = target("i-old", "healthy");

  describe("where a run was killed before an old one had left its second group", () => {
    const half = oldInstance("i-half");
    const left = replacementOf("i-half", "i-left", { imageId: "ami-1" });
    const inSecond = (id: string, state: string) =>
      target(id, state, { targetGroupArn: siblingArn, port: 9000 });
    const needs = (...targets: Target[]) => {
      const seen = snapshot([half, left], targets);
      const { fleet } = decide(situation(seen, { plan: plan({ targetGroups: bothGroups }) }));
      const healthy = bothGroups.map(({ arn }) => [arn, healthyAtStart(fleet, seen, arn)] as const);
      const changes = { targetGroups: bothGroups, healthyAtStart: new Map(healthy) };
      return decide(situation(seen, { plan: plan(changes) })).needs;
    };

    it("lets it go as long as its replacement serves there", () => {
      expect(
        needs(
          target("i-left", "healthy"),
          inSecond("i-left", "healthy"),
          inSecond("i-half", "healthy"),
        ),
      ).toMatchObject([{ phase: "deregister", instanceId: "i-half" }]);
    });

    it("registers it again where its replacement is ill", () => {
      const ill = [target("i-left", "unhealthy"), inSecond("i-left", "unhealthy")];
      expect(needs(...ill, inSecond("i-half", "healthy"))).toMatchObject([
        {
          phase: "register",
          step: { targets: [{ targetGroupArn: groupArn, port: 8080, instanceId: "i-half" }] },
        },
      ]);
      // Then it is the other one that can be spared.
      expect(
        needs(...ill, inSecond("i-half", "healthy"), target("i-half", "initial")),
      ).toMatchObject([{ phase: "deregister", instanceId: "i-left" }]);
    });

    it("registers what serves in the first group in the second, too, where only the other one serves there", () => {
      expect(needs(target("i-half", "healthy"), inSecond("i-left", "healthy"))).toMatchObject([
        { phase: "register", instanceId: "i-half" },
      ]);
    });

    it("takes neither out where each serves in one group only", () => {
      expect(
        needs(
          target("i-left", "healthy"),
          inSecond("i-left", "unhealthy"),
          target("i-half", "unhealthy"),
          inSecond("i-half", "healthy"),
        ),
      ).toMatchObject([{ phase: "capacity" }]);
    });
  });

  it("adopts a replacement of the same launch spec, and launches no other", () => {
    const seen = snapshot([old, replacementOf("i-old", "i-left", { state: "pending" })], [serving]);
    expect(decide(situation(seen)).needs).toMatchObject([{ phase: "run", instanceId: "i-left" }]);
  });

  it.each(["rolling", "failed", "interrupted"] as const)(
    "leaves one that is registered alone for a minute: it may be all that is left (%s)",
    (mode) => {
      const left = replacementOf("i-old", "i-left", { imageId: "ami-other" });
      const seen = snapshot([old, left], [serving, target("i-left", "initial")]);
      const steps = (lookedForMs: number) =>
        decide(situation(seen, { mode, lookedForMs })).needs.flatMap(({ step }) => step ?? []);
      expect(steps(59_000)).toEqual([]);
      expect(steps(60_000)).toMatchObject([{ kind: "deregister" }]);
    },
  );

  it("terminates one of another spec that serves nobody, before it launches", () => {
    const left = replacementOf("i-old", "i-left", { imageId: "ami-other" });
    const seen = snapshot([old, left], [serving]);
    const progress = inPhase("i-old", "drain", "i-left", 60);
    expect(decide(situation(seen, { progress })).needs).toMatchObject([
      { step: { kind: "terminate", instanceId: "i-left" } },
    ]);
  });

  it("terminates one of the same AMI that was launched in another shape", () => {
    const left = replacementOf("i-old", "i-left");
    const seen = snapshot([old, left], [serving], {
      specs: new Map([["i-old", new Set(["changed since"])]]),
    });
    expect(decide(situation(seen)).needs).toMatchObject([{ phase: "drain", instanceId: "i-left" }]);
  });

  it("sees a chain of replacements as one place, and keeps what serves", () => {
    const first = replacementOf("i-old", "i-first", { imageId: "ami-other" });
    const second = replacementOf("i-first", "i-second", { imageId: "ami-third" });
    const seen = snapshot([old, first, second], [serving]);
    const { fleet } = decide(situation(seen));
    expect(fleet.slots).toMatchObject([{ id: "i-old", old: { id: "i-old" } }]);
    expect(fleet.slots[0]?.retiring.map(({ id }) => id)).toEqual(["i-first", "i-second"]);
  });

  it("finishes an old one that had been deregistered already", () => {
    const seen = snapshot(
      [old, replacementOf("i-old", "i-new")],
      [target("i-old", "draining"), target("i-new", "healthy")],
    );
    expect(decide(situation(seen)).needs).toMatchObject([{ phase: "drain", instanceId: "i-old" }]);
  });

  it("leaves alone an instance with our tags whose place is gone", () => {
    const stray = replacementOf("i-gone", "i-stray", { imageId: "ami-other" });
    const decision = decide(situation(snapshot([old, stray], [serving])));
    expect(decision.fleet.strays.map(({ id }) => id)).toEqual(["i-stray"]);
    expect(decision.needs.map(({ phase }) => phase)).toEqual(["launch"]);
  });

  it("survives tags that go in a circle", () => {
    const tags = (replaces: string) => ({
      Name: "v1",
      [ownTags.targetGroup]: groupArn,
      [ownTags.replaces]: replaces,
    });
    const seen = snapshot(
      [oldInstance("i-1", { tags: tags("i-2") }), oldInstance("i-2", { tags: tags("i-1") })],
      [target("i-1", "healthy"), target("i-2", "healthy")],
    );
    expect(decide(situation(seen)).needs.length).toBeGreaterThan(0);
  });
});

describe("an old one that forwards packets", () => {
  const off = {
    source: { NetworkInterfaces: [{ Attachment: { DeviceIndex: 0 }, SourceDestCheck: false }] },
  };
  const on = {
    source: { NetworkInterfaces: [{ Attachment: { DeviceIndex: 0 }, SourceDestCheck: true }] },
  };
  const old = oldInstance("i-old", off);
  const serving = target("i-old", "healthy");
  const passed = { statuses: new Map([["i-new", { instance: "ok", system: "ok" }]]) };
  const needOf = (replacement: Partial<Instance>, more: Partial<Snapshot> = passed) =>
    decide(
      situation(snapshot([old, replacementOf("i-old", "i-new", replacement)], [serving], more)),
    ).needs.map(({ phase, instanceId }) => `${phase} ${instanceId}`);

  it("has a replacement that does so before it is registered, once it runs", () => {
    expect(needOf({ ...on, state: "pending" })).toEqual(["run i-new"]);
    expect(needOf(on, {})).toEqual(["configure i-new"]);
    expect(needOf(on)).toEqual(["configure i-new"]);
    expect(needOf(off, {})).toEqual(["checks i-new"]);
    expect(needOf(off)).toEqual(["register i-new"]);
  });

  it("is remembered when it is gone", () => {
    const expected = noExpectations();
    const instance = replacementOf("i-old", "i-new", on);
    const wanted = [{ targetGroupArn: groupArn, port: 8080 }];
    const launched = { instanceId: "i-new", atMs: 0, isAdopted: false, instance, wanted };
    expected.launched.set("i-old", launched);
    expected.forwarding.add("i-old");
    const seen = snapshot([instance], [], passed);
    expect(decide(situation(seen, { expected })).needs).toMatchObject([{ phase: "configure" }]);
  });
});

describe("a replacement that is lost", () => {
  const terminated = { state: "terminated" } as const;

  /** The old one and its replacement have ended; what another rollout left in their place has not. */
  const failureOf = (...leftovers: readonly Instance[]) => {
    const expected = noExpectations();
    const instance = replacementOf("i-old", "i-new", terminated);
    const wanted = [{ targetGroupArn: groupArn, port: 8080 }];
    const launched = { instanceId: "i-new", atMs: 0, isAdopted: false, instance, wanted };
    expected.launched.set("i-old", launched);
    const seen = snapshot([oldInstance("i-old", terminated), instance, ...leftovers], []);
    return decide(situation(seen, { expected })).needs.map(({ failure }) => failure);
  };

  it("is named with the one it replaces, where both are gone", () => {
    expect(failureOf(replacementOf("i-old", "i-left", { imageId: "ami-3" }))).toEqual([
      "instance i-new, launched to replace i-old, after that one had left, is terminated (EC2 gives no reason)",
    ]);
  });

  it("is no empty name where no tag leads to it", () => {
    const between = replacementOf("i-old", "i-between", { imageId: "ami-3", ...terminated });
    const left = replacementOf("i-between", "i-left", { imageId: "ami-4" });
    expect(failureOf(between, left)).toEqual([
      expect.stringMatching(/^instance i-left \(running\) is all that is left in its place/),
    ]);
  });
});

describe("a launch without room", () => {
  const nowMs = 1_000_000;
  const shortage = {
    reason: "VcpuLimitExceeded: no",
    askedMs: nowMs - 5_000,
    ending: ["i-end"],
    hopefulMs: nowMs,
  };
  const old = oldInstance("i-old");
  const ending = oldInstance("i-end", { state: "shutting-down" });
  const successor = replacementOf("i-end", "i-heir");
  const seen = (state: string) =>
    snapshot(
      [old, { ...ending, state }, successor],
      [target("i-old", "healthy"), target("i-heir", "healthy")],
    );
  const needOf = (state: string, changes: object = {}) =>
    decide(
      situation(seen(state), {
        nowMs,
        shortages: new Map([["i-old", { ...shortage, ...changes }]]),
      }),
    ).needs.find(({ phase }) => phase === "room");

  it("waits, without a limit of its own, and says for what", () => {
    const need = needOf("shutting-down");
    expect(need).toMatchObject({ slotId: "i-old", instanceId: "i-old", step: undefined });
    expect(need?.limitSeconds).toBeUndefined();
    expect(need?.seen).toBe("VcpuLimitExceeded: no; until i-end has ended");
  });

  it("is asked for again after a while, or when what it waited for has ended", () => {
    expect(needOf("shutting-down", { askedMs: nowMs - 20_000 })?.step).toMatchObject({
      kind: "launch",
    });
    expect(needOf("terminated")?.step).toMatchObject({ kind: "launch" });
  });

  it("fails when AWS does not answer for the waiting period", () => {
    expect(needOf("terminated", { unansweredMs: nowMs - 399_000 })?.failure).toBeUndefined();
    expect(needOf("terminated", { unansweredMs: nowMs - 400_000 })?.failure).toContain(
      "i-old could not be replaced within 400 s (VcpuLimitExceeded: no",
    );
  });
});

describe("limits", () => {
  const old = oldInstance("i-old");
  const serving = target("i-old", "healthy");
  const arrived = replacementOf("i-old", "i-new");
  const failureOf = (seen: Snapshot, phase: Phase, instanceId: string, seconds: number) =>
    decide(situation(seen, { progress: inPhase("i-old", phase, instanceId, seconds) })).needs[0]
      ?.failure;

  it("gives each wait its time and not a second more", () => {
    const pending = snapshot([old, { ...arrived, state: "pending" }], [serving]);
    expect(failureOf(pending, "run", "i-new", 399)).toBeUndefined();
    expect(failureOf(pending, "run", "i-new", 400)).toContain("i-new was not running within 400 s");
  });

  it("lets a success in the same round beat the deadline", () => {
    const healthy = snapshot([old, arrived], [serving, target("i-new", "healthy")]);
    expect(failureOf(healthy, "health", "i-new", 4000)).toBeUndefined();
  });

  it("gives status checks that are only slow their full time", () => {
    const slow = snapshot([old, arrived], [serving], {
      statuses: new Map([["i-new", { instance: "initializing", system: "ok" }]]),
    });
    expect(failureOf(slow, "checks", "i-new", 399)).toBeUndefined();
    expect(failureOf(slow, "checks", "i-new", 400)).toContain("did not pass its status checks");
  });

  it("fails a replacement that died, with both fields of its reason, though it is not its turn", () => {
    const died: Instance = {
      ...arrived,
      state: "terminated",
      stateReason: {
        code: "Server.InternalError",
        message: "Client.VolumeLimitExceeded: Volume limit exceeded",
      },
    };
    const others = ["i-1", "i-2"].map((id) => oldInstance(id, { launchedAtMs: -1 }));
    const expected = noExpectations();
    expected.launched.set("i-old", {
      instanceId: "i-new",
      atMs: 0,
      isAdopted: false,
      instance: died,
      wanted: [],
    });
    const seen = snapshot(
      [...others, old, died],
      [serving, ...others.map(({ id }) => target(id, "healthy"))],
    );
    const failures = decide(situation(seen, { expected })).needs.flatMap(
      ({ failure }) => failure ?? [],
    );
    expect(failures).toEqual([
      expect.stringContaining(
        "(Server.InternalError, Client.VolumeLimitExceeded: Volume limit exceeded)",
      ),
    ]);
  });

  it("counts flapping health from the first time it was waited for", () => {
    const needs = [
      {
        slotId: "i-old",
        phase: "health" as const,
        instanceId: "i-new",
        seen: "",
        limitSeconds: 0,
        pollSeconds: 0,
      },
    ];
    const sick = snapshot([old, arrived], [serving, target("i-new", "unhealthy")]);
    const first = situation(sick, { nowMs: 1_000_000 });
    const held = needs.map((need) => ({ ...need, phase: "capacity" as const }));
    const between = advance({ ...first, progress: advance(first, needs), nowMs: 1_300_000 }, held);
    const later = advance({ ...first, progress: between, nowMs: 1_350_000 }, needs);
    const failing = decide(situation(sick, { progress: later, nowMs: 1_400_000 }));
    expect(failing.needs[0]?.failure).toContain("was not healthy within 400 s");
  });

  it("fails impaired status checks after two minutes", () => {
    const impaired = snapshot([old, arrived], [serving], {
      statuses: new Map([["i-new", { instance: "impaired", system: "ok" }]]),
    });
    expect(failureOf(impaired, "impaired", "i-new", 119)).toBeUndefined();
    expect(failureOf(impaired, "impaired", "i-new", 120)).toContain(
      "instance status: impaired, system status: ok",
    );
  });

  it("tells the state, reason, description and health check of one that does not become healthy", () => {
    const sick = target("i-new", "unhealthy", {
      reason: "Target.ResponseCodeMismatch",
      description: "Health checks failed with these codes: [502]",
    });
    const failure = failureOf(snapshot([old, arrived], [serving, sick]), "health", "i-new", 400);
    expect(failure).toContain(
      "unhealthy, Target.ResponseCodeMismatch, Health checks failed with these codes: [502]",
    );
    expect(failure).toContain("HTTP on port traffic-port, path /health, matcher 200");
  });

  it("gives a drain its group's own delay and a margin", () => {
    const slow = plan({
      targetGroups: bothGroups
        .slice(0, 1)
        .map((one) => ({ ...one, deregistrationDelaySeconds: 900 })),
    });
    const seen = snapshot(
      [old, arrived],
      [target("i-old", "draining"), target("i-new", "healthy")],
    );
    const phaseAfter = (seconds: number) =>
      decide(situation(seen, { plan: slow, progress: inPhase("i-old", "drain", "i-old", seconds) }))
        .needs[0]?.failure;
    expect(phaseAfter(959)).toBeUndefined();
    expect(phaseAfter(960)).toContain("still draining");
  });
});

describe("after a failure or a signal", () => {
  const old = oldInstance("i-old");
  const arrived = replacementOf("i-old", "i-new");
  const decided = (seen: Snapshot, mode: "failed" | "interrupted") =>
    decide(situation(seen, { mode })).needs.map(
      ({ phase, instanceId }) => `${phase} ${instanceId}`,
    );

  it.each(["failed", "interrupted"] as const)(
    "launches and deregisters nothing more (%s)",
    (mode) => {
      expect(decided(snapshot([old], [target("i-old", "healthy")]), mode)).toEqual([]);
      const ready = snapshot(
        [old, arrived],
        [target("i-old", "healthy"), target("i-new", "healthy")],
      );
      expect(decided(ready, mode)).toEqual([]);
    },
  );

  it.each(["failed", "interrupted"] as const)(
    "removes a replacement that is not healthy (%s)",
    (mode) => {
      const seen = snapshot(
        [old, arrived],
        [target("i-old", "healthy"), target("i-new", "initial")],
      );
      expect(decided(seen, mode)).toEqual(["deregister i-new"]);
    },
  );

  it("finishes an old one that is leaving after a failure, but not after a signal", () => {
    const seen = snapshot(
      [old, arrived],
      [target("i-old", "draining"), target("i-new", "healthy")],
    );
    expect(decided(seen, "failed")).toEqual(["drain i-old"]);
    expect(decided(seen, "interrupted")).toEqual([]);
  });
});
