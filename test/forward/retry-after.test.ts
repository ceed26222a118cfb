import assert from "node:assert/strict";
import test from "node:test";
import { parseRetryAfter } from "../../src/forward/retry-after.ts";
import { fc, holdsForAll } from "../support/property.ts";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);

test("Retry-After in seconds, and in the three forms of an HTTP date", () => {
  const inFiveMinutes = Date.UTC(2026, 10, 21, 12, 5, 0);
  assert.equal(parseRetryAfter("120", NOW), NOW + 120_000);
  assert.equal(parseRetryAfter(" 0 ", NOW), NOW);
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 12:05:00 GMT", NOW), inFiveMinutes);
  assert.equal(parseRetryAfter("Saturday, 21-Nov-26 12:05:00 GMT", NOW), inFiveMinutes);
  assert.equal(parseRetryAfter("Sat Nov 21 12:05:00 2026", NOW), inFiveMinutes);
  assert.equal(parseRetryAfter("Tue Dec  1 00:00:00 2026", NOW), Date.UTC(2026, 11, 1));
  assert.equal(parseRetryAfter(["60", "7"], NOW), NOW + 60_000);
});

test("any date to come is read to the second", () => {
  const seconds = fc.integer({ min: NOW / 1000, max: Date.UTC(9999, 0) / 1000 });
  holdsForAll(seconds, (seconds) => {
    assert.equal(parseRetryAfter(new Date(seconds * 1000).toUTCString(), NOW), seconds * 1000);
  });
});

test("a Retry-After that has passed is now", () => {
  assert.equal(parseRetryAfter("-30", NOW), NOW);
  assert.equal(parseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", NOW), NOW);
  assert.equal(parseRetryAfter("Sunday, 06-Nov-94 08:49:37 GMT", NOW), NOW);
});

test("seconds beyond every date are the last date", () => {
  for (const digits of [15, 17, 25, 400])
    assert.equal(parseRetryAfter("9".repeat(digits), NOW), Date.UTC(9999, 11, 31, 23, 59, 59));
});

test("a Retry-After that is neither is ignored", () => {
  for (const text of [
    undefined,
    [],
    "",
    " ",
    "soon",
    "in 5 minutes",
    "1.5",
    "1e3",
    "0x10",
    "5 s",
    "2026-11-21",
    "12 Nov",
  ]) {
    assert.equal(parseRetryAfter(text, NOW), null, JSON.stringify(text));
  }
  assert.equal(parseRetryAfter("Sat, 21 Nov 2026 25:05:00 GMT", NOW), null);
});
