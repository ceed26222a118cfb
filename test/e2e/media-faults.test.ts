import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { request } from "undici";
import { faultsByName } from "../../src/simulator/faults.ts";
import { sha256Of } from "../support/bytes.ts";
import { box, mp4 } from "../support/media-bytes.ts";
import { serve, serveRaw } from "../support/media-server.ts";
import { ODD_HEADS } from "../support/odd-heads.ts";
import { type Habits, setHabits } from "../support/provider.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";
import { withStage } from "./stage.ts";

const HEALING = ["404-then-there", "html-200", "cut", "empty", "wrong-length", "503"] as const;

test("media that are not there yet, cut, empty, or an error page are fetched again until they are right", () =>
  withStage({ mirror: { concurrency: 8 } }, async ({ provider, send, delivery, relay }) => {
    await Promise.all(
      [...HEALING, "redirect" as const].map(async (name) => {
        const video = provider.addVideo(name, { bytes: 300_000 });
        video.setFault(name === "redirect" ? faultsByName.redirect : { ...faultsByName[name], times: 1 });
        const { id } = await send("video.ready", { videoId: name, videoUrl: video.link(), thumbnailUrl: "" });
        const { json } = await delivery(id);
        assert.equal(json.relay.media.video.status, "mirrored", name);
        assert.equal(json.relay.media.video.sha256, video.sha256, name);
        const copy = await request(json.videoUrl);
        const bytes = Buffer.from(await copy.body.arrayBuffer());
        assert.equal(sha256Of(bytes), video.sha256, name);
        assert.equal(video.counts.downloads, 1, name);
        // The first hop, two more, and the file; a rest that was announced by mistake, and then the whole.
        const requests = { redirect: 4, "wrong-length": 3 }[name as string] ?? 2;
        assert.equal(video.counts.requests, requests, name);
      }),
    );
    // The application hears of a copy while its file still leaves the spool.
    await waitFor(async () => (await readdir(join(relay.config.dataDir, "spool"))).length === 0);
    const secrets = relay.ports.log.facts.filter((one) => JSON.stringify(one).includes("X-Amz-Signature"));
    assert.deepEqual(secrets, [], "no signed link is in the log");
  }));

test("a broken download goes on where the server shows that the rest fits, and starts over where it does not", () =>
  withStage({ mirror: { concurrency: 8 } }, async ({ provider, send, delivery }) => {
    const half = 150_000;
    const servers: [string, Habits, number][] = [
      ["strong", {}, 0],
      ["strong, without a date", { lastModified: false }, 0],
      ["without ranges", { ranges: false }, half],
      ["with an etag that changes", { etag: "changing" }, half],
      ["with a weak etag", { etag: "weak" }, half],
      ["with a date of this very minute", { etag: "none" }, half],
      ["without any validator", { etag: "none", lastModified: false }, half],
    ];
    await Promise.all(
      servers.map(async ([name, habits, twice], nth) => {
        const video = provider.addVideo(`server-${nth}`, { bytes: 2 * half });
        setHabits(provider, video, habits);
        video.setFault({ name: "cut", after: half, times: 1 });
        const wish = { videoId: `server-${nth}`, videoUrl: video.link(), thumbnailUrl: "" };
        const { json } = await delivery((await send("video.ready", wish)).id);
        assert.equal(json.relay.media.video.sha256, video.sha256, name);
        assert.equal(video.counts.bytes, 2 * half + twice, name);
      }),
    );
  }));

test("a link that answers 403 or 404 at first is not ready yet, and is fetched when it is", () =>
  withStage({ mirror: { concurrency: 8 } }, async ({ provider, send, delivery, relay }) => {
    await Promise.all(
      (["403", "404"] as const).map(async (name) => {
        const video = provider.addVideo(name);
        video.setFault({ name, times: 2 });
        const { id } = await send("video.ready", { videoId: name, videoUrl: video.link(), thumbnailUrl: "" });
        assert.equal((await delivery(id)).json.relay.media.video.status, "mirrored", name);
        assert.ok(video.counts.requests >= 3, "it was asked for at once, and again");
      }),
    );
    const alarming = relay.ports.log.facts.filter(({ level }) => level === "warn" || level === "error");
    assert.deepEqual(alarming, [], "nothing is wrong, and nobody is told so");
  }));

