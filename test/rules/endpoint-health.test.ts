import assert from "node:assert/strict";
import test from "node:test";
import type { FailureKind, Health } from "../../src/model/health.ts";
import { type Judged, judge, kindOf, movedBack } from "../../src/rules/endpoint-health.ts";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** Answers of one endpoint, one after the other; each a second after the one before. */
function endpoint({ concurrency = 8 } = {}) {
  let health: Health | null = null;
  let now = NOW;
  const take = (kind: Judged["kind"], video: number, more: Partial<Judged> = {}) => {
    now += SECOND;
    const status = kind === "success" ? 200 : kind === "shared" ? 503 : kind === "event" ? 404 : null;
    const answer = { kind, status, video, isProbe: false, retryAfter: 0, error: "no", ...more };
    const judged = judge(health, answer, { now, concurrency });
    health = judged.health;
    return judged;
  };
  return {
    take,
    /** Takes these, and says at which of them the breaker opened, from 1; 0: at none. */
    opensAt: (answers: [Judged["kind"], number, Partial<Judged>?][]) =>
      answers.findIndex(([kind, video, more]) => take(kind, video, more).change === "opened") + 1,
    pass(ms: number) {
      now += ms;
    },
    health: () => health,
    now: () => now,
    /** Milliseconds until the next probe. */
    probeIn: () => health!.breaker!.dueAt - now,
  };
}

const SHARED = (video: number): [Judged["kind"], number] => ["shared", video];
const ALWAYS = (video: number): [Judged["kind"], number] => ["always", video];

test("an attempt speaks of the endpoint, of the event, of success or of nothing, by its status and failure", () => {
  const kind = (status: number | null, failure: FailureKind | null = null, abort = false) =>
    kindOf({ status, failure, abort });
  for (const status of [200, 204, 299]) assert.equal(kind(status), "success");
  for (const status of [300, 302, 400, 404, 410, 428, 430, 499]) assert.equal(kind(status), "event", `${status}`);
  for (const status of [429, 500, 503, 599]) assert.equal(kind(status), "shared", `${status}`);
  for (const status of [429, 503]) assert.equal(kind(status, null, true), "event", "it asks for no further attempt");
  assert.equal(kind(200, null, true), "success");
  assert.equal(kind(null, "connection"), "always");
  assert.equal(kind(null, "timeout"), "shared");
  assert.equal(kind(null, "body"), "none");
});

test("ten failures in a row that speak of the endpoint open its breaker, whatever their kind", () => {
  assert.equal(endpoint().opensAt(Array(12).fill(ALWAYS(1))), 10, "of name, connection or TLS: also of one video");
  // The first speaks of a video alone.
  const mixed = Array.from({ length: 15 }, (_, n) => SHARED(n % 2));
  assert.equal(endpoint().opensAt(mixed), 11);
});

test("one video alone never opens it with timeouts, 5xx or 429", () => {
  const one = endpoint();
  assert.equal(one.opensAt(Array(1_000).fill(SHARED(1))), 0);
  assert.equal(one.opensAt(Array(1_000).fill(["shared", 1, { status: 429, retryAfter: MINUTE }])), 0);
  assert.equal(one.take("shared", 1).counted, false);
  assert.equal(one.take("shared", 2).counted, true, "now another one has failed so, too");
  assert.equal(one.take("shared", 1).counted, true);
});

test("three of name, connection or TLS over a minute open it; fewer, or in less time, do not", () => {
  const slow = endpoint();
  assert.equal(slow.take("always", 1).change, null);
  slow.pass(30 * SECOND);
  assert.equal(slow.take("always", 1).change, null);
  slow.pass(28 * SECOND - 1);
  assert.equal(slow.take("always", 1).change, null, "a millisecond less than a minute");
  assert.equal(slow.take("always", 1).change, "opened");

  const two = endpoint();
  two.take("always", 1);
  two.pass(HOUR);
  assert.equal(two.take("always", 1).change, null);

  const shared = endpoint();
  shared.take("shared", 1);
  for (let n = 0; n < 8; n++) {
    shared.pass(HOUR);
    assert.equal(shared.take("shared", 2).change, null, "not those of other kinds");
  }
});

test("a 429 with Retry-After opens it when another video, too, has failed in this row", () => {
  const asked = { status: 429, retryAfter: 20 * SECOND };
  assert.equal(endpoint().take("shared", 1, asked).change, null);
  const two = endpoint();
  two.take("shared", 1);
  assert.equal(two.take("shared", 2, { status: 429 }).change, null, "it does not say for how long");
  assert.equal(two.take("shared", 2, { ...asked, status: 503 }).change, null, "a 503 does not");
  assert.equal(two.take("shared", 2, asked).change, "opened");
  assert.equal(two.probeIn(), 20 * SECOND);
});

