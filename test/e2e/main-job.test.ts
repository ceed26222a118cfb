import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { request } from "undici";
import { inventVideoId } from "../../src/simulator/events.ts";
import { sha256Of } from "../support/bytes.ts";
import { seededRandom } from "../support/random.ts";
import type { Received } from "../support/receiver.ts";
import { endpointTo, SECRET } from "../support/relay-in-folder.ts";
import { callCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";
import { CONTEXT, VIDEO, withStage } from "./stage.ts";

/** The provider's own examples, byte for byte. */
const EXAMPLES = ["draft.new", "draft.update", "video.ready", "legacy", "video.delete", "draft.delete"];
const example = (name: string) => readFile(new URL(`../fixtures/provider/${name}.json`, import.meta.url));

async function get(url: string, headers: Record<string, string> = {}) {
  const answer = await request(url, { headers });
  return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) };
}

/** Throws unless the libraries that users have accept the request as it came. */
function verifyWithLibraries({ body, headers }: Received): void {
  const given = headers as Record<string, string>;
  new StandardWebhook(SECRET).verify(body, given);
  new SvixWebhook(SECRET).verify(body, given);
}

test("every example of the provider's pages arrives as it was sent and enriched, and users' libraries verify both", () =>
  withStage(
    {
      mirror: { enabled: false },
      endpoints: (app) => [
        endpointTo(`${app}/verbatim`, { id: "verbatim", body: "verbatim" }),
        endpointTo(`${app}/enriched`, { id: "enriched" }),
      ],
    },
    async ({ post, delivery, app }) => {
      let sequence = 0;
      for (const name of EXAMPLES) {
        const bytes = await example(name);
        const { id, status } = await post(bytes);
        assert.equal(status, "accepted");
        const [verbatim, enriched] = [await delivery(id, "/verbatim"), await delivery(id, "/enriched")];
        assert.deepEqual(verbatim.body, bytes);
        for (const got of [verbatim, enriched]) {
          assert.equal(got.headers["content-type"], "application/json");
          assert.match(String(got.headers["user-agent"]), /^wochit-relay\/\d/);
          assert.equal(got.headers["webhook-attempt"], "1");
          verifyWithLibraries(got);
        }
        const { relay, ...members } = enriched.json;
        const expected = { type: "video.ready", videoContext: CONTEXT, ...JSON.parse(bytes.toString()) };
        assert.deepEqual(members, expected);
        assert.equal(relay.eventId, id);
        assert.equal(relay.sequence, ++sequence);
        assert.equal(relay.dialect, name === "legacy" ? "legacy" : "typed");
        assert.equal(relay.contextFrom, name === "draft.delete" ? "mapping" : "event");
        for (const medium of Object.values(relay.media)) assert.equal((medium as { status: string }).status, "skipped");
      }
      const tampered = { ...app.requests[0]!, body: Buffer.from("{}") };
      assert.throws(() => verifyWithLibraries(tampered), "the libraries do look at the body");
    },
  ));

test("a produced video is copied before the app hears of it, and served whole, in pieces, and to nobody without the signature", () =>
  withStage({}, async ({ provider, send, delivery }) => {
    const video = provider.addVideo(VIDEO, { bytes: 1_500_000 });
    const thumbnail = provider.addThumbnail(VIDEO);
    const { id } = await send("video.ready", { videoUrl: video.link(), thumbnailUrl: thumbnail.link() });
    const { json } = await delivery(id);
    assert.equal(json.relay.media.video.status, "mirrored");
    assert.equal(json.relay.media.video.sha256, video.sha256);
    assert.equal(json.relay.media.video.bytes, 1_500_000);
    assert.equal(json.relay.media.video.contentType, "video/mp4");
    assert.equal(json.relay.media.thumbnail.sha256, thumbnail.sha256);
    assert.equal(json.videoUrl, json.relay.media.video.url);

    const whole = await get(json.videoUrl);
    assert.equal(whole.status, 200);
    assert.equal(sha256Of(whole.body), video.sha256);
    assert.equal(whole.headers["content-type"], "video/mp4");
    assert.equal(whole.headers["content-length"], "1500000");
    const etag = String(whole.headers.etag);
    const piece = await get(json.videoUrl, { range: "bytes=1000000-1000099" });
    assert.equal(piece.status, 206);
    assert.equal(piece.headers["content-range"], "bytes 1000000-1000099/1500000");
    assert.deepEqual(piece.body, Buffer.from(video.bytes.subarray(1_000_000, 1_000_100)));
    assert.equal((await get(json.videoUrl, { range: "bytes=1500000-" })).status, 416);
    assert.equal((await get(json.videoUrl, { "if-none-match": etag })).status, 304);
    const picture = await get(json.thumbnailUrl);
    assert.deepEqual([picture.headers["content-type"], sha256Of(picture.body)], ["image/jpeg", thumbnail.sha256]);

    const bare = json.videoUrl.split("?")[0];
    for (const url of [bare, `${bare}?sig=${"A".repeat(43)}`, json.videoUrl.replace(VIDEO, "other")]) {
      assert.equal((await get(url)).status, 404, url);
    }
    assert.equal(video.counts.downloads, 1);
  }));

