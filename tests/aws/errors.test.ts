import { EC2ServiceException } from "@aws-sdk/client-ec2";
import { InvalidTargetException } from "@aws-sdk/client-elastic-load-balancing-v2";
import { describe, expect, test } from "vitest";
import {
  awsErrorCode,
  explain,
  isAwsError,
  isOutOfCapacity,
  isTransient,
  toDeployError,
} from "../../src/aws/errors.ts";
import { DeployError } from "../../src/errors.ts";

/** An error as the SDK throws it for an answer of AWS. */
function answer(name: string, httpStatusCode: number, message = "Something is wrong."): Error {
  const $fault = httpStatusCode >= 500 ? "server" : "client";
  const $metadata = { httpStatusCode, requestId: "request-1" };
  return new EC2ServiceException({ name, $fault, $metadata, message });
}

/** An error as Node throws it when a connection fails. */
function networkError(code: string): Error {
  return Object.assign(new Error(`connect ${code} 192.0.2.1:443`), { code, syscall: "connect" });
}

/** An error of which nothing but the name tells. */
function named(name: string, message = "Something is wrong."): Error {
  return Object.assign(new Error(message), { name });
}

/** How ELBv2's modelled errors arrive: the SDK names the class, AWS's own code stands beside it. */
const invalidTarget = Object.assign(
  new InvalidTargetException({
    $metadata: { httpStatusCode: 400, requestId: "request-1" },
    message: "The following targets are not in a running state and cannot be registered: 'i-1'",
  }),
  { Code: "InvalidTarget" },
);

describe("the code of an error", () => {
  test.each<[string, unknown, string]>([
    ["EC2's", answer("InvalidInstanceID.NotFound", 400), "InvalidInstanceID.NotFound"],
    ["ELBv2's own, not the SDK's class", invalidTarget, "InvalidTarget"],
    ["ELBv2's where no class is modelled", answer("Throttling", 400), "Throttling"],
    ["Node's", networkError("ECONNRESET"), "ECONNRESET"],
    ["the SDK's of credentials", named("CredentialsProviderError"), "CredentialsProviderError"],
    ["none of a bug", new TypeError("x is not a function"), ""],
    ["none of what is no error", "failed", ""],
    ["none of nothing", undefined, ""],
  ])("is %s", (_name, error, code) => {
    expect(awsErrorCode(error)).toBe(code);
  });
});

describe("an error is worth another try", () => {
  test.each<[string, Error]>([
    ["EC2 throttles", answer("RequestLimitExceeded", 503)],
    ["EC2 throttles, whatever the status", answer("RequestLimitExceeded", 400)],
    ["ELBv2 throttles", answer("Throttling", 400, "Rate exceeded")],
    ["ELBv2 throttles in the words of its documentation", answer("ThrottlingException", 400)],
    ["ELBv2 is busy", answer("PriorRequestNotComplete", 429)],
    ["anybody throttles", answer("Unheard", 429)],
    ["EC2 fails", answer("InternalError", 500)],
    ["ELBv2 fails", answer("InternalFailure", 500)],
    ["target health cannot be read", answer("HealthUnavailable", 500)],
    ["EC2 is unavailable", answer("Unavailable", 503)],
    ["a proxy fails", answer("Unheard", 502)],
    ["a gateway gives up", answer("Unheard", 504)],
    ...[
      "ECONNRESET",
      "ECONNREFUSED",
      "EPIPE",
      "ETIMEDOUT",
      "EHOSTUNREACH",
      "ENETUNREACH",
      "ENOTFOUND",
      "EAI_AGAIN",
    ].map((code): [string, Error] => [`the network fails: ${code}`, networkError(code)]),
    [
      "none of several addresses answers",
      Object.assign(new AggregateError([networkError("ECONNREFUSED")]), { code: "ECONNREFUSED" }),
    ],
    ["the SDK has waited too long", named("TimeoutError")],
    ["AWS has waited too long", answer("RequestTimeout", 400)],
  ])("when %s", (_name, error) => {
    expect(isTransient(error)).toBe(true);
  });
});

describe("an error is final", () => {
  test.each<[string, unknown]>([
    ["there is no capacity, though that is HTTP 500", answer("InsufficientInstanceCapacity", 500)],
    ["no host has room, though that is HTTP 500", answer("InsufficientHostCapacity", 500)],
    ["a quota is used up", answer("VcpuLimitExceeded", 400)],
    ["EC2 forbids it", answer("UnauthorizedOperation", 403)],
    ["ELBv2 forbids it", answer("AccessDenied", 403)],
    ["there are no credentials", named("CredentialsProviderError")],
    ["the credentials have ended", answer("RequestExpired", 400)],
    ["the credentials are wrong", answer("AuthFailure", 401)],
    ["an instance is unknown", answer("InvalidInstanceID.NotFound", 400)],
    ["a target is refused", invalidTarget],
    ["a target group is unknown", answer("TargetGroupNotFound", 400)],
    ["a parameter is wrong", answer("InvalidParameterCombination", 400)],
    ["it would have succeeded", answer("DryRunOperation", 412)],
    ["it is a bug", new TypeError("x is not a function")],
    ["it is no error", undefined],
  ])("when %s", (_name, error) => {
    expect(isTransient(error)).toBe(false);
  });
});

