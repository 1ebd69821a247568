import {
  DescribeAccountLimitsCommand,
  DescribeCapacityReservationCommand,
  DescribeListenerAttributesCommand,
  DescribeListenerCertificatesCommand,
  DescribeListenersCommand,
  DescribeLoadBalancerAttributesCommand,
  DescribeLoadBalancersCommand,
  DescribeRulesCommand,
  DescribeSSLPoliciesCommand,
  DescribeTrustStoreAssociationsCommand,
  DescribeTrustStoreRevocationsCommand,
  DescribeTrustStoresCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { expect, test } from "vitest";
import { addListener, addLoadBalancer, addTargetGroup } from "../../src/simulator/network.ts";
import { errorOf, setUp as setUpAny } from "./clients.ts";

type Attribute = { Key?: string; Value?: string };

const asRecord = (attributes: Attribute[] = []) =>
  Object.fromEntries(attributes.map(({ Key, Value }) => [Key, Value]));

/** A fleet, its listeners and their ARNs. */
async function setUp(options: Parameters<typeof setUpAny>[0] = { secondPort: 9090 }) {
  const base = setUpAny(options);
  const { elb, aws } = base;
  const { Listeners: listeners = [] } = await elb.send(
    new DescribeListenersCommand({ LoadBalancerArn: aws.loadBalancerArn }),
  );
  const arns = listeners.map(({ ListenerArn }) => ListenerArn ?? "");
  const describe = (ListenerArns: string[]) =>
    elb.send(new DescribeListenersCommand({ ListenerArns }));
  const rulesOf = (ListenerArn: string) => elb.send(new DescribeRulesCommand({ ListenerArn }));
  return { ...base, listeners, arns, describe, rulesOf };
}

test("an application load balancer listens for HTTP on 80, and on the port of its second group", async () => {
  const { aws, listeners } = await setUp();
  const ports = [80, 9090];
  const groups = [aws.targetGroupArn, aws.secondTargetGroupArn];
  expect(listeners).toHaveLength(2);
  for (const [index, listener] of listeners.entries()) {
    expect(listener).toMatchObject({
      LoadBalancerArn: aws.loadBalancerArn,
      Protocol: "HTTP",
      Port: ports[index],
      DefaultActions: [
        {
          Type: "forward",
          TargetGroupArn: groups[index],
          ForwardConfig: {
            TargetGroups: [{ TargetGroupArn: groups[index], Weight: 1 }],
            TargetGroupStickinessConfig: { Enabled: false },
          },
        },
      ],
    });
    const name = aws.loadBalancerArn.split(":loadbalancer/")[1];
    expect(listener.ListenerArn).toMatch(
      new RegExp(
        `^arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/${name}/[0-9a-f]{16}$`,
      ),
    );
  }
});

test("a network load balancer listens for TCP; one group, one listener", async () => {
  const { aws, listeners } = await setUp({ loadBalancerType: "network" });
  expect(listeners).toMatchObject([
    { Protocol: "TCP", Port: 80, DefaultActions: [{ TargetGroupArn: aws.targetGroupArn }] },
  ]);
});

test("every load balancer has its own", async () => {
  const { aws, listeners, elb } = await setUp();
  const { world } = aws;
  const other = addLoadBalancer(world, aws.vpcId, [...world.subnets.values()], "network");
  const group = addTargetGroup(world, other, "others", 443);
  const { arn } = addListener(world, other, group, 443);
  const listenersOf = async (LoadBalancerArn: string) => {
    const { Listeners } = await elb.send(new DescribeListenersCommand({ LoadBalancerArn }));
    return Listeners?.map(({ ListenerArn }) => ListenerArn);
  };
  expect(await listenersOf(other.arn)).toEqual([arn]);
  expect(await listenersOf(aws.loadBalancerArn)).toEqual(
    listeners.map(({ ListenerArn }) => ListenerArn),
  );
});

test("listeners are found by ARN and come in pages", async () => {
  const { aws, elb, listeners, arns, describe } = await setUp();
  expect((await describe([arns[1] ?? ""])).Listeners).toEqual([listeners[1]]);
  const paged = { LoadBalancerArn: aws.loadBalancerArn, PageSize: 1 };
  const first = await elb.send(new DescribeListenersCommand(paged));
  expect(first.Listeners).toEqual([listeners[0]]);
  const second = await elb.send(
    new DescribeListenersCommand({ ...paged, Marker: first.NextMarker }),
  );
  expect(second.Listeners).toEqual([listeners[1]]);
  expect(second.NextMarker).toBeUndefined();
});

test("a listener has its default rule, which forwards as it says itself", async () => {
  const { elb, listeners, arns, rulesOf } = await setUp();
  const { Rules } = await rulesOf(arns[1] ?? "");
  expect(Rules).toEqual([
    {
      RuleArn: expect.stringMatching(/:listener-rule\/app\/my-load-balancer(\/[0-9a-f]{16}){3}$/),
      Priority: "default",
      Conditions: [],
      Actions: listeners[1]?.DefaultActions,
      IsDefault: true,
    },
  ]);
  const RuleArns = [Rules?.[0]?.RuleArn ?? ""];
  expect((await elb.send(new DescribeRulesCommand({ RuleArns }))).Rules).toEqual(Rules);
});

test("listeners and rules that are not there are not found, and what is no ARN is refused", async () => {
  const { aws, elb, arns, describe, rulesOf } = await setUp();
  const none = `${arns[0]?.slice(0, -16)}0000000000000000`;
  const listenerNotFound = {
    name: "ListenerNotFoundException",
    status: 400,
    message: "One or more listeners not found",
  };
  expect(await errorOf(describe([none]))).toMatchObject(listenerNotFound);
  expect(await errorOf(rulesOf(none))).toMatchObject(listenerNotFound);
  const attributes = new DescribeListenerAttributesCommand({ ListenerArn: none });
  expect(await errorOf(elb.send(attributes))).toMatchObject(listenerNotFound);
  const certificates = new DescribeListenerCertificatesCommand({ ListenerArn: none });
  expect(await errorOf(elb.send(certificates))).toMatchObject(listenerNotFound);
  const RuleArns = [`${none.replace(":listener/", ":listener-rule/")}/0000000000000000`];
  expect(await errorOf(elb.send(new DescribeRulesCommand({ RuleArns })))).toMatchObject({
    name: "RuleNotFoundException",
  });
  const LoadBalancerArn = `${aws.loadBalancerArn.slice(0, -16)}0000000000000000`;
  const notFound = {
    name: "LoadBalancerNotFoundException",
    message: `Load balancer '${LoadBalancerArn}' not found`,
  };
  const ofBalancer = new DescribeListenersCommand({ LoadBalancerArn });
  expect(await errorOf(elb.send(ofBalancer))).toMatchObject(notFound);
  const balancerAttributes = new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn });
  expect(await errorOf(elb.send(balancerAttributes))).toMatchObject(notFound);
  expect(await errorOf(describe([aws.targetGroupArn]))).toMatchObject({
    name: "ValidationError",
    message: `'${aws.targetGroupArn}' is not a valid listener ARN`,
  });
  const wrong = new DescribeLoadBalancersCommand({ LoadBalancerArns: ["my-load-balancer"] });
  expect(await errorOf(elb.send(wrong))).toMatchObject({
    name: "ValidationError",
    message: "'my-load-balancer' is not a valid load balancer ARN",
  });
});

