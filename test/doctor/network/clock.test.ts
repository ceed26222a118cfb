import assert from "node:assert/strict";
import { test } from "node:test";
import { type Dates, judgeClock, skewOf } from "../../../src/doctor/network/clock.ts";
import type { Finding } from "../../../src/doctor/probe.ts";

const NOON = Date.UTC(2026, 0, 1, 12);
const at = (ms: number) => new Date(NOON + ms).toUTCString();

test("a skew is no more than what the header's whole second and the way there and back leave open", () => {
  const asked = { sent: NOON + 200, received: NOON + 700 };
  assert.equal(skewOf({ ...asked, date: at(0) }), 0);
  assert.equal(skewOf({ ...asked, date: at(-1_000) }), -200);
  assert.equal(skewOf({ ...asked, date: at(10_000) }), 9_300);
  assert.equal(skewOf({ sent: NOON, received: NOON + 60_000, date: at(30_000) }), 0);
  assert.equal(skewOf({ ...asked, date: "yesterday" }), Number.NaN);
});

function judge(...skews: [string, number][]): Finding {
  const dates: Dates = skews.map(([source, skew]) => ({ source, date: at(skew), sent: NOON, received: NOON + 1 }));
  return judgeClock(dates, NOON);
}

test("a clock that some answer agrees with is right; five seconds are a warning, a minute is a failure", () => {
  assert.equal(judge(["endpoint a", 0], ["endpoint b", 3_000]).state, "ok");
  assert.equal(judge().state, "ok");
  const slow = judge(["endpoint a", 30_000], ["the bucket", 31_000]);
  assert.equal(slow.state, "warning");
  assert.match(slow.detail, /is 31 s behind the clock of the bucket, 30 s behind the clock of endpoint a$/);
  assert.match(slow.advice!, /this machine's clock/);
  const ahead = judge(["endpoint a", -90_000]);
  assert.equal(ahead.state, "failed");
  assert.match(ahead.detail, /is 89 s ahead of the clock of endpoint a$/);
});

test("where others agree with this machine, the clock of the one that does not is named", () => {
  const { state, detail, advice } = judge(["endpoint a", 0], ["endpoint b", 600_000]);
  assert.equal(state, "failed");
  assert.match(detail, /600 s behind the clock of endpoint b$/);
  assert.match(advice!, /the clock of that one/);
});
