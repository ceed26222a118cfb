import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { HeadObjectCommand, ListObjectsV2Command } from "@aws-sdk/client-s3";
import type { ConfigInput } from "../../src/config/schema.ts";
import { tempFolder } from "../support/folder.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { noS3, shareS3Server } from "../support/s3-server.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { callJson, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const EVENTS = 45;
/** Of so many events the database is larger than one part of a multipart upload. */
const TITLE = "x".repeat(100_000);

const s3 = shareS3Server();

/** A relay that sends to `app` and keeps its backups in a bucket, as processes: each life of it has a data folder of its own. */
async function settle(t: TestContext, app: string) {
  const dir = tempFolder(t);
  const server = await s3();
  const bucket = await server.makeBucket();
  const { client, accessKeyId, secretAccessKey } = server;
  const keys = { accessKeyId, secretAccessKey: { env: "S3_KEY" } };
  const target = { type: "s3" as const, bucket, endpoint: server.endpoint, prefix: "relay", pathStyle: true, ...keys };
  const env = { S3_KEY: secretAccessKey };

  return {
    server,
    bucket,
    async life(name: string, input: ConfigInput = {}) {
      const port = await lastingPort();
      const configPath = join(dir, `${name}.json`);
      const config: ConfigInput = {
        dataDir: name,
        server: { listen: `127.0.0.1:${port}` },
        receive: { allowFrom: ["127.0.0.1"] },
        mirror: { target, minFreeDisk: 0 },
        endpoints: [endpointTo(app, { retry: Array(60).fill("3s") })],
        log: { format: "json" },
        ...input,
      };
      writeFileSync(configPath, JSON.stringify(config));
      const made: { name: string; events: number }[] = [];
      return {
        url: `http://127.0.0.1:${port}`,
        dataDir: join(dir, name),
        made,
        start() {
          const onLine = (line: string) => {
            if (line.includes('"backup made"')) made.push(JSON.parse(line));
          };
          const relay = spawnServe({ configPath, port, env, onLine });
          t.after(() => relay.kill());
          return relay;
        },
        run: (...line: string[]) => runCli([...line, "--config", configPath], { env }),
        events: () => callJson(["events", "list", "--limit", "1000", "--config", configPath]),
      };
    },
    async backups(): Promise<string[]> {
      const { Contents = [] } = await client.send(
        new ListObjectsV2Command({ Bucket: bucket, Prefix: "relay/~backups/" }),
      );
      return Contents.map(({ Key }) => Key!.slice("relay/".length));
    },
    async isInParts(key: string): Promise<boolean> {
      const { ETag } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: `relay/${key}` }));
      return /-\d+"$/.test(ETag!);
    },
  };
}

test("a relay whose machine is gone goes on from the backup that it made itself in a bucket", {
  skip: noS3,
}, async (t) => {
  // An answer that speaks of the event: no breaker keeps the relay from trying each.
  const app = await openReceiver(422);
  t.after(() => app.close());
  const { life, backups, isInParts, bucket } = await settle(t, app.url);
  const first = await life("first", { backup: { every: "1s", keep: 2, to: "target" } });
  const relay = first.start();
  await relay.ready();
  for (let nth = 0; nth < EVENTS; nth++) {
    const event = { type: "draft.new", wochitVideoId: `v${nth}`, title: TITLE };
    const answer = await fetch(`${first.url}/webhooks/wochit`, { method: "POST", body: JSON.stringify(event) });
    assert.equal(answer.status, 200);
  }
  const whole = () => first.made.filter(({ events }) => events === EVENTS).length;
  await waitFor(() => whole() >= 3, 300_000);
  const arrived = () => new Set(app.requests.map(({ headers }) => headers["webhook-id"]));
  await waitFor(() => arrived().size === EVENTS);
  await relay.kill();
  const tried = arrived();
  const taken = await first.events();
  assert.equal(taken.length, EVENTS);
  const kept = await backups();
  assert.ok(kept.length >= 2 && kept.length <= 4, `keep is 2, one is made, one removed: ${kept}`);
  const newest = first.made.at(-1)!.name;
  assert.ok(kept.includes(newest), `${newest} in ${kept}`);
  assert.ok(await isInParts(newest), "it is larger than one part");

  const second = await life("second");
  const unnamed = await second.run("restore", "--from-target");
  assert.equal(unnamed.code, 2);
  assert.ok(
    unnamed.stderr.includes(`FILE is missing: name one of the backups in the bucket ${bucket}/relay at http`),
    unnamed.stderr,
  );
  const listed = unnamed.stdout.split("\n").slice(1, -1);
  assert.deepEqual(
    listed.map((line) => line.split(" ")[0]),
    kept.toSorted().toReversed(),
  );
  const unknown = await second.run("restore", "--from-target", "relay-20000101T000000Z.db");
  assert.deepEqual([unknown.code, existsSync(join(second.dataDir, "relay.db"))], [1, false]);
  assert.match(unknown.stderr, /^wochit-relay: the target has no ~backups\/relay-20000101T000000Z\.db\n$/);
  const restored = await second.run("restore", "--from-target", newest);
  assert.deepEqual([restored.code, restored.stderr], [0, ""]);
  assert.match(restored.stdout, /^\S+\/second\/relay\.db: 45 events, .*, checked, in /);
  assert.deepEqual(await backups(), kept);
  assert.deepEqual(await second.events(), taken);

  app.requests.length = 0;
  app.answer(200);
  await second.start().ready();
  await waitFor(() => arrived().size >= EVENTS);
  assert.deepEqual(arrived(), tried, "under the ids that the app may have seen already");
});

test("backup --to-target puts a copy into the bucket; a bucket that is away is one line, and leaves nothing", {
  skip: noS3,
}, async (t) => {
  const { life, backups, bucket, server } = await settle(t, "http://127.0.0.1:9");
  const { start, run, dataDir } = await life("only");
  const relay = start();
  await relay.ready();
  const made = await run("backup", "--to-target");
  assert.deepEqual([made.code, made.stderr], [0, ""]);
  const [key] = await backups();
  // A store that is slow has lines of progress before.
  assert.equal(
    made.stdout.trimEnd().split("\n").at(-1)!.split(": ")[0],
    `${key} in the bucket ${bucket}/relay at ${server.endpoint}`,
  );
  const { stdout } = await run("doctor", "--json");
  assert.match(
    stdout,
    new RegExp(`"probe":"backup",.*made \\d+ s ago: 0 events, .*${key} in the target`),
    "doctor knows of it",
  );
  assert.doesNotMatch(stdout, /formerTargets/, "copies were never kept elsewhere");

  // A store that takes its time: that is part of how long it took.
  server.hang(true);
  const slow = run("backup", "--to-target");
  // It is at it by then.
  await waitFor(() => readdirSync(dataDir).some((name) => name.startsWith(".backup-")));
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  server.hang(false);
  const took = /checked, in (\d+\.\d) s/.exec((await slow).stdout)![1];
  assert.ok(Number(took) > 2, `${took} s`);
  await run("backup", "--to-target");
  const all = await backups();
  assert.equal(all.length, 3);

  const before = readdirSync(dataDir).sort();
  server.stopGateway();
  const failed = await run("backup", "--to-target");
  assert.deepEqual([failed.code, failed.stdout], [1, ""]);
  assert.match(
    failed.stderr,
    new RegExp(`^wochit-relay: s3 bucket ${bucket}: nothing listens at \\S+: start the store, .*\\n$`),
  );
  assert.deepEqual(readdirSync(dataDir).sort(), before);
  await server.startGateway();
  assert.deepEqual(await backups(), all);
});