test("a legacy event is told as video.ready, with its copies, and what is announced twice is downloaded once", () =>
  withStage({}, async ({ provider, send, delivery }) => {
    const video = provider.addVideo(VIDEO, { bytes: 300_000 });
    const thumbnail = provider.addThumbnail(VIDEO);
    const links = () => ({ videoUrl: video.link(), thumbnailUrl: thumbnail.link() });
    const legacy = await delivery((await send("legacy", links())).id);
    assert.equal(legacy.json.type, "video.ready");
    assert.equal(legacy.json.relay.dialect, "legacy");
    assert.equal(legacy.json.relay.media.video.sha256, video.sha256);
    const ready = await delivery((await send("video.ready", links())).id);
    assert.equal(ready.json.relay.media.video.url, legacy.json.relay.media.video.url);
    assert.equal(ready.json.relay.sequence, 2);
    assert.deepEqual([video.counts.downloads, thumbnail.counts.downloads], [1, 1]);
  }));

test("the same event sent again with fresher links is a duplicate, and is not sent on", () =>
  withStage({}, async ({ provider, send, delivery, app }) => {
    const video = provider.addVideo(VIDEO);
    const wish = { title: "Once", thumbnailUrl: "", duration: 1 };
    const first = await send("video.ready", { ...wish, videoUrl: video.link() });
    assert.deepEqual(await send("video.ready", { ...wish, videoUrl: video.link() }), {
      id: first.id,
      status: "duplicate",
    });
    await delivery(first.id);
    const marker = await send("video.delete");
    await delivery(marker.id);
    assert.deepEqual(
      app.requests.map((one) => one.headers["webhook-id"]),
      [first.id, marker.id],
    );
  }));

test("a draft's thumbnail that changes behind its link replaces the older copy", () =>
  withStage({}, async ({ provider, send, delivery }) => {
    const thumbnail = provider.addThumbnail(VIDEO, "first look");
    const first = await delivery((await send("draft.new", { thumbnailUrl: thumbnail.link() })).id);
    provider.addThumbnail(VIDEO, "second look");
    const second = await delivery((await send("draft.update", { thumbnailUrl: thumbnail.link() })).id);
    assert.notEqual(first.json.relay.media.thumbnail.sha256, second.json.relay.media.thumbnail.sha256);
    assert.equal(second.json.relay.media.thumbnail.sha256, thumbnail.sha256);
    assert.equal(sha256Of((await get(second.json.thumbnailUrl)).body), thumbnail.sha256);
    // Announced again, and nothing has changed: asked for, but not downloaded again.
    const third = await delivery((await send("draft.update", { thumbnailUrl: thumbnail.link() })).id);
    assert.equal(third.json.relay.media.thumbnail.sha256, thumbnail.sha256);
    assert.deepEqual([thumbnail.counts.downloads, thumbnail.counts.notModified], [2, 1]);
  }));

test("draft.delete is completed with the newest context of its draft", () =>
  withStage({ mirror: { enabled: false } }, async ({ send, delivery }) => {
    await send("draft.new", { context: "page-1" });
    await send("draft.update", { context: "page-2" });
    await send("draft.update", { context: null });
    const got = await delivery((await send("draft.delete")).id);
    assert.equal(got.json.videoContext, "page-2");
    assert.equal(got.json.relay.contextFrom, "mapping");
    assert.deepEqual(got.json.relay.contexts, ["page-2", "page-1"]);
    assert.equal(got.json.relay.sequence, 4);
    const unknown = await delivery((await send("draft.delete", { videoId: "never seen" })).id);
    assert.equal("videoContext" in unknown.json, false);
    assert.equal(unknown.json.relay.contextFrom, null);
    assert.equal("contexts" in unknown.json.relay, false);
  }));

test("a replay of draft.delete keeps its context, and names what its draft was opened on since", () =>
  withStage({ mirror: { enabled: false } }, async ({ relay, send, delivery }) => {
    await send("draft.new", { context: "page-1" });
    const { id } = await send("draft.delete");
    const first = (await delivery(id)).json;
    assert.deepEqual([first.videoContext, first.relay.contexts], ["page-1", ["page-1"]]);
    await send("draft.update", { context: "page-2" });
    await send("draft.update", { context: "page-1" });
    const rows = join(relay.dir, "mappings.json");
    await writeFile(rows, JSON.stringify({ videoId: VIDEO, context: "page-0" }));
    const config = ["--config", relay.configPath];
    assert.equal((await callCli(["contexts", "import", rows, ...config])).code, 0);
    assert.equal((await callCli(["events", "replay", id, ...config])).code, 0);
    const again = (await delivery(id, "/", 1)).json;
    assert.equal(again.relay.replay, true);
    assert.deepEqual([again.videoContext, again.relay.contexts], ["page-1", ["page-1", "page-2", "page-0"]]);
  }));

