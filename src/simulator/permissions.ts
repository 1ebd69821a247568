import type { Call } from "./api.ts";
import { AwsError } from "./errors.ts";
import { callerArn } from "./sts.ts";
import type { World } from "./world.ts";

/** One permission that a call needs: the action as IAM names it, and what it is done to. */
interface Need {
  readonly action: string;
  /** Undefined for actions that can only be allowed for everything (Service Authorization Reference). */
  readonly resource?: string;
}

type Parameters = Call["parameters"];

/**
 * Throws AwsError UnauthorizedOperation (EC2) or AccessDenied (the others), 403, where the caller may
 * not do what a call is about. AWS looks at this before anything the call names.
 */
export function checkPermissions(world: World, call: Call): void {
  const denied = needsOf(world, call).find(({ action }) => world.deniedActions.has(action));
  if (denied !== undefined) {
    throw refusal(
      world,
      call,
      denied,
      `because no identity-based policy allows the ${denied.action} action`,
    );
  }
  const managed = managedInstance(world, call);
  if (managed !== undefined) {
    throw refusal(world, call, managed, "with an explicit deny in a resource-based policy");
  }
}

/** An instance that is managed by a service can only be changed by that (EC2 guide, managed instances). */
function managedInstance(world: World, { service, action, parameters }: Call): Need | undefined {
  if (service !== "ec2" || action.startsWith("Describe")) return undefined;
  const ids = [...parameters].filter(([name]) => /^InstanceId(\.|$)/.test(name));
  const [, id] = ids.find(([, each]) => world.instances.get(each)?.operator !== undefined) ?? [];
  if (id === undefined) return undefined;
  return { action: `ec2:${action}`, resource: arnOf(world, `instance/${id}`) };
}

function refusal(world: World, call: Call, { action, resource }: Need, because: string): AwsError {
  const where = resource === undefined ? "" : ` on resource: ${resource}`;
  const text = `User: ${callerArn(world)} is not authorized to perform: ${action}${where} ${because}`;
  if (call.service !== "ec2") return new AwsError("AccessDenied", text, 403);
  // Only what changes something is refused with more, which sts:DecodeAuthorizationMessage decodes.
  const encoded = call.action.startsWith("Describe")
    ? ""
    : `. Encoded authorization failure message: ${encodedMessage(world, text)}`;
  return new AwsError(
    "UnauthorizedOperation",
    `You are not authorized to perform this operation. ${text}${encoded}`,
    403,
  );
}

function arnOf({ region, accountId }: World, resource: string): string {
  return `arn:aws:ec2:${region}:${accountId}:${resource}`;
}

function encodedMessage(world: World, text: string): string {
  return Buffer.from(world.random.hex(`denied:${text}`, 480), "hex").toString("base64url");
}

function needsOf(world: World, { service, action, parameters }: Call): readonly Need[] {
  const own = { action: `${service}:${action}` };
  if (service === "elasticloadbalancing") {
    return [
      { ...own, resource: action.startsWith("Describe") ? undefined : elbResource(parameters) },
    ];
  }
  if (service !== "ec2") return [own];
  if (action === "RunInstances") return launchNeeds(world, parameters);
  const isRead = action.startsWith("Describe") && action !== "DescribeInstanceAttribute";
  const id =
    parameters.get("InstanceId.1") ??
    parameters.get("InstanceId") ??
    parameters.get("ResourceId.1");
  if (isRead || id === undefined) return [own];
  const kind = id.startsWith("vol-") ? "volume" : "instance";
  return [{ ...own, resource: arnOf(world, `${kind}/${id}`) }];
}

/** A launch needs more than itself for the tags and the role that it gives (EC2 guide, IAM policies). */
function launchNeeds(world: World, parameters: Parameters): readonly Need[] {
  const needs: Need[] = [{ action: "ec2:RunInstances", resource: arnOf(world, "instance/*") }];
  const names = [...parameters.keys()];
  if (names.some((name) => name.startsWith("TagSpecification."))) {
    const kind = parameters.get("TagSpecification.1.ResourceType") ?? "instance";
    needs.push({ action: "ec2:CreateTags", resource: arnOf(world, `${kind}/*`) });
  }
  const profile =
    parameters.get("IamInstanceProfile.Arn") ?? parameters.get("IamInstanceProfile.Name");
  if (profile !== undefined) {
    // The role of a profile made in the console bears the profile's name.
    const role = profile.slice(profile.lastIndexOf("/") + 1);
    needs.push({
      action: "iam:PassRole",
      resource: `arn:aws:iam::${world.accountId}:role/${role}`,
    });
  }
  return needs;
}

function elbResource(parameters: Parameters): string | undefined {
  return parameters.get("ResourceArns.member.1") ?? parameters.get("TargetGroupArn");
}
