import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CreateBucketCommand, GetObjectCommand } from "@aws-sdk/client-s3";
import { request } from "undici";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { ServedMedium } from "../../src/simulator/medium.ts";
import type { S3Target } from "../../src/targets/s3/options.ts";
import { sha256Of } from "../support/bytes.ts";
import { fastClock } from "../support/fast-clock.ts";
import { mountSmallDisk, noMounts } from "../support/mounts.ts";
import { type RealPorts, realPorts } from "../support/real-ports.ts";
import type { RelayInFolder } from "../support/relay-in-folder.ts";
import { noS3, type S3Server, shareS3Server } from "../support/s3-server.ts";
import { waitFor } from "../support/wait.ts";
import { type Stage, withStage } from "./stage.ts";

/** Ten times as fast: a target that is down is asked every second. */
const hasty = (): RealPorts => ({ ...realPorts(), clock: fastClock(10) });

type Target = NonNullable<NonNullable<ConfigInput["mirror"]>["target"]>;

/** The part of a config that names this target. */
function targetIn({ bucket, endpoint, credentials }: S3Target): Target {
  const { accessKeyId, secretAccessKey } = credentials!;
  return { type: "s3", bucket, endpoint: endpoint!, pathStyle: true, accessKeyId, secretAccessKey };
}

type Sent = { id: string; videoId: string; video: ServedMedium };

/** One event each about so many new videos, all of them accepted. */
function sendVideos({ provider, send }: Stage, count: number, name: string, bytes = 20_000): Promise<Sent[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, nth) => {
      const videoId = `${name}-${nth}`;
      const video = provider.addVideo(videoId, { bytes });
      const { id, status } = await send("video.ready", { videoId, videoUrl: video.link(), thumbnailUrl: "" });
      assert.equal(status, "accepted");
      return { id, videoId, video };
    }),
  );
}

/** Every event was delivered with its copy, and every file was fetched once. */
async function checkArrived({ delivery, app }: Stage, sent: Sent[]): Promise<void> {
  await waitFor(() => new Set(app.requests.map(({ headers }) => headers["webhook-id"])).size >= sent.length);
  for (const { id, videoId, video } of sent) {
    const { json } = await delivery(id);
    assert.equal(json.relay.media.video.status, "mirrored", videoId);
    assert.equal(json.relay.media.video.sha256, video.sha256);
    assert.deepEqual(
      [video.counts.requests, video.counts.downloads, video.counts.bytes],
      [1, 1, video.bytes.length],
      `${videoId} was fetched once`,
    );
  }
}

/** What the log says is wrong. */
function complaintsOf({ ports }: RelayInFolder): string {
  return ports.log.facts
    .filter(({ level }) => level === "error" || level === "warn")
    .map(({ fact, fields }) => `${fact}: ${fields.error}`)
    .join("\n");
}

async function readiness({ url }: RelayInFolder): Promise<{ status: number; body: string }> {
  const answer = await request(`${url}/readyz`);
  return { status: answer.statusCode, body: await answer.body.text() };
}

async function objectHash(server: S3Server, target: S3Target, key: string): Promise<string> {
  const { Body } = await server.client.send(new GetObjectCommand({ Bucket: target.bucket, Key: key }));
  return sha256Of(await Body!.transformToByteArray());
}

