import assert from "node:assert/strict";
import test from "node:test";
import type { Medium, StoredEvent } from "../../src/domain.ts";
import { buildBody } from "../../src/forward/payload.ts";
import fixture from "../fixtures/enriched.json" with { type: "json" };

type Vector = {
  name: string;
  event: Partial<StoredEvent>;
  media: Partial<Medium>[];
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
  sequence: 7,
  sourceAddress: "127.0.0.1",
  duplicates: 0,
  status: "waiting",
};

const MEDIUM: Medium = {
  id: "med_1",
  videoId: "v1",
  kind: "video",
  eventId: "evt_1",
  state: "pending",
  suspect: null,
  key: null,
  sourceUrl: "",
  bytes: null,
  sha256: null,
  contentType: null,
  deadline: 0,
  lastError: null,
};

const link = ({ key }: Medium) => {
  assert.ok(key !== null, "only what is mirrored has an address");
  return `https://relay.example.com/media/${key}?sig=k`;
};

function build(received: string, vector: Partial<Vector> = {}): Uint8Array {
  return buildBody({
    event: { ...EVENT, ...vector.event },
    body: new TextEncoder().encode(received),
    media: (vector.media ?? []).map((medium) => ({ ...MEDIUM, ...medium })),
    link,
    replay: vector.replay ?? false,
    mode: vector.mode ?? "enriched",
  });
}

for (const vector of vectors) {
  test(vector.name, () => {
    const sent = build(vector.received, vector);
    assert.equal(Buffer.from(sent).toString("utf8"), vector.sent);
    JSON.parse(vector.sent.replace(/^\ufeff/, ""));
  });
}

test("a megabyte of brackets is enriched without a stack or a wait", () => {
  const deep = `${"[".repeat(500_000)}${"]".repeat(500_000)}`;
  const begun = performance.now();
  const sent = Buffer.from(build(`{"type":"x","deep":${deep}}`)).toString();
  assert.ok(performance.now() - begun < 10_000);
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
