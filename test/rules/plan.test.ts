import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRisk, riskShare } from "../../src/rules/at-risk.ts";
import { gateDue } from "../../src/rules/gate.ts";
import { planEvent } from "../../src/rules/plan.ts";
import { readersOf } from "../../src/rules/topics.ts";
import { nextVideoState, type VideoCondition } from "../../src/rules/video-state.ts";
import { parseEvent } from "../../src/wochit/event.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";

const HOUR = 3_600_000;
const at = Date.UTC(2026, 0, 1);
const parse = (value: Record<string, unknown>) =>
  parseEvent(Buffer.from(JSON.stringify({ wochitVideoId: "v", ...value })));

test("each matching endpoint gets one delivery; after-mirror waits for media, at most maxWait", (t) => {
  const config = configIn(tempFolder(t), {
    endpoints: [
      endpoint("all"),
      endpoint("videos", { events: ["video.*"], maxWait: "10m" }),
      endpoint("drafts", { events: ["draft.*"] }),
      endpoint("raw", { body: "verbatim", order: "none" }),
      endpoint("notices", { events: ["relay.*"] }),
    ],
  });
  const ready = planEvent(parse({ type: "video.ready", videoUrl: "https://h/v.mp4" }), at, config);
  assert.deepEqual(ready.deliveries, [
    { endpoint: "all", ordered: true, gateUntil: at + HOUR },
    { endpoint: "videos", ordered: true, gateUntil: at + 600_000 },
    { endpoint: "raw", ordered: false, gateUntil: null },
  ]);
  const draft = planEvent(parse({ type: "draft.delete" }), at, config);
  assert.deepEqual(
    draft.deliveries.map((each) => [each.endpoint, each.gateUntil]),
    [
      ["all", null],
      ["drafts", null],
      ["raw", null],
    ],
  );
});

test("the filter asks for the event's own context, else for the given one", (t) => {
  const config = configIn(tempFolder(t), {
    endpoints: [endpoint("pages", { filter: { context: ["page-*"] } }), endpoint("all")],
  });
  const chosen = (value: Record<string, unknown>, given?: string | null) =>
    planEvent(parse({ type: "draft.new", ...value }), at, config, given).deliveries.map((each) => each.endpoint);
  assert.deepEqual(chosen({ videoContext: "page-1" }), ["pages", "all"]);
  assert.deepEqual(chosen({}, "page-1"), ["pages", "all"]);
  assert.deepEqual(chosen({ videoContext: "story-1" }, "page-1"), ["all"]);
  assert.deepEqual(chosen({}), ["all"]);
});

test("a failure without a type reaches those who ask for video.*", (t) => {
  const config = configIn(tempFolder(t), {
    endpoints: [endpoint("videos", { events: ["video.*"] }), endpoint("ready", { events: ["video.ready"] })],
  });
  const plan = planEvent(parse({ errorMessage: "no" }), at, config);
  assert.deepEqual(
    plan.deliveries.map((each) => each.endpoint),
    ["videos"],
  );
});

test("links that lead nowhere are filed as failed, and all as skipped when mirroring is off; neither holds a delivery", (t) => {
  const dir = tempFolder(t);
  const event = parse({ videoUrl: "javascript:alert(1)", thumbnailUrl: "/relative.jpg" });
  const on = planEvent(event, at, configIn(dir, { endpoints: [endpoint("all")] }));
  assert.deepEqual(
    on.media.map((each) => each.refused?.state),
    ["failed", "failed"],
  );
  assert.equal(on.deliveries[0]?.gateUntil, null);
  const off = planEvent(
    parse({ videoUrl: "https://h/v.mp4" }),
    at,
    configIn(dir, { mirror: { enabled: false }, endpoints: [endpoint("all")] }),
  );
  assert.deepEqual([off.media[0]?.refused?.state, off.deliveries[0]?.gateUntil], ["skipped", null]);
});

test("the deadline is the link's own where it tells, clamped, else linkLifetime", (t) => {
  const config = configIn(tempFolder(t), { mirror: { linkLifetime: "12h" } });
  const deadline = (videoUrl: string) => planEvent(parse({ videoUrl }), at, config).media[0]!.deadline - at;
  assert.equal(deadline("https://h/v.mp4"), 12 * HOUR);
  assert.equal(deadline("https://h/v.mp4?X-Amz-Date=20260101T000000Z&X-Amz-Expires=7200&X-Amz-Signature=s"), 2 * HOUR);
  assert.equal(deadline("https://h/v.mp4?X-Amz-Date=20250101T000000Z&X-Amz-Expires=7200&X-Amz-Signature=s"), HOUR);
});

test("only deletes that are no failures open gates", (t) => {
  const config = configIn(tempFolder(t));
  const opens = (value: Record<string, unknown>) => planEvent(parse(value), at, config).opensGates;
  assert.deepEqual(
    [
      opens({ type: "video.delete" }),
      opens({ type: "draft.delete" }),
      opens({ type: "video.delete", errorMessage: "x" }),
      opens({ type: "draft.exit" }),
    ],
    [true, true, false, false],
  );
});