describe("an error comes from AWS, not from a bug of ours", () => {
  test.each<[string, unknown, boolean]>([
    ["an answer", answer("InvalidParameterValue", 400), true],
    ["no credentials", named("CredentialsProviderError"), true],
    ["no network", networkError("ECONNREFUSED"), true],
    ["a TypeError", new TypeError("x is not a function"), false],
    ["a plain error", new Error("a slot without an old instance"), false],
  ])("%s", (_name, error, expected) => {
    expect(isAwsError(error)).toBe(expected);
  });
});

describe("a launch was refused for want of room", () => {
  test.each([
    ["InsufficientInstanceCapacity", 500, true],
    ["VcpuLimitExceeded", 400, true],
    ["InsufficientFreeAddressesInSubnet", 400, true],
    ["Unsupported", 400, false],
    ["InternalError", 500, false],
    ["RequestLimitExceeded", 503, false],
    ["InvalidParameterValue", 400, false],
  ])("%s: HTTP %i, %s", (code, status, expected) => {
    expect(isOutOfCapacity(answer(code, status))).toBe(expected);
    if (expected) expect(isTransient(answer(code, status))).toBe(false);
  });
});

describe("an error in one line", () => {
  test("has code and message", () => {
    const error = answer("InvalidAMIID.NotFound", 400, "The image id '[ami-1]' does not exist");
    expect(explain(error)).toBe("InvalidAMIID.NotFound: The image id '[ami-1]' does not exist");
    expect(explain(invalidTarget)).toMatch(/^InvalidTarget: The following targets are not/);
  });

  test("does not hold the encoded blob of an authorization failure, but the reason before it", () => {
    const message =
      "You are not authorized to perform this operation. User: arn:user is not authorized to perform: " +
      "ec2:RunInstances on resource: arn:instance because no identity-based policy allows the " +
      "ec2:RunInstances action. Encoded authorization failure message: kA9x-blob_of\nmany_lines";
    const line = explain(answer("UnauthorizedOperation", 403, message));
    expect(line).toMatch(/^UnauthorizedOperation: You are not authorized/);
    expect(line).toMatch(/ec2:RunInstances action\.$/);
  });

  test("is one line, whatever AWS sends", () => {
    expect(explain(answer("InternalError", 500, "An error\n  occurred\r\n"))).toBe(
      "InternalError: An error occurred",
    );
  });

  test("says what AWS support can work with where there is no message", () => {
    expect(explain(answer("Unavailable", 503, ""))).toMatch(/^Unavailable: .*503.*request-1/);
  });

  test("does not repeat a code that the message begins with", () => {
    expect(explain(answer("Throttling", 400, "Throttling: Rate exceeded"))).toBe(
      "Throttling: Rate exceeded",
    );
  });

  test("exists for anything that can be thrown", () => {
    expect(explain("failed")).toBe("failed");
    expect(explain(undefined)).toBe("undefined");
  });

  test("names the failure of a connection where none of several addresses answers", () => {
    const refused = [networkError("ECONNREFUSED"), networkError("ECONNREFUSED")];
    const error = Object.assign(new AggregateError(refused), { code: "ECONNREFUSED" });
    expect(explain(error)).toContain("ECONNREFUSED");
  });
});

describe("an error in our words", () => {
  test.each<[string, Error, string, RegExp | undefined]>([
    ["no credentials", named("CredentialsProviderError"), "CredentialsMissing", /AWS_PROFILE/],
    ["ended credentials", answer("RequestExpired", 400), "CredentialsMissing", /renew/],
    ["ended session", answer("ExpiredToken", 400), "CredentialsMissing", /renew/],
    [
      "wrong credentials",
      answer("AuthFailure", 401, "AWS was not able to validate the provided access credentials"),
      "CredentialsMissing",
      /renew/,
    ],
    ["EC2's refusal", answer("UnauthorizedOperation", 403), "AccessDenied", /IAM policy/],
    ["ELBv2's refusal", answer("AccessDenied", 403), "AccessDenied", /IAM policy/],
    ["throttling", answer("Throttling", 400), "AwsUnreachable", /run the same command again/],
    ["an outage", answer("InternalError", 500), "AwsUnreachable", /run the same command again/],
    ["no network", networkError("ENOTFOUND"), "AwsUnreachable", /run the same command again/],
    [
      "a lack of capacity",
      answer("InsufficientInstanceCapacity", 500),
      "AwsError",
      /another instance-type or subnet-ids/,
    ],
    ["anything else", answer("InvalidParameterValue", 400), "AwsError", undefined],
  ])("%s is told by code, and with what to do", (_name, error, code, hint) => {
    const told = toDeployError(error, "describe the target group web");
    expect(told.code).toBe(code);
    expect(told.message).toContain(explain(error));
    expect(told.message).toMatch(
      code === "CredentialsMissing" ? /credentials/ : /^could not describe the target group web: /,
    );
    expect(told.cause).toBe(error);
    if (hint === undefined) expect(told.hint).toBeUndefined();
    else expect(told.hint).toMatch(hint);
  });

  test("tells credentials that nobody has from those that AWS does not accept", () => {
    const none = toDeployError(named("CredentialsProviderError", "Could not load"), "do this");
    expect(none.message).toMatch(/^no AWS credentials were found: .*Could not load/);
    const ended = toDeployError(answer("ExpiredToken", 400, "The token has expired"), "do this");
    expect(ended.message).toMatch(/not accept the credentials: .*The token has expired/);
  });

  test("stays as it is where it is in our words already", () => {
    const error = new DeployError("ReplacementFailed", "instance i-1 was not healthy");
    expect(toDeployError(error, "do something else")).toBe(error);
  });
});
