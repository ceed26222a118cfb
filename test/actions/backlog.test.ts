import assert from "node:assert/strict";
import { test } from "node:test";
import { describeBacklog, readBacklog } from "../../src/actions/outcome/backlog.ts";
import { describeHeld, holdings } from "../../src/actions/outcome/held.ts";
import { readStatus } from "../../src/actions/status.ts";
import type { Tally } from "../../src/store/counts.ts";
import { openSeeded, ready, STATUS } from "../support/seeded.ts";

const HOUR = 3_600_000;
const hour = Date.UTC(2026, 0, 31, 8);

test("a backlog is said with how fast it goes and how long it takes, unless its endpoint is held", () => {
  const of = { endpoint: "cms", open: 818, waiting: 0, waitUntil: null, perMinute: 120.5, held: null };
  assert.equal(
    describeBacklog({ ...of, minutesLeft: 7 }, hour),
    "818 open; 120.5 are delivered a minute: about 7 min if nothing new comes",
  );
  const waits = { ...of, open: 6, waiting: 6, waitUntil: "2026-01-31T08:30:00.000Z", minutesLeft: null };
  assert.equal(describeBacklog(waits, hour), "6 wait for media (30 min left)");
  assert.match(describeBacklog({ ...of, minutesLeft: 300 }, hour), /: about 5 h if/);
  assert.equal(describeBacklog({ ...of, minutesLeft: null }, hour), "818 open");
  assert.equal(
    describeBacklog({ ...of, minutesLeft: null, held: HELD }, hour),
    "818 open; 1 video is held behind a refused event: evt_1 (HTTP 422)",
  );
});

const HELD = {
  ...{ videos: 1, deliveries: 12, isMore: false },
  ...{ eventId: "evt_1", deliveryId: "dlv_1", error: "HTTP 422", isRefused: true },
};

test("of videos that are held it is said how many they are, and behind what", () => {
  assert.equal(describeHeld(HELD), "1 video is held behind a refused event: evt_1 (HTTP 422)");
  const failing = { ...HELD, isRefused: false, error: "HTTP 500" };
  assert.equal(describeHeld(failing), "1 video is held behind an event that fails: evt_1 (HTTP 500)");
  assert.equal(
    describeHeld({ ...HELD, videos: 3 }),
    "3 videos are held behind refused events, the oldest: evt_1 (HTTP 422)",
  );
  assert.match(
    describeHeld({ ...failing, videos: 200, isMore: true }),
    /^200 videos or more are held behind events that/,
  );
});

test("endpoints that are held are told where they are no alarm", () => {
  const endpoints = ["cms", "slow", "down", "off", "well"].map((id, n) => ({
    ...{ id, state: (["active", "failing", "failing", "paused", "active"] as const)[n]! },
  }));
  const alarms = [{ name: "BreakerOpen" as const, subject: "down" }];
  const backlog = [
    { endpoint: "cms", held: HELD },
    { endpoint: "well", held: null },
  ];
  assert.deepEqual(
    holdings({ endpoints, alarms, backlog }).map(({ id, is }) => `${id} ${is}`),
    ["cms holding", "slow failing", "off paused"],
  );
});

test("what is open is measured by what ended in the hours that are tallied, by endpoint", async () => {
  const asked: number[] = [];
  const tally = (label: string, ok: number, failed: number): Tally => ({
    ...{ hour, kind: "deliveries", label, ok, failed, ms: 0, times: [] },
  });
  const asksDeliveries: unknown[] = [];
  const store = {
    async deliveries(wish: object) {
      asksDeliveries.push(wish);
      return [{ nextAttemptAt: hour + 40 * 60_000 }] as never;
    },
    async heldUp(endpoints: string[]) {
      assert.deepEqual(endpoints, ["cms", "gated", "search"], "the others are held as a whole");
      const { videos, deliveries: behind, isMore, eventId, deliveryId, error, isRefused } = HELD;
      const first = { eventId, deliveryId, error, isRefused };
      return [{ endpoint: "cms", videos, behind, failed: 28, isMore, first }];
    },
    async tallies({ since }: { since: number }) {
      asked.push(since);
      const before = { ...tally("search", 500, 0), hour: hour - HOUR };
      return [tally("search", 0, 40), before, tally("cms", 300, 30), tally("stats", 9, 0), tally("gated", 9, 0)];
    },
  };
  const endpoint = (id: string, state: string, pending: number) => ({ id, state, waiting: 1, pending, running: 0 });
  const idle = { ...endpoint("idle", "active", 0), waiting: 0 };
  const gated = { ...endpoint("gated", "active", 0), waiting: 6 };
  const search = { ...endpoint("search", "active", 16), waiting: 0 };
  const all = [endpoint("cms", "active", 100), endpoint("stats", "paused", 8), idle, gated, search] as never;
  const waitUntil = new Date(hour + 40 * 60_000).toISOString();
  assert.deepEqual(await readBacklog(store, all, hour + 30 * 60_000), [
    // What has failed, and what is behind it, goes at no rate.
    { endpoint: "cms", open: 101, waiting: 1, waitUntil, perMinute: 10, minutesLeft: 6, held: HELD },
    { endpoint: "stats", open: 9, waiting: 1, waitUntil, perMinute: 0.3, minutesLeft: null, held: null },
    // They wait for media, however fast others go; none arrives any longer.
    { endpoint: "gated", open: 6, waiting: 6, waitUntil, perMinute: 0.3, minutesLeft: null, held: null },
    { endpoint: "search", open: 16, waiting: 0, waitUntil: null, perMinute: 8.3, minutesLeft: null, held: null },
  ]);
  assert.equal(asksDeliveries.length, 3);
  assert.deepEqual(asked, [hour - HOUR]);
});

test("status has the backlog of each endpoint that has one", async (t) => {
  const seeded = await openSeeded(t);
  for (const id of ["v1", "v2", "v3"]) await seeded.take(ready(id));
  assert.equal(await seeded.deliver("app", "delivered"), 3);
  await seeded.take(ready("v4"));
  const { backlog } = await readStatus(seeded.store, seeded.config, STATUS);
  assert.deepEqual(
    backlog.map(({ endpoint, open }) => [endpoint, open]),
    [
      ["app", 1],
      ["archive", 4],
    ],
  );
  assert.ok(backlog[0]!.perMinute > 0 && backlog[0]!.minutesLeft! >= 1);
  assert.equal(backlog[1]!.minutesLeft, null);
});
