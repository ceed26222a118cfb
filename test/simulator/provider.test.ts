import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import type { Clock } from "../../src/ports.ts";
import { openProvider } from "../../src/simulator/provider.ts";
import { sha256Of } from "../support/bytes.ts";
import { withProvider } from "../support/provider.ts";
import { seededRandom } from "../support/random.ts";
import { realPorts } from "../support/real-ports.ts";
import { waitFor } from "../support/wait.ts";

async function get(url: string, headers: Record<string, string> = {}, method: "GET" | "HEAD" = "GET") {
  const answer = await request(url, {
    method,
    headers: { connection: "close", ...headers },
    headersTimeout: 2_000,
    bodyTimeout: 2_000,
  });
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
}

const broken = { code: /^(UND_ERR_SOCKET|ECONNRESET|UND_ERR_RES_CONTENT_LENGTH_MISMATCH)$/ };

test("a medium is served whole, with its type, length and hash, and what was asked is counted", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("6094092472a9105747957aa3", { bytes: 700_000 });
    const got = await get(video.link());
    assert.equal(got.status, 200);
    assert.equal(got.headers["content-type"], "video/mp4");
    assert.equal(got.headers["content-length"], "700000");
    assert.equal(sha256Of(got.body), video.sha256);
    const head = await get(video.link(), {}, "HEAD");
    assert.deepEqual([head.status, head.headers["content-length"], head.body.length], [200, "700000", 0]);
    await waitFor(() => video.counts.open === 0);
    assert.deepEqual(video.counts, { requests: 2, bytes: 700_000, downloads: 1, notModified: 0, open: 0 });
    assert.deepEqual(provider.media(), [video]);
  }));

test("each announcement has a link of its own to the same address, good for a day, that cannot be forged", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a");
    const [one, two] = [new URL(video.link()), new URL(video.link())];
    assert.notEqual(one.search, two.search);
    assert.equal(one.pathname, two.pathname);
    assert.equal(one.pathname, "/media/a/video.mp4");
    assert.match(one.searchParams.get("X-Amz-Date")!, /^\d{8}T\d{6}Z$/);
    assert.equal(one.searchParams.get("X-Amz-Expires"), "86400");
    assert.equal((await get(one.href)).status, 200);
    one.searchParams.set("X-Amz-Expires", "999999");
    const forged = await get(one.href);
    assert.equal(forged.status, 403);
    assert.match(String(forged.body), /<Code>SignatureDoesNotMatch</);
    assert.equal((await get(provider.url + video.path)).status, 403);
    assert.equal((await get(`${provider.url}/media/b/video.mp4`)).status, 404);
  }));

test("a link dies when its time is over", () => {
  let now = Date.UTC(2025, 0, 1);
  const clock: Clock = { ...realPorts().clock, now: () => now };
  return withProvider({ clock }, async (provider) => {
    const video = provider.addVideo("a");
    const link = video.link(60);
    now += 60_000;
    assert.equal((await get(link)).status, 200);
    now += 1;
    const late = await get(link);
    assert.equal(late.status, 403);
    assert.match(String(late.body), /^<\?xml .*<Message>Request has expired<.*<Expires>2025-01-01T00:01:00.000Z</s);
    assert.equal((await get(video.link())).status, 200);
  });
});

test("a range is answered with its piece, and only while the file is the one that is meant", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 10_000 });
    const tail = await get(video.link(), { range: "bytes=9000-" });
    assert.equal(tail.status, 206);
    assert.equal(tail.headers["content-range"], "bytes 9000-9999/10000");
    assert.deepEqual(tail.body, Buffer.from(video.bytes.subarray(9000)));
    assert.equal((await get(video.link(), { range: "bytes=0-0" })).body.length, 1);
    const beyond = await get(video.link(), { range: "bytes=10000-" });
    assert.deepEqual([beyond.status, beyond.headers["content-range"]], [416, "bytes */10000"]);
    assert.equal((await get(video.link(), { range: "bytes=5-", "if-range": video.etag })).status, 206);
    assert.equal((await get(video.link(), { range: "bytes=5-", "if-range": '"other"' })).status, 200);
    assert.equal((await get(video.link(), { range: "nonsense" })).status, 200);
    await waitFor(() => video.counts.open === 0);
    assert.equal(video.counts.downloads, 4, "whole files, and the pieces that reach the end");
  }));

