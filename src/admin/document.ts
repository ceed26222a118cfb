import { type ConversionConfig, toJsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import pkg from "../../package.json" with { type: "json" };
import { type ErrorCode, errorTable } from "../errors.ts";
import { named } from "./answers/shape.ts";
import { operations } from "./api/table.ts";
import { API, type Bytes, type Operation, type Schema, TAGS } from "./operation.ts";

// The OpenAPI document, made from the operations. The library that describes schemas is loaded with this file: only where the
// document is asked for.

/** What any request may be answered with. */
const ALWAYS: ErrorCode[] = [
  "invalid_query",
  "unauthorized",
  "forbidden",
  "too_many_requests",
  "internal",
  "store_unavailable",
];

const OF_BODY: ErrorCode[] = ["bad_request", "invalid_json", "body_too_large"];

const ERROR = named(
  "Error",
  v.object({
    error: v.object({
      code: v.pipe(v.string(), v.description("What a program decides by")),
      message: v.pipe(v.string(), v.description("One line for people")),
      details: v.exactOptional(v.array(v.object({ path: v.string(), message: v.string() }))),
    }),
  }),
);

const CONVERSION: ConversionConfig = {
  target: "draft-2020-12",
  // Of schemas that change what they are given: what they make of it.
  typeMode: "output",
  // A check of the program's own has no words in JSON Schema.
  errorMode: "ignore",
};

type Json = Record<string, unknown>;
type Components = Record<string, unknown>;

/** A schema of JSON Schema's, in which those with a name are references. */
function describeSchema(schema: Schema, components: Components): Json {
  const { $schema, ...described } = toJsonSchema(schema, CONVERSION);
  return withReferences(described, components) as Json;
}

/** A named schema (answers/shape.ts) has its name as "ref". */
function withReferences(value: unknown, components: Components): unknown {
  if (Array.isArray(value)) return value.map((each) => withReferences(each, components));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, member]) => [key, withReferences(member, components)]);
  const { ref, ...own } = Object.fromEntries(members) as Json;
  if (typeof ref !== "string") return Object.fromEntries(members);
  components[ref] = own;
  return { $ref: `#/components/schemas/${ref}` };
}

const json = (schema: Schema, components: Components) => ({
  "application/json": { schema: describeSchema(schema, components) },
});

/** The document (OpenAPI 3.1). `publicUrl`: where the listener is reached; null: where the document was got from. */
export function describeApi(publicUrl: string | null): object {
  const paths: Record<string, Json> = {};
  const schemas: Components = {};
  for (const one of operations) {
    const path = API + one.path;
    paths[path] = { ...paths[path], [one.method.toLowerCase()]: describe(one, schemas) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "wochit-relay admin API",
      version: pkg.version,
      description: INTRODUCTION,
      license: { name: pkg.license, identifier: pkg.license },
    },
    servers: [{ url: publicUrl ?? "/" }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    security: [{ token: [] }],
    paths,
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } }, schemas },
  };
}

const INTRODUCTION = `Lists answer {"data", "next"}, newest first; before=<next> goes on, under the same filters. Times are ISO 8601, or, in
what is asked, how long ago: 2h, 7d. Each change is in the audit. Members may be added; those that are here stay.`;

function describe({ path, id, tag, summary, more, query, body, answer, accepted, errors }: Operation, to: Components) {
  const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    ...{ name, in: "path", required: true, schema: { type: "string" } },
  }));
  const parameters = [...named, ...(query === undefined ? [] : parametersOf(query, to))];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(more !== undefined && { description: more }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: { required: !v.safeParse(body, {}).success, content: json(body, to) } }),
    responses: {
      ...(answer && { 200: { description: "Done", content: contentOf(answer, to) } }),
      ...(accepted && {
        202: { description: "A task was made, which is worked from now on", content: json(accepted, to) },
      }),
      ...errorResponses([...(body ? OF_BODY : []), ...errors, ...ALWAYS], to),
    },
  };
}

const contentOf = (answer: Schema | Bytes, to: Components) =>
  "bytes" in answer ? { [answer.bytes]: { schema: { type: "string" } } } : json(answer, to);

function parametersOf(query: Schema, to: Components) {
  const { properties = {}, required = [] } = describeSchema(query, to) as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    ...{ name, in: "query", ...(required.includes(name) && { required: true }) },
    ...(description !== undefined && { description }),
    schema,
  }));
}

function errorResponses(codes: ErrorCode[], to: Components) {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const code of codes) {
    const { status } = errorTable[code];
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([one], [other]) => one - other)
      .map(([status, some]) => [status, { description: [...some].join(", "), content: json(ERROR, to) }]),
  );
}
