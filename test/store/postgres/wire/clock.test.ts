import assert from "node:assert/strict";
import { test } from "node:test";
import { createServerClock } from "../../../../src/store/postgres/wire/server-clock.ts";
import { testClock } from "../../../support/ports.ts";
import { noPostgres, testDatabase } from "../../../support/postgres.ts";
import { realPorts } from "../../../support/real-ports.ts";
import { setClock } from "../../../support/set-clock.ts";
import { statement, testWire } from "../../../support/wire.ts";

function measuredClock() {
  const local = testClock();
  const { clock, measured, onJump } = createServerClock(local);
  /** Asks a server whose answer takes so long, and which says that it is so late when it is asked. */
  return {
    clock,
    local,
    onJump,
    measured: (roundTrip: number, now: number) => measured(local.elapsed() - roundTrip, local.elapsed(), now),
  };
}

test("the server is taken to have looked at its clock half-way between question and answer", () => {
  const { clock, measured } = measuredClock();
  assert.throws(() => clock.now(), /before it was known/);
  measured(100, 7_000);
  assert.equal(clock.now(), 7_050);
});

test("the time goes on by what elapses here, whatever the machine's clock is set to", async () => {
  const { clock, local, measured } = measuredClock();
  measured(0, 7_000);
  await local.advance(1_500);
  assert.equal(clock.now(), 8_500);
  const { clock: other, measured: measure } = createServerClock(setClock(local));
  measure(local.elapsed(), local.elapsed(), 7_000);
  assert.equal(other.now(), 7_000);
});

test("a measurement that the clock agrees with changes nothing, and another one no more than it must", () => {
  const { clock, measured } = measuredClock();
  measured(100, 7_000);
  measured(100, 6_960);
  assert.equal(clock.now(), 7_050, "between 6960 and 7060 it is right");
  measured(20, 6_990);
  assert.equal(clock.now(), 7_010, "set back to the latest that it can be");
  measured(20, 7_500);
  assert.equal(clock.now(), 7_500, "set forward to the earliest that it can be");
});

test("a measurement that takes longer than 200 ms counts only where there is no other", () => {
  const { clock, measured } = measuredClock();
  measured(1_000, 7_000);
  assert.equal(clock.now(), 7_500);
  measured(201, 9_000);
  assert.equal(clock.now(), 7_500);
  measured(200, 9_000);
  assert.equal(clock.now(), 9_000);
});

test("a clock of the server that was set is said once, with how far; one that is corrected is not", () => {
  const { measured, onJump } = measuredClock();
  const jumps: number[] = [];
  measured(100, 7_000);
  measured(100, 3_700_000);
  onJump((ms) => jumps.push(ms));
  assert.equal(jumps.length, 1, "also what came before it was listened to");
  measured(0, 100_000);
  measured(0, 99_001);
  measured(201, 7_000);
  assert.deepEqual(jumps, [3_700_000 - 7_050, -3_600_000]);
});

test("relays whose clocks are 45 s ahead and behind tell the server's time", { skip: noPostgres }, async (t) => {
  const { url } = await testDatabase(t);
  const wires = await Promise.all(
    [-45_000, 0, 45_000].map((ahead) => {
      const ports = realPorts();
      const clock = setClock(ports.clock);
      clock.setAhead(ahead);
      return testWire(t, url, { ports: { ...ports, clock } });
    }),
  );
  for (const wire of wires) {
    const time = async () => {
      const { rows } = await wire.query(
        statement("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::int8 AS now"),
      );
      return rows[0]!.now as number;
    };
    const [before, told, after] = [await time(), wire.now(), await time()];
    // The measurement is off by half of its round trip at most.
    assert.ok(told > before - 10_000 && told < after + 10_000, `${told} is not between ${before} and ${after}`);
    assert.equal(wire.clock.now() - wire.now() < 1_000, true);
  }
});
