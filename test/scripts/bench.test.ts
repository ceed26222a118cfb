import assert from "node:assert/strict";
import { test } from "node:test";
import { estimate, judge, median, type Row, ratioOf } from "../../scripts/bench/measure.ts";
import { showTable } from "../../scripts/bench/table.ts";
import { takeTurns } from "../../scripts/bench/turns.ts";

const rounds = (...values: number[]) => ({ values });

function row(given: Partial<Row>): Row {
  return { figure: "ingest", unit: "events/s", baseline: null, ours: null, wanted: null, ...given };
}

test("a ratio is the median of the rounds' own ratios, not that of two medians", () => {
  const given = row({ baseline: rounds(100, 200, 1000), ours: rounds(50, 80, 600) });
  assert.equal(ratioOf(given), 0.5);
  assert.equal(ratioOf(row({ ours: rounds(1) })), null);
});

test("an interval holds the median, is the same each time, and is absent of two rounds", () => {
  const values = [0.9, 1.1, 1, 0.95, 1.05, 1.02, 0.98];
  const { median: middle, interval } = estimate(values);
  assert.equal(middle, median(values));
  assert.ok(interval![0] >= 0.9 && interval![0] < 1 && interval![1] > 1 && interval![1] <= 1.1);
  assert.deepEqual(estimate(values), { median: middle, interval });
  assert.equal(estimate([1, 2]).interval, null);
});

test("more rounds make an interval narrower", () => {
  const width = (values: number[]) => estimate(values).interval!.reduce((low, high) => high - low);
  const few = [0.8, 0.9, 1, 1.1, 1.2];
  assert.ok(width(Array.from({ length: 40 }, (_, at) => few[at % few.length]!)) < width(few));
});

test("a wish is missed only where the whole interval is on the wrong side", () => {
  const wanted = { of: "ratio", atLeast: 0.95 } as const;
  const verdict = (ours: number[]) =>
    judge(row({ baseline: rounds(...ours.map(() => 1)), ours: rounds(...ours), wanted }));
  assert.equal(verdict([0.95, 0.96, 0.9, 0.99, 1]), "yes");
  assert.equal(verdict([0.93, 0.94, 0.9, 0.99, 1]), "unclear");
  assert.equal(verdict([0.9, 0.91, 0.92, 0.93, 0.94]), "missed");
  assert.equal(judge(row({ ours: rounds(60), wanted: { of: "ours", atMost: 50 } })), "missed");
  assert.equal(judge(row({ wanted })), null);
});

test("ours is held against what is measured beside it, by its name", () => {
  const beside = [
    { name: "before", side: rounds(100, 100, 100) },
    { name: "queue", side: rounds(200, 200, 200) },
  ];
  const given = (wanted: Row["wanted"]) => judge(row({ ours: rounds(150, 150, 150), beside, wanted }));
  assert.equal(given({ of: "beside", atLeast: 1.2 }), "yes");
  assert.equal(given({ of: "beside", name: "queue", atLeast: 1.2 }), "missed");
  assert.equal(given({ of: "beside", name: "other", atLeast: 1.2 }), null);
});

test("the table has a line for each side, and the wish where it is judged", () => {
  const own = { values: [50, 50, 50], threads: [{ MainThread: 30.2, store: 12, idle: 0.2 }], cpu: [42.2] };
  const text = showTable([
    row({
      baseline: rounds(100, 100, 100),
      ours: own,
      beside: [{ name: "before", side: rounds(25, 25, 25), baseline: rounds(50, 50, 50) }],
      wanted: { of: "ratio", atLeast: 0.5 },
      note: "a note",
    }),
  ]);
  const lines = text.split("\n").map((line) => line.replace(/ {2,}/g, " | "));
  assert.match(lines[2]!, /^ingest \[1\] \| baseline \| 100 events\/s/);
  assert.match(lines[3]!, /^ \| ours \| 50 events\/s \| 0\.50 \[0\.50–0\.50\] .*≥ 0\.5× \| yes/);
  assert.match(lines[3]!, /42\.2 \(MainThread 30\.2, store 12\)$/);
  assert.match(lines[4]!, /^ \| before's baseline \| 50 events\/s/);
  assert.match(lines[5]!, /^ \| before \| 25 events\/s \| 0\.50 \[.*\] \| 2\.00 \[2\.00–2\.00\]/);
  assert.match(text, /^\[1\] a note$/m);
});

test("each round begins with another side", async () => {
  const order: string[] = [];
  const turns = ["a", "b", "c"].map((name) => ({
    measure: async (round: number) => void order.push(`${round}${name}`),
  }));
  await takeTurns(3, turns);
  assert.deepEqual(order, ["1a", "1b", "1c", "2b", "2c", "2a", "3c", "3a", "3b"]);
});
