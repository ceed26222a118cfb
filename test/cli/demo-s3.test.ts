import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { sha256Of } from "../support/bytes.ts";
import { tempFolder } from "../support/folder.ts";
import { noS3, startS3Server } from "../support/s3-server.ts";
import { callCli } from "../support/spawn.ts";

test("the demo keeps its copies in the bucket of a config, byte for byte", { skip: noS3 }, async (t) => {
  const server = await startS3Server(t);
  const { client, endpoint, accessKeyId, secretAccessKey } = server;
  const bucket = await server.makeBucket();
  const config = join(tempFolder(t), "config.json");
  const target = { type: "s3", bucket, endpoint, prefix: "demo", accessKeyId, secretAccessKey };
  writeFileSync(config, JSON.stringify({ mirror: { target } }));
  const { code, stdout, stderr } = await callCli(["demo", "--exit", "--config", config]);
  assert.equal(code, 0, stderr);
  const told = [...stdout.matchAll(/video mirrored: [\d,]+ bytes, sha256 ([0-9a-f]{16})…/g)].map((found) => found[1]);
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: bucket }));
  const kept = await Promise.all(
    Contents.filter(({ Key }) => Key!.endsWith(".mp4")).map(async ({ Key }) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
      return sha256Of(await Body!.transformToByteArray()).slice(0, 16);
    }),
  );
  assert.equal(Contents.length, 4);
  assert.deepEqual(kept.sort(), told.sort());
});
