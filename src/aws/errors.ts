import { DeployError, type DeployErrorCode } from "../errors.ts";

/** What the parts of an SDK error that matter here look like; both clients and the network produce them. */
interface AwsFault {
  name?: string;
  message?: string;
  /** Node's own code of a network error, or the SDK's of a credentials error. */
  code?: string;
  /** The code as ELBv2 sent it (`InvalidTarget`), where `name` is the SDK's class (`InvalidTargetException`). */
  Code?: string;
  /** The action that was asked for, where we noted it. */
  action?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

const throttleCodes = new Set([
  "RequestLimitExceeded",
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "RequestThrottled",
  "EC2ThrottledException",
  "TooManyRequestsException",
  "SlowDown",
  "PriorRequestNotComplete",
]);

const networkCodes = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

const quotaCodes = new Set([
  "InstanceLimitExceeded",
  "MaxSpotInstanceCountExceeded",
  "VcpuLimitExceeded",
]);

/**
 * Codes of a launch that lacks nothing but room: capacity of AWS, of the account, of a host, a reservation or a subnet.
 * Some come with HTTP 5xx though asking again soon does not help.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
 */
const capacityCodes = new Set([
  ...quotaCodes,
  "InsufficientAddressCapacity",
  "InsufficientCapacity",
  "InsufficientCapacityOnHost",
  "InsufficientFreeAddressesInSubnet",
  "InsufficientHostCapacity",
  "InsufficientInstanceCapacity",
  "InsufficientReservedInstanceCapacity",
  "InsufficientVolumeCapacity",
  "ReservationCapacityExceeded",
]);

const deniedCodes = new Set(["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"]);

const credentialCodes = new Set([
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "RequestExpired",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "SignatureDoesNotMatch",
  "MissingAuthenticationToken",
  "TokenProviderError",
]);

/** What the SDK fails with when AWS_ENDPOINT_URL is not a URL. */
const invalidUrl = "ERR_INVALID_URL";

/** The error code as AWS documents it, whichever service and SDK class it came through; "" for anything else. */
export function awsErrorCode(error: unknown): string {
  const fault = asFault(error);
  const code = fault.Code ?? fault.name ?? "";
  return ["Error", "TypeError", "AggregateError"].includes(code) ? (fault.code ?? "") : code;
}

/** AuthFailure is what EC2 says of wrong credentials, but also of an AMI that is not shared with the account. */
function isAboutCredentials(error: unknown): boolean {
  const code = awsErrorCode(error);
  if (code !== "AuthFailure") return credentialCodes.has(code);
  return /credential/i.test(asFault(error).message ?? "");
}

/**
 * Whether the same call may well succeed a moment later: throttling, 5xx other than a lack of capacity, the network.
 * The SDK has already tried three times by then, which takes it a few seconds at most.
 */
export function isTransient(error: unknown): boolean {
  const fault = asFault(error);
  const code = awsErrorCode(error);
  if (capacityCodes.has(code) || isAboutCredentials(error)) return false;
  const status = fault.$metadata?.httpStatusCode ?? 0;
  return (
    throttleCodes.has(code) ||
    status === 429 ||
    status >= 500 ||
    networkCodes.has(fault.code ?? "") ||
    networkCodes.has(code) ||
    ["TimeoutError", "RequestTimeout", "RequestTimeoutException"].includes(code)
  );
}

/**
 * Whether EC2 does not know an instance that another read has just shown. That says nothing of the instance: for some
 * time after a launch, each of EC2's calls learns of it at its own pace.
 * https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
 */
export function isUnknownInstance(error: unknown): boolean {
  return awsErrorCode(error) === "InvalidInstanceID.NotFound";
}

/** Whether TerminateInstances was refused because the instance is protected from it. */
export function isProtected(error: unknown): boolean {
  return awsErrorCode(error) === "OperationNotPermitted";
}

/** Whether a launch was refused, definitely, for want of capacity, quota or addresses: it launched nothing. */
export function isOutOfCapacity(error: unknown): boolean {
  return capacityCodes.has(awsErrorCode(error));
}

/**
 * Puts an SDK error into our words.
 * @param doing what was being done to which resource: "describe the target group my-targets"
 */
export function toDeployError(error: unknown, doing: string): DeployError {
  if (error instanceof DeployError) return error;
  const code = deployErrorCode(error);
  const what =
    code !== "CredentialsMissing"
      ? `could not ${doing}`
      : isAnswered(error)
        ? "AWS does not accept the credentials"
        : "no AWS credentials were found";
  return new DeployError(code, `${what}: ${explain(error)}`, {
    cause: error,
    hint: hintFor(error),
  });
}

/** Whether it was AWS that refused, rather than the SDK before it asked. */
function isAnswered(error: unknown): boolean {
  return !["CredentialsProviderError", "TokenProviderError"].includes(awsErrorCode(error));
}

/** One line of what AWS answered: code and message, without the encoded blob of an authorization failure. */
export function explain(error: unknown): string {
  const fault = asFault(error);
  const code = awsErrorCode(error);
  const message = (fault.message ?? "")
    .replace(/\s*Encoded authorization failure message:.*/s, "")
    .replace(/\s+/g, " ")
    .trim();
  const status = fault.$metadata?.httpStatusCode;
  const request = fault.$metadata?.requestId;
  // Some answers carry no text at all; then the status and request id are what AWS support can work with.
  const rest =
    message ||
    [status && `HTTP ${status}`, request && `request ${request}`].filter(Boolean).join(", ");
  if (code === "CredentialsProviderError") return rest;
  const isDenied = deniedCodes.has(code) && fault.action && !rest.includes(fault.action);
  if (isDenied) return `${code}: ${fault.action}: ${rest}`;
  return code && !rest.includes(code) ? `${code}: ${rest || "no message"}` : rest || String(error);
}

/** Whether AWS_ENDPOINT_URL, or its like in a profile, is not a URL. */
export function isUnusableEndpoint(error: unknown): boolean {
  return asFault(error).code === invalidUrl;
}

/** Whether an error came out of an AWS call at all; anything else is a bug of ours. */
export function isAwsError(error: unknown): boolean {
  return (
    asFault(error).$metadata !== undefined ||
    isUnusableEndpoint(error) ||
    isAboutCredentials(error) ||
    isTransient(error)
  );
}

function deployErrorCode(error: unknown): DeployErrorCode {
  const code = awsErrorCode(error);
  if (isAboutCredentials(error)) return "CredentialsMissing";
  if (deniedCodes.has(code)) return "AccessDenied";
  return isTransient(error) ? "AwsUnreachable" : "AwsError";
}

function hintFor(error: unknown): string | undefined {
  const code = awsErrorCode(error);
  switch (deployErrorCode(error)) {
    case "CredentialsMissing":
      return !isAnswered(error)
        ? "set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in with `aws sso login`, or run on an EC2 host with an IAM role"
        : "renew the credentials and run the same command again";
    case "AccessDenied":
      return "add the action to the IAM policy (the README lists every action) and run the same command again";
    case "AwsUnreachable":
      return "run the same command again when AWS answers; it goes on where this run stopped";
    default:
      if (code === invalidUrl) return "correct AWS_ENDPOINT_URL, or endpoint_url of your profile";
      return capacityCodes.has(code) ? capacityHint(code) : undefined;
  }
}

function capacityHint(code: string): string {
  if (quotaCodes.has(code)) {
    return "ask for a higher quota (Service Quotas), or end instances you can spare, and run the same command again; or choose another instance-type";
  }
  return code === "InsufficientFreeAddressesInSubnet"
    ? "free some addresses, or add subnets of the same zone to subnet-ids, and run the same command again"
    : "wait some minutes and run the same command again, or choose another instance-type or subnet-ids";
}

function asFault(error: unknown): AwsFault {
  return typeof error === "object" && error !== null
    ? (error as AwsFault)
    : { message: String(error) };
}
