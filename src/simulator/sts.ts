import { type Action, defineAction } from "./action.ts";

/** The user every request of a simulated account comes from; AWS's own example of a user id. */
const CALLER = { name: "operator", id: "AIDACKCEVSQ6C2EXAMPLE" };

/** GetCallerIdentity: who the credentials belong to; needs no permission and has no parameters. */
const getCallerIdentity = defineAction({
  fields: {},
  run({ world: { accountId } }) {
    return {
      Arn: `arn:aws:iam::${accountId}:user/${CALLER.name}`,
      UserId: CALLER.id,
      Account: accountId,
    };
  },
});

/** The actions of STS that are understood; every other name is answered with InvalidAction. */
export const STS_ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["GetCallerIdentity", getCallerIdentity],
]);
