import { defineAction } from "../action.ts";
import type { LoadBalancer } from "../balancer-records.ts";
import type { Listener } from "../listener-records.ts";
import type { WireRecord } from "../records.ts";
import { findListener, findLoadBalancer, findTargetGroup } from "./find.ts";
import { MARKED, markedPage } from "./paging.ts";

type Attributes = Readonly<Record<string, string>>;

/** DescribeTargetGroupAttributes: every value is text. */
export const describeTargetGroupAttributes = defineAction({
  fields: { TargetGroupArn: "string" },
  run({ world }, parameters) {
    return attributesView(findTargetGroup(world, parameters.TargetGroupArn).attributes);
  },
});

/** DescribeLoadBalancerAttributes: what a load balancer has that nobody has changed. */
export const describeLoadBalancerAttributes = defineAction({
  fields: { LoadBalancerArn: "string" },
  run({ world }, parameters) {
    const { type } = findLoadBalancer(world, parameters.LoadBalancerArn);
    return attributesView({ ...COMMON_ATTRIBUTES, ...BALANCER_ATTRIBUTES[type] });
  },
});

/** DescribeListenerAttributes: what a listener has that nobody has changed. */
export const describeListenerAttributes = defineAction({
  fields: { ListenerArn: "string" },
  run({ world }, parameters) {
    const { protocol } = findListener(world, parameters.ListenerArn);
    return attributesView(LISTENER_ATTRIBUTES[protocol]);
  },
});

function attributesView(attributes: Attributes): WireRecord {
  return { Attributes: Object.entries(attributes).map(([Key, Value]) => ({ Key, Value })) };
}

/** The defaults that AWS documents (API reference, LoadBalancerAttribute). */
const COMMON_ATTRIBUTES: Attributes = {
  "access_logs.s3.enabled": "false",
  "access_logs.s3.bucket": "",
  "access_logs.s3.prefix": "",
  "deletion_protection.enabled": "false",
  "ipv6.deny_all_igw_traffic": "false",
  "zonal_shift.config.enabled": "false",
};

const BALANCER_ATTRIBUTES: Readonly<Record<LoadBalancer["type"], Attributes>> = {
  application: {
    "load_balancing.cross_zone.enabled": "true",
    "idle_timeout.timeout_seconds": "60",
    "client_keep_alive.seconds": "3600",
    "connection_logs.s3.enabled": "false",
    "connection_logs.s3.bucket": "",
    "connection_logs.s3.prefix": "",
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
  },
  network: {
    "load_balancing.cross_zone.enabled": "false",
    "dns_record.client_routing_policy": "any_availability_zone",
    "secondary_ips.auto_assigned.per_subnet": "0",
  },
};

/** The defaults that AWS documents (API reference, ListenerAttribute). */
const LISTENER_ATTRIBUTES: Readonly<Record<Listener["protocol"], Attributes>> = {
  HTTP: { "routing.http.response.server.enabled": "true" },
  TCP: { "tcp.idle_timeout.seconds": "350" },
};

/** DescribeCapacityReservation: nobody has reserved any for a load balancer. */
export const describeCapacityReservation = defineAction({
  fields: { LoadBalancerArn: "string" },
  run({ world }, parameters) {
    findLoadBalancer(world, parameters.LoadBalancerArn);
    return { CapacityReservationState: [] };
  },
});

/** DescribeAccountLimits: the quotas of an account that asked for no others. */
export const describeAccountLimits = defineAction({
  fields: MARKED,
  run(_context, parameters) {
    const limits = Object.entries(ACCOUNT_LIMITS).map(([Name, Max]) => ({ Name, Max }));
    const page = markedPage(limits, parameters);
    return { Limits: page.items, NextMarker: page.nextMarker };
  },
});

/** As AWS answers it (AWS CLI reference, describe-account-limits). */
const ACCOUNT_LIMITS: Readonly<Record<string, number>> = {
  "target-groups": 3000,
  "targets-per-application-load-balancer": 1000,
  "listeners-per-application-load-balancer": 50,
  "rules-per-application-load-balancer": 100,
  "network-load-balancers": 50,
  "targets-per-network-load-balancer": 3000,
  "targets-per-availability-zone-per-network-load-balancer": 500,
  "listeners-per-network-load-balancer": 50,
  "condition-values-per-alb-rule": 5,
  "condition-wildcards-per-alb-rule": 5,
  "target-groups-per-application-load-balancer": 100,
  "target-groups-per-action-on-application-load-balancer": 5,
  "target-groups-per-action-on-network-load-balancer": 1,
  "certificates-per-application-load-balancer": 25,
  "certificates-per-network-load-balancer": 25,
  "targets-per-target-group": 1000,
  "target-id-registrations-per-application-load-balancer": 1000,
  "network-load-balancer-enis-per-vpc": 1200,
  "application-load-balancers": 50,
  "gateway-load-balancers": 100,
  "gateway-load-balancers-per-vpc": 100,
  "geneve-target-groups": 100,
  "targets-per-availability-zone-per-gateway-load-balancer": 300,
};
