import { Hono } from "hono";
import { describeRoute, generateSpecs, resolver, validator } from "hono-openapi";
import * as v from "valibot";
import pkg from "../../package.json" with { type: "json" };
import { type ErrorCode, errorTable } from "../errors.ts";
import { named } from "./answers/shape.ts";
import { operations } from "./api/table.ts";
import { type Operation, routeOf, type Schema, TAGS } from "./operation.ts";

// The OpenAPI document, made from the operations. Its library is loaded with this file: only where the document is asked for.

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

/** Of schemas that change what they are given: what they make of it. */
const OUTPUT = { options: { typeMode: "output" } } as const;

const json = (schema: Schema) => ({ "application/json": { schema: resolver(schema, OUTPUT) } });

/** The document (OpenAPI 3.1). `publicUrl`: where the listener is reached; null: where the document was got from. */
export async function describeApi(publicUrl: string | null): Promise<object> {
  const app = new Hono();
  for (const one of operations) {
    const { query } = one;
    const described = [describeRoute(describe(one))];
    if (query !== undefined) described.push(validator("query", query, undefined, OUTPUT));
    app.on([one.method], [routeOf(one)], ...described, (c) => c.body(null));
  }
  return generateSpecs(app, {
    defaultValidationErrorResponse: false,
    excludeStaticFile: false,
    documentation: {
      info: {
        title: "wochit-relay admin API",
        version: pkg.version,
        description: INTRODUCTION,
        license: { name: pkg.license, identifier: pkg.license },
      },
      servers: [{ url: publicUrl ?? "/" }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      security: [{ token: [] }],
      components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    },
  });
}

const INTRODUCTION = `Lists answer {"data", "next"}, newest first; before=<next> goes on, under the same filters. Times are ISO 8601, or, in
what is asked, how long ago: 2h, 7d. Each change is in the audit. Members may be added; those that are here stay.`;

function describe({ id, tag, summary, more, body, answer, accepted, errors }: Operation) {
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(more !== undefined && { description: more }),
    ...(body !== undefined && { requestBody: { required: !v.safeParse(body, {}).success, content: json(body) } }),
    responses: {
      200: {
        description: "Done",
        content: "bytes" in answer ? { [answer.bytes]: { schema: { type: "string" as const } } } : json(answer),
      },
      ...(accepted && {
        202: { description: "A task was made, which is worked from now on", content: json(accepted) },
      }),
      ...errorResponses([...(body ? OF_BODY : []), ...errors, ...ALWAYS]),
    },
  };
}

function errorResponses(codes: ErrorCode[]) {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const code of codes) {
    const { status } = errorTable[code];
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus]
      .sort(([one], [other]) => one - other)
      .map(([status, some]) => [status, { description: [...some].join(", "), content: json(ERROR) }]),
  );
}
