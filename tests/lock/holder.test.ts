import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, it } from "vitest";
import { buildUrl, isAlive, thisProcess } from "../../src/lock/holder.ts";

const isLinux = process.platform === "linux";
const onlyOnLinux = "only Linux tells a process from a later one of the same id";

describe("a process of this host", () => {
  it("is known by its id and its start, and lives until it has ended", async () => {
    const me = thisProcess();
    expect(me.process).toMatch(isLinux ? /^\d+@\d+$/ : /^\d+$/);
    expect(me.process.split("@")[0]).toBe(String(process.pid));
    expect(isAlive(me.process)).toBe(true);
    expect(me.hasEnded(me)).toBe(false);
    expect(thisProcess()).toMatchObject({ host: me.host, process: me.process });
    expect(thisProcess().owner).not.toBe(me.owner);
  });

  it("that was killed has ended, and what is not known to have has not", async ({ skip }) => {
    skip(!isLinux, onlyOnLinux);
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await once(child, "spawn");
    const id = String(child.pid);
    expect(isAlive(id)).toBe(true);
    // A process of the same id that started at another time.
    expect(isAlive(`${id}@1`)).toBe(false);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(isAlive(id)).toBe(false);
    const { host, hasEnded } = thisProcess();
    expect(hasEnded({ host, process: id })).toBe(true);
    expect(hasEnded({ host: `${host}0`, process: id })).toBe(false);
    expect(hasEnded({ host: "", process: id })).toBe(false);
  });

  it("that is only left as an entry for its parent has ended", async ({ skip }) => {
    skip(!isLinux, onlyOnLinux);
    // The shell starts a process and becomes another one, which never asks what became of it.
    const script = "sleep 0.01 & echo $!; exec sleep 60";
    const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore"] });
    const [text] = await once(parent.stdout, "data");
    const id = String(text).trim();
    while (isAlive(id)) await new Promise((done) => setTimeout(done, 10));
    expect(() => process.kill(Number(id), 0)).not.toThrow();
    parent.kill("SIGKILL");
    await once(parent, "exit");
  });

  it.each(["", "?", "4242@", "@7", "12 34", "-1", "99999999999999999999"])(
    "named as %j is taken to be alive",
    (name) => {
      expect(isAlive(name)).toBe(true);
    },
  );

  it("of a host that is no Linux is never taken to have ended: another may have the same name", () => {
    const before = Object.getOwnPropertyDescriptor(process, "platform") ?? {};
    Object.defineProperty(process, "platform", { ...before, value: "darwin" });
    try {
      const { host, hasEnded } = thisProcess();
      expect(hasEnded({ host, process: "4194999" })).toBe(false);
    } finally {
      Object.defineProperty(process, "platform", before);
    }
  });

  it("of another user is alive", () => {
    expect(isAlive("1")).toBe(true);
  });
});

describe("the build", () => {
  const github = {
    GITHUB_SERVER_URL: "https://github.com",
    GITHUB_REPOSITORY: "acme/shop",
    GITHUB_RUN_ID: "42",
  };
  it.each<[Record<string, string>, string]>([
    [{ BUILD_URL: "https://ci.example/job/shop/7/" }, "https://ci.example/job/shop/7/"],
    [github, "https://github.com/acme/shop/actions/runs/42"],
    [{ ...github, BUILD_URL: "https://ci.example/7/" }, "https://ci.example/7/"],
    [{ ...github, GITHUB_RUN_ID: "" }, "none"],
    [{ BUILD_URL: "https://me:secret@ci.example/7/" }, "https://ci.example/7/"],
    [{}, "none"],
  ])("of %j", (env, url) => {
    expect(buildUrl(env)).toBe(url);
  });
});
