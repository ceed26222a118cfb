import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import { GetObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import { Webhook } from "standardwebhooks";
import type { ConfigInput } from "../../src/config/schema.ts";
import { openAged } from "../support/archive.ts";
import { runArchiveKills } from "../support/archiving/kill.ts";
import { runWhole } from "../support/archiving/whole.ts";
import { SECRET } from "../support/config.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { noS3, shareS3Server } from "../support/s3-server.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";
import { isWhole } from "../support/whole.ts";

const s3 = shareS3Server();

/** Where the archive is: what the config says of it, and the texts of all files that are there. */
type Where = { input: ConfigInput; texts(dir: string): Promise<string[]> };

const inFolder: Where = {
  input: { retention: { bodies: "5d", attempts: "5d", archive: { dir: "archive" } } },
  async texts(dir) {
    const folder = join(dir, "archive");
    return readdirSync(folder).map((name) => gunzipSync(readFileSync(join(folder, name))).toString());
  },
};

async function inBucket(): Promise<Where> {
  const { makeBucket, client, endpoint, accessKeyId, secretAccessKey } = await s3();
  const bucket = await makeBucket();
  const keys = { accessKeyId, secretAccessKey };
  const target = { type: "s3" as const, bucket, endpoint, prefix: "relay", pathStyle: true, ...keys };
  return {
    input: {
      mirror: { target, minFreeDisk: 0 },
      retention: { bodies: "5d", attempts: "5d", archive: "target" },
    },
    async texts() {
      const { Contents = [] } = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: "relay/~archive/" }),
      );
      const read = Contents.map(async ({ Key }) => {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key }));
        return gunzipSync(await Body!.transformToByteArray()).toString();
      });
      return Promise.all(read);
    },
  };
}

test("a folder: archived and pruned beside the relay, restored, sent again with a valid signature, erased", (t) =>
  live(t, inFolder));

test("a bucket: the same", { skip: noS3 }, async (t) => live(t, await inBucket()));

async function live(t: TestContext, { input, texts }: Where): Promise<void> {
  const app = await openReceiver();
  t.after(() => app.close());
  const port = await lastingPort();
  const events = ["v1", "v2", "v1"].map((wochitVideoId) => ({ type: "video.delete", wochitVideoId }));
  const at = await openAged(t, events, {
    input: {
      server: { listen: `127.0.0.1:${port}` },
      receive: { allowFrom: ["127.0.0.1"] },
      endpoints: [endpointTo(app.url, { id: "app", secret: SECRET })],
      log: { format: "json" },
      ...input,
    },
  });
  await at.store.close();
  mkdirSync(join(at.dir, "archive"), { mode: 0o700 });
  const relay = spawnServe({ configPath: at.configPath, port });
  t.after(() => relay.kill());
  await relay.ready();
  const run = async (...line: string[]) => {
    const done = await runCli([...line, "--config", at.configPath]);
    assert.deepEqual([done.code, done.stderr], [0, ""], line.join(" "));
    return done.stdout;
  };

  assert.match(await run("prune"), /\n3 events archived before\n/);
  assert.match(await run("archive", "verify"), /^2 files, .* read: 2 good\n$/);
  assert.equal((await texts(at.dir)).length, 2);
  const [{ key }] = (await run("archive", "list", "--json")).split("\n").map((line) => JSON.parse(line || "{}"));
  for (const path of [`media/${key}`, `media/~archive/${key}`])
    assert.equal((await fetch(`http://127.0.0.1:${port}/${path}`)).status, 404);

  assert.match(await run("archive", "restore", "--video-id", "v2"), /^1 event restored from 1 file\n/);
  await run("events", "replay", at.ids[1]!);
  await waitFor(() => app.requests.length === 1);
  const [{ headers, body }] = app.requests as [(typeof app.requests)[0]];
  const message = new Webhook(SECRET).verify(body, headers as Record<string, string>) as {
    relay: { eventId: string; replay: boolean };
  };
  assert.equal(headers["webhook-id"], at.ids[1]);
  assert.equal(message.relay.replay, true);

  assert.match(await run("videos", "forget", "v1", "--yes"), /\n2 files of the archive to be written anew/);
  const audited = () => run("audit", "list", "--verb", "archive forget", "--json");
  await waitFor(async () => (await audited()).includes('"subject":"v1"'));
  const left = await texts(at.dir);
  assert.equal(left.length, 2);
  assert.deepEqual(
    left
      .flatMap((text) => text.trimEnd().split("\n"))
      .map((line) => JSON.parse(line).videoId)
      .filter((id) => id !== undefined),
    ["v2"],
  );
  assert.match(await run("archive", "verify"), /^2 files, .* read: 2 good\n$/);
}

// Short forms of `npm run test:archive`.
const seed = process.env.ARCHIVE_SEED ?? Date.now().toString(36);
const kills = isWhole ? 10 : 2;

test("a database of old events is archived, pruned, verified, and partly restored", { timeout: 300_000 }, async (t) => {
  const { summary, problems, folder } = await runWhole({ events: isWhole ? 20_000 : 2_000 });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], `${summary}\nwhat it left behind is in ${folder}`);
});

test(`killed ${kills} times while it archives, it prunes nothing that is not there`, {
  timeout: 300_000,
}, async (t) => {
  const size = isWhole ? { events: 3_000 } : { events: 3_000, perDay: 2 ** 15 };
  const { summary, problems, folder } = await runArchiveKills({ kills, seed, ...size });
  t.diagnostic(summary);
  assert.deepEqual(problems, [], `${summary}\nwhat it left behind is in ${folder}`);
});
