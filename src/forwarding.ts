import { primaryInterface } from "./launch/network.ts";
import type { Instance } from "./snapshot.ts";

/**
 * Whether an instance takes and sends packets that are not its own, as NAT instances and routers of containers do: the
 * source/destination check of its primary network interface is off.
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NetworkInterface.html
 */
export function isForwarding({ source }: Instance): boolean {
  return (primaryInterface(source)?.SourceDestCheck ?? source.SourceDestCheck) === false;
}

/** The same instance with that check off. */
export function asForwarding(instance: Instance): Instance {
  const { source } = instance;
  const primary = primaryInterface(source);
  const NetworkInterfaces = source.NetworkInterfaces?.map((one) =>
    one === primary ? { ...one, SourceDestCheck: false } : one,
  );
  return { ...instance, source: { ...source, SourceDestCheck: false, NetworkInterfaces } };
}
