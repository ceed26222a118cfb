import assert from "node:assert/strict";
import { test } from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { reprocess } from "../../src/actions/quarantine.ts";
import { createAcceptKept } from "../../src/receive/accept.ts";
import { openFrontDoor } from "../support/front-door.ts";

const event = (videoId: string) =>
  JSON.stringify({ type: "draft.update", wochitVideoId: videoId, title: "Zürich – 東京" });
const utf16be = (text: string) => Buffer.from(text, "utf16le").swap16();

test("a packed body, and one in another charset, is an event all the same, kept in plain UTF-8", async (t) => {
  const { post, store } = await openFrontDoor(t);
  const plain = (text: string) => Buffer.from(text);
  const cases: [string, Record<string, string>, (text: string) => Uint8Array][] = [
    ["gzip", { "content-encoding": "gzip" }, gzipSync],
    ["x-gzip", { "content-encoding": "X-GZip" }, gzipSync],
    ["deflate", { "content-encoding": "deflate" }, deflateSync],
    ["raw deflate", { "content-encoding": "deflate" }, deflateRawSync],
    ["br", { "content-encoding": "br" }, brotliCompressSync],
    ["a list", { "content-encoding": "gzip, identity , br" }, (text) => brotliCompressSync(gzipSync(text))],
    ["identity", { "content-encoding": "identity" }, plain],
    ["only labelled", { "content-encoding": "gzip" }, plain],
    ["an unknown label on what is plain", { "content-encoding": "aws-chunked" }, plain],
    ["utf-16le", { "content-type": "application/json; charset=UTF-16LE" }, (text) => Buffer.from(text, "utf16le")],
    ["utf-16be", { "content-type": 'application/json;charset="utf-16be"' }, utf16be],
    ["utf-16, marked", { "content-type": "application/json; charset=utf-16" }, (text) => utf16be(`\ufeff${text}`)],
    ["only labelled latin1", { "content-type": "application/json; charset=iso-8859-1" }, plain],
    ["utf-8", { "content-type": "application/json; charset=utf-8" }, plain],
    ["an unknown charset", { "content-type": "application/json; charset=klingon" }, plain],
    [
      "both",
      { "content-encoding": "gzip", "content-type": "text/plain; charset=utf-16le" },
      (text) => gzipSync(Buffer.from(text, "utf16le")),
    ],
  ];
  for (const [what, headers, write] of cases) {
    const text = event(what);
    const { status, json, text: answer } = await post(write(text), { headers });
    assert.equal(status, 200, `${what}: ${answer}`);
    assert.equal(Buffer.from(await store.eventBody(json.id)).toString(), text, what);
  }
  const latin1 = JSON.stringify({ type: "draft.update", wochitVideoId: "latin1", title: "Zürich" });
  for (const charset of ["iso-8859-1", "windows-1252", "Latin1"]) {
    const headers = { "content-type": `application/json; charset=${charset}` };
    const { status, json } = await post(Buffer.from(latin1, "latin1"), { headers });
    assert.equal(status, 200, charset);
    assert.equal(Buffer.from(await store.eventBody(json.id)).toString(), latin1);
  }
});

test("what cannot be decoded is 400 and kept as it came; a bomb is 413, and costs no memory", async (t) => {
  const { post, store } = await openFrontDoor(t);
  const text = event("v");
  const broken: [Uint8Array, Record<string, string>, RegExp][] = [
    [gzipSync(text).subarray(0, 30), { "content-encoding": "gzip" }, /content coding gzip/],
    [gzipSync(text), { "content-encoding": "zstd" }, /"zstd" is not known/],
    [gzipSync(text), { "content-encoding": "gzip, gzip, gzip, gzip" }, /too many/],
    [Buffer.from("\ud800", "utf16le"), { "content-type": "x/y; charset=utf-16le" }, /charset utf-16le/],
  ];
  for (const [body, headers, message] of broken) {
    const { status, json } = await post(body, { headers });
    assert.deepEqual([status, json.error.code], [400, "invalid_json"], String(message));
    assert.match(json.error.message, message);
    const kept = await store.quarantinedBody(json.error.quarantineId);
    assert.deepEqual(Buffer.from(kept.body), Buffer.from(body));
  }
  const packed = gzipSync('{"a":1}');
  const noEvent = await post(packed, { headers: { "content-encoding": "gzip" } });
  assert.equal(noEvent.json.error.code, "invalid_event");
  const kept = await store.quarantinedBody(noEvent.json.error.quarantineId);
  assert.deepEqual(Buffer.from(kept.body), packed);

  const zeros = Buffer.alloc(150 * 2 ** 20);
  const packedZeros = gzipSync(zeros, { level: 1 });
  const bombs: [string, Uint8Array][] = [
    ["gzip", packedZeros],
    ["gzip, br", brotliCompressSync(packedZeros)],
    ["deflate", deflateSync(zeros, { level: 1 })],
    ["deflate", deflateRawSync(zeros, { level: 1 })],
  ];
  const before = process.memoryUsage().rss;
  for (const [coding, bomb] of bombs) {
    const { status, json } = await post(bomb, { headers: { "content-encoding": coding } });
    assert.deepEqual([status, json.error.code], [413, "body_too_large"]);
    assert.match(json.error.message, /receive\.maxBody/);
  }
  assert.ok(process.memoryUsage().rss - before < 100_000_000);
  // Two bytes of each of its characters become three.
  const wide = Buffer.from(JSON.stringify({ wochitVideoId: "v", title: "東".repeat(450_000) }), "utf16le");
  const { status, json } = await post(wide, { headers: { "content-type": "application/json; charset=utf-16le" } });
  assert.deepEqual([status, json.error.code], [413, "body_too_large"]);
});

test("a packed body that was refused for its sender is kept unpacked", async (t) => {
  const { post, store } = await openFrontDoor(t, { receive: { allowFrom: ["192.0.2.1"] } });
  const text = event("v");
  assert.equal((await post(gzipSync(text), { headers: { "content-encoding": "gzip" } })).status, 403);
  const [kept] = await store.quarantined({ limit: 9 });
  assert.equal(Buffer.from((await store.quarantinedBody(kept!.id)).body).toString(), text);
});

test("what was kept packed, without its headers, can be taken in", async (t) => {
  const { post, store } = await openFrontDoor(t, { receive: { maxBody: "80B" } });
  const accept = createAcceptKept({ store });
  const writings: [string, (text: string) => Uint8Array][] = [
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync],
    ["utf-16le", (text) => Buffer.from(text, "utf16le")],
    ["utf-16be", utf16be],
    ["gzip of utf-16", (text) => gzipSync(Buffer.from(text, "utf16le"))],
    ["br of gzip", (text) => brotliCompressSync(gzipSync(text))],
  ];
  for (const [what, write] of writings) {
    const text = event(`${what}${"x".repeat(100)}`);
    assert.equal((await post(write(text), { headers: { "content-encoding": "gzip" } })).status, 413, what);
    const [kept] = await store.quarantined({ limit: 1 });
    const { id } = await reprocess(store, accept, kept!.id);
    assert.equal((await store.event(id)).late, true, what);
    assert.equal(Buffer.from(await store.eventBody(id)).toString(), text, what);
  }
  const noise = Buffer.from("no JSON, and nothing else that is known");
  await assert.rejects(accept(noise, "127.0.0.1", 0), { code: "invalid_json" });
});
