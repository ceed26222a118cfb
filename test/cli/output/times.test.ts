import assert from "node:assert/strict";
import { test } from "node:test";
import type { Column } from "../../../src/actions/list.ts";
import { createTable, renderFields, renderTable } from "../../../src/cli/output/table.ts";
import { inZone, showTime } from "../../../src/cli/output/times.ts";

const AT = "2026-03-29T00:30:15.123Z";
const moment = Date.parse(AT);
const now = moment + 2 * 3_600_000;

/** Central Europe: summer time from that morning, 01:00 UTC, on. */
const berlin = (at: number) => (at < Date.parse("2026-03-29T01:00:00Z") ? 60 : 120);

test("a time says its zone, on both sides of a change of the clock", () => {
  assert.equal(
    showTime(moment, () => 0),
    "2026-03-29 00:30:15Z",
  );
  assert.equal(showTime(moment, berlin), "2026-03-29 01:30:15+01:00");
  assert.equal(showTime(moment + 3_600_000, berlin), "2026-03-29 03:30:15+02:00");
  assert.equal(
    showTime(moment, () => -570),
    "2026-03-28 15:00:15-09:30",
  );
  assert.equal(showTime(moment, berlin, { isShort: true }), "03-29 01:30:15+01");
  assert.equal(
    showTime(moment, () => 345, { isShort: true }),
    "03-29 06:15:15+05:45",
  );
  for (const text of [showTime(moment, berlin), showTime(moment, () => -570)]) {
    assert.equal(Date.parse(text.replace(" ", "T")), Math.floor(moment / 1000) * 1000, "it can be read again");
  }
});

test("times in words are put into the zone, and nothing else is changed", () => {
  const words = "from 2026-03-29 00:30:15Z to 2026-03-29T00:30:15.123Z, x2026-03-29 00:30:15Z, 2026-03-29";
  assert.equal(
    inZone(words, berlin),
    "from 2026-03-29 01:30:15+01:00 to 2026-03-29 01:30:15+01:00, x2026-03-29 00:30:15Z, 2026-03-29",
  );
});

test("fields show times in the zone, on a terminal with their age, and what others wrote as it came", () => {
  const fields: [string, unknown][] = [
    ["receivedAt", AT],
    ["waitsFor", "the next attempt is at 2026-03-29 00:30:15Z"],
    ["title", AT],
    ["lastError", `try again at ${AT}`],
  ];
  const shown = (columns: number) => renderFields(fields, { columns, zone: berlin, now }).split("\n");
  assert.deepEqual(shown(Number.POSITIVE_INFINITY).slice(0, 4), [
    "receivedAt  2026-03-29 01:30:15+01:00",
    "waitsFor    the next attempt is at 2026-03-29 01:30:15+01:00",
    `title       ${AT}`,
    `lastError   try again at ${AT}`,
  ]);
  assert.equal(shown(80)[0], "receivedAt  2026-03-29 01:30:15+01:00 (2 h ago)");
});

type Row = { id: string; at: string; title: string; url: string; note: string | null };
const columns: Column<Row>[] = [
  { title: "ID", value: ({ id }) => id, whole: true },
  { title: "AT", value: ({ at }) => at, whole: true },
  { title: "TITLE", value: ({ title }) => title, spare: 2 },
  { title: "NOTE", value: ({ note }) => note, spare: 1, whole: true },
  { title: "URL", value: ({ url }) => url },
];
const row = { id: "evt_1", at: AT, title: "t".repeat(20), url: "https://cms.example.com/hooks/wochit", note: null };

test("where room is short ages go first, then cells are cut, then empty columns, years and spare columns go", () => {
  const at = (columnsOfTerminal: number) => {
    const table = createTable(columns, { columns: columnsOfTerminal, zone: berlin, now });
    const text = table.render([row]);
    for (const line of text.trimEnd().split("\n")) assert.ok(line.length <= columnsOfTerminal, line);
    return [text.split("\n")[1]!.replace(/ {2,}/g, "|"), table.leftOut()];
  };
  const full = "evt_1|2026-03-29 01:30:15+01:00";
  assert.deepEqual(at(130), [`${full} (2 h ago)|${"t".repeat(20)}|-|${row.url}`, []]);
  assert.deepEqual(at(105), [`${full}|${"t".repeat(20)}|-|${row.url}`, []]);
  assert.deepEqual(at(80), [`${full}|${"t".repeat(18)}…|-|cms.example.com/ho…`, []]);
  assert.deepEqual(at(60), [`${full}|ttttttt…|cms.example.com…`, []]);
  assert.deepEqual(at(55), ["evt_1|03-29 01:30:15+01|tttttttttt…|cms.example.com…", []]);
  assert.deepEqual(at(45), ["evt_1|03-29 01:30:15+01|cms.example.com/ho…", ["TITLE"]]);
  assert.deepEqual(at(44)[1], ["TITLE"], "a column without a value is not missed");
});

test("without a terminal nothing is cut, left out or aged", () => {
  const text = renderTable(columns, [row], { columns: Number.POSITIVE_INFINITY, zone: berlin, now });
  assert.equal(text.split("\n")[1], `evt_1  2026-03-29 01:30:15+01:00  ${row.title}  -     ${row.url}`);
});

test("states that need somebody are coloured where titles are bold", () => {
  const state: Column<{ state: string }>[] = [{ title: "STATE", value: ({ state }) => state }];
  const rows = ["dead", "paused", "delivered"].map((state) => ({ state }));
  assert.equal(
    renderTable(state, rows, { columns: 80, bold: true }),
    "\x1b[1mSTATE\x1b[0m\n\x1b[31mdead\x1b[0m\n\x1b[33mpaused\x1b[0m\ndelivered\n".replaceAll(
      /(dead|paused)/g,
      (word) => word.padEnd(9),
    ),
  );
  assert.doesNotMatch(renderTable(state, rows, { columns: 80 }), /\x1b/);
});
