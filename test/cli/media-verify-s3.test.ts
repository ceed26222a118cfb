import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3";
import { endpoint } from "../support/config.ts";
import { noS3, type S3Server, startS3Server } from "../support/s3-server.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli } from "../support/spawn.ts";

/** So many videos whose copies are in a bucket, and the command over them. */
async function openInBucket(t: Pick<TestContext, "after">, server: S3Server, count: number) {
  const seeded = await openSeeded(t, { mirror: { enabled: true }, endpoints: [] });
  const { store } = seeded;
  const bucket = await server.makeBucket();
  const { client, accessKeyId, secretAccessKey } = server;
  const place = {
    type: "s3" as const,
    bucket,
    region: null,
    endpoint: server.endpoint,
    prefix: "relay",
    pathStyle: true,
  };
  const target = await store.targetId(place);
  const put = (videoId: string, body: string) =>
    client.send(new PutObjectCommand({ Bucket: bucket, Key: `relay/${videoId}/video.bin`, Body: Buffer.from(body) }));
  for (let at = 0; at < count; at++) await seeded.take(ready(`v${at}`, { videoUrl: `https://cdn.example.com/${at}` }));
  await seeded.download("spooled");
  for (const job of (await store.claimUploads({ now: Date.now(), limit: count, leaseFor: 30_000 })).jobs) {
    await put(job.videoId, `video of ${job.videoId}`);
    await store.settleUpload(job, { is: "mirrored", target, key: `${job.videoId}/video.bin` }, Date.now());
  }
  const input = JSON.parse(readFileSync(seeded.configPath, "utf8"));
  // The target's keys are at hand, the endpoints' secrets are not.
  input.endpoints = [endpoint("app", { secret: { env: "ONLY_IN_THE_SERVICE" } })];
  const keys = { accessKeyId, secretAccessKey: { env: "S3_KEY" } };
  input.mirror.target = { type: "s3", bucket, endpoint: server.endpoint, prefix: "relay", pathStyle: true, ...keys };
  writeFileSync(seeded.configPath, JSON.stringify(input));
  return {
    put,
    remove: (videoId: string) =>
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: `relay/${videoId}/video.bin` })),
    verify: (line = "") =>
      callCli(["media", "verify", ...line.split(" ").filter(Boolean), "--config", seeded.configPath], {
        env: { S3_KEY: secretAccessKey },
      }),
  };
}

test("media verify reads a bucket: what is missing, cut or changed there is found", { skip: noS3 }, async (t) => {
  const server = await startS3Server(t);
  const { verify, put, remove } = await openInBucket(t, server, 12);
  const whole = await verify();
  assert.deepEqual([whole.code, whole.stdout, whole.stderr], [0, "12 copies, 134 bytes read: 12 good\n", ""]);
  await remove("v3");
  await put("v5", "video");
  await put("v7", "Video of v7");
  await put("v9", "");
  const { code, stdout, stderr } = await verify();
  assert.deepEqual([code, stderr], [1, ""]);
  for (const line of [
    /^missing .* v3\/video\.bin is missing;/m,
    /^damaged .* v5\/video\.bin is cut: 5 of 11 bytes;/m,
    /^damaged .* v7\/video\.bin is not what was kept: as long, with another sha256;/m,
    /^damaged .* v9\/video\.bin is empty;/m,
    /^12 copies, \d+ bytes read: 8 good, 1 missing, 3 damaged$/m,
  ]) {
    assert.match(stdout, line);
  }

  server.stopGateway();
  const down = await verify("--mend");
  assert.equal(down.code, 1);
  assert.equal(down.stdout, "0 copies, 0 bytes read: 0 good, and 12 of which nothing is known\n");
  assert.match(down.stderr, /^wochit-relay: the bucket bucket-1\/relay at http:\S+: cannot be read: .*\n$/);
});
