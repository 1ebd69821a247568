import { Agent, request } from "node:http";
import { createConnection } from "node:net";
import { DescribeInstancesCommand, EC2Client, RunInstancesCommand } from "@aws-sdk/client-ec2";
import {
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterEach, expect, test, vi } from "vitest";
import { IMAGES } from "../../src/simulator/catalog.ts";
import {
  type ApiServer,
  type ApiServerOptions,
  startApiServer,
} from "../../src/simulator/server.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** A fleet behind a server, and SDK clients that know nothing but its address. */
async function setUp(options: Pick<ApiServerOptions, "staleReadsMs" | "onRequest"> = {}) {
  const { clock, aws } = setUpAny();
  const server = await startApiServer({ world: aws.world, port: 0, ...options });
  const config = {
    endpoint: server.url,
    region: aws.world.region,
    credentials: { accessKeyId: "simulated", secretAccessKey: "simulated" },
    maxAttempts: 1,
  };
  const ec2 = new EC2Client(config);
  const elb = new ElasticLoadBalancingV2Client(config);
  const ends = [ec2, elb].map((client) => ({ close: () => client.destroy() }));
  opened.push(server, ...ends);
  return { clock, aws, server, ec2, elb };
}

interface Post {
  readonly method?: string;
  readonly path?: string;
  readonly authorization?: string;
  readonly agent?: Agent;
}

/** One request as it is, without the SDK. */
function post({ url }: ApiServer, body: string, options: Post = {}) {
  const { method = "POST", path = "/", authorization, agent } = options;
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    ...(authorization && { authorization }),
  };
  return new Promise<{ status?: number; id: unknown; body: string; isReused: boolean }>(
    (resolve, reject) => {
      const sent = request(new URL(path, url), { method, headers, agent }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode,
            id: response.headers["x-amzn-requestid"],
            body: Buffer.concat(chunks).toString(),
            isReused: sent.reusedSocket,
          }),
        );
      });
      sent.on("error", reject).end(body);
    },
  );
}

const IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15";

test("the SDK's own clients reach the world through it", async () => {
  const { clock, aws, ec2, elb } = await setUp();
  const { Instances } = await ec2.send(
    new RunInstancesCommand({
      ImageId: IMAGES.good,
      InstanceType: "t3.micro",
      MinCount: 1,
      MaxCount: 1,
    }),
  );
  const id = Instances?.[0]?.InstanceId ?? "";
  const state = async () => {
    const answer = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
    return answer.Reservations?.[0]?.Instances?.[0]?.State?.Name;
  };
  expect(await state()).toBe("pending");
  await clock.sleep(20_000);
  expect(await state()).toBe("running");
  const { TargetHealthDescriptions } = await elb.send(
    new DescribeTargetHealthCommand({ TargetGroupArn: aws.targetGroupArn }),
  );
  expect(TargetHealthDescriptions).toHaveLength(3);
  const none = new DescribeInstancesCommand({ InstanceIds: ["i-0123456789abcdef0"] });
  expect(await errorOf(ec2.send(none))).toMatchObject({
    name: "InvalidInstanceID.NotFound",
    status: 400,
    requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  });
});

test("its reads lag where they are told to", async () => {
  const { clock, aws, ec2 } = await setUp({ staleReadsMs: 8000 });
  const launch = { InstanceType: "t3.micro", MinCount: 1, MaxCount: 1 } as const;
  await clock.sleep(10_000);
  await ec2.send(new RunInstancesCommand({ ...launch, ImageId: IMAGES.good }));
  const counts = new Set<number | undefined>();
  for (let count = 0; count < 10; count += 1) {
    await clock.sleep(700);
    counts.add((await ec2.send(new DescribeInstancesCommand({}))).Reservations?.length);
  }
  expect([...counts].sort()).toEqual([3, 4]);
  expect(aws.world.instances.list()).toHaveLength(4);
});

test.each([
  ["another method", "", { method: "GET" }, 400, "InvalidRequest"],
  ["another path", IDENTITY, { path: "/bucket" }, 400, "InvalidRequest"],
  ["nothing", "", {}, 400, "InvalidAction"],
  [
    "a service of no version it knows",
    "Action=ListUsers&Version=2010-05-08",
    {},
    400,
    "InvalidAction",
  ],
  ["no form at all", '{"TableName":"x"}', {}, 400, "InvalidAction"],
  [
    "what is too long",
    `${IDENTITY}&a=${"x".repeat(1024 * 1024)}`,
    {},
    413,
    "RequestEntityTooLarge",
  ],
] as const)("refuses %s", async (_what, body, options, status, code) => {
  const { server } = await setUp();
  const answer = await post(server, body, options);
  expect(answer.status).toBe(status);
  expect(answer.body).toMatch(
    new RegExp(`^<\\?xml .*\\n<ErrorResponse .*<Type>Sender</Type><Code>${code}</Code><Message>.+`),
  );
  expect(answer.body).toContain(`<RequestId>${answer.id}</RequestId>`);
});

