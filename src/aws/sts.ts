import { GetCallerIdentityCommand, type STSClient } from "@aws-sdk/client-sts";

/** Whom the credentials belong to. */
export interface Caller {
  /** Twelve digits. */
  readonly account: string;
  readonly arn: string;
}

/**
 * Who is asking.
 * https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html (it needs no permission)
 */
export async function describeCaller(sts: STSClient): Promise<Caller> {
  const { Account = "", Arn = "" } = await sts.send(new GetCallerIdentityCommand({}));
  return { account: Account, arn: Arn };
}
