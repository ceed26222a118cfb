import assert from "node:assert/strict";
import { test } from "node:test";
import { formatSpan, relativeTime } from "../../src/actions/format.ts";
import {
  attemptJson,
  deliveryJson,
  eventJson,
  mediumJson,
  quarantinedJson,
  videoJson,
} from "../../src/actions/json.ts";
import type { Medium } from "../../src/model/medium.ts";

const NOON = Date.UTC(2026, 0, 31, 12);

const medium: Medium = {
  id: "med_1",
  videoId: "v1",
  kind: "video",
  eventId: "evt_1",
  state: "mirrored",
  suspect: null,
  target: "tgt_1",
  key: "v1/video.mp4",
  sourceUrl: "https://user:pw@cdn.example.com/a.mp4?X-Amz-Signature=secret#frag",
  bytes: 7,
  sha256: "00",
  contentType: "video/mp4",
  deadline: NOON,
  attempts: 1,
  nextAttemptAt: null,
  lastError: null,
  firstTriedAt: NOON,
  securedAt: NOON,
  settledAt: NOON,
};

test("what is shown has the names of the contract, no more and no fewer", () => {
  const event = {
    id: "evt_1",
    receivedAt: NOON,
    type: null,
    dialect: "typed",
    failure: false,
    videoId: "v1",
    context: null,
    contextFrom: null,
    late: false,
    sequence: 1,
    sourceAddress: "192.0.2.1",
    duplicates: 0,
    status: "settled",
  } as const;
  assert.equal(
    Object.keys(eventJson(event)).join(", "),
    "id, receivedAt, type, dialect, videoId, context, contextFrom, sequence, sourceAddress, duplicates, status",
  );
  assert.equal(eventJson(event).receivedAt, "2026-01-31T12:00:00.000Z");
  const delivery = {
    id: "dlv_1",
    eventId: "evt_1",
    videoId: "v1",
    type: "video.ready",
    endpoint: "app",
    createdAt: NOON,
    state: "pending",
    attempts: 2,
    attemptsLeft: 3,
    gate: null,
    waitsFor: { is: "retry", until: NOON, of: null },
    nextAttemptAt: null,
    lastError: null,
    replay: false,
    supersededBy: null,
  } as const;
  assert.equal(
    Object.keys(deliveryJson(delivery)).join(", "),
    "id, eventId, videoId, type, endpoint, createdAt, state, supersededBy, attempts, attemptsLeft, nextAttemptAt, lastError, replay, waitsFor",
  );
  const { createdAt, waitsFor } = deliveryJson(delivery);
  assert.deepEqual([createdAt, waitsFor?.until], Array(2).fill("2026-01-31T12:00:00.000Z"));
  const sent = { bytes: 2, sha256: "ab", retryAfter: 1_500, probe: true };
  const attempt = { n: 1, startedAt: NOON, duration: 12, status: 503, response: null, error: "HTTP 503", ...sent };
  const shown = attemptJson(attempt);
  assert.equal(
    Object.keys(shown).join(", "),
    "n, startedAt, endedAt, status, error, answer, retryAfter, bytes, sha256, probe",
  );
  assert.deepEqual([shown.endedAt, shown.retryAfter], ["2026-01-31T12:00:00.012Z", 2]);
  const video = {
    videoId: "v1",
    context: null,
    contextHistory: [{ context: "c", since: NOON }],
    state: "ready",
    title: null,
    duration: null,
    media: [medium],
    firstSeenAt: NOON,
    lastEventAt: NOON,
    forgottenAt: null,
  } as const;
  assert.equal(
    Object.keys(videoJson({ ...video, contextHistory: [...video.contextHistory], media: [medium] }, () => null)).join(
      ", ",
    ),
    "videoId, context, contextHistory, state, title, duration, media, firstSeenAt, lastEventAt",
  );
  assert.equal(
    Object.keys(mediumJson(medium, () => null)).join(", "),
    "id, videoId, kind, eventId, state, suspect, key, url, sourceUrl, bytes, sha256, contentType, deadline, attempts, nextAttemptAt, lastError",
  );
  const about = { videoId: "v1", type: "video.ready", detail: null };
  const refused = { id: "qrn_1", receivedAt: NOON, sourceAddress: "192.0.2.1", reason: "source" } as const;
  const kept = { ...refused, bytes: 1, ...about };
  assert.equal(
    Object.keys(quarantinedJson(kept)).join(", "),
    "id, receivedAt, sourceAddress, reason, bytes, videoId, type, detail",
  );
});

test("a medium is shown with its durable address once it is mirrored, and never with its signature", () => {
  const link = ({ key }: { key: string }) => `https://relay/media/${key}`;
  assert.equal(mediumJson(medium, link).url, "https://relay/media/v1/video.mp4");
  assert.equal(mediumJson({ ...medium, state: "pending" }, link).url, null);
  assert.equal(mediumJson(medium, link).sourceUrl, "https://cdn.example.com/a.mp4");
  assert.equal(mediumJson({ ...medium, sourceUrl: "not a url?sig=1" }, link).sourceUrl, "not a url");
  const hasAt = { ...medium, sourceUrl: "https://user:p@ss@cdn.example.com/a.mp4" };
  assert.equal(mediumJson(hasAt, link).sourceUrl, "https://cdn.example.com/a.mp4");
});

test("a time beyond all dates is still a time", () => {
  assert.equal(
    mediumJson({ ...medium, deadline: Number.MAX_SAFE_INTEGER }, () => null).deadline,
    "+275760-09-13T00:00:00.000Z",
  );
});

test("how far a moment is away is said as people say it", () => {
  for (const [away, words] of [
    [0, "now"],
    [999, "now"],
    [40_000, "in 40 s"],
    [-90_000, "1 min ago"],
    [12_000_000, "in 3 h 20 min"],
    [-7_200_000, "2 h ago"],
    [39_600_000 + 120_000, "in 11 h"],
    [-(86_400_000 + 4 * 3_600_000), "1 d 4 h ago"],
    [30 * 86_400_000, "in 30 d"],
  ] as const) {
    assert.equal(relativeTime(NOON + away, NOON), words);
  }
});

test("a length of time is in the largest unit that divides it", () => {
  const spans = [6 * 3_600_000, 90_000, 1_500, 172_800_000, 0].map(formatSpan);
  assert.deepEqual(spans, ["6 h", "90 s", "1500 ms", "2 d", "0 ms"]);
});