test("events of one video arrive in order while the app refuses one of them, and other videos do not wait", () =>
  withStage(
    { mirror: { enabled: false }, endpoints: (app) => [endpointTo(app, { retry: Array(60).fill("100ms") })] },
    async ({ send, app }) => {
      // It refuses the first one until the other video's has come, and at least twice.
      const hasOther = () => app.requests.some(({ json }) => json.wochitVideoId !== VIDEO);
      app.answer(({ json, headers }) =>
        json.type === "draft.new" && (Number(headers["webhook-attempt"]) < 3 || !hasOther()) ? 500 : 200,
      );
      const mine: string[] = [];
      for (const type of ["draft.new", "draft.update", "video.ready", "video.delete"] as const) {
        mine.push((await send(type)).id);
      }
      await send("video.ready", { videoId: "another" });
      await waitFor(() => app.requests.some(({ headers }) => headers["webhook-id"] === mine[3]));
      const came = app.requests
        .filter(({ json }) => json.wochitVideoId === VIDEO)
        .map(({ headers }) => [headers["webhook-id"], headers["webhook-attempt"]]);
      const tries = came.length - 3;
      assert.ok(tries >= 3);
      assert.deepEqual(came, [
        ...Array.from({ length: tries }, (_, nth) => [mine[0], String(nth + 1)]),
        ...mine.slice(1).map((id) => [id, "1"]),
      ]);
      for (const got of app.requests) verifyWithLibraries(got);
    },
  ));

test("many videos at once: every event arrives once, those of a video in order, every copy is right", () =>
  withStage({}, async ({ provider, send, app }) => {
    const random = seededRandom("many");
    const ids = Array.from({ length: 20 }, () => inventVideoId(random));
    await Promise.all(
      ids.map(async (videoId) => {
        const thumbnail = provider.addThumbnail(videoId);
        await send("draft.new", { videoId, thumbnailUrl: thumbnail.link() });
        const video = provider.addVideo(videoId, { bytes: 20_000 });
        await send("video.ready", { videoId, thumbnailUrl: thumbnail.link(), videoUrl: video.link() });
        await send("draft.exit", { videoId, thumbnailUrl: thumbnail.link() });
      }),
    );
    await waitFor(() => app.requests.length >= 60);
    assert.equal(new Set(app.requests.map(({ headers }) => headers["webhook-id"])).size, 60);
    for (const videoId of ids) {
      const bodies = app.requests.map(({ json }) => json).filter((json) => json.wochitVideoId === videoId);
      assert.deepEqual(
        bodies.map(({ type }) => type),
        ["draft.new", "video.ready", "draft.exit"],
      );
      assert.deepEqual(
        bodies.map(({ relay }) => relay.sequence),
        [1, 2, 3],
      );
      const { media } = bodies[1].relay;
      const served = provider.media().filter(({ path }) => path.includes(videoId));
      assert.deepEqual(
        [media.thumbnail.sha256, media.video.sha256],
        served.map((medium) => medium.sha256),
      );
      assert.equal(sha256Of((await get(bodies[1].videoUrl)).body), media.video.sha256);
    }
  }));

test("each app gets what its events and its filter choose, by the config of the moment", () => {
  const endpoints = (app: string, pages: string) => [
    endpointTo(`${app}/pages`, { id: "pages", events: ["*", "!draft.update"], filter: { context: [pages] } }),
    endpointTo(`${app}/all`, { id: "all" }),
  ];
  return withStage(
    { mirror: { enabled: false }, endpoints: (app) => endpoints(app, "page-*") },
    async ({ relay, send, post, delivery, app }) => {
      const other = { videoId: "other" };
      const page = await send("draft.new", { context: "page-1" });
      const update = await send("draft.update", { context: "page-1" });
      const story = await send("draft.new", { context: "story-1", ...other });
      const mapped = await post(Buffer.from(JSON.stringify({ type: "draft.delete", wochitVideoId: VIDEO })));
      // The last of each video: what should not have come would have come before it.
      const moved = await send("draft.exit", { context: "page-2", ...other });
      await relay.reload({ endpoints: endpoints(app.url, "story-*") });
      const later = await send("draft.exit", { context: "page-3", ...other });
      const last = await send("draft.exit", { context: "story-2", ...other });
      const all = [page, update, story, mapped, moved, later, last].map(({ id }) => id);
      for (const id of all) await delivery(id, "/all");
      for (const { id } of [mapped, last]) await delivery(id, "/pages");
      const got = app.requests.filter(({ path }) => path === "/pages").map(({ headers }) => headers["webhook-id"]);
      assert.deepEqual(got.sort(), [page, mapped, moved, last].map(({ id }) => id).sort());
    },
  );
});

test("what was accepted while the app was down is delivered after a restart, as the same messages", () =>
  withStage({ mirror: { enabled: false } }, async ({ relay, send, delivery, app }) => {
    app.answer(503);
    const first = await send("draft.new");
    const second = await send("video.ready");
    await delivery(first.id);
    await relay.restart();
    app.answer(200);
    const got = await delivery(second.id);
    verifyWithLibraries(got);
    const ids = app.requests.map(({ headers }) => headers["webhook-id"]);
    assert.equal(ids.indexOf(second.id), ids.lastIndexOf(first.id) + 1, "the second one waited for the first one");
  }));
