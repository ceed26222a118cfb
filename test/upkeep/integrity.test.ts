import assert from "node:assert/strict";
import { test } from "node:test";
import type { IntegrityCheck } from "../../src/store/store.ts";
import { startIntegrityChecks } from "../../src/upkeep/integrity.ts";
import { testClock, testLog } from "../support/ports.ts";

const DAY = 24 * 60 * 60_000;

function start(options: { unclean?: boolean; last?: IntegrityCheck; backupAt?: number; wrong?: string[] } = {}) {
  const clock = testClock();
  const log = testLog();
  const state = {
    met: null as string | null,
    wrong: options.wrong ?? [],
    checks: 0,
    last: options.last ?? null,
    backupAt: options.backupAt ?? null,
  };
  const integrity = startIntegrityChecks({
    store: {
      damage: () => state.met,
      disproveDamage() {
        state.met = null;
      },
      wasUnclean: () => options.unclean ?? false,
      lastCheck: async () => state.last,
      async noteCheck(check) {
        state.last = check;
      },
      backups: { last: async () => (state.backupAt === null ? null : ({ at: state.backupAt } as never)) },
    },
    database: "/nowhere/relay.db",
    ports: { clock, log },
    async check() {
      state.checks++;
      return state.wrong;
    },
  });
  return { clock, log, state, integrity };
}

const START = testClock().now();

test("a database is checked soon after an unclean start, and then once a day", async () => {
  const { clock, state, integrity } = start({ unclean: true, last: { at: START - 1000, wrong: [] } });
  await clock.advance(10_000);
  assert.equal(state.checks, 0, "not at once: a start has other things to do");
  await clock.advance(60_000);
  assert.equal(state.checks, 1);
  await clock.advance(DAY - 120_000);
  assert.equal(state.checks, 1);
  await clock.advance(DAY / 2);
  assert.equal(state.checks, 2);
  await integrity.stop();
});

test("after a clean start the last proof counts, a check or a verified backup, unless it found damage", async () => {
  for (const [given, checks] of [
    [{ last: { at: START - 1000, wrong: [] } }, 0],
    [{ backupAt: START - 1000 }, 0],
    [{ backupAt: START - 2 * DAY, last: { at: START - 2 * DAY, wrong: [] } }, 1],
    [{ last: { at: START + 9 * DAY, wrong: [] } }, 1],
    [{ last: { at: START - 1000, wrong: ["row 7 is missing"] } }, 1],
    [{}, 1],
  ] as const) {
    const { clock, state, integrity } = start(given as Parameters<typeof start>[0]);
    await clock.advance(120_000);
    assert.equal(state.checks, checks, JSON.stringify(given));
    await integrity.stop();
  }
});

test("damage is an error in the log with the way out, until a check finds none", async () => {
  const { clock, log, state, integrity } = start({ wrong: ["Tree 4 page 9: btreeInitPage() returns error code 11"] });
  assert.equal(integrity.damage(), null);
  await clock.advance(120_000);
  assert.match(integrity.damage() ?? "", /Tree 4/);
  const said = log.facts.find(({ level }) => level === "error");
  assert.match(String(said?.fields.do), /wochit-relay restore/);
  state.wrong = [];
  await clock.advance(DAY + 20 * 60_000);
  assert.equal(integrity.damage(), null);
  await integrity.stop();
});

test("what the store meets is damage until a check disproves it: a disk may have failed for a while", async () => {
  const { clock, state, integrity } = start({ last: { at: START - 1000, wrong: [] } });
  await clock.advance(120_000);
  state.met = "database disk image is malformed";
  assert.equal(integrity.damage(), state.met);
  await clock.advance(20 * 60_000);
  assert.deepEqual([state.checks, integrity.damage()], [1, null]);
  await clock.advance(60 * 60_000);
  assert.equal(state.checks, 1);
  await integrity.stop();
});

test("damage that the store meets after a check has disproved an earlier one is damage again", async () => {
  const { clock, state, integrity } = start({ last: { at: START - 1000, wrong: [] } });
  const met = "database disk image is malformed";
  state.met = met;
  await clock.advance(20 * 60_000);
  assert.deepEqual([state.checks, integrity.damage()], [1, null]);
  state.met = met;
  assert.equal(integrity.damage(), met);
  state.wrong = ["Tree 4 page 9"];
  await clock.advance(20 * 60_000);
  assert.equal(state.checks, 2);
  assert.notEqual(integrity.damage(), null);
  await clock.advance(60 * 60_000);
  assert.equal(state.checks, 2, "what is known needs no other check");
  await integrity.stop();
});
