import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import type { Medium } from "../../src/model/medium.ts";
import { fastClock } from "../support/fast-clock.ts";
import { realPorts } from "../support/real-ports.ts";
import type { Received } from "../support/receiver.ts";
import type { RelayInFolder } from "../support/relay-in-folder.ts";
import { callCli } from "../support/spawn.ts";
import { openStored } from "../support/stored.ts";
import { waitFor } from "../support/wait.ts";
import { type Stage, VIDEO, withStage } from "./stage.ts";

/** Sixty times as fast: a minute in a second. */
const hasty = () => ({ ...realPorts(), clock: fastClock(60) });

const DELETES = { onDelete: "delete", deleteAfter: "10s" } as const;

/** The real time after which a deletion must have begun, and one that must not be would have been. */
const WELL_AFTER = 700;

function copyOf(relay: RelayInFolder, name: string): string {
  return join(relay.dir, "data", "media", VIDEO, name);
}

async function mediaOf({ configPath }: RelayInFolder): Promise<Medium[]> {
  const stored = await openStored(configPath);
  try {
    return await allOf(stored.media());
  } finally {
    await stored.close();
  }
}

async function allOf<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(row);
  return all;
}

/** The states of what kind, the oldest row first. */
async function statesOf(relay: RelayInFolder): Promise<string[]> {
  return (await mediaOf(relay)).map(({ kind, state }) => `${kind} ${state}`).reverse();
}

/** A thumbnail alone holds an event for 30 s only, which are half a second of these clocks: the event may come first. */
async function isMirrored(relay: RelayInFolder, kind: "video" | "thumbnail"): Promise<void> {
  await waitFor(async () => (await statesOf(relay)).includes(`${kind} mirrored`));
}

async function statusOf(url: string): Promise<number> {
  const answer = await request(url);
  await answer.body.dump();
  return answer.statusCode;
}

/** A produced video whose copies the application was told of. */
async function produce({ provider, relay, send, delivery }: Stage) {
  const video = provider.addVideo(VIDEO, { bytes: 50_000 });
  const thumbnail = provider.addThumbnail(VIDEO);
  const links = () => ({ videoUrl: video.link(), thumbnailUrl: thumbnail.link() });
  const event = await send("video.ready", links());
  const { json } = await delivery(event.id);
  assert.equal(json.relay.media.video.status, "mirrored");
  await isMirrored(relay, "thumbnail");
  return { video, thumbnail, links, event, json };
}

test("what a deleted video leaves is gone from the target after the given time, and its rows say so", () =>
  withStage(
    { mirror: DELETES },
    async (stage) => {
      const { relay, send, delivery } = stage;
      const { json } = await produce(stage);
      assert.ok(existsSync(copyOf(relay, "video.mp4")) && existsSync(copyOf(relay, "thumbnail.jpg")));
      const at = relay.ports.clock.now();
      const deleted = await send("video.delete");
      await waitFor(() => !existsSync(copyOf(relay, "video.mp4")) || !existsSync(copyOf(relay, "thumbnail.jpg")));
      assert.ok(relay.ports.clock.now() - at >= 10_000, "not before its time");
      await waitFor(() => !existsSync(copyOf(relay, "video.mp4")) && !existsSync(copyOf(relay, "thumbnail.jpg")));
      assert.equal((await delivery(deleted.id)).json.type, "video.delete");
      assert.deepEqual((await statesOf(relay)).toSorted(), ["thumbnail deleted", "video deleted"]);
      assert.equal(await statusOf(json.videoUrl), 404);
    },
    hasty(),
  ));

