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

const encoder = new TextEncoder();

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
    const { statusCode, text } = response;
    const parse = (body: string) =>
      protocol.deserializeResponse(operation, context, {
        ...{ statusCode, headers: response.headers, text: body },
        body: encoder.encode(body),
      });
    if (statusCode >= 300) return parse(text);
    const answer = await remembered(text, (whole) => parseReservations(whole, parse));
    return { ...answer, $metadata: { httpStatusCode: statusCode } };
  };
  Object.assign(client, { send });
}

/** Answers parsed before, by their text: most polls are answered like the one before. */
const parsed = new Map<string, object>();
const parsedLimit = 500;

async function remembered<T extends object>(
  text: string,
  parse: (text: string) => Promise<T>,
): Promise<T> {
  const known = parsed.get(text);
  if (known !== undefined) return known as T;
  const answer = deepFreeze(await parse(text));
  if (parsed.size >= parsedLimit) parsed.clear();
  parsed.set(text, answer);
  return answer;
}

/** Of many instances hardly any has changed: each reservation of a list is parsed, and remembered, by itself. */
async function parseReservations(
  text: string,
  parse: (text: string) => Promise<object>,
): Promise<object> {
  const [head, ...rest] = text.split(/(?=<item><reservationId>|<\/reservationSet>)/);
  const tail = rest.pop();
  if (rest.length < 2) return parse(text);
  const lists = await Promise.all(
    rest.map((item) => remembered<{ Reservations?: object[] }>(`${head}${item}${tail}`, parse)),
  );
  return { ...lists[0], Reservations: lists.flatMap(({ Reservations = [] }) => Reservations) };
}

/** So that nobody changes what others get too. */
function deepFreeze<T extends object>(value: T): T {
  for (const member of Object.values(value)) {
    const isOpen = typeof member === "object" && member !== null && !Object.isFrozen(member);
    if (isOpen) deepFreeze(member);
  }
  return Object.freeze(value);
}
