import assert from "node:assert/strict";
import { test } from "node:test";
import stringWidth from "string-width";
import type { Column } from "../../../src/actions/list.ts";
import { createTable, renderFields, renderTable } from "../../../src/cli/output/table.ts";
import { harmless, harmlessJson } from "../../../src/cli/output/terminal-text.ts";

type Row = { id: string; title: string | null; note?: string };
const columns: Column<Row>[] = [
  { title: "ID", value: ({ id }) => id, whole: true },
  { title: "TITLE", value: ({ title }) => title },
  { title: "NOTE", value: ({ note }) => note },
];
const wide = { columns: Number.POSITIVE_INFINITY };

test("columns are as wide as their cells, and nothing trails", () => {
  const rows = [
    { id: "evt_1", title: "a", note: "x" },
    { id: "evt_22", title: null },
  ];
  assert.equal(
    renderTable(columns, rows, wide),
    ["ID      TITLE  NOTE", "evt_1   a      x", "evt_22  -      -", ""].join("\n"),
  );
});

test("a table fits the terminal: what may be cut is cut, ids are not", () => {
  const rows = [{ id: "evt_0123456789a", title: "t".repeat(200), note: "n".repeat(100) }];
  const text = renderTable(columns, rows, { columns: 60 });
  for (const line of text.trimEnd().split("\n")) assert.ok(stringWidth(line) <= 60, line);
  assert.match(text, /evt_0123456789a {2}t+… {2}n+…/);
  assert.match(renderTable(columns, rows, wide), /t{200} {2}n{100}/);
});

test("a column keeps the room that it cannot do without", () => {
  const tight = [columns[0]!, { ...columns[1]!, least: 24 }, columns[2]!];
  const rows = [{ id: "evt_0123456789a", title: "t".repeat(24), note: "n".repeat(100) }];
  assert.match(renderTable(tight, rows, { columns: 55 }), /t{24} {2}n{11}…\n/);
});

test("wide letters, joined emoji and combining marks take the cells that they take", () => {
  const rows = [
    { id: "1", title: "新しい動画のタイトル", note: "|" },
    { id: "2", title: "👩‍👩‍👧‍👦 family", note: "|" },
    { id: "3", title: "e\u0301te\u0301", note: "|" },
  ];
  const bars = renderTable(columns, rows, wide)
    .trimEnd()
    .split("\n")
    .slice(1)
    .map((line) => stringWidth(line.slice(0, line.indexOf("|"))));
  assert.equal(new Set(bars).size, 1);
  const cut = renderTable(columns, rows, { columns: 26 }).split("\n");
  for (const line of cut) assert.ok(stringWidth(line) <= 26, line);
});

test("what a terminal would obey is shown, not sent", () => {
  const evil = "a\x1b]0;title\x07\x1b[31mred\r\nline\x9b2J\u202eevil\u2066\u200b\u2028\ud800\x7f\t";
  const shown = harmless(evil);
  assert.doesNotMatch(shown, /[^\x20-\x7e]/);
  assert.match(shown, /^a\\u\{1b\}\]0;title\\u\{7\}\\u\{1b\}\[31mred\\r\\nline\\u\{9b\}2J\\u\{202e\}evil/);
  assert.equal(renderTable(columns, [{ id: evil, title: evil }], wide).split("\n").length, 3);
  assert.doesNotMatch(renderFields([["title", evil]]), /[\x1b\x9b\u202e]/);
});

test("harmless text stays as it is, in every script", () => {
  for (const text of ["Grüße, 世界", "مرحبا", "نمی‌خواهم", "👩‍👩‍👧‍👦", "a\\b"]) assert.equal(harmless(text), text);
});

test("JSON lines mean the same and hold nothing that a terminal obeys", () => {
  const value = { title: "\x1b[31m\x9b2J\u202e\u2028\ud800 ok", list: [1, "世界"] };
  const line = harmlessJson(value);
  assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u2028\u202e]/);
  assert.deepEqual(JSON.parse(line), value);
});

const narrowed: Column<Row>[] = [columns[0]!, columns[1]!, { ...columns[2]!, title: "WHERE", below: true }];
const address = "https://cdn.example/media/2026/11/30/a-name-that-is-long.mp4";

test("what has no room beside its row stands below it: an address whole, words in lines of the terminal", () => {
  const rows = [
    { id: "1", title: "a", note: address },
    { id: "2", title: "b", note: "it was given up after 2 attempts: HTTP 500: the app's database is gone" },
    { id: "3", title: "c" },
  ];
  assert.equal(
    renderTable(narrowed, rows, { columns: 40 }),
    [
      "ID  TITLE",
      "1   a",
      "    where:",
      `    ${address}`,
      "2   b",
      "    where: it was given up after 2",
      "    attempts: HTTP 500: the app's",
      "    database is gone",
      "3   c",
      "",
    ].join("\n"),
  );
  assert.equal(renderTable(narrowed, rows.slice(2), { columns: 40 }), "ID  TITLE  WHERE\n3   c      -\n");
  assert.match(renderTable(narrowed, rows, { columns: 100 }), /^ID {2}TITLE {2}WHERE\n1 {3}a {6}https/);
  assert.match(renderTable(narrowed, rows, wide), /\n1 {3}a {6}https\S+4\n2 /);
});

test("what comes later, wider than its column, is whole as well", () => {
  const table = createTable(narrowed, { columns: 40 });
  table.render([{ id: "1", title: "a", note: "short" }]);
  assert.match(
    table.render([{ id: "2", title: "b", note: address }]),
    new RegExp(`^2 +b .*\\n.*where:\\n +${address}\\n$`),
  );
});

test("columns that are too wide together stay below their titles", () => {
  const rigid = columns.map((column) => ({ ...column, whole: true }) as const);
  const rows = [{ id: "i".repeat(20), title: "t".repeat(20), note: "n" }];
  const [titles, row] = renderTable(rigid, rows, { columns: 30 }).split("\n");
  assert.equal(titles!.indexOf("TITLE"), row!.indexOf("t"));
  assert.equal(titles!.indexOf("NOTE"), row!.indexOf("n"));
});
