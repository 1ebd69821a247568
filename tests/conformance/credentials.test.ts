import { writeFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { buildFleet, type Fleet } from "./fleet.ts";
import { type Forwarder, startForwarder } from "./forwarder.ts";
import { listenOnLoopback } from "./loopback.ts";
import { type MetadataOptions, startMetadata } from "./metadata.ts";
import { isMotoHere, type Moto, skipWithoutMoto, startMoto } from "./moto.ts";
import { cleanUp, newFolder, type ProgramEnd, runProgram } from "./program.ts";

let moto: Moto;
let fleet: Fleet;
/** Holds a config.json with which the fleet is up to date, so that a run only reads. */
let folder: string;
let upToDate: string;

beforeAll(async () => {
  if (!isMotoHere) return;
  moto = await startMoto();
  fleet = await buildFleet({ url: moto.url, region: "eu-west-1", instances: 2 });
  upToDate = fleet.oldAmi;
  folder = fleet.folder({ version: "v1" });
});
beforeEach(skipWithoutMoto);
afterAll(async () => {
  await cleanUp();
  await moto?.stop();
});

describe("credentials come from", () => {
  it("environment variables", async () => {
    const forwarder = await forward();
    const end = await run({
      AWS_ENDPOINT_URL: forwarder.url,
      AWS_ACCESS_KEY_ID: "AKIAENVIRONMENT00000",
      AWS_SECRET_ACCESS_KEY: "environment-secret",
      AWS_SESSION_TOKEN: "environment-session",
    });
    expectNothingToDo(end);
    expect(signersOf(forwarder)).toEqual(["AKIAENVIRONMENT00000 environment-session"]);
    expectNoSecret(end, ["environment-secret", "environment-session"]);
  });

  it("a profile of the shared files", async () => {
    const forwarder = await forward();
    const files = newFolder();
    const [credentials, config] = [join(files, "credentials"), join(files, "config")];
    writeFileSync(
      credentials,
      `[default]
aws_access_key_id = AKIADEFAULT000000000
aws_secret_access_key = default-secret
[jenkins]
aws_access_key_id = AKIAPROFILE000000000
aws_secret_access_key = profile-secret
`,
    );
    writeFileSync(
      config,
      `[profile jenkins]\nendpoint_url = ${forwarder.url}\nregion = us-east-1\n`,
    );
    const end = await run({
      AWS_SHARED_CREDENTIALS_FILE: credentials,
      AWS_CONFIG_FILE: config,
      AWS_PROFILE: "jenkins",
    });
    expectNothingToDo(end);
    expect(signersOf(forwarder)).toEqual(["AKIAPROFILE000000000 undefined"]);
    // The profile's region does not count.
    expect(scopesOf(forwarder)).toEqual(allServices);
    expectNoSecret(end, ["profile-secret"]);
  });

  it("the role of the EC2 host", async () => {
    const forwarder = await forward();
    const metadata = await host({ role: "deployer" });
    const end = await run({ AWS_ENDPOINT_URL: forwarder.url, ...onHost(metadata) });
    expectNothingToDo(end);
    expect(metadata.keyIds.length).toBeGreaterThan(0);
    expect(signersOf(forwarder).sort()).toEqual(
      metadata.keyIds.map((keyId) => `${keyId} session of ${keyId}`),
    );
    expect(new Set(metadata.requests)).toEqual(
      new Set([
        "PUT /latest/api/token 200",
        // Where it runs is nobody of the fleet.
        "GET /latest/meta-data/instance-id 404",
        "GET /latest/meta-data/iam/security-credentials/ 200",
        "GET /latest/meta-data/iam/security-credentials/deployer 200",
      ]),
    );
    expectNoSecret(end, ["role-secret", "session of"]);
  });

  it("the role anew when they are about to expire in the middle of a rollout", {
    timeout: 100_000,
  }, async () => {
    // The SDK renews credentials five minutes before they expire: these it takes ten seconds into the drain.
    const metadata = await host({ role: "deployer", secondsValid: 310 });
    const forwarder = await forward();
    const other = await buildFleet({ url: moto.url, region: "eu-west-3", instances: 1 });
    const env = { AWS_ENDPOINT_URL: forwarder.url, ...onHost(metadata) };
    const end = await runProgram([other.newAmi], { env, folder: other.folder() });
    expect(end).toMatchObject({ exitCode: 0, stderr: "" });
    const [first, last] = ["RunInstances", "TerminateInstances"].map(
      (wanted) => forwarder.requests.findLast(({ action }) => action === wanted)?.accessKeyId ?? "",
    );
    expect(metadata.keyIds).toContain(first);
    expect(metadata.keyIds).toContain(last);
    expect(last).not.toBe(first);
  });
});

describe("without credentials", () => {
  it("one message says so at once", async () => {
    const forwarder = await forward();
    const end = await run({ AWS_ENDPOINT_URL: forwarder.url });
    expectNoCredentials(end, forwarder);
    expect(end.elapsedMs).toBeLessThan(5000);
  });

  it("on an EC2 host that has no role, one message says so", async () => {
    const forwarder = await forward();
    const metadata = await host();
    const end = await run({ AWS_ENDPOINT_URL: forwarder.url, ...onHost(metadata) });
    expect(metadata.requests).toContain("GET /latest/meta-data/iam/security-credentials/ 404");
    expectNoCredentials(end, forwarder);
    expect(end.elapsedMs).toBeLessThan(5000);
  });

  it("where nothing answers as metadata service, one message says so within seconds", async () => {
    const sockets: Socket[] = [];
    const silent = await listenOnLoopback(createServer((socket) => sockets.push(socket)));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      return silent.stop();
    });
    const forwarder = await forward();
    const end = await run({ AWS_ENDPOINT_URL: forwarder.url, ...onHost(silent) });
    expectNoCredentials(end, forwarder);
    expect(end.elapsedMs).toBeLessThan(15_000);
  });
});