test("a client that has the file gets 304, until it changes behind the same link", () =>
  withProvider({}, async (provider) => {
    const thumbnail = provider.addThumbnail("a");
    const link = thumbnail.link();
    const first = await get(link);
    const etag = String(first.headers.etag);
    assert.equal((await get(link, { "if-none-match": etag })).status, 304);
    assert.equal((await get(link, { "if-none-match": `"x", W/${etag}` })).status, 304);
    assert.equal((await get(link, { "if-modified-since": String(first.headers["last-modified"]) })).status, 304);
    assert.equal(thumbnail.counts.notModified, 3);
    assert.equal(thumbnail.isTaken, true);
    assert.equal(provider.addThumbnail("a", "after an autosave"), thumbnail);
    assert.equal(thumbnail.isTaken, false);
    const second = await get(link, { "if-none-match": etag });
    assert.equal(second.status, 200);
    assert.notDeepEqual(second.body, first.body);
    assert.deepEqual(second.body, Buffer.from(thumbnail.bytes));
  }));

test("a file is not taken after a request that failed, until it is sent again; a request for a piece or the head changes nothing", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 10_000 });
    for (const fault of [{ name: "503" }, { name: "expired" }, { name: "cut", after: 10 }] as const) {
      await get(video.link());
      await waitFor(() => video.isTaken);
      await get(video.link(), { range: "bytes=0-9" });
      await get(video.link(), {}, "HEAD");
      assert.equal(video.isTaken, true);
      video.setFault(fault);
      await get(video.link()).catch(() => {});
      await waitFor(() => !video.isTaken);
      video.setFault(null);
    }
    await get(video.link(), { "if-none-match": video.etag });
    assert.equal(video.isTaken, true);
    assert.ok(provider.quietFor() < 5_000);
  }));

test("statuses, pages and nothing at all: faults that answer in full", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a");
    const meet = async (fault: Parameters<typeof video.setFault>[0]) => {
      video.setFault(fault);
      return get(video.link());
    };
    assert.equal((await meet({ name: "403" })).status, 403);
    assert.equal((await meet({ name: "404" })).status, 404);
    assert.equal((await meet({ name: "503" })).status, 503);
    const page = await meet({ name: "html-200" });
    assert.deepEqual([page.status, page.headers["content-type"]], [200, "video/mp4"]);
    assert.match(String(page.body), /^<!DOCTYPE html>/);
    const empty = await meet({ name: "empty" });
    assert.deepEqual([empty.status, empty.body.length], [200, 0]);
    const expired = await meet({ name: "expired" });
    assert.equal(expired.status, 403);
    assert.match(String(expired.body), /Request has expired/);
    assert.equal((await meet(null)).status, 200);
  }));

test("a connection that breaks: cut at a byte or a share, also while a rest is fetched, and a length too large", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 100_000 });
    const received = async (headers: Record<string, string> = {}) => {
      const answer = await request(video.link(), { headers });
      const chunks: Buffer[] = [];
      await assert.rejects(async () => {
        for await (const chunk of answer.body) chunks.push(chunk);
      }, broken);
      return Buffer.concat(chunks);
    };
    video.setFault({ name: "cut", after: 1234 });
    assert.deepEqual(await received(), Buffer.from(video.bytes.subarray(0, 1234)));
    video.setFault({ name: "cut", after: 0.5 });
    assert.equal((await received()).length, 50_000);
    assert.deepEqual(await received({ range: "bytes=50000-" }), Buffer.from(video.bytes.subarray(50_000, 75_000)));
    video.setFault({ name: "wrong-length", by: 10 });
    assert.equal((await received()).length, 100_000);
    assert.equal(video.counts.downloads, 0);
  }));

