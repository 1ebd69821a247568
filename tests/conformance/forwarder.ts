import { createServer, type IncomingMessage, request as send } from "node:http";
import { type Listening, listenOnLoopback } from "./loopback.ts";

/** One request of the program to AWS. */
export interface AwsRequest {
  readonly action: string;
  readonly isDryRun: boolean;
  readonly accessKeyId: string;
  readonly sessionToken: string | undefined;
  /** As signed: the region and the service of the credential scope. */
  readonly region: string;
  readonly service: string;
}

/** A server on loopback between the program and moto that notes what passes. */
export interface Forwarder extends Listening {
  readonly requests: readonly AwsRequest[];
}

/**
 * Starts a forwarder.
 * @param onAnswer called with each request moto has carried out, before the program gets to know
 */
export async function startForwarder(
  target: string,
  onAnswer: (request: AwsRequest) => void | Promise<void> = () => {},
): Promise<Forwarder> {
  const requests: AwsRequest[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const body = await read(incoming);
    const request = parse(incoming, body);
    requests.push(request);
    const { method = "GET", headers, url = "/" } = incoming;
    const onward = send(new URL(url, target), { method, headers }, async (answer) => {
      const answered = await read(answer);
      await onAnswer(request);
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(answered);
    });
    onward.on("error", () => outgoing.destroy());
    onward.end(body);
  });
  return { ...(await listenOnLoopback(server)), requests };
}

function parse({ headers }: IncomingMessage, body: Buffer): AwsRequest {
  const parameters = new URLSearchParams(body.toString());
  const scope = /Credential=([^,\s]+)/.exec(headers.authorization ?? "")?.[1]?.split("/") ?? [];
  const [accessKeyId = "", , region = "", service = ""] = scope;
  return {
    action: parameters.get("Action") ?? "",
    isDryRun: parameters.get("DryRun") === "true",
    accessKeyId,
    sessionToken: headers["x-amz-security-token"]?.toString(),
    region,
    service,
  };
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
