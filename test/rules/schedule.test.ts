import assert from "node:assert/strict";
import test from "node:test";
import { dueAfter, mediaBackoff, mediaRetry, nextWait, type Progress } from "../../src/rules/schedule.ts";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const SCHEDULE = [5_000, 30_000, 7_200_000];
const HOUR = 3_600_000;

/** CONTRACT, "Config". */
const RETRY = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 43_200, 86_400, 86_400].map((s) => s * 1_000);

const FRESH: Progress = { spent: 0, waited: 0, wait: 0, scheduledAt: null };

/** How far a delivery has come after so many failures, each at the time that its schedule named. */
function after(failures: number, { retry = SCHEDULE, spread = 0.5 } = {}): Progress[] {
  const all: Progress[] = [];
  for (let one: Progress | null = FRESH; all.length < failures; all.push(one)) {
    one = nextWait(one, { retry, now: one.scheduledAt ?? NOW, spread });
    assert.ok(one);
  }
  return all;
}

test("a download waits 1 s, 2 s, 5 s, 10 s, 30 s, 1 min, 5 min and from then on always 5 min", () => {
  const waits = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000].map((attempt) => mediaBackoff(attempt) / 1000);
  assert.deepEqual(waits, [1, 2, 5, 10, 30, 60, 300, 300, 300, 300]);
});

test("a download is tried harder towards its deadline, and once at the deadline itself", () => {
  const wait = (attempt: number, left: number) =>
    (mediaRetry({ attempt, now: NOW, deadline: NOW + left * 1000 }) - NOW) / 1000;
  assert.equal(wait(1, 86_400), 1);
  assert.equal(wait(100, 86_400), 300);
  assert.equal(wait(100, 3000), 300);
  assert.equal(wait(100, 1200), 120);
  assert.equal(wait(100, 100), 10);
  assert.equal(wait(100, 20), 10);
  assert.equal(wait(100, 9), 9, "the last one is at the deadline");
  assert.equal(wait(2, 9), 2);
  assert.equal(wait(100, 0.1), 1, "but a second is between two");
  assert.equal(wait(100, -500), 1);
});

test("however long a link lived, tries are left before its deadline, and the last one is at it", () => {
  for (const hours of [1, 24, 168]) {
    const deadline = NOW + hours * HOUR;
    const times: number[] = [];
    for (let now = NOW, attempt = 1; now < deadline; attempt++) {
      now = mediaRetry({ attempt, now, deadline });
      times.push(now);
    }
    assert.equal(times.at(-1), deadline);
    assert.ok(
      times.filter((time) => time > deadline - 600_000).length > 20,
      "more than twenty in the last ten minutes",
    );
  }
});

test("the default schedule covers three days, however the jitter falls", () => {
  for (const spread of [0, 0.5, 1]) {
    const last = after(RETRY.length, { retry: RETRY, spread }).at(-1)!;
    assert.ok(last.scheduledAt! - NOW > 72 * HOUR, `${spread}`);
    assert.equal(nextWait(last, { retry: RETRY, now: NOW, spread }), null);
  }
});

test("each failed delivery attempt takes the next wait of the schedule, and has been through those before", () => {
  assert.deepEqual(
    after(3).map(({ spent, waited, wait, scheduledAt }) => [spent, waited, wait, scheduledAt! - NOW]),
    [
      [1, 0, 5_000, 5_000],
      [2, 5_000, 30_000, 35_000],
      [3, 35_000, 7_200_000, 7_235_000],
    ],
  );
});

test("when the schedule is spent there is no next attempt", () => {
  assert.equal(nextWait(after(3).at(-1)!, { retry: SCHEDULE, now: NOW, spread: 0.5 }), null);
  assert.equal(nextWait(FRESH, { retry: [], now: NOW, spread: 0.5 }), null);
});

test("jitter moves a wait by at most a fifth, either way, and is not counted as waited", () => {
  const [, low] = after(2, { retry: [10_000, 30_000], spread: 0 });
  assert.deepEqual([low?.waited, low?.wait, low!.scheduledAt! - NOW], [10_000, 30_000, 8_000 + 24_000]);
  const [high] = after(1, { retry: [30_000], spread: 0.999_999_99 });
  assert.equal(high!.scheduledAt! - NOW, 36_000);
});

test("downtime is not counted as waited", () => {
  const late = nextWait(after(1)[0]!, { retry: SCHEDULE, now: NOW + 100 * HOUR, spread: 0.5 });
  assert.deepEqual([late?.waited, late?.scheduledAt], [5_000, NOW + 100 * HOUR + 30_000]);
});

const due = (wait: number, retryAfter: number) => dueAfter(NOW + wait, { now: NOW, retryAfter }) - NOW;

test("Retry-After postpones, and never hastens", () => {
  assert.equal(due(5_000, 60_000), 60_000);
  assert.equal(due(5_000, 1_000), 5_000);
  assert.equal(due(5_000, 0), 5_000);
});

test("Retry-After counts up to one hour beyond the schedule", () => {
  assert.equal(due(5_000, 5_000 + HOUR), 5_000 + HOUR);
  assert.equal(due(5_000, 30 * HOUR), 5_000 + HOUR);
  assert.equal(due(5_000, Number.POSITIVE_INFINITY), 5_000 + HOUR);
  // A schedule whose time is over, of an attempt that spent nothing.
  assert.equal(due(-5_000, 30 * HOUR), HOUR);
});