test("says what it wants to know: the listeners or rules of what, or which ones", async () => {
  const { aws, elb, arns } = await setUp();
  expect(await errorOf(elb.send(new DescribeListenersCommand({})))).toMatchObject({
    name: "ValidationError",
    message: "You must specify either listener ARNs or a load balancer ARN",
  });
  const both = { LoadBalancerArn: aws.loadBalancerArn, ListenerArns: arns };
  expect(await errorOf(elb.send(new DescribeListenersCommand(both)))).toMatchObject({
    name: "ValidationError",
  });
  expect(await errorOf(elb.send(new DescribeRulesCommand({})))).toMatchObject({
    name: "ValidationError",
  });
});

test("load balancers and listeners have AWS's default attributes", async () => {
  const attributesOf = async (loadBalancerType: "application" | "network") => {
    const { aws, elb, arns } = await setUp({ loadBalancerType });
    const balancer = await elb.send(
      new DescribeLoadBalancerAttributesCommand({ LoadBalancerArn: aws.loadBalancerArn }),
    );
    const listener = await elb.send(
      new DescribeListenerAttributesCommand({ ListenerArn: arns[0] ?? "" }),
    );
    return [asRecord(balancer.Attributes), asRecord(listener.Attributes)];
  };
  expect(await attributesOf("application")).toMatchObject([
    {
      "deletion_protection.enabled": "false",
      "access_logs.s3.bucket": "",
      "load_balancing.cross_zone.enabled": "true",
      "idle_timeout.timeout_seconds": "60",
      "routing.http2.enabled": "true",
    },
    { "routing.http.response.server.enabled": "true" },
  ]);
  const network = await attributesOf("network");
  expect(network).toMatchObject([
    { "deletion_protection.enabled": "false", "load_balancing.cross_zone.enabled": "false" },
    { "tcp.idle_timeout.seconds": "350" },
  ]);
  expect(network[0]).not.toHaveProperty(["idle_timeout.timeout_seconds"]);
});

