import assert from "node:assert/strict";
import test from "node:test";
import { type Choice, type Subject, topicMatches, wants } from "../../src/rules/topics.ts";
import { fc, holdsForAll } from "../support/property.ts";

test("an exact name takes that topic and no other", () => {
  assert.equal(topicMatches(["video.ready"], "video.ready"), true);
  assert.equal(topicMatches(["video.ready"], "video.ready2"), false);
  assert.equal(topicMatches(["video.ready"], "Video.Ready"), false);
  assert.equal(topicMatches(["video.ready"], "video"), false);
});

test("a prefix takes everything below it, not itself and not its neighbours", () => {
  assert.equal(topicMatches(["draft.*"], "draft.new"), true);
  assert.equal(topicMatches(["draft.*"], "draft.a.b"), true);
  assert.equal(topicMatches(["draft.*"], "draft"), false);
  assert.equal(topicMatches(["draft.*"], "drafts.new"), false);
  assert.equal(topicMatches(["draft.*"], "video.ready"), false);
});

test("the star takes all that the provider sends, known or not, but no notice of the relay", () => {
  for (const topic of ["video.ready", "draft.exit", "something", "", "relay", "relayed.x"]) {
    assert.equal(topicMatches(["*"], topic), true, topic);
  }
  assert.equal(topicMatches(["*"], "relay.media.failed"), false);
});

test("a notice goes to who names it", () => {
  assert.equal(topicMatches(["relay.*"], "relay.media.failed"), true);
  assert.equal(topicMatches(["relay.media.*"], "relay.media.failed"), true);
  assert.equal(topicMatches(["relay.media.failed"], "relay.media.failed"), true);
  assert.equal(topicMatches(["relay.media.*"], "relay.delivery.dead"), false);
  assert.equal(topicMatches(["relay.*"], "video.ready"), false);
  assert.equal(topicMatches([".*"], "relay.media.failed"), false);
});

test("one of several patterns is enough", () => {
  assert.equal(topicMatches(["video.*", "relay.delivery.dead", "*"], "relay.delivery.dead"), true);
  assert.equal(topicMatches(["video.delete", "draft.*"], "draft.new"), true);
  assert.equal(topicMatches(["video.delete", "draft.*"], "video.ready"), false);
  assert.equal(topicMatches([], "video.ready"), false);
});

test("a star elsewhere is no wildcard", () => {
  assert.equal(topicMatches(["*.ready"], "video.ready"), false);
  assert.equal(topicMatches(["video*"], "video.ready"), false);
});

test("the last pattern that matches decides; one with ! takes out", () => {
  const taken = (patterns: string[], ...topics: string[]) => topics.filter((topic) => topicMatches(patterns, topic));
  const topics = ["video.ready", "draft.new", "draft.update", "relay.media.failed"];
  const table: [patterns: string[], taken: string[]][] = [
    [
      ["*", "!draft.update"],
      ["video.ready", "draft.new"],
    ],
    [
      ["!draft.update", "*"],
      ["video.ready", "draft.new", "draft.update"],
    ],
    [
      ["*", "!draft.*", "draft.new"],
      ["video.ready", "draft.new"],
    ],
    [["draft.*", "!draft.new", "!draft.update"], []],
    [["!draft.update"], []],
    [["!*"], []],
    [["relay.*", "!*"], ["relay.media.failed"]],
    [["relay.*", "!relay.media.*"], []],
    [
      ["*", "relay.*", "!relay.media.failed"],
      ["video.ready", "draft.new", "draft.update"],
    ],
    [["!relay.*", "relay.media.failed"], ["relay.media.failed"]],
    [["*", "!*", "video.*"], ["video.ready"]],
  ];
  for (const [patterns, expected] of table) assert.deepEqual(taken(patterns, ...topics), expected, patterns.join(" "));
});

test("a filter takes exact values and prefixes; no context is in no list, and what is about no video passes", () => {
  const subject: Subject = { topic: "draft.new", context: "page-1", videoId: "v1" };
  const passes = (filter: Partial<Choice["filter"]>, about: Partial<Subject> = {}, events = ["*"]) =>
    wants({ events, filter: { context: null, videoId: null, ...filter } }, { ...subject, ...about });
  assert.equal(passes({}), true);
  assert.equal(passes({}, { context: null }), true);
  assert.equal(passes({ context: ["page-1"] }), true);
  assert.equal(passes({ context: ["page-"] }), false);
  assert.equal(passes({ context: ["page-*"] }), true);
  assert.equal(passes({ context: ["story-*", "page-1"] }), true);
  assert.equal(passes({ context: ["Page-*"] }), false);
  assert.equal(passes({ context: ["age-*"] }), false, "a prefix is at the beginning");
  assert.equal(passes({ context: ["page-1*"] }), true, "a prefix takes the value that it is");
  assert.equal(passes({ context: ["p*1"] }), false, "within a value * is a character");
  assert.equal(passes({ context: ["p*1"] }, { context: "p*1" }), true);
  assert.equal(passes({ context: ["*"] }), true);
  assert.equal(passes({ context: ["*"] }, { context: null }), false, "any context, but one");
  assert.equal(passes({ videoId: ["v1"] }), true);
  assert.equal(passes({ videoId: ["v2", "w*"] }), false);
  assert.equal(passes({ context: ["page-*"], videoId: ["v2"] }), false, "both have to take it");
  assert.equal(passes({ context: ["page-*"], videoId: ["v*"] }, {}, ["video.*"]), false);
  const about = { topic: "relay.endpoint.paused", context: null, videoId: null };
  assert.equal(passes({ context: ["page-*"], videoId: ["v2"] }, about, ["relay.*"]), true);
  assert.equal(passes({}, about), false);
});

/** The rule as the model of deliveries has it, pattern after pattern. */
function wantsByModel({ events, filter }: Choice, { topic, context, videoId }: Subject): boolean {
  const matches = (pattern: string, text: string) =>
    pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
  let asked = false;
  for (const pattern of events) {
    const bare = pattern.replace(/^!/, "");
    if (bare === "*" && topic.startsWith("relay.")) continue;
    if (matches(bare, topic)) asked = bare === pattern;
  }
  const passes = (list: string[] | null, value: string | null) =>
    list === null || (value !== null && list.some((one) => matches(one, value)));
  return asked && passes(filter.context, context) && passes(filter.videoId, videoId);
}

test("whatever the options and the subject are, an endpoint wants what it wants in the model", () => {
  const names = ["draft.new", "draft.update", "draft", "video.ready", "video.ready.x", "relay.media.failed", "unknown"];
  const topic = fc.constantFrom(...names);
  const pattern = fc
    .tuple(fc.constantFrom("", "!"), fc.constantFrom(...names, "*", "draft.*", "video.*", "video.ready.*", "relay.*"))
    .map((parts) => parts.join(""));
  const value = fc.constantFrom("a", "ab", "b", "a*", "b*", "*");
  const listed = fc.option(fc.array(value, { minLength: 1, maxLength: 3 }));
  const choice = fc.record({
    events: fc.array(pattern, { maxLength: 4 }),
    filter: fc.record({ context: listed, videoId: listed }),
  });
  const subject = fc.record({ topic, context: fc.option(value), videoId: value });
  const seen = new Set<boolean>();
  holdsForAll(
    fc.tuple(choice, subject),
    ([options, about]) => {
      const expected = wantsByModel(options, about);
      seen.add(expected);
      assert.equal(wants(options, about), expected);
    },
    5_000,
  );
  assert.equal(seen.size, 2);
});
