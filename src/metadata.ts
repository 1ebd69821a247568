import { getInstanceMetadataEndpoint, httpRequest } from "@smithy/credential-provider-imds";

/** Elsewhere than on an EC2 host nothing answers. In milliseconds. */
const answerLimitMs = 1000;

const tokenHeader = "x-aws-ec2-metadata-token";

/**
 * The id of the EC2 instance that the program runs on; undefined elsewhere, or where the metadata service is off or out
 * of reach. Version 2 of the service where it answers, else version 1.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 */
export async function readOwnInstanceId(): Promise<string | undefined> {
  try {
    const endpoint = { ...(await getInstanceMetadataEndpoint()), timeout: answerLimitMs };
    const token = await httpRequest({
      ...endpoint,
      path: "/latest/api/token",
      method: "PUT",
      headers: { "x-aws-ec2-metadata-token-ttl-seconds": "60" },
    }).catch(() => undefined);
    const id = await httpRequest({
      ...endpoint,
      path: "/latest/meta-data/instance-id",
      method: "GET",
      headers: token === undefined ? {} : { [tokenHeader]: token.toString() },
    });
    return id.toString().trim() || undefined;
  } catch {
    return undefined;
  }
}
