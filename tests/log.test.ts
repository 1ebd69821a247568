import { stripVTControlCharacters } from "node:util";
import { describe, expect, test } from "vitest";
import { createLog, type LogEvent, type LogOptions } from "../src/log.ts";

/** What is written for these events. */
function written(events: readonly LogEvent[], options: Partial<LogOptions> = {}): string[] {
  const chunks: string[] = [];
  const write = (line: string) => chunks.push(line);
  const log = createLog({ output: "text", isColoured: false, write, ...options });
  for (const event of events) log(event);
  return chunks;
}

const registering: LogEvent = {
  event: "register",
  message: "Registering instance to target group",
  slot: 2,
  slots: 6,
  instance: "i-new",
  details: { targetGroup: "web" },
};

const refusal: LogEvent = {
  event: "error",
  message: "config.json is not a valid configuration",
  details: {
    code: "ConfigInvalid",
    problems: ["region: is 5; should be a region", "version: is missing; should be the version"],
    hint: "mend these and run the same command again",
  },
};

describe("NDJSON", () => {
  const parse = (events: readonly LogEvent[]) =>
    written(events, { output: "json", isColoured: true }).map((line) => JSON.parse(line));

  test("is one object a line, whatever a message holds", () => {
    const lines = written([registering, { event: "trouble", message: "two\nlines" }], {
      output: "json",
    });
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/^\{[^\n]*\}\n$/);
  });

  test("has everything of an event as a member, and the time", () => {
    expect(parse([registering])).toEqual([
      {
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        level: "info",
        event: "register",
        slot: 2,
        slots: 6,
        instance: "i-new",
        targetGroup: "web",
        message: "Registering instance to target group",
      },
    ]);
  });

  test("leaves out the lines that are for a person only", () => {
    const [report] = parse([{ event: "report", message: "x", lines: ["y"], details: { sent: 1 } }]);
    expect(report).toMatchObject({ sent: 1, message: "x" });
    expect(report).not.toHaveProperty("lines");
  });

  test("has the time it is given", () => {
    const now = () => Date.UTC(2030, 0, 2, 3, 4, 5, 678);
    const [line = ""] = written([registering], { output: "json", now });
    expect(JSON.parse(line).time).toBe("2030-01-02T03:04:05.678Z");
  });

  test("has what an error consists of, for scripts to match", () => {
    expect(parse([refusal])[0]).toMatchObject({
      level: "error",
      event: "error",
      code: "ConfigInvalid",
      problems: ["region: is 5; should be a region", "version: is missing; should be the version"],
      hint: "mend these and run the same command again",
    });
  });

  test.each([
    ["error", "error"],
    ["notice", "warn"],
    ["trouble", "warn"],
    ["impaired", "warn"],
    ["stopping", "warn"],
    ["started", "info"],
    ["waiting", "info"],
    ["completed", "info"],
    ["nothing-to-do", "info"],
  ] as const)("gives %s the level %s", (event, level) => {
    expect(parse([{ event, message: "x" }])[0].level).toBe(level);
  });

  test("is never coloured, and names neither process nor host", () => {
    const [line = ""] = written([refusal], { output: "json", isColoured: true });
    expect(line).toBe(stripVTControlCharacters(line));
    expect(JSON.parse(line)).not.toHaveProperty("pid");
    expect(JSON.parse(line)).not.toHaveProperty("hostname");
  });
});

describe("text", () => {
  const withoutTime = (text: string) => text.replace(/^\d\d:\d\d:\d\d /gm, "");

  test("is a line an event: time, slot, message", () => {
    const [line = ""] = written([registering]);
    expect(line).toMatch(/^\d\d:\d\d:\d\d \[2\/6\] Registering instance to target group\n$/);
  });

  test("names no slot where an event is about none", () => {
    const [line = ""] = written([{ event: "started", message: "Rolling update started" }]);
    expect(withoutTime(line)).toBe("Rolling update started\n");
  });

  test("lists the problems of an error, then what to do, as a sentence", () => {
    const [text = ""] = written([refusal]);
    expect(withoutTime(text).split("\n")).toEqual([
      "config.json is not a valid configuration",
      "  - region: is 5; should be a region",
      "  - version: is missing; should be the version",
      "  Mend these and run the same command again.",
      "",
    ]);
  });

  test("shows the lines that belong to an event below it", () => {
    const report: LogEvent = { event: "report", message: "No request was lost", lines: ["a", "b"] };
    const [text = ""] = written([report]);
    expect(withoutTime(text)).toBe("No request was lost\n  a\n  b\n");
  });

  test("is plain where colours are off", () => {
    const text = written([registering, refusal, { event: "trouble", message: "x" }]).join("");
    expect(text).toBe(stripVTControlCharacters(text));
  });

  test.each<[string, LogEvent, number]>([
    ["an error red", refusal, 31],
    ["a warning yellow", { event: "trouble", message: "throttled" }, 33],
    ["the good end green", { event: "completed", message: "Rolling update completed" }, 32],
    ["that there is nothing to do green", { event: "nothing-to-do", message: "nothing" }, 32],
  ])("shows %s where colours are on", (_name, event, code) => {
    const [text = ""] = written([event], { isColoured: true });
    const beforeMessage = text.slice(0, text.indexOf(event.message));
    expect(beforeMessage).toContain(`\u001b[${code}m`);
  });

  test("says the same coloured as plain", () => {
    const events = [registering, refusal, { event: "completed", message: "done" } as const];
    const coloured = written(events, { isColoured: true }).join("");
    expect(coloured).not.toBe(stripVTControlCharacters(coloured));
    expect(withoutTime(stripVTControlCharacters(coloured))).toBe(
      withoutTime(written(events).join("")),
    );
  });

  test("leaves an ordinary message uncoloured", () => {
    const [text = ""] = written([{ event: "launch", message: "Launching a new instance" }], {
      isColoured: true,
    });
    expect(text).toMatch(/ Launching a new instance\n$/);
  });
});
