import { type Action, defineAction } from "./action.ts";
import type { World } from "./world.ts";

/** The user every request of a simulated account comes from; AWS's own example of a user id. */
const CALLER = { name: "operator", id: "AIDACKCEVSQ6C2EXAMPLE" };

/** The ARN of that user. */
export function callerArn({ accountId }: Pick<World, "accountId">): string {
  return `arn:aws:iam::${accountId}:user/${CALLER.name}`;
}

/** GetCallerIdentity: who the credentials belong to; needs no permission and has no parameters. */
const getCallerIdentity = defineAction({
  fields: {},
  run({ world }) {
    return { Arn: callerArn(world), UserId: CALLER.id, Account: world.accountId };
  },
});

/** The actions of STS that are understood; every other name is answered with InvalidAction. */
export const STS_ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["GetCallerIdentity", getCallerIdentity],
]);