test("no listener has a certificate", async () => {
  const { elb, arns } = await setUp();
  const command = new DescribeListenerCertificatesCommand({ ListenerArn: arns[0] ?? "" });
  expect((await elb.send(command)).Certificates).toEqual([]);
});

test("the account has AWS's default quotas, in pages", async () => {
  const { elb } = setUpAny();
  const limits: Record<string, string | undefined> = {};
  let Marker: string | undefined;
  do {
    const page = await elb.send(new DescribeAccountLimitsCommand({ PageSize: 10, Marker }));
    expect(page.Limits?.length).toBeLessThanOrEqual(10);
    for (const { Name = "", Max } of page.Limits ?? []) limits[Name] = Max;
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  expect(limits).toMatchObject({
    "targets-per-target-group": "1000",
    "targets-per-network-load-balancer": "3000",
    "target-groups": "3000",
  });
});

test("up to 20 load balancers can be asked for by ARN", async () => {
  const { aws, elb } = await setUp();
  const ask = (count: number) => {
    const LoadBalancerArns = Array<string>(count).fill(aws.loadBalancerArn);
    return elb.send(new DescribeLoadBalancersCommand({ LoadBalancerArns }));
  };
  expect((await ask(20)).LoadBalancers).toHaveLength(1);
  expect(await errorOf(ask(21))).toMatchObject({ name: "ValidationError" });
});

test("there is one SSL policy, no trust store, and no reserved capacity", async () => {
  const { elb, aws } = setUpAny();
  const { SslPolicies } = await elb.send(new DescribeSSLPoliciesCommand({}));
  expect(SslPolicies?.map(({ Name }) => Name)).toEqual(["ELBSecurityPolicy-2016-08"]);
  expect(SslPolicies?.[0]?.Ciphers?.[0]).toEqual({
    Name: "ECDHE-ECDSA-AES128-GCM-SHA256",
    Priority: 1,
  });
  expect(await errorOf(elb.send(new DescribeSSLPoliciesCommand({ Names: ["x"] })))).toMatchObject({
    code: "SSLPolicyNotFound",
  });
  expect((await elb.send(new DescribeTrustStoresCommand({}))).TrustStores).toEqual([]);
  const TrustStoreArn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:truststore/x/1";
  for (const refused of [
    elb.send(new DescribeTrustStoresCommand({ Names: ["x"] })),
    elb.send(new DescribeTrustStoreAssociationsCommand({ TrustStoreArn })),
    elb.send(new DescribeTrustStoreRevocationsCommand({ TrustStoreArn })),
  ]) {
    expect(await errorOf(refused)).toMatchObject({ code: "TrustStoreNotFound", status: 400 });
  }
  const { loadBalancerArn: LoadBalancerArn } = aws;
  const reserved = await elb.send(new DescribeCapacityReservationCommand({ LoadBalancerArn }));
  expect(reserved.CapacityReservationState).toEqual([]);
});