test("a length too small gives a file that ends too early, and no error", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 50_000 });
    video.setFault({ name: "wrong-length", by: -1_000 });
    const got = await get(video.link());
    assert.deepEqual([got.status, got.body.length], [200, 49_000]);
    assert.equal(video.counts.downloads, 0);
  }));

test("slow is as slow as its rate, and never is never answered", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a", { bytes: 4_000 });
    video.setFault({ name: "slow", bytesPerSecond: 10_000 });
    const from = performance.now();
    assert.equal((await get(video.link())).body.length, 4_000);
    const took = performance.now() - from;
    assert.ok(took > 300 && took < 30_000, `${took} ms for 4,000 bytes at 10,000 a second`);
    video.setFault({ name: "never" });
    await assert.rejects(request(video.link(), { signal: AbortSignal.timeout(200) }), { name: "TimeoutError" });
  }));

test("a redirect leads over its hops to the file, in a circle, or away", () =>
  withProvider({}, async (provider) => {
    const video = provider.addVideo("a");
    const follow = async (limit: number) => {
      let next = video.link();
      for (let hops = 0; hops <= limit; hops++) {
        const got = await get(next);
        if (got.status !== 302) return { hops, got, at: next };
        next = String(got.headers.location);
      }
      return { hops: limit + 1, got: null, at: next };
    };
    video.setFault({ name: "redirect", hops: 3 });
    const { hops, got } = await follow(10);
    assert.equal(hops, 3);
    assert.deepEqual(got?.body, Buffer.from(video.bytes));
    video.setFault({ name: "redirect", hops: Number.POSITIVE_INFINITY });
    assert.equal((await follow(20)).got, null);
    video.setFault({ name: "redirect", hops: 1, to: "http://169.254.169.254/latest/meta-data/" });
    assert.equal((await get(video.link())).headers.location, "http://169.254.169.254/latest/meta-data/");
  }));

test("a fault ends after its number of requests or its time, for each medium by itself", () => {
  let now = 0;
  const clock: Clock = { ...realPorts().clock, now: () => now };
  return withProvider({ clock }, async (provider) => {
    provider.setFault({ name: "404", times: 2 });
    const [one, two] = [provider.addVideo("one"), provider.addVideo("two")];
    const statuses = [];
    for (const medium of [one, one, two, one, two, two]) statuses.push((await get(medium.link())).status);
    assert.deepEqual(statuses, [404, 404, 404, 200, 404, 200]);
    provider.setFault({ name: "503", lasts: 1_000 });
    assert.equal((await get(one.link())).status, 503);
    now = 999;
    assert.equal((await get(one.link())).status, 503);
    now = 1_000;
    assert.equal((await get(one.link())).status, 200);
  });
});

test("equal seeds give equal links and equal films", async () => {
  const links: string[] = [];
  const clock: Clock = { ...realPorts().clock, now: () => 1_700_000_000_000 };
  for (let round = 0; round < 2; round++) {
    await withProvider({ clock, random: seededRandom("replay") }, async (provider) => {
      const video = provider.addVideo("a");
      links.push(`${new URL(video.link()).search} ${video.sha256}`);
    });
  }
  assert.equal(links[0], links[1]);
});

test("closing ends what is under way, and a second close does nothing", async () => {
  const provider = await openProvider(realPorts());
  const video = provider.addVideo("a");
  video.setFault({ name: "never" });
  const waiting = assert.rejects(request(video.link()), broken);
  await waitFor(() => video.counts.open === 1);
  await Promise.all([provider.close(), provider.close()]);
  await waiting;
});
