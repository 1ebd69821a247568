import { type Action, dryRunSucceeded } from "./action.ts";
import { EC2_ACTIONS } from "./ec2.ts";
import { ELBV2_ACTIONS } from "./elbv2.ts";
import { AwsError } from "./errors.ts";
import { newRequestId } from "./ids.ts";
import { readParameters } from "./params.ts";
import { checkPermissions } from "./permissions.ts";
import {
  API_VERSIONS,
  errorResponse,
  type FormRequest,
  parseForm,
  type Service,
  successResponse,
  type WireResponse,
} from "./query.ts";
import type { WireRecord } from "./records.ts";
import { STS_ACTIONS } from "./sts.ts";
import { takeTokens } from "./token-buckets.ts";
import type { World } from "./world.ts";

const ACTIONS: Readonly<Record<Service, ReadonlyMap<string, Action>>> = {
  ec2: EC2_ACTIONS,
  elasticloadbalancing: ELBV2_ACTIONS,
  sts: STS_ACTIONS,
};

/**
 * Whether an action may change something. Of actions that are not simulated, which change nothing
 * here, those of AWS do whose name does not say that they only read.
 */
export function isMutating(service: Service, action: string): boolean {
  return ACTIONS[service].get(action)?.mutates ?? !/^(Describe|Get|List)/.test(action);
}

/** A request, routed. */
export interface Call extends FormRequest {
  readonly service: Service;
  /** The client, where it has a name. */
  readonly caller?: string;
  /** That its answer is to carry. Default: one of its own. */
  readonly requestId?: string;
}

/**
 * Finds out which service a request is for: from the credential scope of its SigV4 signature, else
 * from its version. Undefined when neither says.
 */
export function parseCall(body: string, authorization: string | undefined): Call | undefined {
  const form = parseForm(body);
  const scoped = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\/aws4_request/.exec(
    authorization ?? "",
  )?.[1];
  const services = Object.keys(API_VERSIONS) as Service[];
  const service =
    services.find((name) => name === scoped) ??
    services.find((name) => API_VERSIONS[name] === form.version);
  return service === undefined ? undefined : { ...form, service };
}

/**
 * Lets the world answer a call. Never throws for what a caller can get wrong: that is an error
 * answer.
 */
export function answerCall(world: World, call: Call, asOfMs?: number): WireResponse {
  const { service, action, caller, requestId = newRequestId(world) } = call;
  try {
    const result = world.actAs({ by: "request", service, action, caller }, () =>
      run(world, call, asOfMs),
    );
    return successResponse(service, action, requestId, result);
  } catch (error) {
    if (error instanceof AwsError) return errorResponse(service, requestId, error);
    throw error;
  }
}

function run(world: World, call: Call, asOfMs?: number): WireRecord {
  const action = ACTIONS[call.service].get(call.action);
  if (call.version !== API_VERSIONS[call.service]) {
    throw new AwsError(
      "NoSuchVersion",
      `The requested version (${call.version}) is not supported.`,
    );
  }
  if (action === undefined) {
    throw new AwsError(
      "InvalidAction",
      `The action ${call.action} is not valid for this web service.`,
    );
  }
  takeTokens(world, call);
  const parameters = readParameters(call.service, action.fields, call.parameters);
  checkPermissions(world, call);
  const context = action.mutates ? { world } : { world, asOfMs };
  const result = action.run(context, parameters as never);
  if (!action.mutates && "DryRun" in parameters && parameters.DryRun === true)
    throw dryRunSucceeded();
  return result;
}
