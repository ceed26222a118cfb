import assert from "node:assert/strict";
import { test } from "node:test";
import { steadyClock } from "../../src/upkeep/steady-clock.ts";
import { testClock, testLog } from "../support/ports.ts";
import { setClock } from "../support/set-clock.ts";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
const YEAR = 365 * DAY;
const NOW = Date.UTC(2030, 5, 1);

function bench(start = NOW) {
  const right = testClock(start);
  const machine = setClock(right);
  const log = testLog();
  const clock = steadyClock(machine, log);
  const jumps: number[] = [];
  clock.onJump((ms) => jumps.push(ms));
  return { right, machine, log, clock, jumps };
}

test("a clock that is right, disciplined, or of a machine that slept is followed", async () => {
  const { right, machine, log, clock, jumps } = bench();
  assert.equal(clock.now(), NOW);
  await right.advance(YEAR * 3);
  assert.equal(clock.now(), NOW + YEAR * 3);
  for (const ahead of [1, -500, DAY, -DAY, 90 * DAY, 0]) {
    machine.setAhead(ahead);
    assert.equal(clock.now(), right.now() + ahead);
  }
  assert.deepEqual(log.facts, []);
  assert.deepEqual(jumps, [DAY + 500, -2 * DAY, 91 * DAY, -90 * DAY]);
});

test("a jump by years is not followed while it may be a mistake; the time goes on, and one line says so", async () => {
  for (const years of [2, -2]) {
    const { right, machine, log, clock } = bench();
    machine.setAhead(years * YEAR);
    for (let minute = 0; minute < 9; minute++) {
      assert.equal(clock.now(), right.now());
      assert.equal(clock.elapsed(), right.elapsed());
      await right.advance(MINUTE);
    }
    assert.equal(log.facts.length, 1);
    const { level, fields } = log.facts[0]!;
    assert.equal(level, "error");
    assert.deepEqual(fields, {
      machine: new Date(NOW + years * YEAR).toISOString(),
      relay: new Date(NOW).toISOString(),
    });
    machine.setAhead(0);
    assert.equal(clock.now(), right.now());
    machine.setAhead(years * YEAR);
    assert.equal(clock.now(), right.now());
    assert.equal(log.facts.length, 2);
  }
});

test("after ten minutes it is no mistake", async () => {
  const { right, machine, clock, jumps } = bench();
  machine.setAhead(2 * YEAR);
  clock.now();
  assert.deepEqual(jumps, []);
  await right.advance(10 * MINUTE);
  assert.equal(clock.now(), right.now() + 2 * YEAR);
  assert.deepEqual(jumps, [2 * YEAR]);
  await right.advance(MINUTE);
  assert.equal(clock.now(), right.now() + 2 * YEAR);
});

test("a jump before there is a listener is reported to the first one", () => {
  const machine = setClock(testClock(NOW));
  const clock = steadyClock(machine, testLog());
  machine.setAhead(-DAY);
  clock.now();
  const jumps: number[] = [];
  clock.onJump((ms) => jumps.push(ms));
  assert.deepEqual(jumps, [-DAY]);
});

test("a time that cannot be right is never followed, and is left at once", async () => {
  for (const wrong of [0, Date.UTC(2100, 0, 1), Date.UTC(2500, 0, 1)]) {
    const { right, machine, clock } = bench();
    machine.setAhead(wrong - NOW);
    for (let hour = 0; hour < 48; hour++) {
      assert.equal(clock.now(), right.now());
      await right.advance(60 * MINUTE);
    }
    // A machine that learns the time after the relay has started.
    const late = bench(wrong);
    assert.equal(late.clock.now(), wrong);
    late.machine.setAhead(NOW - wrong);
    assert.equal(late.clock.now(), NOW);
  }
});

test("it says whole milliseconds, as the machine's clock does", () => {
  const machine = setClock({ ...testClock(NOW), elapsed: () => 0.25 });
  const clock = steadyClock(machine, testLog());
  machine.elapsed = () => 1_000.75;
  machine.setAhead(3 * YEAR);
  assert.equal(clock.now(), NOW + 1_001);
});
