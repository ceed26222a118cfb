import assert from "node:assert/strict";
import test from "node:test";
import { buildBody, type Written } from "../../src/message/body.ts";
import type { StoredEvent } from "../../src/model/event.ts";
import type { Medium } from "../../src/model/medium.ts";
import { readMembers } from "../../src/wochit/json-members.ts";
import fixture from "../fixtures/enriched.json" with { type: "json" };
import { computedMs } from "../support/computing.ts";
import { fc, holdsForAll } from "../support/property.ts";
import { MEDIUM } from "./medium.ts";

type Vector = {
  name: string;
  event: Partial<StoredEvent>;
  media: Partial<Medium>[];
  contexts?: string[];
  replay?: boolean;
  mode?: "verbatim";
  received: string;
  sent: string;
};

const vectors = fixture as unknown as Vector[];

const EVENT: StoredEvent = {
  id: "evt_1",
  receivedAt: Date.UTC(2026, 10, 21, 12, 0, 0, 123),
  type: "video.ready",
  dialect: "typed",
  failure: false,
  videoId: "v1",
  context: "page-1",
  contextFrom: "event",
  late: false,
  sequence: 7,
  sourceAddress: "127.0.0.1",
  duplicates: 0,
  status: "waiting",
};

const link = ({ key }: Medium) => {
  assert.ok(key !== null, "only what is mirrored has an address");
  return `https://relay.example.com/media/${key}?sig=k`;
};

function write(received: string, vector: Partial<Vector> = {}): Written {
  return buildBody({
    event: { ...EVENT, ...vector.event },
    body: new TextEncoder().encode(received),
    media: (vector.media ?? []).map((medium) => ({ ...MEDIUM, ...medium })),
    contexts: vector.contexts ?? [],
    link,
    replay: vector.replay ?? false,
    mode: vector.mode ?? "enriched",
  });
}

function build(received: string, vector: Partial<Vector> = {}): Uint8Array {
  return write(received, vector).body;
}

for (const vector of vectors) {
  test(vector.name, () => {
    const sent = build(vector.received, vector);
    assert.equal(Buffer.from(sent).toString("utf8"), vector.sent);
    JSON.parse(vector.sent.replace(/^\ufeff/, ""));
  });
}

test("an enriched body is what was received, but for what the relay fills in; a verbatim one is the very bytes", () => {
  const member = fc.tuple(
    fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("type", "relay", "videoUrl")),
    fc.jsonValue(),
  );
  const space = fc.constantFrom("", " ", "\n\t");
  holdsForAll(fc.tuple(fc.array(member), space, fc.boolean()), ([members, space, hasMedia]) => {
    const written = members.map(
      ([name, value]) => `${space}${JSON.stringify(name)}:${JSON.stringify(value, null, space)}`,
    );
    const received = `{${written.join(",")}}`;
    const media = hasMedia ? [{ kind: "video", state: "mirrored", target: "tgt_1", key: "v1/video.mp4" } as const] : [];
    const sent = Buffer.from(build(received, { media })).toString();
    const { relay, ...rest } = JSON.parse(sent);
    const { relay: _, ...expected } = JSON.parse(received);
    if (hasMedia && Object.hasOwn(expected, "videoUrl")) expected.videoUrl = relay.media.video.url;
    assert.deepEqual(rest, expected);
    assert.equal(relay.eventId, "evt_1");
    const touched = new Set(["relay", "videoUrl"]);
    const untouched = (text: string) => [...readMembers(text)].filter(([name]) => !touched.has(name));
    assert.deepEqual(untouched(sent), untouched(received));
    assert.equal(Buffer.from(build(received, { media, mode: "verbatim" })).toString(), received);
  });
});

test("a megabyte of brackets is enriched without a stack or a wait", () => {
  const deep = `${"[".repeat(500_000)}${"]".repeat(500_000)}`;
  const begun = process.cpuUsage();
  const sent = Buffer.from(build(`{"type":"x","deep":${deep}}`)).toString();
  assert.ok(computedMs(begun) < 10_000);
  assert.ok(sent.startsWith(`{"type":"x","deep":${deep},"relay":{`));
});

test("the vectors cover every state of a medium", () => {
  const states = new Set(vectors.flatMap(({ media }) => media.map(({ state }) => state)));
  assert.deepEqual([...states].sort(), [
    "deleted",
    "expired",
    "failed",
    "mirrored",
    "pending",
    "running",
    "skipped",
    "superseded",
  ]);
});

