import type { AwsError } from "./errors.ts";
import type { WireRecord, WireValue } from "./records.ts";

/** The services, by the name that credentials are scoped to. */
export type Service = "ec2" | "elasticloadbalancing" | "sts";

/**
 * How each service numbers lists and wraps answers: EC2 has a protocol of its own, the others speak
 * AWS query (botocore's service models, `protocol`).
 */
export const PROTOCOLS: Readonly<Record<Service, "ec2" | "query">> = {
  ec2: "ec2",
  elasticloadbalancing: "query",
  sts: "query",
};

/** Parameters of a request as a tree: `Filter.1.Name` is `{ Filter: { 1: { Name } } }`. */
export interface ParameterTree {
  readonly value?: string;
  readonly children: ReadonlyMap<string, ParameterTree>;
}

/** A request body taken apart. */
export interface FormRequest {
  readonly action: string;
  readonly version: string;
  /** Every parameter but Action and Version, as sent. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** An answer as it travels: body is XML. */
export interface WireResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The API version each service answers to. */
export const API_VERSIONS: Readonly<Record<Service, string>> = {
  ec2: "2016-11-15",
  elasticloadbalancing: "2015-12-01",
  sts: "2011-06-15",
};

/** The XML namespaces of their answers (botocore's service models, `xmlNamespace`). */
const NAMESPACES: Readonly<Record<Service, string>> = {
  ec2: `http://ec2.amazonaws.com/doc/${API_VERSIONS.ec2}/`,
  elasticloadbalancing: `http://elasticloadbalancing.amazonaws.com/doc/${API_VERSIONS.elasticloadbalancing}/`,
  sts: `https://sts.amazonaws.com/doc/${API_VERSIONS.sts}/`,
};

/** Reads a form body; spaces may be `%20` (the JavaScript SDK) or `+` (botocore). */
export function parseForm(body: string): FormRequest {
  const parameters = new Map<string, string>();
  let action = "";
  let version = "";
  for (const [name, value] of new URLSearchParams(body)) {
    if (name === "Action") action = value;
    else if (name === "Version") version = value;
    else parameters.set(name, value);
  }
  return { action, version, parameters };
}

/** Puts flat parameter names together to a tree. */
export function treeOf(parameters: ReadonlyMap<string, string>): ParameterTree {
  interface Node {
    value?: string;
    children: Map<string, Node>;
  }
  const root: Node = { children: new Map() };
  for (const [name, value] of parameters) {
    let node = root;
    for (const part of name.split(".")) {
      const child = node.children.get(part) ?? { children: new Map() };
      node.children.set(part, child);
      node = child;
    }
    node.value = value;
  }
  return root;
}

/**
 * The answer to a request that succeeded. EC2 has no wrapper around its result, AWS query has
 * (botocore's service models).
 */
export function successResponse(
  service: Service,
  action: string,
  requestId: string,
  result: WireRecord,
): WireResponse {
  const body =
    PROTOCOLS[service] === "ec2"
      ? `<requestId>${requestId}</requestId>${membersToXml(result, "item")}`
      : `<${action}Result>${membersToXml(result, "member")}</${action}Result>` +
        `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata>`;
  const root = `${action}Response`;
  return xmlResponse(200, requestId, `<${root} xmlns="${NAMESPACES[service]}">${body}</${root}>`);
}

/**
 * The answer to a request that failed, in the envelope of its service (EC2 guide, API errors;
 * botocore).
 */
export function errorResponse(
  service: Service,
  requestId: string,
  { code, message, status }: Pick<AwsError, "code" | "message" | "status">,
): WireResponse {
  const inner = `<Code>${escapeXml(code)}</Code><Message>${escapeXml(message)}</Message>`;
  if (PROTOCOLS[service] === "ec2") {
    const body =
      `<Response><Errors><Error>${inner}</Error></Errors>` +
      `<RequestID>${requestId}</RequestID></Response>`;
    return xmlResponse(status, requestId, body);
  }
  const type = status >= 500 ? "Receiver" : "Sender";
  const body =
    `<ErrorResponse xmlns="${NAMESPACES[service]}"><Error><Type>${type}</Type>${inner}</Error>` +
    `<RequestId>${requestId}</RequestId></ErrorResponse>`;
  return xmlResponse(status, requestId, body);
}

function xmlResponse(status: number, requestId: string, xml: string): WireResponse {
  return {
    status,
    headers: { "content-type": "text/xml;charset=UTF-8", "x-amzn-requestid": requestId },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n${xml}`,
  };
}

// Answers are long and many: plain loops take a third of the time of chained arrays.
function membersToXml(members: WireRecord, listTag: string): string {
  let xml = "";
  for (const name of Object.keys(members)) xml += elementToXml(name, members[name], listTag);
  return xml;
}

function elementToXml(name: string, value: WireValue, listTag: string): string {
  if (value === undefined) return "";
  if (typeof value === "string") return `<${name}>${escapeXml(value)}</${name}>`;
  if (typeof value !== "object") return `<${name}>${value}</${name}>`;
  if (!isList(value)) return `<${name}>${membersToXml(value, listTag)}</${name}>`;
  let items = "";
  for (const item of value) items += elementToXml(listTag, item, listTag);
  return `<${name}>${items}</${name}>`;
}

function isList(value: WireValue): value is readonly WireValue[] {
  return Array.isArray(value);
}

function escapeXml(text: string): string {
  // Hardly any text needs it, and answers are long.
  if (!/[&<>"]/.test(text)) return text;
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
