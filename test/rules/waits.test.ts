import assert from "node:assert/strict";
import { test } from "node:test";
import { describeWait, type Facts, waitsFor } from "../../src/rules/waits.ts";

const NOW = 1_000_000;
const LATER = NOW + 60_000;

/** Of a delivery that may be sent now. */
const FREE: Facts = {
  endpoint: "cms",
  event: "evt_1",
  isRunning: false,
  isRemoved: false,
  pausedBy: null,
  breakerUntil: null,
  ahead: null,
  gateUntil: null,
  due: NOW,
  inFlight: 0,
  slots: 8,
  isPaced: false,
};

/** Everything that a delivery may wait for, the first that holds first. */
const WAITS: [Partial<Facts>, ReturnType<typeof waitsFor>, RegExp][] = [
  [{ isRemoved: true }, { is: "removed", until: null, of: "cms" }, /^endpoint cms is not in the config: held/],
  [{ pausedBy: "config" }, { is: "pause", until: null, of: "config" }, /^its endpoint is paused by the config$/],
  [{ pausedBy: "gone" }, { is: "pause", until: null, of: "gone" }, /410 Gone.* until it is resumed$/],
  [{ pausedBy: "operator" }, { is: "pause", until: null, of: "operator" }, /is paused until it is resumed$/],
  [{ breakerUntil: LATER }, { is: "breaker", until: LATER, of: "cms" }, /cms is failing.*the next at 17:40$/],
  [{ ahead: "dlv_1" }, { is: "lane", until: null, of: "dlv_1" }, /^dlv_1 of the same video goes first$/],
  [{ gateUntil: LATER }, { is: "gate", until: LATER, of: "evt_1" }, /media .* are not settled.*at most until 17:40$/],
  [{ due: LATER }, { is: "retry", until: LATER, of: null }, /^the next attempt is at 17:40$/],
  [{ inFlight: 8 }, { is: "slot", until: null, of: null }, /as many requests in flight, or a second, as it may$/],
  [{ isPaced: true }, { is: "slot", until: null, of: null }, /as many requests in flight, or a second, as it may$/],
];

test("a delivery waits for the first of what holds it, and says so in words", () => {
  for (const [index, [, wait, words]] of WAITS.entries()) {
    const held = Object.assign(
      {},
      ...WAITS.slice(index)
        .reverse()
        .map(([facts]) => facts),
    );
    assert.deepEqual(waitsFor({ ...FREE, ...held }, NOW), wait);
    assert.match(
      describeWait(wait!, () => "17:40"),
      words,
    );
  }
});

test("one that runs, or may be sent now, waits for nothing", () => {
  assert.equal(waitsFor(FREE, NOW), null);
  assert.equal(waitsFor({ ...FREE, gateUntil: NOW, due: null }, NOW), null);
  const held = Object.assign({}, ...WAITS.map(([facts]) => facts));
  assert.equal(waitsFor({ ...FREE, ...held, isRunning: true }, NOW), null);
});
