import type { Image, InstanceTypeInfo } from "@aws-sdk/client-ec2";
import type { Config } from "../config.ts";
import type { Basics } from "./basics.ts";

/** What is wrong with AMI, instance type and security groups, by themselves and together. */
export function launchProblems(config: Config, basics: Basics): string[] {
  const { image, instanceType } = basics;
  return [
    ...(image === undefined ? [] : availabilityProblems(image)),
    ...(image === undefined || instanceType === undefined
      ? []
      : compatibilityProblems(config, image, instanceType)),
    ...networkProblems(basics),
  ];
}

function availabilityProblems({ ImageId, State, StateReason }: Image): string[] {
  if (State === "available") return [];
  const why = StateReason?.Message ? ` (${StateReason.Message})` : "";
  const mend = State === "pending" ? "wait until it is" : "choose another";
  return [`AMI ${ImageId}: is ${State}${why}, not available; ${mend}`];
}

/** https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ComponentsAMIs.html, and ami-boot.html there for boot modes */
function compatibilityProblems(
  { instanceType: type }: Config,
  image: Image,
  { ProcessorInfo, NetworkInfo, ...offered }: InstanceTypeInfo,
): string[] {
  // An AMI that prefers UEFI boots without it too.
  const bootMode = image.BootMode === "uefi-preferred" ? undefined : image.BootMode;
  const choices: [
    what: string,
    has: string | undefined,
    supported: readonly string[] | undefined,
  ][] = [
    ["architecture", image.Architecture, ProcessorInfo?.SupportedArchitectures],
    ["virtualization type", image.VirtualizationType, offered.SupportedVirtualizationTypes],
    ["root device type", image.RootDeviceType, offered.SupportedRootDeviceTypes],
    ["boot mode", bootMode, offered.SupportedBootModes],
  ];
  const problems = choices.flatMap(([what, has, supported]) =>
    has === undefined || supported === undefined || supported.includes(has)
      ? []
      : `has ${what} ${has}, but ${type} takes ${supported.join(" or ")}`,
  );
  if (NetworkInfo?.EnaSupport === "required" && image.EnaSupport === false) {
    problems.push(`lacks ENA support, which ${type} requires`);
  }
  if (image.TpmSupport !== undefined && offered.NitroTpmSupport === "unsupported") {
    problems.push(`needs a TPM (${image.TpmSupport}), which ${type} has not`);
  }
  return problems.map(
    (problem) => `AMI ${image.ImageId}: ${problem}; choose another AMI or instance-type`,
  );
}

function networkProblems({ securityGroups, group }: Basics): string[] {
  const vpc = group?.vpcId;
  return securityGroups.flatMap(({ GroupId, VpcId }) =>
    vpc === undefined || VpcId === undefined || VpcId === vpc
      ? []
      : `security-group-id: ${GroupId} is in ${VpcId}, but the target group is in ${vpc}; choose one of ${vpc}`,
  );
}
