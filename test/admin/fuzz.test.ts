import assert from "node:assert/strict";
import { test } from "node:test";
import { describeApi } from "../../src/admin/document.ts";
import { startAdmin } from "../support/admin.ts";
import { type Described, type JsonSchema, readOpenApi } from "../support/openapi.ts";
import { fc } from "../support/property.ts";
import { isWhole } from "../support/whole.ts";

// Requests made from the document, right and wrong ones: none is a fault of the relay, and each answer is in the document.

const { operations, checkAnswer } = readOpenApi(describeApi(null));

/** Values that fit a schema, or anything. */
function anyOf({ type, enum: words, properties, items }: JsonSchema): fc.Arbitrary<unknown> {
  const wild = fc.oneof(fc.string({ unit: "binary", maxLength: 40 }), fc.jsonValue({ maxDepth: 2 }));
  const fits: fc.Arbitrary<unknown> = words
    ? fc.constantFrom(...words)
    : type === "integer" || type === "number"
      ? fc.oneof(fc.integer(), fc.double())
      : type === "boolean"
        ? fc.boolean()
        : type === "array"
          ? fc.array(anyOf((items ?? {}) as JsonSchema), { maxLength: 4 })
          : properties
            ? fc.record(Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, anyOf(one)])), {
                requiredKeys: [],
              })
            : fc.constantFrom("1h", "app", "v1", "evt_1", "*", "draft.*", "");
  return fc.oneof({ weight: 4, arbitrary: fits }, { weight: 1, arbitrary: wild });
}

function requestOf(one: Described) {
  const query = one.parameters.filter((parameter) => parameter.in === "query" && parameter.name !== "wait");
  return fc.record({
    name: fc.oneof(fc.constantFrom("app", "v1", "evt_1"), fc.string({ unit: "binary", maxLength: 40 })),
    query: fc.record(Object.fromEntries(query.map(({ name, schema }) => [name, anyOf(schema)])), { requiredKeys: [] }),
    body: one.requestBody ? anyOf(one.requestBody.content!["application/json"]!.schema) : fc.constant(undefined),
  });
}

test("no request that the document allows, or forbids, is a fault of the relay", async (t) => {
  const { ask, event } = await startAdmin(t, { mirror: { enabled: false } });
  await event({ wochitVideoId: "v1", videoContext: "page-1" });
  // These begin processes, of which tests of their own have enough.
  const some = operations.filter(({ operationId }) => !/^(runDoctor|makeBackup|verifyMedia|prune)$/.test(operationId));
  assert.ok(some.length > 30);
  for (const one of some) {
    const check = fc.asyncProperty(requestOf(one), async ({ name, query, body }) => {
      const path = one.path.replace(/\{\w+\}/, encodeURIComponent(name.toWellFormed() || "x"));
      const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value)).toWellFormed();
      const asked = Object.entries(query).map(([key, value]) => `${key}=${encodeURIComponent(text(value))}`);
      const answer = await ask(one.method, `${path}?${asked.join("&")}`, body === undefined ? {} : { body });
      // `.` and `..` are steps in a path: another operation, or none, answers.
      if (/^\.{1,2}$/.test(name)) return assert.ok(answer.status < 500, answer.text);
      assert.ok(answer.status < 500, `${one.operationId}: ${answer.text}`);
      checkAnswer(one, answer);
    });
    await fc.assert(check, { numRuns: isWhole ? 500 : 25 });
  }
});
