import { defineAction, dryRunSucceeded } from "../action.ts";
import { AwsError } from "../errors.ts";
import { changeInstance } from "../instances.ts";
import { required } from "../params.ts";
import type { Instance } from "../records.ts";
import { findInstances } from "./find-instances.ts";

/** What can be changed here, by the name of its parameter. */
const ATTRIBUTES = ["DisableApiTermination", "SourceDestCheck"] as const;

/** ModifyInstanceAttribute: one attribute a request (API reference). */
export const modifyInstanceAttribute = defineAction({
  fields: {
    InstanceId: "string",
    DisableApiTermination: { fields: { Value: "boolean" } },
    SourceDestCheck: { fields: { Value: "boolean" } },
    DryRun: "boolean",
  },
  mutates: true,
  run(context, parameters) {
    const id = required("ec2", "InstanceId", parameters.InstanceId);
    const given = ATTRIBUTES.filter((name) => parameters[name]?.Value !== undefined);
    if (given.length !== 1) {
      const text =
        given.length === 0
          ? "No attributes specified."
          : "Fields for multiple attribute types specified";
      throw new AwsError("InvalidParameterCombination", text);
    }
    const [instance] = findInstances(context, [id]);
    if (instance === undefined) throw new Error("a named instance is found, or an error");
    checkState(instance);
    const { DisableApiTermination: protection, SourceDestCheck: check } = parameters;
    if (check !== undefined) checkInterfaces(instance);
    if (parameters.DryRun === true) throw dryRunSucceeded();
    changeInstance(
      context.world,
      id,
      check === undefined
        ? { disableApiTermination: protection?.Value === true }
        : withSourceDestCheck(instance, check.Value === true),
    );
    return { return: true };
  },
});

function checkState({ id, state }: Instance): void {
  if (state !== "terminated") return;
  throw new AwsError(
    "IncorrectInstanceState",
    `The instance '${id}' is not in a state from which its attributes can be modified.`,
  );
}

/** Of several, each has to be named (EC2 guide, error codes: InvalidInstanceID). */
function checkInterfaces({ id, networkInterfaces }: Instance): void {
  if (networkInterfaces.length <= 1) return;
  throw new AwsError(
    "InvalidInstanceID",
    `There are multiple interfaces attached to instance '${id}'. Please specify an interface ID for the operation instead.`,
  );
}

function withSourceDestCheck({ networkInterfaces }: Instance, sourceDestCheck: boolean) {
  return { networkInterfaces: networkInterfaces.map((nic) => ({ ...nic, sourceDestCheck })) };
}
