import { AwsError } from "../errors.ts";
import { required } from "../params.ts";
import type { TargetGroup } from "../records.ts";
import type { World } from "../world.ts";

/**
 * The target group of this ARN. Throws AwsError ValidationError for what is no target group ARN,
 * TargetGroupNotFound for one that names none.
 */
export function findTargetGroup(world: World, arn: string | undefined): TargetGroup {
  const given = required("elasticloadbalancing", "TargetGroupArn", arn);
  if (!/^arn:aws[^:]*:elasticloadbalancing:[^:]+:\d{12}:targetgroup\/[^/]+\/[^/]+$/.test(given)) {
    throw new AwsError("ValidationError", `'${given}' is not a valid target group ARN`);
  }
  const group = world.targetGroups.get(given);
  if (group === undefined) {
    throw new AwsError("TargetGroupNotFound", "One or more target groups not found");
  }
  return group;
}
