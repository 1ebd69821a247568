/** The records of what a load balancer listens for. They are never changed in place. */

export interface Listener {
  readonly arn: string;
  readonly loadBalancerArn: string;
  readonly protocol: "HTTP" | "TCP";
  readonly port: number;
  /** What becomes of a request that no other rule is for. */
  readonly defaultActions: readonly ListenerAction[];
  readonly defaultRuleArn: string;
  /** All but the default one, by priority. */
  readonly rules: readonly ListenerRule[];
}

/** A rule of a listener for some of its requests. */
export interface ListenerRule {
  readonly arn: string;
  readonly priority: number;
  /** It is for requests to this path; `*` and `?` are wildcards. */
  readonly pathPattern: string;
  readonly actions: readonly ListenerAction[];
}

/** What a rule does with a request (API reference, Action). */
export type ListenerAction =
  | {
      readonly type: "forward";
      readonly targetGroups: readonly {
        readonly targetGroupArn: string;
        /** Of 0 to 999; its share of the requests. */
        readonly weight: number;
      }[];
      /** Whether it is shown with its TargetGroupArn only, as it was before there were weights. */
      readonly isPlain?: boolean;
    }
  | { readonly type: "fixed-response"; readonly statusCode: string }
  | { readonly type: "redirect"; readonly statusCode: "HTTP_301" | "HTTP_302" };
