import assert from "node:assert/strict";
import test from "node:test";
import { deliveryRetry, mediaBackoff, mediaRetry } from "../../src/rules/schedule.ts";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 0);
const SCHEDULE = [5_000, 30_000, 7_200_000];
const HOUR = 3_600_000;

/** Dice that always fall the same way; 0.5 is no jitter at all. */
function dice(float: number) {
  return { float: () => float, bytes: (length: number) => new Uint8Array(length) };
}

function retry(options: Partial<Parameters<typeof deliveryRetry>[0]>): number | null {
  return deliveryRetry({ schedule: SCHEDULE, attempt: 1, now: NOW, retryAfter: null, random: dice(0.5), ...options });
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

test("each failed delivery attempt takes the next wait of the schedule", () => {
  assert.deepEqual(
    [1, 2, 3].map((attempt) => retry({ attempt })! - NOW),
    SCHEDULE,
  );
});

test("when the schedule is spent there is no next attempt, whatever the endpoint asks for", () => {
  assert.equal(retry({ attempt: 4 }), null);
  assert.equal(retry({ attempt: 4, retryAfter: NOW + 1000 }), null);
  assert.equal(retry({ attempt: 1, schedule: [] }), null);
});

test("jitter moves a wait by at most a fifth, either way", () => {
  assert.equal(retry({ attempt: 2, random: dice(0) })! - NOW, 24_000);
  assert.equal(retry({ attempt: 2, random: dice(0.999_999_99) })! - NOW, 36_000);
});

test("Retry-After postpones, and never hastens", () => {
  assert.equal(retry({ retryAfter: NOW + 60_000 })! - NOW, 60_000);
  assert.equal(retry({ retryAfter: NOW + 1_000 })! - NOW, 5_000);
  assert.equal(retry({ retryAfter: NOW })! - NOW, 5_000);
});

test("Retry-After counts up to one hour beyond the schedule", () => {
  assert.equal(retry({ retryAfter: NOW + 5_000 + HOUR })! - NOW, 5_000 + HOUR);
  assert.equal(retry({ retryAfter: NOW + 30 * HOUR })! - NOW, 5_000 + HOUR);
  assert.equal(retry({ retryAfter: Number.POSITIVE_INFINITY })! - NOW, 5_000 + HOUR);
});

test("jitter never shortens what Retry-After asked for", () => {
  for (const float of [0, 0.3, 0.999]) {
    const at = retry({ attempt: 3, retryAfter: NOW + 7_000_000, random: dice(float) })!;
    assert.ok(at >= NOW + 7_000_000, `${at - NOW}`);
  }
});
