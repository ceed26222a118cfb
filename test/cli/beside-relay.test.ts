import assert from "node:assert/strict";
import { existsSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Webhook } from "standardwebhooks";
import { Webhook as SvixWebhook } from "svix";
import { type Stage, VIDEO, withStage } from "../e2e/stage.ts";
import { endpointTo, SECRET } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

// What the commands ask for, and a running relay does.

/** Sends a produced video with its thumbnail, both of which the provider has. */
function sendReady({ provider, send }: Pick<Stage, "provider" | "send">) {
  const videoUrl = provider.addVideo(VIDEO).link();
  return send("video.ready", { videoUrl, thumbnailUrl: provider.addThumbnail(VIDEO).link() });
}

test("copies that are missing and cut are mended by the running relay, and are whole again", async () => {
  await withStage({}, async ({ relay, delivery, ...stage }) => {
    const run = (line: string) => callCli([...line.split(" "), "--config", relay.configPath]);
    const { json } = await delivery((await sendReady(stage)).id);
    const before = await run("media verify");
    assert.deepEqual([before.code, before.stderr], [0, ""]);
    assert.match(before.stdout, /^2 copies, .* 2 good\n$/);

    const media = await callJson(["media", "list", "--config", relay.configPath]);
    // Port 0 is in the config: commands know the relay's port from the store.
    const { video, thumbnail } = json.relay.media;
    assert.deepEqual(new Set(media.map(({ url }) => url)), new Set([video.url, thumbnail.url]));
    const pathOf = (kind: string) => join(relay.config.dataDir, "media", media.find((one) => one.kind === kind).key);
    rmSync(pathOf("thumbnail"));
    truncateSync(pathOf("video"), 1000);
    const mending = await run("media verify --mend");
    assert.equal(mending.code, 1);
    assert.match(mending.stdout, /: 0 good, 1 missing, 1 damaged\n2 queued for download/);
    const after = await waitFor(async () => {
      const verified = await run("media verify");
      return verified.code === 0 && verified;
    });
    assert.equal(after.stdout, before.stdout);
    assert.deepEqual(
      (await callJson(["media", "list", "--config", relay.configPath])).map(({ sha256 }) => sha256),
      media.map(({ sha256 }) => sha256),
    );
  });
});

test("an app that was sent a pending video hears how it ended: a notice, signed, which both libraries verify", async () => {
  // The event is sent at once, with what there is: nothing.
  const endpoints = (app: string) => [endpointTo(app, { send: "immediately" })];
  await withStage({ endpoints }, async ({ app, delivery, ...stage }) => {
    stage.provider.setFault({ name: "503", times: 2 });
    const { id } = await sendReady(stage);
    const first = await delivery(id);
    assert.equal(first.json.relay.media.video.status, "pending");
    const notice = await waitFor(() =>
      app.requests.find(({ json }) => json.type === "relay.media.mirrored" && json.relay.media.video),
    );
    const { json, headers, body } = notice;
    assert.deepEqual(Object.keys(json), ["type", "wochitVideoId", "videoContext", "relay"]);
    assert.deepEqual([json.wochitVideoId, json.relay.aboutEventId], [VIDEO, id]);
    assert.deepEqual(Object.keys(json.relay), ["aboutEventId", "at", "reason", "media"]);
    assert.equal(json.relay.media.video.status, "mirrored");
    assert.match(json.relay.media.video.url, /\/media\/.*\?sig=/);
    assert.notEqual(headers["webhook-id"], id);
    for (const Library of [Webhook, SvixWebhook]) {
      new Library(SECRET).verify(body.toString("utf8"), headers as Record<string, string>);
    }
  });
});

test("a forgotten video's copies are removed by the running relay", async () => {
  await withStage({}, async ({ relay, delivery, ...stage }) => {
    await delivery((await sendReady(stage)).id);
    const [{ key }] = await callJson(["media", "list", "--config", relay.configPath]);
    const path = join(relay.config.dataDir, "media", key);
    assert.ok(existsSync(path));
    const { code, stdout } = await callCli(["videos", "forget", VIDEO, "--yes", "--config", relay.configPath]);
    assert.equal(code, 0);
    assert.match(stdout, /\n2 copies to be removed: by the running relay/);
    await waitFor(() => !existsSync(path));
    await waitFor(async () => (await callJson(["status", "--config", relay.configPath]))[0].deletions === 0);
    assert.equal((await callCli(["media", "verify", "--config", relay.configPath])).code, 0);
  });
});