test("a replay of the old event brings nothing back", () =>
  withStage(
    { mirror: DELETES },
    async (stage) => {
      const { relay, send, app } = stage;
      const { video, event } = await produce(stage);
      // By a clock that is sixty times as fast it may have been asked for more than once before.
      const asked = video.counts.requests;
      await send("video.delete");
      await waitFor(() => !existsSync(copyOf(relay, "video.mp4")));
      const replay = await callCli(["events", "replay", event.id, "--config", relay.configPath]);
      assert.equal(replay.code, 0, replay.stderr);
      // By a clock that is sixty times as fast an answer may come too late: then the event came twice before.
      const isReplay = ({ headers, json }: Received) =>
        headers["webhook-id"] === event.id && json.relay.replay === true;
      const { json } = await waitFor(() => app.requests.find(isReplay));
      assert.notEqual(json.relay.media.video.status, "mirrored");
      await sleep(WELL_AFTER);
      assert.equal(video.counts.requests, asked);
      assert.equal(existsSync(copyOf(relay, "video.mp4")), false);
      assert.deepEqual((await statesOf(relay)).toSorted(), ["thumbnail deleted", "video deleted"]);
    },
    hasty(),
  ));

test("a download that is running when its video is deleted is stopped, and leaves nothing", () =>
  withStage(
    { mirror: DELETES },
    async ({ provider, relay, send, delivery }) => {
      const video = provider.addVideo(VIDEO, { bytes: 3_000_000 });
      video.setFault({ name: "slow", bytesPerSecond: 200_000 });
      const ready = await send("video.ready", { videoUrl: video.link(), thumbnailUrl: "" });
      await waitFor(() => video.counts.bytes > 100_000);
      await send("video.delete");
      // By a clock that is sixty times as fast a download may stall, and have been taken up again before.
      const asked = video.counts.requests;
      const { json } = await delivery(ready.id);
      assert.notEqual(json.relay.media.video.status, "mirrored", "nobody waits for it any longer");
      await waitFor(() => video.counts.open === 0);
      assert.equal(video.counts.downloads, 0);
      assert.deepEqual(await statesOf(relay), ["video deleted"]);
      await waitFor(() => readdirSync(join(relay.dir, "data", "spool")).length === 0);
      assert.equal(existsSync(copyOf(relay, "video.mp4")), false);
      assert.equal(video.counts.requests, asked);
    },
    hasty(),
  ));

test("a delete that carries an errorMessage deletes nothing", () =>
  withStage(
    { mirror: DELETES },
    async (stage) => {
      const { relay, post, delivery } = stage;
      const { json } = await produce(stage);
      for (const type of ["video.delete", "draft.delete"]) {
        const failed = { type, wochitVideoId: VIDEO, errorMessage: "It could not be deleted" };
        await delivery((await post(Buffer.from(JSON.stringify(failed)))).id);
      }
      await sleep(WELL_AFTER);
      assert.equal(await statusOf(json.videoUrl), 200);
      assert.ok(existsSync(copyOf(relay, "thumbnail.jpg")));
    },
    hasty(),
  ));

test("draft.delete removes the thumbnail of a draft that was never produced", () =>
  withStage(
    { mirror: DELETES },
    async ({ provider, relay, send, delivery }) => {
      const thumbnail = provider.addThumbnail(VIDEO);
      await delivery((await send("draft.new", { thumbnailUrl: thumbnail.link() })).id);
      await isMirrored(relay, "thumbnail");
      await send("draft.delete");
      await waitFor(() => !existsSync(copyOf(relay, "thumbnail.jpg")));
      assert.deepEqual(await statesOf(relay), ["thumbnail deleted"]);
    },
    hasty(),
  ));

test("a produced video's thumbnail outlives its draft, also where an autosave has named it since", () =>
  withStage(
    { mirror: DELETES },
    async (stage) => {
      const { links } = await produce(stage);
      const { thumbnailUrl } = links();
      await stage.delivery((await stage.send("draft.update", { thumbnailUrl })).id);
      await stage.send("draft.delete");
      await sleep(WELL_AFTER);
      // On a slow machine what the autosave named is still being looked at.
      const states = async () => (await statesOf(stage.relay)).toSorted().join();
      await waitFor(async () => !/running|spooled/.test(await states()));
      assert.equal(await states(), "thumbnail mirrored,video mirrored");
      assert.ok(existsSync(copyOf(stage.relay, "thumbnail.jpg")));
    },
    hasty(),
  ));

