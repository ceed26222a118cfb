import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { idProblem, parseEvent } from "../../src/wochit/event.ts";

const parse = (value: unknown) => parseEvent(Buffer.from(typeof value === "string" ? value : JSON.stringify(value)));

test("every documented event is read, in both dialects", () => {
  const events: { body: unknown; expect: Record<string, unknown> }[] = JSON.parse(
    readFileSync("test/fixtures/events.json", "utf8"),
  );
  assert.ok(events.length >= 8);
  for (const { body, expect } of events) {
    const event = parse(body);
    const { fingerprint, links, ...rest } = event;
    const seen = { ...rest, links: links.map(({ kind }) => kind), deduped: fingerprint !== null };
    assert.deepEqual(seen, expect, JSON.stringify(body));
  }
});

test("an escaped member name is the name it spells, whatever was parsed before (nodejs/node#63785)", () => {
  parse('{"\\u0077ochitVi":1,"wochitVideoId":"v0"}');
  assert.equal(parse('{"type":"video.ready","\\u0077ochitVideoId":"v1"}').videoId, "v1");
});

test("an id is usable when it is a non-empty string of at most 256 bytes without characters that do harm", () => {
  for (const id of ["v", "a b/../c", "é".repeat(128), "x".repeat(256), "\u00ad", "😀"])
    assert.equal(idProblem(id), null, id);
  for (const [id, why] of [
    [undefined, "missing"],
    [null, "not a string"],
    [7, "not a string"],
    ["", "empty"],
    ["é".repeat(129), "longer"],
    ["x".repeat(257), "longer"],
    ["a\u0000", "control"],
    ["\u0085", "control"],
    ["\ud800", "lone surrogate"],
  ] as const) {
    assert.match(idProblem(id) ?? "", new RegExp(why), JSON.stringify(id));
    assert.throws(() => parse({ wochitVideoId: id }), {
      code: "invalid_event",
      message: `wochitVideoId ${idProblem(id)}`,
    });
  }
});

test("contexts and titles that are empty, null or no strings are none", () => {
  for (const value of ["", null, 7, {}, [], false]) {
    const { context, title } = parse({ wochitVideoId: "v", videoContext: value, title: value });
    assert.deepEqual([context, title], [null, null], JSON.stringify(value));
  }
});

test("a type that is null or another JSON type is an unknown type, not a legacy event", () => {
  for (const type of [null, 5, {}, ["video.ready"], true]) {
    const event = parse({ type, wochitVideoId: "v", videoUrl: "https://h/v.mp4" });
    assert.deepEqual([event.type, event.dialect, event.topic, event.fingerprint], [null, "typed", "unknown", null]);
    assert.equal(event.links.length, 1);
  }
});

test("an event with an error message is a failure, whatever its type", () => {
  const legacy = parse({ wochitVideoId: "v", errorMessage: "no luck" });
  assert.deepEqual([legacy.type, legacy.failure, legacy.topic, legacy.dialect], [null, true, "video.failed", "legacy"]);
  const typed = parse({ type: "video.ready", wochitVideoId: "v", errorMessage: "no luck" });
  assert.deepEqual([typed.type, typed.failure, typed.topic], ["video.ready", true, "video.ready"]);
  assert.equal(parse({ type: "video.ready", wochitVideoId: "v", errorMessage: "" }).failure, false);
});

test("a type that poses as one of the relay's own notices is matched as an unknown one", () => {
  const event = parse({ type: "relay.media.failed", wochitVideoId: "v" });
  assert.deepEqual([event.type, event.topic], ["relay.media.failed", "unknown"]);
});

test("of duplicate names the last one counts", () => {
  assert.equal(parse('{"wochitVideoId":"a","wochitVideoId":"b"}').videoId, "b");
  assert.equal(parse('{"wochitVideoId":"a","type":"x","type":"y"}').type, "y");
});

test("durations that are no finite numbers are none", () => {
  assert.equal(parse('{"wochitVideoId":"v","videoDuration":1e999}').duration, null);
  assert.equal(parse('{"wochitVideoId":"v","videoDuration":"35.9"}').duration, null);
  assert.equal(parse('{"wochitVideoId":"v","videoDuration":35.9}').duration, 35.9);
});
