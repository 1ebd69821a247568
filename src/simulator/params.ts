import { AwsError } from "./errors.ts";
import { type ParameterTree, PROTOCOLS, type Service, treeOf } from "./query.ts";

/** What an action accepts under a name. Whatever is not declared is refused, as AWS refuses it. */
export type Spec =
  | "string"
  | "integer"
  | "boolean"
  | { readonly list: Spec }
  | { readonly fields: Fields };

export type Fields = { readonly [name: string]: Spec };

/** The value a spec describes, once read. */
export type Parsed<S extends Spec> = S extends "string"
  ? string
  : S extends "integer"
    ? number
    : S extends "boolean"
      ? boolean
      : S extends { readonly list: infer Item extends Spec }
        ? readonly Parsed<Item>[]
        : S extends { readonly fields: infer F extends Fields }
          ? ParsedFields<F>
          : never;

export type ParsedFields<F extends Fields> = { readonly [K in keyof F]?: Parsed<F[K]> };

/** The filters of EC2's Describe actions (Filter.N.Name, Filter.N.Value.M). */
export const FILTERS = { list: { fields: { Name: "string", Value: { list: "string" } } } } as const;

/**
 * Reads a request's parameters by what its action declares. Throws AwsError: UnknownParameter (EC2)
 * or ValidationError (AWS query) for a name that is not declared, and InvalidParameterValue or
 * ValidationError for a value that is not what it should be.
 */
export function readParameters<F extends Fields>(
  service: Service,
  fields: F,
  parameters: ReadonlyMap<string, string>,
): ParsedFields<F> {
  return readFields(service, fields, treeOf(parameters), "") as ParsedFields<F>;
}

/**
 * The value of a parameter that must be there; throws AwsError MissingParameter or ValidationError.
 */
export function required<T>(service: Service, name: string, value: T | undefined): T {
  if (value !== undefined && value !== "") return value;
  if (PROTOCOLS[service] === "ec2") {
    throw new AwsError("MissingParameter", `The request must contain the parameter ${name}`);
  }
  throw new AwsError(
    "ValidationError",
    `1 validation error detected: Value null at '${name.charAt(0).toLowerCase()}${name.slice(1)}' ` +
      "failed to satisfy constraint: Member must not be null",
  );
}

function readFields(
  service: Service,
  fields: Fields,
  tree: ParameterTree,
  path: string,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, child] of tree.children) {
    const spec = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (spec === undefined) throw unknownParameter(service, path + name);
    result[name] = readValue(service, spec, child, path + name);
  }
  return result;
}

function readValue(service: Service, spec: Spec, tree: ParameterTree, path: string): unknown {
  if (typeof spec === "object" && "fields" in spec) {
    return readFields(service, spec.fields, tree, `${path}.`);
  }
  if (typeof spec === "object") return readList(service, spec.list, tree, path);
  if (tree.children.size > 0) {
    throw unknownParameter(service, `${path}.${[...tree.children.keys()].join(".")}`);
  }
  return readScalar(service, spec, tree.value ?? "", path);
}

/**
 * EC2 numbers its lists `Name.1`, AWS query `Name.member.1`; an empty list of the latter is sent as
 * `Name=`.
 */
function readList(service: Service, item: Spec, tree: ParameterTree, path: string): unknown[] {
  const members = PROTOCOLS[service] === "ec2" ? tree : tree.children.get("member");
  if (PROTOCOLS[service] === "ec2" && tree.value !== undefined) {
    throw unknownParameter(service, path);
  }
  if (members === undefined && tree.children.size > 0) {
    throw unknownParameter(service, `${path}.${[...tree.children.keys()].join(".")}`);
  }
  return [...(members?.children ?? [])]
    .map(([index, child]) => {
      if (!/^[1-9]\d*$/.test(index)) throw unknownParameter(service, `${path}.${index}`);
      return { index: Number(index), child };
    })
    .sort((left, right) => left.index - right.index)
    .map(({ index, child }) => readValue(service, item, child, `${path}.${index}`));
}

function readScalar(
  service: Service,
  spec: "string" | "integer" | "boolean",
  text: string,
  path: string,
): unknown {
  if (spec === "integer" && /^-?\d+$/.test(text)) return Number(text);
  if (spec === "boolean" && /^(true|false)$/i.test(text)) return text.toLowerCase() === "true";
  if (spec === "string") return text;
  const code = PROTOCOLS[service] === "ec2" ? "InvalidParameterValue" : "ValidationError";
  throw new AwsError(code, `Invalid value '${text}' for ${path}. It must be of type ${spec}.`);
}

function unknownParameter(service: Service, name: string): AwsError {
  const code = PROTOCOLS[service] === "ec2" ? "UnknownParameter" : "ValidationError";
  return new AwsError(code, `The parameter ${name} is not recognized`);
}
