import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { nothingPruned, type StorageReading } from "../../src/model/retention.ts";
import { startRetention } from "../../src/upkeep/retention.ts";
import { testClock, testLog, testRandom } from "../support/ports.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const MIB = 2 ** 20;

type Call = { at: number; limit: number; bodies: number; attempts: number };

/** A store that has so many pieces to prune, each of which takes `took` milliseconds. */
function open(t: TestContext, { pieces = 1, took = 1, isHeld = false, bytes = 0, free = 0, givesBack = true } = {}) {
  const clock = testClock();
  const log = testLog();
  const start = clock.now();
  const calls: Call[] = [];
  const given: number[] = [];
  const readings: Omit<StorageReading, "copies">[] = [];
  const retention = { bodies: 90 * DAY, attempts: 30 * DAY };
  const room = { bytes, free, givesBack };
  let left = pieces;
  let spent = (_: number) => took;
  const store = {
    async prune({ limit, ...expiry }: { limit: number; bodies: number; attempts: number }) {
      calls.push({
        at: clock.now() - start,
        limit,
        bodies: clock.now() - expiry.bodies,
        attempts: clock.now() - expiry.attempts,
      });
      if (isHeld) return null;
      clock.set(clock.now() + spent(calls.length - 1));
      const bodies = left > 0 ? { rows: 1, bytes: 10 } : { rows: 0, bytes: 0 };
      left = Math.max(0, left - 1);
      return { ...nothingPruned(), bodies, isMore: left > 0 };
    },
    shared: null,
    noteArchive: async () => false,
    space: async () => ({ ...room }),
    async noteReading(reading: Omit<StorageReading, "copies">) {
      readings.push({ ...reading, at: reading.at - start });
    },
    async giveBack(bytes: number) {
      given.push(bytes);
      room.bytes -= bytes;
      room.free -= bytes;
    },
  };
  /** By the number of the piece, from 0. */
  function spends(how: typeof spent): void {
    spent = how;
  }
  const archive = async () => ({ archived: 0, released: 0 });
  const running = startRetention({
    store,
    ports: { clock, log, random: testRandom() },
    retention: () => retention,
    archive,
  });
  t.after(() => running.stop());
  return { clock, log, calls, given, readings, retention, room, running, spends };
}

test("what has expired is pruned a quarter of an hour after the start, and then hourly, as the config says then", async (t) => {
  const { clock, calls, retention, log } = open(t);
  await clock.advance(15 * MINUTE - 1);
  assert.equal(calls.length, 0);
  await clock.advance(1);
  assert.deepEqual(
    calls.map(({ bodies, attempts }) => [bodies, attempts]),
    [[90 * DAY, 30 * DAY]],
  );
  Object.assign(retention, { bodies: DAY, attempts: HOUR });
  await clock.advance(HOUR + MINUTE);
  assert.deepEqual(calls.map(({ bodies, attempts }) => [bodies, attempts]).at(-1), [DAY, HOUR]);
  assert.equal(calls.length, 2);
  assert.deepEqual(
    log.facts.map(({ fact, fields }) => [fact, fields.bodies]),
    [["pruned", 1]],
  );
});

test("each look that comes to its end is noted, with what the database then holds", async (t) => {
  const { clock, readings } = open(t, { pieces: 3, bytes: 200 * MIB, free: 50 * MIB });
  await clock.advance(HOUR + 30 * MINUTE);
  assert.deepEqual(
    readings.map(({ pruned, database }) => [pruned, database]),
    [
      [3, 150 * MIB],
      [0, 150 * MIB],
    ],
  );
  assert.ok(readings[0]!.at >= 15 * MINUTE && readings[0]!.at < 16 * MINUTE);
});

test("between two pieces the store has eight times as long for other work as a piece took, and long ones get shorter", async (t) => {
  const { clock, calls, spends } = open(t, { pieces: 12, took: 1 });
  spends((nth) => (nth < 4 ? 1 : 40));
  await clock.advance(HOUR);
  assert.deepEqual(
    calls.map(({ limit }) => limit),
    [16, 32, 64, 128, 256, 128, 64, 32, 16, 16, 16, 16],
  );
  for (const [nth, { at }] of calls.entries()) if (nth > 4) assert.equal(at - calls[nth - 1]!.at, 40 + 320);
});

test("short pieces get longer, and are ten milliseconds apart at least", async (t) => {
  const { clock, calls } = open(t, { pieces: 8, took: 1 });
  await clock.advance(HOUR);
  for (const [nth, { at }] of calls.entries()) if (nth > 0) assert.equal(at - calls[nth - 1]!.at, 11);
  assert.deepEqual(
    calls.map(({ limit }) => limit),
    [16, 32, 64, 128, 256, 256, 256, 256],
  );
});

test("after the clock was set forward nothing is pruned for an hour: it may be wrong", async (t) => {
  const { clock, calls, log } = open(t);
  await clock.advance(HOUR);
  assert.equal(calls.length, 1);
  // The timers of this clock go along: what `elapsed` says is put right.
  const { elapsed } = clock;
  clock.elapsed = () => elapsed() - 100 * DAY;
  clock.set(clock.now() + 100 * DAY);
  await clock.advance(MINUTE);
  assert.equal(calls.length, 1);
  assert.equal(log.facts.at(-1)?.level, "warn");
  await clock.advance(HOUR);
  assert.equal(calls.length, 2);
});

test("while another prunes this one does nothing", async (t) => {
  const { clock, calls, given, readings } = open(t, { isHeld: true, bytes: 200 * MIB, free: 100 * MIB });
  await clock.advance(15 * MINUTE);
  assert.equal(calls.length, 1);
  assert.deepEqual([given, readings], [[], []]);
});

test("free room is given back in small parts, but for what comes next", async (t) => {
  const { clock, given, room, log } = open(t, { bytes: 200 * MIB, free: 50 * MIB });
  await clock.advance(HOUR);
  assert.equal(room.free, 16 * MIB);
  assert.ok(given.every((bytes) => bytes <= MIB / 4));
  assert.equal(log.facts.at(-1)?.fields.returned, 34 * MIB);
});

test("of a large store a twentieth stays free; one that cannot give back is left alone", async (t) => {
  const large = open(t, { bytes: 1500 * MIB, free: 500 * MIB });
  await large.clock.advance(HOUR);
  assert.equal(large.room.free, 50 * MIB);
  const old = open(t, { bytes: 1500 * MIB, free: 500 * MIB, givesBack: false });
  await old.clock.advance(HOUR);
  assert.deepEqual(old.given, []);
});

test("a stop ends it between two pieces", async (t) => {
  const { clock, calls, running } = open(t, { pieces: 1e9, took: 1 });
  await clock.advance(16 * MINUTE);
  assert.ok(calls.length > 10);
  await running.stop();
  const { length } = calls;
  await clock.advance(HOUR);
  assert.equal(calls.length, length);
});
