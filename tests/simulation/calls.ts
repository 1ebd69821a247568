import { isMutating } from "../../src/simulator/api.ts";
import type { RequestRecord } from "../../src/simulator/handler.ts";

type Call = Pick<RequestRecord, "service" | "action" | "params">;

/** Whether a call is to change anything: it is no read, and nothing that EC2 is only asked about. */
export function isChange({ service, action, params }: Call): boolean {
  return isMutating(service, action) && params.get("DryRun") !== "true";
}

/** Whether a call is to change the fleet, and not only the lock. */
export function isFleetChange(call: Call): boolean {
  return isChange(call) && !["AddTags", "RemoveTags"].includes(call.action);
}

/** The numbers of these calls, from the first that changes anything: who dies before it leaves nothing behind. */
export function fromFirstChange(requests: readonly RequestRecord[]): number[] {
  const first = requests.findIndex(isChange);
  return requests.slice(first).map(({ sequence }) => sequence);
}
