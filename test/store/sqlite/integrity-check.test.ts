import assert from "node:assert/strict";
import { test } from "node:test";
import { compareContents } from "../../../src/store/sqlite/backup/integrity-check.ts";

const source = { schema: 3, counts: { events: 2, videos: 1 }, events: 2, newestId: 7, newest: 1000 };

test("a copy that lacks a row, a table, the newest event or the schema is none", () => {
  compareContents(source, structuredClone(source));
  const differs = (change: object, why: RegExp) =>
    assert.throws(() => compareContents(source, { ...source, ...change }), { code: "conflict", message: why });
  differs({ counts: { events: 1, videos: 1 } }, /the copy has 1 rows of events, the database 2/);
  differs({ counts: { events: 2 } }, /no rows of videos/);
  differs({ counts: { ...source.counts, more: 0 } }, /0 rows of more, the database no/);
  differs({ newestId: 6 }, /newest event is another/);
  differs({ schema: 2 }, /newest event is another/);
});
