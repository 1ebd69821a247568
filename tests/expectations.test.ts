import { describe, expect, test } from "vitest";
import {
  type Expectations,
  expectConfigured,
  expectDeregistered,
  expectLaunched,
  expectRegistered,
  expectTerminated,
  noExpectations,
  reconcile,
  settleMs,
} from "../src/expectations.ts";
import { type Instance, ownTags, type Target } from "../src/snapshot.ts";

const startMs = 1_000_000;

function instance(id: string, state: string, changes: Partial<Instance> = {}): Instance {
  return {
    id,
    state,
    zone: "eu-west-1a",
    imageId: "ami-new",
    instanceType: "t3.micro",
    keyName: "key",
    securityGroupIds: ["sg-1"],
    tags: {},
    launchedAtMs: startMs,
    source: {},
    ...changes,
  };
}

function target(instanceId: string, state: string, changes: Partial<Target> = {}): Target {
  return { targetGroupArn: "arn:group", instanceId, port: 8080, state, ...changes };
}

/** What counts after a read of these instances, by id. */
function see(expected: Expectations, read: readonly Instance[], afterMs: number) {
  const instances = new Map(read.map((one) => [one.id, one]));
  return reconcile({ instances, targets: [] }, expected, startMs + afterMs).instances;
}

function seeState(expected: Expectations, read: readonly Instance[], afterMs: number) {
  return see(expected, read, afterMs).get("i-new")?.state;
}

/** The states of the targets that count after a read of these; with a question mark where they may be healthy. */
function seeTargets(expected: Expectations, targets: readonly Target[], afterMs: number) {
  const seen = reconcile({ instances: new Map(), targets }, expected, startMs + afterMs);
  return seen.targets.map(
    ({ instanceId, port, state, mayBeHealthy }) =>
      `${instanceId}:${port} ${state}${mayBeHealthy ? "?" : ""}`,
  );
}

describe("a launch", () => {
  const own = { [ownTags.replaces]: "i-old", [ownTags.targetGroup]: "arn:group" };
  const answer = instance("i-new", "pending", { tags: { Name: "v2", ...own } });

  function launched(): Expectations {
    const expected = noExpectations();
    const wanted = [{ targetGroupArn: "arn:group", port: 8080 }];
    expectLaunched(expected, "i-old", {
      instanceId: "i-new",
      atMs: startMs,
      isAdopted: false,
      instance: answer,
      wanted,
    });
    return expected;
  }

  test("counts before the reads show it, as RunInstances answered", () => {
    const expected = launched();
    expect(see(expected, [], 1000).get("i-new")).toEqual(answer);
    expect(see(expected, [], settleMs - 1).get("i-new")).toEqual(answer);
  });

  test("counts as the reads show it, once they do", () => {
    const expected = launched();
    expect(seeState(expected, [instance("i-new", "running")], 5000)).toBe("running");
  });

  test("still counts as last seen when a later read lacks it again", () => {
    const expected = launched();
    seeState(expected, [instance("i-new", "running")], 5000);
    expect(seeState(expected, [], 6000)).toBe("running");
  });

  test("that is never shown is given up after the settle time", () => {
    expect(see(launched(), [], settleMs).size).toBe(0);
  });

  test("keeps its own tags, whoever takes them away, and no others", () => {
    const bare = instance("i-new", "running", { tags: { Team: "payments" } });
    expect(see(launched(), [bare], 5000).get("i-new")?.tags).toEqual({ Team: "payments", ...own });
    const late = see(launched(), [bare], 10 * settleMs).get("i-new");
    expect(late?.tags).toEqual({ Team: "payments", ...own });
  });

  test("has the tags that the reads show, where they show them", () => {
    const tags = { ...own, [ownTags.replaces]: "i-other" };
    const changed = instance("i-new", "running", { tags });
    expect(see(launched(), [changed], 5000).get("i-new")?.tags).toEqual(tags);
  });

  test("leaves other instances as they are", () => {
    const other = instance("i-other", "running");
    expect(see(launched(), [other], 1000).get("i-other")).toEqual(other);
  });
});

