import assert from "node:assert/strict";
import test from "node:test";
import { createLocalFailures } from "../../../src/mirror/download/local-failures.ts";
import { testClock, testLog } from "../../support/ports.ts";

test("a local failure is logged once when it begins and once when it is over, however many meet it", () => {
  const log = testLog();
  const failures = createLocalFailures({ clock: testClock(), log });
  assert.equal(failures.line(), null);
  assert.equal(failures.add("disk space", "a", "12 bytes are free"), 1);
  assert.equal(failures.add("disk space", "a", "11 bytes are free"), 2);
  assert.equal(failures.add("disk space", "b", "10 bytes are free"), 1);
  assert.equal(failures.line(), "11 bytes are free");
  failures.clear("a");
  assert.ok(failures.has("disk space"));
  failures.add("spool", "b", "read-only");
  assert.deepEqual([failures.has("disk space"), failures.has("spool")], [false, true]);
  failures.clear("b");
  failures.clear("b");
  assert.deepEqual(
    log.facts.map(({ level, fact, fields }) => [level, fact, fields.error]),
    [
      ["error", "downloads wait for room on the spool's disk", "12 bytes are free"],
      ["error", "downloads wait: the spool cannot be used", "read-only"],
      ["info", "there is room on the spool's disk again", undefined],
      ["info", "the spool can be used again", undefined],
    ],
  );
});

test("a failure that does not recur is forgotten", async () => {
  const clock = testClock();
  const log = testLog();
  const failures = createLocalFailures({ clock, log });
  failures.add("disk space", "deleted meanwhile", "too little");
  await clock.advance(20 * 60_000);
  assert.equal(failures.line(), null);
  assert.equal(log.facts.length, 2);
});