test("a link that leads to a private address is not followed, and the event is delivered all the same", () =>
  withStage(
    {
      mirror: { allowPrivateAddresses: ["127.0.0.1"] },
      endpoints: (app) => [endpointTo(app, { maxWait: "1s" })],
    },
    async ({ provider, send, delivery, relay }) => {
      const video = provider.addVideo("a");
      video.setFault({ name: "redirect", hops: 1, to: "http://127.0.0.2/secret-place" });
      const { id } = await send("video.ready", { videoId: "a", videoUrl: video.link(), thumbnailUrl: "" });
      const { json } = await delivery(id);
      assert.notEqual(json.relay.media.video.status, "mirrored");
      assert.match(json.relay.media.video.error, /127\.0\.0\.2 is .*not allowed/);
      assert.match(json.videoUrl, /X-Amz-Signature/, "the original link, for there is no better one");
      const told = relay.ports.log.facts.map((one) => JSON.stringify(one)).join("\n");
      assert.doesNotMatch(told, /X-Amz-Signature/);
    },
  ));

test("a slow link holds its own event only", () =>
  withStage({ mirror: { concurrency: 2 } }, async ({ provider, send, delivery, app }) => {
    const slow = provider.addVideo("slow", { bytes: 60_000 });
    slow.setFault({ name: "slow", bytesPerSecond: 1_000 });
    await send("video.ready", { videoId: "slow", videoUrl: slow.link(), thumbnailUrl: "" });
    await waitFor(() => slow.counts.bytes > 0);
    const quick = provider.addVideo("quick", { bytes: 60_000 });
    const soon = await send("video.ready", { videoId: "quick", videoUrl: quick.link(), thumbnailUrl: "" });
    assert.equal((await delivery(soon.id)).json.relay.media.video.status, "mirrored");
    assert.deepEqual([app.requests.length, slow.counts.open], [1, 1]);
  }));

test("a file larger than the limit is never stored, whatever its length says", () =>
  withStage(
    { mirror: { maxSize: "100KiB" }, endpoints: (app) => [endpointTo(app, { maxWait: "1s" })] },
    async ({ provider, send, delivery }) => {
      const video = provider.addVideo("big", { bytes: 300_000 });
      const { id } = await send("video.ready", { videoId: "big", videoUrl: video.link(), thumbnailUrl: "" });
      const { json } = await delivery(id);
      assert.notEqual(json.relay.media.video.status, "mirrored");
      assert.ok(video.counts.bytes <= 300_000);
      assert.equal(json.videoUrl.split("?")[0], provider.url + video.path);
    },
  ));

test("what other clients can fetch reaches the app whole on a later try; of what never comes whole it gets the largest part, marked", async (t) => {
  const film = mp4({ bytes: 300_000 });
  const origin = await serve(t, (request, response) => {
    if (request.url === "/packed.mp4") {
      const packed = gzipSync(film);
      return void response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
    }
    response.writeHead(200, { "content-length": film.length });
    if (request.url === "/cut.mp4") {
      return void response.write(film.subarray(0, 200_000), () => setTimeout(() => response.destroy(), 20));
    }
    response.end(Buffer.concat([film.subarray(0, 20), box("mdat", film.length - 28)]));
  });
  const raw = await serveRaw(t, (_, socket) => ODD_HEADS.twice!.answer(film, socket));
  await withStage({ mirror: { linkLifetime: "4s" } }, async ({ send, delivery, relay }) => {
    const links: [string, string, RegExp | null][] = [
      ["packed", `${origin}/packed.mp4`, null],
      ["head", `${raw.origin}/head.mp4`, null],
      ["cut", `${origin}/cut.mp4`, /^not whole: the connection broke: 200000 of 3\d+ bytes came/],
      ["unfinished", `${origin}/unfinished.mp4`, /^not whole: the mp4 file is cut: it has no index/],
    ];
    await Promise.all(
      links.map(async ([videoId, videoUrl, suspect]) => {
        const { json } = await delivery((await send("video.ready", { videoId, videoUrl, thumbnailUrl: "" })).id);
        const { video } = json.relay.media;
        assert.equal(video.status, "mirrored", videoId);
        if (suspect === null) assert.equal(video.suspect, null, videoId);
        else assert.match(video.suspect, suspect, videoId);
        const copy = await request(json.videoUrl);
        const bytes = Buffer.from(await copy.body.arrayBuffer());
        assert.equal(sha256Of(bytes), video.sha256, videoId);
        if (suspect === null) assert.deepEqual(bytes, film);
      }),
    );
    await waitFor(async () => (await readdir(join(relay.config.dataDir, "spool"))).length === 0);
  });
});
