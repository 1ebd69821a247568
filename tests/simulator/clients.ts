import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { createVirtualClock } from "../../src/simulator/clock.ts";
import { createSimulatedAws, type SimulatedAwsOptions } from "../../src/simulator/fleet.ts";
import { createRequestHandler, type HandlerOptions } from "../../src/simulator/handler.ts";

/** A simulated AWS, its clock, and real SDK clients of it that never retry. */
export function setUp(options: Omit<SimulatedAwsOptions, "clock"> & HandlerOptions = {}) {
  const clock = createVirtualClock();
  const aws = createSimulatedAws({ ...options, clock });
  const { handler, ec2, elb } = connect(aws, options);
  return { clock, aws, handler, ec2, elb };
}

/** A pair of SDK clients of one process: they share a handler. */
export function connect(
  aws: ReturnType<typeof createSimulatedAws>,
  { staleReadsMs, lagIsConstant, faults }: HandlerOptions = {},
) {
  const handler = createRequestHandler(aws, { staleReadsMs, lagIsConstant, faults });
  const config = {
    region: aws.world.region,
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
    requestHandler: handler,
  };
  return { handler, ec2: new EC2Client(config), elb: new ElasticLoadBalancingV2Client(config) };
}

/** What a rejected promise was rejected with, in the words of AWS. */
export async function errorOf(promise: Promise<unknown>) {
  try {
    await promise;
  } catch (error) {
    const { name, message, $metadata, Code, code } = error as Error & {
      $metadata?: { httpStatusCode?: number; requestId?: string };
      Code?: string;
      code?: string;
    };
    const { httpStatusCode: status, requestId } = $metadata ?? {};
    return { name, message, status, requestId, code: Code ?? code };
  }
  throw new Error("the request succeeded");
}