test("a success, or an answer that speaks of the event, begins the row anew", () => {
  for (const kind of ["success", "event"] as const) {
    const one = endpoint();
    for (let n = 0; n < 9; n++) one.take("always", 1);
    one.take(kind, 7);
    assert.equal(one.health(), null, kind);
    assert.equal(one.opensAt(Array(12).fill(ALWAYS(1))), 10);
    const two = endpoint();
    two.take("shared", 1);
    two.take(kind, 7);
    assert.equal(two.take("shared", 2).counted, false, "the other video is of the row before");
  }
  const none = endpoint();
  for (let n = 0; n < 9; n++) none.take("always", 1);
  assert.equal(none.take("none", 1).counted, false);
  assert.equal(none.take("always", 1).change, "opened", "an attempt that sent nothing changes nothing");
});

/** One whose breaker has just opened. */
function open(options: { concurrency?: number } = {}) {
  const one = endpoint(options);
  assert.equal(one.opensAt(Array(10).fill(ALWAYS(1))), 10);
  return one;
}

test("probes go 5 s after it opened, then at doubling distances up to 5 min", () => {
  const one = open();
  const distances = [one.probeIn()];
  for (let n = 0; n < 8; n++) {
    assert.equal(one.take("always", 1, { isProbe: true }).change, null);
    distances.push(one.probeIn());
  }
  assert.deepEqual(
    distances.map((ms) => ms / SECOND),
    [5, 10, 20, 40, 80, 160, 300, 300, 300],
  );
});

test("a Retry-After, of at most an hour, sets the next probe, where that is later", () => {
  const one = open();
  one.take("shared", 2, { isProbe: true, retryAfter: 7 * MINUTE });
  assert.equal(one.probeIn(), 7 * MINUTE);
  one.take("shared", 2, { isProbe: true, retryAfter: 9 * HOUR });
  assert.equal(one.probeIn(), HOUR);
  const soon = open();
  soon.take("shared", 2, { isProbe: true, retryAfter: SECOND });
  assert.equal(soon.probeIn(), 10 * SECOND);
});

test("only a probe's answer closes it: a success, or one that speaks of the event", () => {
  for (const kind of ["success", "event"] as const) {
    const one = open();
    const before = one.probeIn();
    assert.equal(one.take(kind, 1).change, null, "an attempt that began before it opened");
    assert.equal(one.probeIn(), before - SECOND);
    assert.equal(one.take("always", 1).change, null);
    assert.equal(one.probeIn(), before - 2 * SECOND, "nor does such a one put off the next probe");
    assert.equal(one.take(kind, 1, { isProbe: true }).change, "closed");
    assert.deepEqual(one.health(), { count: 0, since: null, videos: [], breaker: null, ramp: 1 });
  }
});

test("after it has closed one may be in flight, doubling with each success, up to the concurrency", () => {
  const one = open({ concurrency: 8 });
  one.take("success", 1, { isProbe: true });
  const ramp = () => one.health()?.ramp ?? null;
  assert.equal(ramp(), 1);
  const steps = (["success", "event", "success", "success"] as const).map((kind) => {
    one.take(kind, 1);
    return ramp();
  });
  assert.deepEqual(steps, [2, 2, 4, null]);
  assert.equal(one.health(), null, "nothing is wrong any longer");

  const narrow = open({ concurrency: 1 });
  narrow.take("success", 1, { isProbe: true });
  assert.equal(narrow.health(), null);
});

test("a failure leaves the ramp where it is; a breaker that opens again ends it", () => {
  const one = open();
  one.take("success", 1, { isProbe: true });
  one.take("success", 1);
  for (let n = 0; n < 9; n++) assert.equal(one.take("always", 1).health?.ramp, 2);
  const { change, health } = one.take("always", 1);
  assert.deepEqual([change, health?.ramp, one.probeIn()], ["opened", null, 5 * SECOND]);
});

test("when the clock goes back, the row and the next probe stay as far away as they were", () => {
  const one = open();
  const before = one.health()!;
  const after = movedBack(before, HOUR);
  assert.equal(after.breaker!.dueAt, before.breaker!.dueAt - HOUR);
  assert.equal(after.breaker!.since, before.breaker!.since - HOUR);
  assert.equal(after.since, before.since! - HOUR);
  assert.deepEqual({ ...after, breaker: null, since: 0 }, { ...before, breaker: null, since: 0 });
  const calm = { count: 0, since: null, videos: [3], breaker: null, ramp: 2 };
  assert.deepEqual(movedBack(calm, HOUR), calm);
});
