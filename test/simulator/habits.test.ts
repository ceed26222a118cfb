import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import type { Clock } from "../../src/ports.ts";
import { recordRequests, setHabits, withProvider } from "../support/provider.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

/** What comes before the connection ends or breaks. */
async function get(url: string, headers: Record<string, string> = {}) {
  const answer = await request(url, { headers: { connection: "close", ...headers } });
  const chunks: Buffer[] = [];
  let broke = false;
  try {
    for await (const chunk of answer.body) chunks.push(chunk);
  } catch {
    broke = true;
  }
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks), broke };
}

test("a connection that breaks after a number of bytes, each time, gives the file to a client that resumes, and counts what was sent", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 1_000_000 });
    video.setFault({ name: "break", every: 300_000 });
    const parts: Buffer[] = [];
    const broke: boolean[] = [];
    for (let at = 0; at < 1_000_000; at += parts.at(-1)!.length) {
      const got = await get(video.link(), at === 0 ? {} : { range: `bytes=${at}-`, "if-range": video.etag });
      assert.equal(got.status, at === 0 ? 200 : 206);
      parts.push(got.body);
      broke.push(got.broke);
    }
    assert.deepEqual(
      parts.map(({ length }) => length),
      [300_000, 300_000, 300_000, 100_000],
    );
    assert.deepEqual(broke, [true, true, true, false]);
    assert.deepEqual(Buffer.concat(parts), Buffer.from(video.bytes));
    await waitFor(() => video.counts.open === 0);
    assert.deepEqual(video.counts, { requests: 4, bytes: 1_000_000, downloads: 1, notModified: 0, open: 0 });
    assert.equal(video.isTaken, true);
  }));

test("a server without ranges sends the whole file, whatever piece was asked for", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 10_000 });
    setHabits(provider, video, { ranges: false });
    for (const range of ["bytes=5000-", "bytes=20000-"]) {
      const got = await get(video.link(), { range });
      assert.deepEqual([got.status, got.body.length, got.headers["accept-ranges"]], [200, 10_000, undefined]);
    }
  }));

test("an etag that is weak, changes each time, or is not there never lets a range go on", () =>
  withProvider({}, async (provider) => {
    const range = "bytes=5000-";
    const bytes = 10_000;

    let video = provider.addVideo("weak", { bytes });
    setHabits(provider, video, { etag: "weak" });
    const weak = String((await get(video.link())).headers.etag);
    assert.equal(weak, `W/${video.etag}`);
    assert.equal((await get(video.link(), { range, "if-range": weak })).status, 200);
    assert.equal(
      (await get(video.link(), { "if-none-match": weak })).status,
      304,
      "what is weak is good enough for this",
    );

    video = provider.addVideo("changing", { bytes });
    setHabits(provider, video, { etag: "changing" });
    const first = String((await get(video.link())).headers.etag);
    const second = await get(video.link(), { range, "if-range": first });
    assert.equal(second.status, 200);
    assert.notEqual(second.headers.etag, first);
    assert.equal((await get(video.link(), { "if-none-match": first })).status, 200);

    video = provider.addVideo("none", { bytes });
    setHabits(provider, video, { etag: "none" });
    const none = await get(video.link());
    assert.equal(none.headers.etag, undefined);
    assert.equal((await get(video.link(), { range, "if-range": video.etag })).status, 200);
    const modified = String(none.headers["last-modified"]);
    assert.equal((await get(video.link(), { range, "if-range": modified })).status, 206);

    video = provider.addVideo("bare", { bytes });
    setHabits(provider, video, { etag: "none", lastModified: false });
    assert.equal((await get(video.link())).headers["last-modified"], undefined);
    assert.equal((await get(video.link(), { range, "if-range": modified })).status, 200);
    assert.equal((await get(video.link(), { "if-modified-since": modified })).status, 200);
  }));

test("for the first seconds a link answers 404 or 403, then it is there", () => {
  let now = 0;
  const clock: Clock = { ...realPorts().clock, now: () => now };
  return withProvider({ clock }, async (provider) => {
    for (const name of ["403", "404"] as const) {
      const video = provider.addVideo(name);
      video.setFault({ name, lasts: 3_000 });
      const link = video.link();
      assert.equal((await get(link)).status, Number(name));
      now += 2_999;
      assert.equal((await get(link)).status, Number(name));
      now += 1;
      assert.equal((await get(link)).status, 200);
    }
  });
});

test("in an outage every request is reset or put off, as long as the clock says, and each is noted", () => {
  let now = 0;
  const clock: Clock = { ...realPorts().clock, now: () => now };
  return withProvider({ clock }, async (provider) => {
    const seen = recordRequests(provider, clock);
    const video = provider.addVideo("a");
    const other = provider.addThumbnail("b");
    provider.setFault({ name: "reset" });
    for (const medium of [video, other]) {
      await assert.rejects(request(medium.link()), { code: /^(UND_ERR_SOCKET|ECONNRESET)$/ });
    }
    now = 1_000;
    provider.setFault({ name: "503" });
    assert.equal((await get(video.link())).status, 503);
    now = 2_000;
    provider.setFault(null);
    assert.equal((await get(video.link(), { range: "bytes=5-", "if-range": '"x"' })).status, 200);
    await waitFor(() => seen.at(-1)?.status === 200);
    const method = "GET";
    assert.deepEqual(seen, [
      { at: 0, method, path: video.path, range: null, ifRange: null, status: null },
      { at: 0, method, path: other.path, range: null, ifRange: null, status: null },
      { at: 1_000, method, path: video.path, range: null, ifRange: null, status: 503 },
      { at: 2_000, method, path: video.path, range: "bytes=5-", ifRange: '"x"', status: 200 },
    ]);
    assert.equal(video.counts.requests, 3);
  });
});
