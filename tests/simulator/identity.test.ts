import { expect, test } from "vitest";
import { answerCall, parseCall } from "../../src/simulator/api.ts";
import { setUp } from "./clients.ts";

const SCOPE = "AWS4-HMAC-SHA256 Credential=AKID/20260105/eu-west-1/sts/aws4_request, Signature=x";

function ask(body: string, authorization?: string) {
  const call = parseCall(body, authorization);
  if (call === undefined) throw new Error("not routed");
  return answerCall(setUp().aws.world, call);
}

test.each([undefined, SCOPE])("STS says who the caller is (signature: %s)", (authorization) => {
  const { status, headers, body } = ask(
    "Action=GetCallerIdentity&Version=2011-06-15",
    authorization,
  );
  expect(status).toBe(200);
  expect(body).toBe(
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
      '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' +
      "<GetCallerIdentityResult><Arn>arn:aws:iam::123456789012:user/operator</Arn>" +
      "<UserId>AIDACKCEVSQ6C2EXAMPLE</UserId><Account>123456789012</Account>" +
      "</GetCallerIdentityResult><ResponseMetadata>" +
      `<RequestId>${headers["x-amzn-requestid"]}</RequestId></ResponseMetadata>` +
      "</GetCallerIdentityResponse>",
  );
});

test.each([
  ["Action=AssumeRole&Version=2011-06-15", "InvalidAction"],
  ["Action=GetCallerIdentity&Version=2016-11-15", "NoSuchVersion"],
  ["Action=GetCallerIdentity&Version=2011-06-15&Colour=red", "ValidationError"],
])("STS refuses %s in the envelope of AWS query", (body, code) => {
  const answer = ask(body, SCOPE);
  expect(answer.status).toBe(400);
  expect(answer.body).toContain(
    '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>' +
      `<Type>Sender</Type><Code>${code}</Code>`,
  );
});
