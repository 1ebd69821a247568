import { createServer } from "node:http";
import { type Listening, listenOnLoopback } from "./loopback.ts";

/** An instance metadata service on loopback, as an EC2 host has it: version 2, so nothing without a token. */
export interface Metadata extends Listening {
  /** Method and path of each request, and the status it was answered with. */
  readonly requests: readonly string[];
  /** The access key id of all credentials given out, in their order. */
  readonly keyIds: readonly string[];
}

/** How a metadata service is to be. */
export interface MetadataOptions {
  /** The id of the instance. */
  readonly instanceId?: string;
  /** Takes requests without a token too, as version 1 does, and gives out none. */
  readonly isVersion1?: boolean;
  /** Its role; without one there are no credentials. */
  readonly role?: string;
  /** Credentials are given out for this long. */
  readonly secondsValid?: number;
}

const token = "a-metadata-token";
const credentialsPath = "/latest/meta-data/iam/security-credentials/";

/** Starts a metadata service that gives out new credentials at each request. */
export async function startMetadata(options: MetadataOptions = {}): Promise<Metadata> {
  const { role, instanceId, isVersion1 = false, secondsValid = 21_600 } = options;
  const requests: string[] = [];
  const keyIds: string[] = [];
  const answer = (method = "", path = "", presented: unknown): [number, string] => {
    if (method === "PUT") {
      return path === "/latest/api/token" && !isVersion1 ? [200, token] : [404, ""];
    }
    if (presented !== token && !isVersion1) return [401, ""];
    if (path === "/latest/meta-data/instance-id" && instanceId) return [200, instanceId];
    if (role !== undefined && path === credentialsPath) return [200, role];
    if (role === undefined || path !== credentialsPath + role) return [404, ""];
    const now = Date.now();
    const keyId = `ASIAROLE${String(keyIds.length + 1).padStart(12, "0")}`;
    keyIds.push(keyId);
    const credentials = {
      Code: "Success",
      Type: "AWS-HMAC",
      LastUpdated: new Date(now).toISOString(),
      AccessKeyId: keyId,
      SecretAccessKey: "role-secret",
      Token: `session of ${keyId}`,
      Expiration: new Date(now + secondsValid * 1000).toISOString(),
    };
    return [200, JSON.stringify(credentials)];
  };
  const server = createServer(({ method, url, headers }, outgoing) => {
    const [status, body] = answer(method, url, headers["x-aws-ec2-metadata-token"]);
    requests.push(`${method} ${url} ${status}`);
    outgoing.writeHead(status, { "x-aws-ec2-metadata-token-ttl-seconds": "21600" }).end(body);
  });
  return { ...(await listenOnLoopback(server)), requests, keyIds };
}