describe("reads that go back in time", () => {
  test.each([
    ["running", "pending", "running"],
    ["shutting-down", "running", "shutting-down"],
    ["shutting-down", "pending", "shutting-down"],
    ["terminated", "running", "terminated"],
    ["terminated", "shutting-down", "terminated"],
  ])("from %s to %s are not believed", (seen, read, counts) => {
    const expected = noExpectations();
    seeState(expected, [instance("i-new", seen)], 0);
    expect(seeState(expected, [instance("i-new", read)], 1000)).toBe(counts);
    // Not even after a long time: an instance never really goes that way.
    expect(seeState(expected, [instance("i-new", read)], 10 * settleMs)).toBe(counts);
  });

  test.each([
    ["pending", "running"],
    ["pending", "terminated"],
    ["running", "shutting-down"],
    ["running", "stopping"],
    ["stopped", "pending"],
    ["shutting-down", "terminated"],
  ])("are told from those that go forward: from %s to %s", (seen, read) => {
    const expected = noExpectations();
    seeState(expected, [instance("i-new", seen)], 0);
    expect(seeState(expected, [instance("i-new", read)], 1000)).toBe(read);
  });

  test("keep the reason of an end that was seen", () => {
    const stateReason = { code: "Client.InternalError", message: "Client error on launch" };
    const expected = noExpectations();
    see(expected, [instance("i-new", "terminated", { stateReason })], 0);
    const pending = instance("i-new", "pending", { stateReason: { code: "pending", message: "" } });
    expect(see(expected, [pending], 1000).get("i-new")?.stateReason).toEqual(stateReason);
  });
});

describe("a source/destination check turned off", () => {
  const shown = (SourceDestCheck: boolean) =>
    instance("i-new", "running", {
      source: {
        SourceDestCheck,
        NetworkInterfaces: [{ Attachment: { DeviceIndex: 0 }, SourceDestCheck }],
      },
    });
  const seeCheck = (expected: Expectations, read: boolean, afterMs: number) =>
    see(expected, [shown(read)], afterMs).get("i-new")?.source.NetworkInterfaces?.[0]
      ?.SourceDestCheck;

  test("counts while the reads still say that it is on, also after one that knew better", () => {
    const expected = noExpectations();
    expectConfigured(expected, "i-new", startMs);
    expect(seeCheck(expected, true, 0)).toBe(false);
    expect(seeCheck(expected, false, 1000)).toBe(false);
    expect(seeCheck(expected, true, settleMs - 1)).toBe(false);
  });

  test("that the reads never show did not happen, after the settle time", () => {
    const expected = noExpectations();
    expectConfigured(expected, "i-new", startMs);
    expect(seeCheck(expected, true, settleMs)).toBe(true);
    expect([...expected.forwarding]).toEqual([]);
  });

  test("that was seen is remembered", () => {
    const expected = noExpectations();
    seeCheck(expected, false, 0);
    expect([...expected.forwarding]).toEqual(["i-new"]);
  });
});

describe("a termination", () => {
  function terminated(): Expectations {
    const expected = noExpectations();
    expectTerminated(expected, "i-new", startMs);
    return expected;
  }

  test.each(["pending", "running", "stopped"])("counts while the reads still say %s", (state) => {
    const expected = terminated();
    expect(seeState(expected, [instance("i-new", state)], 0)).toBe("shutting-down");
    expect(seeState(expected, [instance("i-new", state)], settleMs - 1)).toBe("shutting-down");
  });

  test("is over when the reads say so", () => {
    expect(seeState(terminated(), [instance("i-new", "terminated")], 1000)).toBe("terminated");
  });

  test("that the reads never show did not happen, after the settle time", () => {
    const expected = terminated();
    seeState(expected, [instance("i-new", "running")], 1000);
    expect(seeState(expected, [instance("i-new", "running")], settleMs)).toBe("running");
  });

  test("does not bring back an instance that is not shown any more", () => {
    expect(see(terminated(), [], 1000).size).toBe(0);
  });
});

describe("a registration", () => {
  const place = { targetGroupArn: "arn:group", instanceId: "i-new", port: 8080 };

  function registered(): Expectations {
    const expected = noExpectations();
    expectRegistered(expected, [place], startMs);
    return expected;
  }

  test("counts before the reads show it, as a target that is not healthy yet", () => {
    const expected = registered();
    expect(seeTargets(expected, [], 1000)).toEqual(["i-new:8080 initial"]);
    expect(seeTargets(expected, [], settleMs - 1)).toEqual(["i-new:8080 initial"]);
  });

  test("counts as the reads show it, once they do", () => {
    const targets = [target("i-new", "healthy")];
    expect(seeTargets(registered(), targets, 5000)).toEqual(["i-new:8080 healthy"]);
  });

  test("that is never shown is given up after the settle time", () => {
    expect(seeTargets(registered(), [], settleMs)).toEqual([]);
  });

  test("is of one port of one target group: others of the same instance are not it", () => {
    const others = [
      target("i-new", "healthy", { port: 9090 }),
      target("i-new", "healthy", { targetGroupArn: "arn:sibling" }),
    ];
    expect(seeTargets(registered(), others, 1000)).toEqual([
      "i-new:9090 healthy",
      "i-new:8080 healthy",
      "i-new:8080 initial",
    ]);
  });

  test("again outweighs reads of before, which show the target healthy, for the settle time", () => {
    const expected = noExpectations();
    const healthy = [target("i-new", "healthy")];
    seeTargets(expected, healthy, 0);
    expectDeregistered(expected, [place], startMs + 1000);
    expectRegistered(expected, [place], startMs + 2000);
    expect(seeTargets(expected, healthy, 3000)).toEqual(["i-new:8080 initial?"]);
    expect(seeTargets(expected, [], 4000)).toEqual(["i-new:8080 initial?"]);
    expect(seeTargets(expected, healthy, settleMs + 1999)).toEqual(["i-new:8080 initial?"]);
    expect(seeTargets(expected, healthy, settleMs + 2000)).toEqual(["i-new:8080 healthy"]);
  });

  test("outweighs an earlier deregistration", () => {
    const expected = noExpectations();
    expectDeregistered(expected, [place], startMs);
    expectRegistered(expected, [place], startMs + 1000);
    const targets = [target("i-new", "healthy")];
    expect(seeTargets(expected, targets, 2000)).toEqual(["i-new:8080 healthy"]);
  });
});

