import { defineAction } from "../action.ts";
import { AwsError } from "../errors.ts";
import { required } from "../params.ts";
import { MARKED, markedPage } from "./paging.ts";

/** The one policy that is listed: AWS's default for TLS listeners made by its API (ALB guide, security policies). */
const SSL_POLICIES = [
  {
    Name: "ELBSecurityPolicy-2016-08",
    SslProtocols: ["TLSv1", "TLSv1.1", "TLSv1.2"],
    SupportedLoadBalancerTypes: ["application", "network"],
    Ciphers: [
      "ECDHE-ECDSA-AES128-GCM-SHA256",
      "ECDHE-RSA-AES128-GCM-SHA256",
      "ECDHE-ECDSA-AES128-SHA256",
      "ECDHE-RSA-AES128-SHA256",
      "ECDHE-ECDSA-AES128-SHA",
      "ECDHE-RSA-AES128-SHA",
      "ECDHE-ECDSA-AES256-GCM-SHA384",
      "ECDHE-RSA-AES256-GCM-SHA384",
      "ECDHE-ECDSA-AES256-SHA384",
      "ECDHE-RSA-AES256-SHA384",
      "ECDHE-RSA-AES256-SHA",
      "ECDHE-ECDSA-AES256-SHA",
      "AES128-GCM-SHA256",
      "AES128-SHA256",
      "AES128-SHA",
      "AES256-GCM-SHA384",
      "AES256-SHA256",
      "AES256-SHA",
    ].map((Name, index) => ({ Name, Priority: index + 1 })),
  },
];

/** DescribeSSLPolicies: by name, by type of load balancer, or all. */
export const describeSslPolicies = defineAction({
  fields: { ...MARKED, Names: { list: "string" }, LoadBalancerType: "string" },
  run(_context, parameters) {
    const { Names: names = [], LoadBalancerType: type } = parameters;
    if (names.some((name) => !SSL_POLICIES.some(({ Name }) => Name === name))) {
      throw new AwsError("SSLPolicyNotFound", "One or more SSL policies not found");
    }
    const found = SSL_POLICIES.filter(
      ({ SupportedLoadBalancerTypes: types }) => type === undefined || types.includes(type),
    );
    const page = markedPage(found, parameters);
    return { SslPolicies: page.items, NextMarker: page.nextMarker };
  },
});

/** DescribeTrustStores: there are none. */
export const describeTrustStores = defineAction({
  fields: { ...MARKED, TrustStoreArns: { list: "string" }, Names: { list: "string" } },
  run(_context, { TrustStoreArns: arns = [], Names: names = [] }) {
    if (arns.length > 0 || names.length > 0) throw trustStoreNotFound();
    return { TrustStores: [] };
  },
});

/** DescribeTrustStoreAssociations, which none can have. */
export const describeTrustStoreAssociations = defineAction({
  fields: { ...MARKED, TrustStoreArn: "string" },
  run: (_context, { TrustStoreArn: arn }) => ofTrustStore(arn),
});

/** DescribeTrustStoreRevocations, which none can have. */
export const describeTrustStoreRevocations = defineAction({
  fields: { ...MARKED, TrustStoreArn: "string", RevocationIds: { list: "integer" } },
  run: (_context, { TrustStoreArn: arn }) => ofTrustStore(arn),
});

function ofTrustStore(arn: string | undefined): never {
  required("elasticloadbalancing", "TrustStoreArn", arn);
  throw trustStoreNotFound();
}

function trustStoreNotFound(): AwsError {
  return new AwsError("TrustStoreNotFound", "One or more trust stores not found");
}
