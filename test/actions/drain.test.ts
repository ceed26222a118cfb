import assert from "node:assert/strict";
import { test } from "node:test";
import { drain, drainSince } from "../../src/actions/outcome/drain.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const hour = Date.UTC(2026, 0, 31, 8);

test("how fast a backlog goes is of this hour and the one before, and says how long the rest takes", () => {
  const now = hour + 30 * MINUTE;
  assert.equal(drainSince(now), hour - HOUR);
  assert.deepEqual(drain(100, [], now), { perMinute: 0, minutesLeft: null });
  const both = [
    { hour: hour - HOUR, count: 600 },
    { hour, count: 300 },
  ];
  assert.deepEqual(drain(95, both, now), { perMinute: 10, minutesLeft: 10 });
  assert.deepEqual(drain(0, both, now), { perMinute: 10, minutesLeft: 0 });
  // In the hour before it was down, and nothing ended.
  assert.deepEqual(drain(100, [{ hour: hour - HOUR, count: 0 }, both[1]!], now), { perMinute: 10, minutesLeft: 10 });
  assert.deepEqual(drain(100, [{ hour: hour - 2 * HOUR, count: 9_000 }], now), { perMinute: 0, minutesLeft: null });
});

test("at the beginning of an hour a minute is the least that counts", () => {
  assert.deepEqual(drain(100, [{ hour, count: 5 }], hour + 1_000), { perMinute: 5, minutesLeft: 20 });
  assert.deepEqual(drain(7, [{ hour, count: 1 }], hour + 20 * MINUTE), { perMinute: 0.1, minutesLeft: 140 });
});
