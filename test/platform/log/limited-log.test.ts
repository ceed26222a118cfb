import assert from "node:assert/strict";
import { test } from "node:test";
import { createLimitedLog, createSampledLog } from "../../../src/platform/log/limited-log.ts";
import { testClock, testLog } from "../../support/ports.ts";

function setUp() {
  const [clock, log] = [testClock(), testLog()];
  type Line = { level: string; fact: string; n?: number; round?: number; omitted?: number };
  const lines = () => log.facts.splice(0).map(({ level, fact, fields }): Line => ({ level, fact, ...fields }));
  return { clock, log, lines, pass: (ms: number) => clock.set(clock.now() + ms) };
}

test("a limited log writes the first lines of each minute, and says how many it left out", () => {
  const { clock, log, lines, pass } = setUp();
  const warn = createLimitedLog(log, clock, { burst: 2 });
  for (let n = 0; n < 5; n++) warn("refused", { n });
  assert.deepEqual(
    lines().map(({ n }) => n),
    [0, 1],
  );
  pass(60_000);
  warn("refused", { n: 5 });
  assert.deepEqual(lines(), [{ level: "warn", fact: "refused", n: 5, omitted: 3 }]);
});

test("an outage of 72 hours is one line a minute, which counts what it stands for; long numbers make no other kind", () => {
  const { clock, log, lines, pass } = setUp();
  const sampled = createSampledLog(log, clock);
  const failures = 72 * 3_600;
  for (let n = 0; n < failures; n++) {
    sampled("warn", `broke off after ${n + 10_000} bytes`, "delivery failed", { n });
    pass(1_000);
  }
  pass(60_000);
  sampled("warn", "another error", "delivery failed", { n: -1 });
  const written = lines();
  assert.equal(written.length, 72 * 60 + 2);
  assert.equal(
    written.reduce((sum, { omitted = 0 }) => sum + 1 + omitted, 0),
    failures + 1,
  );
  assert.deepEqual(written.at(-2), { level: "warn", fact: "delivery failed", n: failures - 1, omitted: 58 });
});

test("each kind, and each fact, has a line of its own at once", () => {
  const { clock, log, lines } = setUp();
  const sampled = createSampledLog(log, clock);
  for (let round = 0; round < 3; round++) {
    sampled("warn", "HTTP 500", "delivery failed", { round });
    sampled("warn", "HTTP 502", "delivery failed", { round });
    sampled("info", "refused", "media not ready yet", { round });
  }
  assert.deepEqual(
    lines().map(({ level, fact, round }) => [level, fact, round]),
    [
      ["warn", "delivery failed", 0],
      ["warn", "delivery failed", 0],
      ["info", "media not ready yet", 0],
    ],
  );
});

test("a thousand kinds hold no memory: beyond a hundred they are one", () => {
  const { clock, log, lines } = setUp();
  const sampled = createSampledLog(log, clock);
  const word = (n: number) => String(n).replace(/\d/g, (digit) => "abcdefghij"[Number(digit)]!);
  for (let n = 0; n < 1_000; n++) sampled("warn", word(n), "delivery failed", { n });
  assert.equal(lines().length, 101);
});
