import assert from "node:assert/strict";
import { test } from "node:test";
import { describeRelays } from "../../src/actions/relay/relays.ts";
import { judgeRelays } from "../../src/doctor/relays.ts";
import { judgeServer } from "../../src/doctor/server.ts";
import { GONE_AFTER, type RelaySeen } from "../../src/store/access/relays.ts";
import type { Inspected } from "../../src/store/postgres/relays/inspect.ts";

const GOOD: Inspected = {
  server: "db:5432",
  version: "15.18 (Debian 15.18-1)",
  role: "relay",
  schema: 1,
  newest: 1,
  creates: true,
  hasTrigrams: true,
  roundTrip: 0.4,
  ahead: 12,
  isSynchronous: true,
  oldest: null,
  connectionsLeft: 80,
};

const wrongIn = (found: Partial<Inspected>) =>
  judgeServer({ ...GOOD, ...found })
    .filter(({ state }) => state !== "ok")
    .map(({ of, state, advice }) => [of, state, advice !== null]);

test("of a server each thing that is wrong is a line of its own, with what to do", () => {
  assert.deepEqual(wrongIn({}), []);
  assert.deepEqual(wrongIn({ version: "13.9" }), [["version", "failed", true]]);
  assert.deepEqual(wrongIn({ version: "14.0" }), []);
  assert.deepEqual(wrongIn({ hasTrigrams: false }), [["schema", "warning", true]]);
  assert.deepEqual(wrongIn({ schema: 0 }), [["schema", "warning", true]]);
  assert.deepEqual(wrongIn({ schema: 0, creates: false }), [["schema", "failed", true]]);
  assert.deepEqual(wrongIn({ creates: false }), [], "it makes none any more");
  assert.deepEqual(wrongIn({ roundTrip: 35 }), [["way", "warning", true]]);
  assert.deepEqual(wrongIn({ ahead: -45_000 }), [["clock", "warning", true]]);
  assert.deepEqual(wrongIn({ isSynchronous: false }), [["replication", "warning", true]]);
  assert.deepEqual(wrongIn({ oldest: { ms: 599_000, who: "pid 7" } }), []);
  assert.deepEqual(wrongIn({ oldest: { ms: 600_000, who: "pid 7" } }), [["transactions", "warning", true]]);
  assert.deepEqual(wrongIn({ connectionsLeft: 19 }), [["connections", "warning", true]]);
});

const NOW = 1_800_000_000_000;
const relay = (id: string, config: string, more: Partial<RelaySeen> = {}): RelaySeen => ({
  ...{ id, config, host: id, version: "1.0.0", mirrors: true, startedAt: NOW - 1_000, seenAt: NOW - 2_000 },
  ...more,
});

test("a relay whose config is not that of most differs, of as many it is not the one that was started last", () => {
  const differing = (...seen: RelaySeen[]) =>
    describeRelays(seen, NOW)
      .filter(({ configDiffers }) => configDiffers)
      .map(({ id }) => id);
  assert.deepEqual(differing(relay("a", "x"), relay("b", "x"), relay("c", "y")), ["c"]);
  assert.deepEqual(differing(relay("a", "x"), relay("b", "y")), ["a"]);
  const silent = { seenAt: NOW - GONE_AFTER };
  assert.deepEqual(differing(relay("a", "x"), relay("b", "y", silent), relay("c", "y", silent)), [], "they are silent");
});

test("doctor names relays that are silent or differ, and says when none lives", () => {
  const states = (...seen: RelaySeen[]) => judgeRelays(seen, NOW).map(({ of = "", state }) => `${of} ${state}`);
  const silent = { seenAt: NOW - GONE_AFTER };
  assert.deepEqual(states(relay("a", "x"), relay("b", "x", silent), relay("c", "x"), relay("d", "y")), [
    "a ok",
    "b warning",
    "c ok",
    "d warning",
  ]);
  assert.deepEqual(states(relay("a", "x", silent)), [" warning"]);
  assert.deepEqual(states(), [" warning"]);
});
