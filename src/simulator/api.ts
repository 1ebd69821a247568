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
  /** What came of it before, where it is one that comes again and again with the same request id. */
  readonly known?: KnownCall;
}

/** What came of a call before, so that neither it nor the same answer is put together twice. */
export interface KnownCall {
  parameters?: object;
  /** Answers, by the versions of the tables that they came from. */
  readonly answers: Map<string, WireResponse>;
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
    const respond = (result: WireRecord) => successResponse(service, action, requestId, result);
    return world.actAs({ by: "request", service, action, caller }, () =>
      run(world, call, respond, asOfMs),
    );
  } catch (error) {
    if (error instanceof AwsError) return errorResponse(service, requestId, error);
    throw error;
  }
}

function run(
  world: World,
  call: Call,
  respond: (result: WireRecord) => WireResponse,
  asOfMs?: number,
): WireResponse {
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
  const { service, parameters: sent, known } = call;
  const parameters = known?.parameters ?? readParameters(service, action.fields, sent);
  if (known !== undefined) known.parameters = parameters;
  checkPermissions(world, call);
  const versions = action.tables?.map((table) => world[table].version(asOfMs)).join();
  const before = versions === undefined ? undefined : known?.answers.get(versions);
  if (before !== undefined) return before;
  const context = action.mutates ? { world } : { world, asOfMs };
  const result = action.run(context, parameters as never);
  if (!action.mutates && "DryRun" in parameters && parameters.DryRun === true)
    throw dryRunSucceeded();
  const response = respond(result);
  if (versions !== undefined) known?.answers.set(versions, response);
  return response;
}
