// Goal: the program knows which EC2 instance it runs on, and is not held up where it runs on none.
// Method: a metadata service on loopback, at the address that the AWS SDK is told to ask.
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { readOwnInstanceId } from "../src/metadata.ts";
import { listenOnLoopback } from "./conformance/loopback.ts";
import { type MetadataOptions, startMetadata } from "./conformance/metadata.ts";

afterEach(() => vi.unstubAllEnvs());

async function host(options: MetadataOptions) {
  const metadata = await startMetadata(options);
  onTestFinished(() => metadata.stop());
  vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url);
  return metadata;
}

describe("the id of the own instance", () => {
  it("is what version 2 of the metadata service says, for a token", async () => {
    const { requests } = await host({ instanceId: "i-0123456789abcdef0" });
    expect(await readOwnInstanceId()).toBe("i-0123456789abcdef0");
    expect(requests).toEqual([
      "PUT /latest/api/token 200",
      "GET /latest/meta-data/instance-id 200",
    ]);
  });

  it("is what version 1 says, where there is no token", async () => {
    await host({ instanceId: "i-0123456789abcdef0", isVersion1: true });
    expect(await readOwnInstanceId()).toBe("i-0123456789abcdef0");
  });

  it("is unknown where the service does not know it", async () => {
    await host({});
    expect(await readOwnInstanceId()).toBeUndefined();
  });

  it("is unknown where nothing listens", async () => {
    const metadata = await startMetadata();
    await metadata.stop();
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url);
    expect(await readOwnInstanceId()).toBeUndefined();
  });

  it("is unknown where whoever listens says nothing", async () => {
    const sockets: Socket[] = [];
    const silent = await listenOnLoopback(createServer((socket) => sockets.push(socket)));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      return silent.stop();
    });
    vi.stubEnv("AWS_EC2_METADATA_SERVICE_ENDPOINT", silent.url);
    expect(await readOwnInstanceId()).toBeUndefined();
  });
});
