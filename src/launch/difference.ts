import type {
  EbsBlockDevice,
  Instance as Ec2Instance,
  RunInstancesCommandInput,
} from "@aws-sdk/client-ec2";
import type { LaunchSource } from "../aws/ec2.ts";
import type { LaunchTemplate } from "../launch.ts";

/** One thing a replacement will have otherwise than the instance it replaces, in plain words. */
export interface Difference {
  readonly setting: string;
  readonly from: string;
  readonly to: string;
  /** Absent where config.json or the command line says so. */
  readonly reason?: string;
}

/** A launch that has been derived, and what from. */
export interface Comparison {
  readonly source: LaunchSource;
  readonly old: Ec2Instance;
  readonly input: RunInstancesCommandInput;
  readonly template: LaunchTemplate;
}

/** What is said where there is nothing. */
export const none = "none";

/** What a device of the replacement will be: the AMI's mapping, changed by the request's. */
export function volumeAt({ input, template }: Comparison, device = ""): EbsBlockDevice | undefined {
  const [asked, given] = [input.BlockDeviceMappings, template.image.BlockDeviceMappings].map(
    (mappings) => mappings?.find(({ DeviceName }) => DeviceName === device)?.Ebs,
  );
  return asked === undefined && given === undefined ? undefined : { ...given, ...asked };
}

/** The difference between two values, as a list: empty where they are the same. */
export function differ(
  setting: string,
  from: string | number = none,
  to: string | number = none,
  reason?: string,
): Difference[] {
  if (from === to) return [];
  const difference = { setting, from: `${from}`, to: `${to}` };
  return [reason === undefined ? difference : { ...difference, reason }];
}

/** Items in the order of the alphabet. */
export function listed(items: readonly string[]): string {
  return items.length === 0 ? none : [...items].sort().join(", ");
}

/** A switch, in words. */
export function onOff(is: boolean | undefined): string {
  return is ? "on" : "off";
}

/** A size, with its unit. */
export function gib(size: number | undefined): string {
  return `${size ?? "unknown"} GiB`;
}
