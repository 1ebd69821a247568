import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { STSClient } from "@aws-sdk/client-sts";
import type { AwsClients } from "../../src/observe.ts";
import type { SimulatedRequestHandler } from "../../src/simulator/handler.ts";

/**
 * The SDK's clients of one process. Short: between the SDK's serialisation of a command and its parsing of the answer
 * stands nothing but the handler: no middleware that signs, finds endpoints, retries and logs; and an answer that was
 * parsed before is not parsed again. Together that is more than half of the time of a simulated rollout. What a rollout
 * does is the same either way, which seeds.test.ts holds them to.
 */
export function simulatedClients(
  handler: SimulatedRequestHandler,
  region: string,
  isShort: boolean,
): AwsClients {
  const config = {
    region,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    // Retries of the SDK take real time; without them the faults reach our own code.
    maxAttempts: 1,
    requestHandler: handler,
  };
  const clients = {
    ec2: new EC2Client(config),
    elbv2: new ElasticLoadBalancingV2Client(config),
    sts: new STSClient(config),
  };
  if (isShort) {
    shorten(clients.ec2, "ec2", handler);
    shorten(clients.elbv2, "elasticloadbalancing", handler);
    shorten(clients.sts, "sts", handler);
  }
  return clients;
}

/** What of the SDK is used that its types do not show. */
interface Protocol {
  serializeRequest(operation: Operation, input: object, context: object): Promise<HttpRequest>;
  deserializeResponse(
    operation: Operation,
    context: object,
    response: HttpResponse,
  ): Promise<object>;
}

interface Operation {
  readonly namespace: string;
  readonly name: string;
  readonly traits: unknown;
  readonly input: unknown;
  readonly output: unknown;
}

interface Command {
  readonly input: object;
  readonly schema: readonly [9, string, string, unknown, unknown, unknown];
}

type HttpRequest = Parameters<SimulatedRequestHandler["handle"]>[0];
type HttpResponse = Awaited<ReturnType<SimulatedRequestHandler["handle"]>>["response"];

function shorten(client: object, service: string, handler: SimulatedRequestHandler): void {
  const { config } = client as { config: { protocol: Protocol } };
  const { protocol } = config;
  const endpoint = async () => ({ protocol: "https:", hostname: `${service}.invalid`, path: "/" });
  const context = { ...config, endpoint };
  const authorization = `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260105/region/${service}/aws4_request`;
  const send = async ({ input, schema }: Command) => {
    const [, namespace, name, traits, inputSchema, output] = schema;
    const operation = { namespace, name, traits, input: inputSchema, output };
    const { body } = await protocol.serializeRequest(operation, input, context);
    const { response } = await handler.handle({ headers: { authorization }, body });
    const parse = () => protocol.deserializeResponse(operation, context, response);
    return response.statusCode < 300 ? remembered(response, parse) : parse();
  };
  Object.assign(client, { send });
}

/** Answers parsed before, by their text: most polls are answered like the one before. */
const parsed = new Map<string, object>();
const parsedLimit = 500;

async function remembered(
  { statusCode, text }: HttpResponse,
  parse: () => Promise<object>,
): Promise<object> {
  const known = parsed.get(text);
  const answer = known ?? deepFreeze(await parse());
  if (known === undefined) {
    if (parsed.size >= parsedLimit) parsed.clear();
    parsed.set(text, answer);
  }
  return { ...answer, $metadata: { httpStatusCode: statusCode } };
}

/** So that nobody changes what others get too. */
function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    if (typeof member === "object" && member !== null) deepFreeze(member);
  }
  return Object.freeze(value);
}