describe("requests go to", () => {
  const keys = {
    AWS_ACCESS_KEY_ID: "AKIAENVIRONMENT00000",
    AWS_SECRET_ACCESS_KEY: "environment-secret",
  };

  it("the endpoints of each service, where they are given", async () => {
    const [ec2, elbv2] = [await forward(), await forward()];
    const [sts, none] = [await forward(), await forward()];
    const end = await run({
      ...keys,
      AWS_ENDPOINT_URL: none.url,
      AWS_ENDPOINT_URL_EC2: ec2.url,
      AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2: elbv2.url,
      AWS_ENDPOINT_URL_STS: sts.url,
    });
    expectNothingToDo(end);
    expect(scopesOf(ec2)).toEqual(["eu-west-1 ec2"]);
    expect(scopesOf(elbv2)).toEqual(["eu-west-1 elasticloadbalancing"]);
    expect(scopesOf(sts)).toEqual(["eu-west-1 sts"]);
    expect(none.requests).toEqual([]);
  });

  it("the region of the file, whatever the environment says", async () => {
    const forwarder = await forward();
    const end = await run({
      ...keys,
      AWS_ENDPOINT_URL: forwarder.url,
      AWS_REGION: "us-east-1",
      AWS_DEFAULT_REGION: "us-east-1",
    });
    expectNothingToDo(end);
    expect(scopesOf(forwarder)).toEqual(allServices);
  });
});

/** Every service that is asked, in the region of the file. */
const allServices = ["eu-west-1 ec2", "eu-west-1 elasticloadbalancing", "eu-west-1 sts"];

/** A forwarder in front of moto for one test. */
async function forward(): Promise<Forwarder> {
  const forwarder = await startForwarder(moto.url);
  onTestFinished(() => forwarder.stop());
  return forwarder;
}

/** A metadata service for one test. */
async function host(options?: MetadataOptions) {
  const metadata = await startMetadata(options);
  onTestFinished(() => metadata.stop());
  return metadata;
}

function onHost({ url }: { url: string }) {
  return { AWS_EC2_METADATA_DISABLED: undefined, AWS_EC2_METADATA_SERVICE_ENDPOINT: url };
}

/** A dry run asks every service, and does not take the time that a rollout takes before its first change. */
function run(env: Readonly<Record<string, string | undefined>>): Promise<ProgramEnd> {
  return runProgram([upToDate, "--dry-run"], { env, folder });
}

function expectNothingToDo(end: ProgramEnd): void {
  expect(end).toMatchObject({ exitCode: 0, stderr: "" });
  const [account = "", ...rest] = end.stdout.trimEnd().split("\n");
  expect(account).toMatch(/^\S+ Account 123456789012, region eu-west-1 \(arn:aws:\S+\)$/);
  expect(rest[0]).toMatch(/^\S+ Nothing to do: every instance of my-targets runs ami-\w+ as "v1"$/);
}

function expectNoCredentials({ exitCode, stdout, stderr }: ProgramEnd, forwarder: Forwarder): void {
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: "" });
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatch(/credentials/i);
  expect(lines[1]).toContain("Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  expect(forwarder.requests).toEqual([]);
}

function expectNoSecret({ stdout, stderr }: ProgramEnd, secrets: readonly string[]): void {
  for (const secret of secrets) expect(stdout + stderr).not.toContain(secret);
}

/** Who signed, each once: access key id and session token. */
function signersOf({ requests }: Forwarder): string[] {
  return [
    ...new Set(requests.map(({ accessKeyId, sessionToken }) => `${accessKeyId} ${sessionToken}`)),
  ];
}

/** What was signed for, each once: region and service. */
function scopesOf({ requests }: Forwarder): string[] {
  return [...new Set(requests.map(({ region, service }) => `${region} ${service}`))].sort();
}
