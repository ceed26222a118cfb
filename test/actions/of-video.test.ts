import assert from "node:assert/strict";
import { test } from "node:test";
import { whyNot } from "../../src/actions/outcome/of-video.ts";
import { showVideo } from "../../src/actions/videos.ts";
import type { Delivery } from "../../src/model/delivery.ts";
import { openSeeded, ready } from "../support/seeded.ts";

const of = (facts: Partial<Delivery>) => ({ attempts: 0, lastError: null, waitsFor: null, ...facts }) as Delivery;
const answer = (text: string) => new TextEncoder().encode(text);
const retry = { is: "retry", until: Date.UTC(2026, 0, 31, 8), of: null } as const;

const CASES: [string, Delivery, string | null, string][] = [
  [
    "dead after one",
    of({ state: "dead", attempts: 1, lastError: "HTTP 410" }),
    null,
    "given up after 1 attempt: HTTP 410",
  ],
  [
    "dead, with what the app answered, on one line",
    of({ state: "dead", attempts: 13, lastError: "HTTP 422" }),
    '{"error":\n  "unknown rubric"}\n',
    'given up after 13 attempts: HTTP 422: {"error": "unknown rubric"}',
  ],
  [
    "tried again later",
    of({ state: "pending", attempts: 2, lastError: "HTTP 503", waitsFor: retry }),
    " ",
    "HTTP 503; the next attempt is at 2026-01-31 08:00:00Z",
  ],
  [
    "paused before its first attempt",
    of({ state: "pending", waitsFor: { is: "pause", until: null, of: "operator" } }),
    null,
    "its endpoint is paused until it is resumed",
  ],
  [
    "held by its endpoint, and by its media as well",
    of({
      state: "waiting",
      waitsFor: { is: "breaker", until: retry.until, of: "cms" },
      nextAttemptAt: retry.until + 60_000,
    }),
    null,
    "endpoint cms is failing: only probes are sent, the next at 2026-01-31 08:00:00Z; and the media of its event are not settled yet: at most until 2026-01-31 08:01:00Z",
  ],
  ["due", of({ state: "pending" }), null, "it is sent in a moment"],
  ["running again", of({ state: "running", attempts: 2, lastError: "HTTP 503" }), null, "it is being sent now"],
];

for (const [what, delivery, response, expected] of CASES) {
  test(`why an endpoint lacks a delivery: ${what}`, () => {
    assert.equal(whyNot(delivery, response === null ? null : answer(response)), expected);
  });
}

test("a long answer is shown by its beginning", () => {
  const why = whyNot(of({ state: "dead", attempts: 2, lastError: "HTTP 500" }), answer("x".repeat(9_000)));
  assert.equal(why, `given up after 2 attempts: HTTP 500: ${"x".repeat(120)}`);
});

test("a video is shown with what each endpoint has of it, and with the reason of what is not delivered", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  await seeded.take(ready("v2"));
  await seeded.deliver("app", "dead", 422);
  await seeded.deliver("archive", "delivered");
  await seeded.take({ type: "draft.new", wochitVideoId: "v1" });
  const { video, more } = await showVideo(seeded, "v1", () => null, 50);
  assert.equal(more, false);
  assert.deepEqual(video.endpoints, [
    { endpoint: "app", delivered: 0, undelivered: 1, dead: 1, newest: "draft.new, pending" },
    { endpoint: "archive", delivered: 1, undelivered: 0, dead: 0, newest: "video.ready, delivered" },
  ]);
  assert.deepEqual(
    video.undelivered.map(({ endpoint, type, state, why }) => [endpoint, type, state, why]),
    [
      ["app", "draft.new", "pending", "it is sent in a moment"],
      ["app", "video.ready", "dead", "given up after 1 attempt: answered 422: \u001b[31mno"],
    ],
  );
  const cut = await showVideo(seeded, "v1", () => null, 1);
  assert.deepEqual([cut.video.undelivered.length, cut.more], [1, true]);

  await seeded.take({ type: "draft.new", wochitVideoId: "v3" });
  const { endpoints } = (await showVideo(seeded, "v3", () => null, 50)).video;
  assert.match(endpoints[1]!.newest, /^nothing was made for it: its events and filter/);
});
