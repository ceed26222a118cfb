import assert from "node:assert/strict";
import test from "node:test";
import { topicMatches } from "../../src/rules/topics.ts";

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