const pending: Partial<Medium> = {
  id: "med_v",
  kind: "video",
  state: "pending",
  sourceUrl: "https://cdn.example.com/v",
};
const running: Partial<Medium> = { ...pending, id: "med_t", kind: "thumbnail", state: "running" };
const mirrored: Partial<Medium> = { ...pending, state: "mirrored", target: "tgt_1", key: "v1/video.mp4" };

test("an enriched body says of each medium that is not mirrored how it called it; a verbatim one says nothing", () => {
  const said = (...given: Parameters<typeof write>) =>
    write(...given).pending.map(({ mediumId, status }) => `${mediumId} ${status}`);
  assert.deepEqual(said("{}", { media: [pending, running] }), ["med_v pending", "med_t pending"]);
  assert.deepEqual(said("{}", { media: [mirrored, running] }), ["med_t pending"]);
  const calls: [Medium["state"], string][] = [
    ["expired", "expired"],
    ["failed", "failed"],
    ["skipped", "skipped"],
    ["superseded", "skipped"],
    ["deleted", "skipped"],
  ];
  for (const [state, status] of calls) {
    assert.deepEqual(said("{}", { media: [mirrored, { ...running, state }] }), [`med_t ${status}`]);
  }
  assert.deepEqual(said("{}", { media: [pending, running], mode: "verbatim" }), []);
  // It is fetched anew for a later event: this event's consumers are told of the copy that there is.
  const refetched = { ...running, target: "tgt_1", key: "v1/thumbnail.jpg" };
  assert.deepEqual(said("{}", { media: [{ ...refetched, eventId: "evt_2" }] }), []);
  assert.deepEqual(said("{}", { media: [refetched] }), ["med_t pending"]);
});

const NOTICE: Partial<StoredEvent> = {
  id: "evt_9",
  type: "relay.media.mirrored",
  dialect: "notice",
  sequence: null,
};
const STORED = {
  type: "relay.media.mirrored",
  wochitVideoId: "v1",
  videoContext: null,
  relay: { aboutEventId: "evt_1", at: "2026-11-21T12:00:00.123Z", reason: null },
};

test("a notice is what was stored and its media as of now, the same for every endpoint", () => {
  const vector = { event: NOTICE, media: [mirrored] };
  const sent = write(JSON.stringify(STORED), vector);
  assert.deepEqual(JSON.parse(Buffer.from(sent.body).toString()), {
    ...STORED,
    relay: {
      ...STORED.relay,
      media: {
        video: {
          status: "mirrored",
          url: "https://relay.example.com/media/v1/video.mp4?sig=k",
          sourceUrl: "https://cdn.example.com/v",
          bytes: null,
          sha256: null,
          contentType: null,
          suspect: null,
          error: null,
        },
      },
    },
  });
  assert.deepEqual(write(JSON.stringify(STORED), { ...vector, mode: "verbatim" }), sent);
});

test("an event that was taken in late says so, also in a replay", () => {
  const relayOf = (vector: Partial<Vector>) => JSON.parse(Buffer.from(build("{}", vector)).toString()).relay;
  assert.deepEqual([relayOf({}).late, relayOf({ event: { late: true } }).late], [undefined, true]);
  const both = relayOf({ event: { late: true }, replay: true });
  assert.deepEqual([both.replay, both.late], [true, true]);
});

test("a notice that is replayed says so, and never owes anybody an outcome", () => {
  const sent = write(JSON.stringify(STORED), { event: NOTICE, media: [pending], replay: true });
  const { relay } = JSON.parse(Buffer.from(sent.body).toString());
  assert.equal(relay.replay, true);
  assert.equal(relay.media.video.status, "pending");
  assert.deepEqual(sent.pending, []);
});

test("a notice tells of the media of the event that it is about", () => {
  const refetched = { ...running, target: "tgt_1", key: "v1/thumbnail.jpg" };
  const status = (eventId: string) => {
    const sent = write(JSON.stringify(STORED), { event: NOTICE, media: [{ ...refetched, eventId }] });
    return JSON.parse(Buffer.from(sent.body).toString()).relay.media.thumbnail.status;
  };
  assert.deepEqual([status("evt_1"), status("evt_2")], ["pending", "mirrored"]);
});

test("a notice that is not about media tells of none", () => {
  const stored = { ...STORED, type: "relay.endpoint.paused", relay: { ...STORED.relay, endpoint: "cms" } };
  const sent = write(JSON.stringify(stored), { event: { ...NOTICE, type: stored.type } });
  assert.deepEqual(JSON.parse(Buffer.from(sent.body).toString()), stored);
});
