import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Attempted,
  awaitAttempts,
  describeAttempts,
  idsToAwait,
  judgeAttempt,
} from "../../src/actions/outcome/await-attempts.ts";
import type { Delivery } from "../../src/model/delivery.ts";
import { testClock } from "../support/ports.ts";
import { openSeeded } from "../support/seeded.ts";
import { seedDead } from "../support/tasks.ts";

type Shown = Parameters<typeof judgeAttempt>[0];
const of = (facts: Partial<Shown>): Shown =>
  ({ id: "dlv_1", endpoint: "cms", attempts: 0, lastError: null, waitsFor: null, attemptLog: [], ...facts }) as Shown;
const waits = (is: "pause" | "removed" | "breaker" | "lane") => ({ is, until: 0, of: "operator" });

test("an attempt is judged by what became of its delivery; what still runs, or waits for what may pass, is not", () => {
  const judged = (facts: Partial<Delivery>) => {
    const found = judgeAttempt(of(facts));
    return found && [found.is, found.why];
  };
  assert.deepEqual(judged({ state: "delivered", attempts: 1 }), ["delivered", "delivered"]);
  assert.deepEqual(judged({ state: "dead", attempts: 1, lastError: "HTTP 410" }), [
    "failed",
    "given up after 1 attempt: HTTP 410",
  ]);
  assert.deepEqual(judged({ state: "pending", attempts: 1, lastError: "HTTP 500" }), [
    "failed",
    "HTTP 500; it is sent in a moment",
  ]);
  assert.deepEqual(judged({ state: "canceled", lastError: "by the operator" }), [
    "failed",
    "canceled: by the operator",
  ]);
  assert.deepEqual(judged({ state: "superseded", supersededBy: "dlv_2" }), ["failed", "superseded by dlv_2"]);
  assert.deepEqual(judged({ state: "pending", waitsFor: waits("pause") }), [
    "waits",
    "its endpoint is paused until it is resumed",
  ]);
  assert.equal(judged({ state: "pending", waitsFor: waits("removed") })?.[0], "waits");
  for (const facts of [{ state: "running", attempts: 1 }, { state: "pending" }] as const) {
    assert.equal(judged(facts), null);
  }
  for (const is of ["breaker", "lane"] as const) assert.equal(judged({ state: "pending", waitsFor: waits(is) }), null);
});

test("attempts are waited for until the time is over, or the command is stopped", async () => {
  const clock = testClock();
  const states = new Map<string, Partial<Shown>>([
    ["dlv_1", { state: "running" }],
    ["dlv_2", { state: "pending", waitsFor: waits("lane") }],
  ]);
  const store = { delivery: async (id: string) => of({ id, ...states.get(id) }) };
  const wait = (signal = new AbortController().signal) => awaitAttempts(store, ["dlv_1", "dlv_2"], { clock, signal });
  const waiting = wait();
  await clock.advance(30_000);
  states.set("dlv_1", { state: "delivered" });
  await clock.advance(31_000);
  assert.deepEqual(
    (await waiting).map(({ id, is, why }) => [id, is, why]),
    [
      ["dlv_1", "delivered", "delivered"],
      ["dlv_2", "waits", "operator of the same video goes first"],
    ],
  );
  assert.equal((await wait(AbortSignal.abort()))[1]!.is, "waits");
});

test("several are summed up by endpoint and reason, the most frequent first; one is said with all that follows", () => {
  const one = (is: Attempted["is"], more: Partial<Attempted> = {}): Attempted => ({
    ...{ id: "dlv_1", endpoint: "cms", is, error: null, why: "delivered" },
    ...more,
  });
  const unknown = { error: "HTTP 422: unknown rubric", why: "…; the next attempt is at 8" };
  assert.deepEqual(describeAttempts([one("failed", unknown)]), ["dlv_1: …; the next attempt is at 8"]);
  assert.deepEqual(
    describeAttempts([
      one("delivered"),
      one("failed", { endpoint: "stats", error: "HTTP 500" }),
      one("failed", unknown),
      one("failed", { ...unknown, why: "…; the next attempt is at 9" }),
      one("waits", { why: "its endpoint is paused" }),
    ]),
    [
      "1 delivered",
      "2 failed at cms: HTTP 422: unknown rubric",
      "1 failed at stats: HTTP 500",
      "1 not sent yet, after up to 1 min, to cms: its endpoint is paused",
    ],
  );
});

test("what a retry takes is waited for, by the same filter, and no more than a thousand", async (t) => {
  const { store } = await openSeeded(t);
  await seedDead(store, 3);
  const dead = (await store.deliveries({ limit: 9, state: "dead" })).map(({ id }) => id);
  assert.deepEqual(await idsToAwait(store, { endpoint: "app" }), dead);
  assert.deepEqual(await idsToAwait(store, { endpoint: "archive" }), []);
  const many = { deliveries: async ({ limit }: { limit: number }) => Array(limit).fill({ id: "dlv_1" }) };
  await assert.rejects(idsToAwait(many, {}), /--wait is for at most 1000 deliveries/);
});
