import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import type { Answer } from "./front-door.ts";

export type JsonSchema = Record<string, unknown> & { properties?: Record<string, JsonSchema>; enum?: unknown[] };
export type Parameter = { in: "path" | "query"; name: string; required?: boolean; schema: JsonSchema };
type Content = { content?: Record<string, { schema: JsonSchema }> };

/** An operation of the document. */
export type Described = {
  method: string;
  path: string;
  operationId: string;
  parameters: Parameter[];
  requestBody?: Required<Content>;
  responses: Record<string, Content>;
};

type Document = {
  paths: Record<string, Record<string, Omit<Described, "method" | "path" | "parameters"> & Partial<Described>>>;
  components: { schemas: Record<string, JsonSchema> };
};

/** Reads the operations of an OpenAPI document, and checks answers against it: members that it does not name are wrong. */
export function readOpenApi(given: object) {
  const document = close(structuredClone(given)) as Document;
  // Also OpenAPI's own words are in a document.
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  (formats as unknown as (ajv: Ajv2020) => void)(ajv);
  ajv.addSchema(document, "api");
  const operations: Described[] = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => ({ parameters: [], ...one, method: method.toUpperCase(), path })),
  );
  const known = new Map<string, ValidateFunction>();

  /** Fails where an answer has a status, or members, that the document does not. */
  function checkAnswer(one: Described, { status, json, text, headers }: Answer): void {
    const what = `${one.operationId} ${status}: ${text.slice(0, 500)}`;
    const response = one.responses[status];
    assert.ok(response, `not in the document: ${what}`);
    const [[type] = [""]] = Object.entries(response.content ?? {});
    assert.equal(String(headers["content-type"]).split(";")[0], type, what);
    if (type !== "application/json") return;
    const at = ["paths", one.path, one.method.toLowerCase(), "responses", String(status), "content", type, "schema"];
    const pointer = `api#/${at.map((part) => encodeURIComponent(part.replace(/~/g, "~0").replace(/\//g, "~1"))).join("/")}`;
    const check = known.get(pointer) ?? ajv.compile({ $ref: pointer });
    known.set(pointer, check);
    assert.ok(check(json), `${ajv.errorsText(check.errors)} in ${what}`);
  }

  return { operations, checkAnswer };
}

/** Objects that name their members have no others. */
function close(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(close);
  if (typeof value !== "object" || value === null) return value;
  const closed = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, close(member)]));
  const isOpen =
    closed.type === "object" && typeof closed.properties === "object" && !("additionalProperties" in closed);
  return isOpen ? { ...closed, additionalProperties: false } : closed;
}