/** An operator changes the keys of the server's only user. */
async function giveKey(server: S3Server, accessKeyId: string, secretAccessKey: string): Promise<void> {
  const { spawnSync } = await import("node:child_process");
  const key = ["--access-key", accessKeyId, "--secret-key", secretAccessKey];
  const args = ["-c", join(server.dir, "ceph.conf"), "key", "create", "--uid=relay", "--key-type=s3", ...key];
  const { status, stderr } = spawnSync("radosgw-admin", args, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
}

const s3 = shareS3Server();

test("a gateway that is stopped for fifty events costs no event, no link and no second download", {
  skip: noS3,
}, async () => {
  const server = await s3();
  const target = await server.makeTarget();
  await withStage(
    { mirror: { target: targetIn(target) } },
    async (stage) => {
      const { relay, provider } = stage;
      const first = await sendVideos(stage, 1, "before");
      await checkArrived(stage, first);
      server.stopGateway();
      const sent = await sendVideos(stage, 50, "meanwhile");
      await waitFor(() => provider.media().every((medium) => medium.isTaken));
      await waitFor(() => /ECONNREFUSED|connect/i.test(complaintsOf(relay)));
      const { status } = await waitFor(async () => {
        const ready = await readiness(relay);
        return /degraded/.test(ready.body) && ready;
      });
      assert.equal(status, 200);
      assert.equal(stage.app.requests.length, 1, "what waits for its copy is not delivered");
      await server.startGateway();
      await checkArrived(stage, [...first, ...sent]);
      for (const { videoId, video } of sent)
        assert.equal(await objectHash(server, target, `${videoId}/video.mp4`), video.sha256);
      // The application hears of a copy while its file still leaves the spool.
      await waitFor(() => readdirSync(join(relay.dir, "data", "spool")).length === 0);
      assert.doesNotMatch((await readiness(relay)).body, /degraded/);
    },
    hasty(),
  );
});

test("a wrong secret is told as such, and once it is right all goes on", { skip: noS3 }, async () => {
  const server = await s3();
  const target = await server.makeTarget();
  await giveKey(server, "secondkey", "what the operator believes is not this");
  const credentials = { accessKeyId: "secondkey", secretAccessKey: "the-secret-of-the-config", sessionToken: null };
  await withStage(
    { mirror: { target: targetIn({ ...target, credentials }) } },
    async (stage) => {
      const sent = await sendVideos(stage, 5, "secret");
      await waitFor(() => /SignatureDoesNotMatch|secret|signature/i.test(complaintsOf(stage.relay)));
      assert.doesNotMatch(complaintsOf(stage.relay), /the-secret-of-the-config/);
      await waitFor(async () => /degraded/.test((await readiness(stage.relay)).body));
      await giveKey(server, credentials.accessKeyId, credentials.secretAccessKey);
      await checkArrived(stage, sent);
    },
    hasty(),
  );
});

test("a missing bucket is named, and once it is made all goes on", { skip: noS3 }, async () => {
  const server = await s3();
  const target = { ...(await server.makeTarget()), bucket: "made-later" };
  await withStage(
    { mirror: { target: targetIn(target) } },
    async (stage) => {
      const sent = await sendVideos(stage, 5, "bucket");
      await waitFor(() => /made-later/.test(complaintsOf(stage.relay)));
      await server.client.send(new CreateBucketCommand({ Bucket: "made-later" }));
      await checkArrived(stage, sent);
      assert.equal(await objectHash(server, target, "bucket-0/video.mp4"), sent[0]!.video.sha256);
    },
    hasty(),
  );
});

/** A stage whose folder of this name, in the data folder, is a disk of its own. */
async function withDisk(
  name: "spool" | "media",
  bytes: number,
  run: (stage: Stage, disk: ReturnType<typeof mountSmallDisk>) => Promise<void>,
): Promise<void> {
  await withStage(
    { mirror: { concurrency: 2 } },
    async (stage) => {
      const disk = mountSmallDisk(join(stage.relay.dir, "data", name), bytes);
      try {
        await run(stage, disk);
      } finally {
        disk.unmount();
      }
    },
    hasty(),
  );
}

test(
  "a full disk under the spool lets downloads wait, takes every event, and goes on when there is room",
  { skip: noMounts },
  () =>
    withDisk("spool", 2 ** 20, async (stage, disk) => {
      const large = await sendVideos(stage, 3, "large", 3_000_000);
      await waitFor(() => /room|space|ENOSPC/i.test(complaintsOf(stage.relay)));
      assert.match(complaintsOf(stage.relay), /spool/);
      assert.match((await readiness(stage.relay)).body, /degraded/);
      const small = await sendVideos(stage, 3, "small", 20_000);
      for (const { id } of small) {
        assert.equal(
          (await stage.delivery(id)).json.relay.media.video.status,
          "mirrored",
          "what has room goes through",
        );
      }
      disk.grow(64 * 2 ** 20);
      await waitFor(() => stage.app.requests.length >= 6);
      for (const { id, video } of large) {
        const { json } = await stage.delivery(id);
        assert.equal(json.relay.media.video.status, "mirrored");
        assert.equal(json.relay.media.video.sha256, video.sha256);
      }
    }),
);

test(
  "a full disk under the copies lets uploads wait in the spool, and nothing is fetched twice",
  { skip: noMounts },
  () =>
    withDisk("media", 2 ** 20, async (stage, disk) => {
      const sent = await sendVideos(stage, 3, "large", 3_000_000);
      await waitFor(() => sent.every(({ video }) => video.isTaken));
      await waitFor(() => /ENOSPC|no space/i.test(complaintsOf(stage.relay)));
      disk.grow(64 * 2 ** 20);
      await checkArrived(stage, sent);
      for (const { videoId, video } of sent) {
        const copy = readFileSync(join(disk.dir, videoId, "video.mp4"));
        assert.equal(sha256Of(copy), video.sha256);
      }
      assert.deepEqual(
        readdirSync(disk.dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile()).length,
        3,
        "nothing of the tries is left",
      );
    }),
);

test(
  "a read-only spool is told as such, takes every event, and goes on when it can be written again",
  { skip: noMounts },
  () =>
    withDisk("spool", 8 * 2 ** 20, async (stage, disk) => {
      disk.readOnly(true);
      const sent = await sendVideos(stage, 5, "readonly");
      await waitFor(() => /EROFS|read-only/i.test(complaintsOf(stage.relay)));
      assert.match(complaintsOf(stage.relay), /spool/);
      assert.match((await readiness(stage.relay)).body, /degraded/);
      disk.readOnly(false);
      await waitFor(() => stage.app.requests.length >= 5);
      for (const { id, video } of sent) {
        const { json } = await stage.delivery(id);
        assert.equal(json.relay.media.video.status, "mirrored");
        assert.equal(video.counts.downloads, 1);
      }
    }),
);