test("a body of just the length that is allowed is read", async () => {
  const { server } = await setUp();
  const start = `${IDENTITY}&a=`;
  const answer = await post(server, start + "x".repeat(1024 * 1024 - start.length));
  expect(answer).toMatchObject({ status: 400, body: expect.stringContaining("ValidationError") });
});

test("routes by the credential scope", async () => {
  const { server } = await setUp();
  const authorization =
    "AWS4-HMAC-SHA256 Credential=AKID/20260105/eu-west-1/sts/aws4_request, Signature=x";
  const answer = await post(server, "Action=A&Version=2016-11-15", { authorization });
  expect(answer.body).toContain("<Code>NoSuchVersion</Code>");
});

test("a mistake in the simulation is an error of AWS's, not the end of the server", async () => {
  const { aws, server } = await setUp();
  const listed = vi.spyOn(aws.world.instances, "list").mockImplementationOnce(() => {
    throw new RangeError("a mistake");
  });
  const body = "Action=DescribeInstances&Version=2016-11-15";
  const answer = await post(server, body);
  expect(answer.status).toBe(500);
  expect(answer.body).toContain("<Code>InternalError</Code><Message>RangeError: a mistake<");
  listed.mockRestore();
  expect((await post(server, body)).status).toBe(200);
});

test("a connection is used again", async () => {
  const { server } = await setUp();
  const agent = new Agent({ keepAlive: true });
  opened.push({ close: () => agent.destroy() });
  expect((await post(server, IDENTITY, { agent })).isReused).toBe(false);
  expect((await post(server, IDENTITY, { agent })).isReused).toBe(true);
});

test("a client that leaves in the middle of a request takes nothing down", async () => {
  const { server } = await setUp();
  const socket = createConnection(Number(new URL(server.url).port), "127.0.0.1");
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nAction=", () =>
    socket.destroy(),
  );
  await closed;
  expect((await post(server, IDENTITY)).status).toBe(200);
});

test.runIf(process.platform === "linux")("nobody else can reach it", async () => {
  const { server } = await setUp();
  // The whole of 127/8 is this machine's own: a server that listens everywhere answers here too.
  const elsewhere = createConnection(Number(new URL(server.url).port), "127.0.0.2");
  const error = await new Promise((resolve, reject) => {
    elsewhere.on("error", resolve).on("connect", () => {
      elsewhere.destroy();
      reject(new Error("connected"));
    });
  });
  expect(error).toMatchObject({ code: "ECONNREFUSED" });
});

test("listens on loopback, and says when the port is taken", async () => {
  const { server } = await setUp();
  expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  const taken = startApiServer({
    world: setUpAny().aws.world,
    port: Number(new URL(server.url).port),
  });
  await expect(taken).rejects.toMatchObject({
    code: "EADDRINUSE",
    message: expect.stringContaining(`127.0.0.1:${new URL(server.url).port}`),
  });
});

test("close ends the connections that are open, and the port is free again", async () => {
  const { aws, server } = await setUp();
  const port = Number(new URL(server.url).port);
  const socket = createConnection(port, "127.0.0.1");
  await new Promise((resolve) => socket.on("connect", resolve));
  socket.write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nAction=");
  const closed = new Promise((resolve) => socket.on("error", () => {}).on("close", resolve));
  await server.close();
  await closed;
  opened.push(await startApiServer({ world: aws.world, port }));
});

test("tells of every request to a service, and of nothing else, with the status of its answer", async () => {
  const seen: unknown[] = [];
  const { aws, server, ec2, elb } = await setUp({
    onRequest: ({ service, action, parameters, status }) =>
      seen.push([service, action, Object.fromEntries(parameters), status]),
  });
  const [id = ""] = aws.oldInstanceIds;
  await ec2.send(new DescribeInstancesCommand({ InstanceIds: [id] }));
  const TargetGroupArn = `${aws.targetGroupArn.slice(0, -1)}x`;
  await errorOf(elb.send(new DescribeTargetHealthCommand({ TargetGroupArn })));
  await post(server, "Action=DoWhatIMean&Version=2016-11-15");
  await post(server, "Action=ListBuckets&Version=2006-03-01");
  await post(server, "", { method: "GET" });
  expect(seen).toEqual([
    ["ec2", "DescribeInstances", { "InstanceId.1": id }, 200],
    ["elasticloadbalancing", "DescribeTargetHealth", { TargetGroupArn }, 400],
    ["ec2", "DoWhatIMean", {}, 400],
  ]);
});