test("a video that is announced again before its copy went keeps it", () =>
  withStage(
    { mirror: { ...DELETES, deleteAfter: "5m" } },
    async (stage) => {
      const { relay, send, delivery } = stage;
      const { video, links } = await produce(stage);
      const { downloads } = video.counts;
      await send("video.delete");
      await delivery((await send("video.ready", links())).id);
      await sleep(5_000 + WELL_AFTER);
      assert.ok(existsSync(copyOf(relay, "video.mp4")));
      assert.equal((await statesOf(relay)).includes("video mirrored"), true);
      assert.equal(video.counts.downloads, downloads);
    },
    hasty(),
  ));

test("a video that is announced again after its copy went gets it anew", () =>
  withStage(
    { mirror: DELETES },
    async (stage) => {
      const { relay, send, delivery } = stage;
      const { video, links } = await produce(stage);
      const { downloads } = video.counts;
      await send("video.delete");
      await waitFor(() => !existsSync(copyOf(relay, "video.mp4")));
      const { json } = await delivery((await send("video.ready", links())).id);
      assert.equal(json.relay.media.video.status, "mirrored");
      assert.equal(await statusOf(json.videoUrl), 200);
      assert.deepEqual(await readFile(copyOf(relay, "video.mp4")), Buffer.from(video.bytes));
      assert.ok(video.counts.downloads > downloads);
      await sleep(WELL_AFTER);
      assert.ok(existsSync(copyOf(relay, "video.mp4")), "the old delete is done with");
    },
    hasty(),
  ));

test('"keep", the default, keeps', () =>
  withStage(
    { mirror: { deleteAfter: "1s" } },
    async (stage) => {
      const { json } = await produce(stage);
      await stage.send("video.delete");
      await sleep(WELL_AFTER);
      assert.equal(await statusOf(json.videoUrl), 200);
      assert.deepEqual((await statesOf(stage.relay)).toSorted(), ["thumbnail mirrored", "video mirrored"]);
    },
    hasty(),
  ));

test("videos forget erases copies, bodies, titles and contexts; that it was so stays", () =>
  withStage({}, async (stage) => {
    const { relay, send, delivery } = stage;
    const { event, json } = await produce(stage);
    const kept = await delivery((await send("video.ready", { videoId: "another", videoUrl: "", thumbnailUrl: "" })).id);
    const config = ["--config", relay.configPath];
    const forgotten = await callCli(["videos", "forget", VIDEO, "--yes", ...config]);
    assert.equal(forgotten.code, 0, forgotten.stderr);
    await waitFor(() => !existsSync(copyOf(relay, "video.mp4")) && !existsSync(copyOf(relay, "thumbnail.jpg")));
    assert.equal(await statusOf(json.videoUrl), 404);
    const stored = await openStored(relay.configPath);
    try {
      await assert.rejects(stored.body(event.id), { code: "body_expired" });
      const events = await allOf(stored.events());
      const erased = events.filter(({ videoId }) => videoId === VIDEO);
      assert.deepEqual(
        erased.map(({ id, context, type }) => [id, context, type]),
        [[event.id, null, "video.ready"]],
      );
      assert.equal(events.length, 2);
      assert.match(Buffer.from(await stored.body(kept.json.relay.eventId)).toString(), /another/);
    } finally {
      await stored.close();
    }
    const shown = await callCli(["videos", "show", VIDEO, "--json", ...config]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.doesNotMatch(shown.stdout, /string-sent-when-opened|X-Amz/);
    assert.doesNotMatch(shown.stdout, new RegExp(json.title.slice(0, 10).replace(/[^\p{L} ]/gu, ".")));
  }));