describe("a target that was seen healthy", () => {
  function seenHealthy(): Expectations {
    const expected = noExpectations();
    seeTargets(expected, [target("i-old", "healthy")], 0);
    return expected;
  }

  test.each(["initial", "unhealthy"])("may still be though a read says %s", (state) => {
    const expected = seenHealthy();
    const targets = [target("i-old", state)];
    expect(seeTargets(expected, targets, 1000)).toEqual([`i-old:8080 ${state}?`]);
    expect(seeTargets(expected, targets, settleMs - 1)).toEqual([`i-old:8080 ${state}?`]);
    expect(seeTargets(expected, targets, settleMs)).toEqual([`i-old:8080 ${state}`]);
  });

  test.each(["healthy", "draining"])("is what a read says that says %s", (state) => {
    expect(seeTargets(seenHealthy(), [target("i-old", state)], 1000)).toEqual([
      `i-old:8080 ${state}`,
    ]);
  });

  test("on one port tells nothing of another", () => {
    const other = target("i-old", "initial", { port: 9090 });
    expect(seeTargets(seenHealthy(), [other], 1000)).toEqual(["i-old:9090 initial"]);
  });
});

test("what was seen as a target is known to have been one", () => {
  const expected = noExpectations();
  seeTargets(expected, [target("i-new", "draining")], 0);
  expect([...expected.touched]).toEqual(["i-new"]);
});

describe("a deregistration", () => {
  const place = { targetGroupArn: "arn:group", instanceId: "i-old", port: 8080 };

  function deregistered(): Expectations {
    const expected = noExpectations();
    expectDeregistered(expected, [place], startMs);
    return expected;
  }

  test.each(["healthy", "unhealthy", "initial"])("counts while the reads still say %s", (state) => {
    const expected = deregistered();
    const targets = [target("i-old", state)];
    expect(seeTargets(expected, targets, 0)).toEqual(["i-old:8080 draining"]);
    expect(seeTargets(expected, targets, settleMs - 1)).toEqual(["i-old:8080 draining"]);
  });

  test("counts again when a read goes back in time", () => {
    const expected = deregistered();
    seeTargets(expected, [target("i-old", "draining")], 5000);
    const stale = [target("i-old", "healthy")];
    expect(seeTargets(expected, stale, 6000)).toEqual(["i-old:8080 draining"]);
  });

  test("that the reads never show did not happen, after the settle time", () => {
    const targets = [target("i-old", "healthy")];
    expect(seeTargets(deregistered(), targets, settleMs)).toEqual(["i-old:8080 healthy"]);
  });

  test("is over when the reads say so, or do not show the target any more", () => {
    const gone = target("i-old", "unused", { reason: "Target.NotRegistered" });
    expect(seeTargets(deregistered(), [gone], 1000)).toEqual(["i-old:8080 unused"]);
    expect(seeTargets(deregistered(), [], 1000)).toEqual([]);
  });

  test("is of one port of one target group: others of the same instance stay", () => {
    const others = [
      target("i-old", "healthy", { port: 9090 }),
      target("i-old", "healthy", { targetGroupArn: "arn:sibling" }),
    ];
    expect(seeTargets(deregistered(), others, 1000)).toEqual([
      "i-old:9090 healthy",
      "i-old:8080 healthy",
    ]);
  });

  test("outweighs an earlier registration that is not shown yet", () => {
    const expected = noExpectations();
    expectRegistered(expected, [place], startMs);
    expectDeregistered(expected, [place], startMs + 1000);
    expect(seeTargets(expected, [], 2000)).toEqual([]);
  });
});