test("a delete takes copies along only where the config says so, and fetches nothing; a failure takes nothing", (t) => {
  const config = configIn(tempFolder(t), { mirror: { onDelete: "delete", deleteAfter: "2h" }, endpoints: [] });
  const keeps = configIn(tempFolder(t), { endpoints: [] });
  const plan = (value: Record<string, unknown>, by = config) => {
    const { deletes, media } = planEvent(parse({ videoUrl: "https://h/v.mp4", ...value }), at, by);
    return [deletes, media.length];
  };
  assert.deepEqual(plan({ type: "video.delete" }), [{ what: "video", at: at + 2 * HOUR }, 0]);
  assert.deepEqual(plan({ type: "draft.delete" }), [{ what: "draft", at: at + 2 * HOUR }, 0]);
  assert.deepEqual(plan({ type: "video.delete", errorMessage: "no" }), [null, 1]);
  assert.deepEqual(plan({ type: "video.ready" }), [null, 1]);
  assert.deepEqual(plan({ type: "video.delete" }, keeps), [null, 1]);
});

test("at risk is half of a link's life, three quarters and nine tenths; readers ask by name", (t) => {
  const life = { linkedAt: 1_000, deadline: 2_000 };
  assert.deepEqual(
    [1_000, 1_499, 1_500, 1_750, 1_899, 1_900].map((now) => nextRisk({ ...life, now })),
    [1_500, 1_500, 1_750, 1_900, 1_900, null],
  );
  assert.deepEqual(
    [1_500, 1_749, 1_800, 1_950, 9_000].map((now) => riskShare({ ...life, now })),
    [0.5, 0.75, 0.75, 0.9, 0.9],
  );
  const { endpoints } = configIn(tempFolder(t), {
    endpoints: [
      endpoint("all", { events: ["*"] }),
      endpoint("media", { events: ["relay.media.*"], order: "none" }),
      endpoint("failed", { events: ["relay.media.failed"], filter: { context: ["c"], videoId: ["v*"] } }),
    ],
  });
  const readers = (context: string | null, videoId: string | null) =>
    readersOf("relay.media.failed", { context, videoId }, endpoints);
  assert.deepEqual(readers("c", "v1"), [
    { endpoint: "media", ordered: false },
    { endpoint: "failed", ordered: true },
  ]);
  for (const [context, videoId] of [
    ["d", "v1"],
    ["c", "w1"],
    [null, "v1"],
  ] as const) {
    assert.deepEqual(readers(context, videoId), [{ endpoint: "media", ordered: false }]);
  }
});

test("a video's state follows its events; drafts never hide a produced video", () => {
  const follow = (...types: (string | null)[]) =>
    types.reduce<VideoCondition | undefined>(
      (before, type) => nextVideoState(before, { type, failure: type === "failed" }),
      undefined,
    )?.state;
  assert.equal(follow("draft.new"), "draft");
  assert.equal(follow("draft.new", "draft.delete"), "deleted");
  assert.equal(follow("draft.new", "video.ready", "draft.update", "draft.delete"), "ready");
  assert.equal(follow("video.ready", "video.delete"), "deleted");
  assert.equal(follow("video.ready", "failed"), "failed");
  assert.equal(follow("failed", "video.ready"), "ready");
  assert.equal(follow(null), "unknown");
  assert.equal(follow("video.ready", "something.new"), "ready");
});

test("a failure leaves a video that was ready as ready for what drafts do; a delete ends that", () => {
  const follow = (...types: string[]) =>
    types.reduce<VideoCondition | undefined>(
      (before, type) => nextVideoState(before, { type, failure: type === "failed" }),
      undefined,
    )?.state;
  for (const type of ["draft.new", "draft.update", "draft.exit", "draft.delete"]) {
    assert.equal(follow("video.ready", "failed", type), "ready", type);
  }
  assert.equal(follow("video.ready", "video.delete", "failed", "draft.new"), "draft");
  assert.equal(follow("draft.new", "failed", "draft.delete"), "deleted");
});

test("after a delete a straggling draft.update or draft.exit changes no state", () => {
  const follow = (...types: string[]) =>
    types.reduce<VideoCondition | undefined>(
      (before, type) => nextVideoState(before, { type, failure: false }),
      undefined,
    )?.state;
  for (const remove of ["video.delete", "draft.delete"]) {
    assert.equal(follow("draft.new", remove, "draft.update", "draft.exit"), "deleted");
    assert.equal(follow("draft.new", remove, "draft.new"), "draft");
  }
});

test("a gate waits for the video until maxWait, for a thumbnail alone 30 seconds", () => {
  const gate = (video: "pending" | "mirrored" | null, thumbnail: "running" | "failed" | null, now: number) =>
    gateDue({ receivedAt: at, gateUntil: at + HOUR, video, thumbnail, now });
  assert.equal(gate("pending", "running", at), at + HOUR);
  assert.equal(gate("pending", "running", at + HOUR), null);
  assert.equal(gate("mirrored", "running", at), at + 30_000);
  assert.equal(gate("mirrored", "running", at + 30_000), null);
  assert.equal(gate(null, "running", at), at + 30_000);
  assert.equal(gate("mirrored", "failed", at), null);
  assert.equal(gate(null, null, at), null);
});
