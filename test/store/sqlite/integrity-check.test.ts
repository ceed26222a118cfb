import assert from "node:assert/strict";
import { test } from "node:test";
import { type Contents, compareContents } from "../../../src/store/sqlite/backup/integrity-check.ts";

const source = { schema: 3, counts: { events: 2, videos: 1 }, events: 2, newestId: 7, newest: 1000 };

test("a copy that lacks a row, a table, the newest event or the schema is none", () => {
  compareContents(source, structuredClone(source));
  const changes: Partial<Contents>[] = [
    { counts: { events: 1, videos: 1 } },
    { counts: { events: 2 } },
    { counts: { ...source.counts, more: 0 } },
  ];
  for (const change of [...changes, { newestId: 6 }, { schema: 2 }])
    assert.throws(() => compareContents(source, { ...source, ...change }), { code: "conflict", message: /dropped$/ });
});
