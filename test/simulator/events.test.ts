import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_TYPES, makeEvent } from "../../src/simulator/events.ts";
import { sendEvent } from "../../src/simulator/send.ts";
import { parseEvent } from "../../src/wochit/event.ts";
import { seededRandom } from "../support/random.ts";
import { realPorts } from "../support/real-ports.ts";
import { openReceiver } from "../support/receiver.ts";

const wish = {
  videoId: "6094092472a9105747957aa3",
  context: "string-sent-when-opened-the-video-editor",
  title: "The video title",
  thumbnailUrl: "http://example.com/direct-link-to-thumbnail",
  videoUrl: "https://example.com/direct-link-to-video",
};

test("an event is spelled as the provider's page spells it", () => {
  const spelled = (type: (typeof EVENT_TYPES)[number]) =>
    String(Buffer.from(makeEvent(type, { random: seededRandom(1), ...wish }).body));
  assert.equal(
    spelled("video.ready"),
    `{
    "type" : "video.ready",
    "videoContext": "string-sent-when-opened-the-video-editor",
    "wochitVideoId": "6094092472a9105747957aa3",
    "thumbnailUrl": "http://example.com/direct-link-to-thumbnail",
    "videoUrl": "https://example.com/direct-link-to-video",
    "title": "The video title",
    "videoDuration" : 35.9
}`,
  );
  assert.equal(
    spelled("draft.delete"),
    `{\n    "type" : "draft.delete",\n    "wochitVideoId": "6094092472a9105747957aa3"\n}`,
  );
  assert.doesNotMatch(spelled("legacy"), /"type"|videoDuration/);
  assert.match(spelled("video.failed"), /"errorMessage": "The video could not be produced"/);
  assert.doesNotMatch(spelled("draft.update"), /videoUrl/);
});

test("every event can be read by the relay, and says what it is meant to say", () => {
  const random = seededRandom("events");
  for (let round = 0; round < 50; round++) {
    for (const type of EVENT_TYPES) {
      const made = makeEvent(type, { random });
      const read = parseEvent(made.body);
      assert.equal(read.type, type === "legacy" ? "video.ready" : type);
      assert.equal(read.dialect, type === "legacy" ? "legacy" : "typed");
      assert.equal(read.failure, type === "video.failed");
      assert.equal(read.videoId, made.videoId);
      assert.match(made.videoId, /^[0-9a-f]{24}$/);
      assert.equal(read.context === null, type === "draft.delete");
      assert.deepEqual(JSON.parse(Buffer.from(made.body).toString()), made.json);
    }
  }
});

test("equal seeds make equal events, others make others, and a context can be null", () => {
  const make = (seed: string) => makeEvent("video.ready", { random: seededRandom(seed) });
  assert.deepEqual(make("a"), make("a"));
  assert.notDeepEqual(make("a"), make("b"));
  assert.equal(makeEvent("video.ready", { random: seededRandom(1), context: null }).json.videoContext, null);
});

test("what is sent arrives byte for byte, and the answer comes back with its time", async () => {
  const receiver = await openReceiver({ status: 403, body: '{"error":{"code":"source_not_allowed"}}', delay: 30 });
  try {
    const { body } = makeEvent("draft.new", { random: seededRandom(1), title: "חדשות\n🗞️" });
    const sent = await sendEvent(`${receiver.url}/webhooks/wochit`, body, realPorts());
    assert.equal(sent.status, 403);
    assert.deepEqual(sent.json, { error: { code: "source_not_allowed" } });
    assert.ok(sent.ms >= 25, `${sent.ms}`);
    const [request] = receiver.requests;
    assert.deepEqual(request?.body, Buffer.from(body));
    assert.equal(request?.headers["content-type"], "application/json");
    receiver.answer({ status: 200, body: "not JSON" });
    assert.equal((await sendEvent(receiver.url, body, realPorts())).json, "not JSON");
    receiver.answer("reset");
    await assert.rejects(sendEvent(receiver.url, body, realPorts()));
  } finally {
    await receiver.close();
  }
});
