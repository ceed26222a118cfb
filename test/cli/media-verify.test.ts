import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson, jsonLines, runCli } from "../support/spawn.ts";

/** How many copies the largest test verifies: `VERIFY_COPIES=10000` for a target of real size. */
const MANY = Number(process.env.VERIFY_COPIES ?? 1_000);

/** Five ways in which a copy goes bad. */
const DAMAGE: ((path: string) => void)[] = [
  function flip(path) {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  },
  (path) => truncateSync(path, 4),
  (path) => truncateSync(path, 0),
  (path) => rmSync(path),
  (path) => writeFileSync(path, "somebody else's file, which is longer"),
];

test("media verify: of many copies exactly those are found that are damaged, in five ways", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true }, endpoints: [] });
  const ids = Array.from({ length: MANY }, (_, at) => `v${at}`);
  await Promise.all(ids.map((id) => seeded.take(ready(id, { videoUrl: `https://cdn.example.com/${id}.mp4` }))));
  await seeded.download("mirrored");
  const damaged = Array.from({ length: 25 }, (_, at) => ids[(at * 397) % MANY]!);
  for (const [at, id] of damaged.entries()) DAMAGE[at % 5]!(join(seeded.config.dataDir, "media", id, "video.bin"));

  const begun = performance.now();
  const { code, stdout } = await callCli(["media", "verify", "--json", "--config", seeded.configPath]);
  t.diagnostic(`${MANY} copies in ${Math.round(performance.now() - begun)} ms`);
  assert.equal(code, 1);
  const rows = jsonLines(stdout);
  const { bytes, ...summary } = rows.pop();
  assert.deepEqual(rows.map(({ videoId }) => videoId).sort(), damaged.sort());
  const none = { unreadable: 0, mended: 0, unreached: 0, lostTargets: [], stopped: false };
  assert.deepEqual(summary, { copies: MANY, good: MANY - 25, missing: 5, damaged: 20, ...none });
  assert.ok(bytes > MANY * 10);
});

/** Three mirrored videos in a database and a media folder, and the command over them. */
async function openMirrored(t: Pick<TestContext, "after">) {
  const seeded = await openSeeded(t, { mirror: { enabled: true }, endpoints: [] });
  for (const id of ["v1", "v2", "v3"]) {
    await seeded.take(ready(id, { videoUrl: `https://cdn.example.com/${id}.mp4?sig=hush` }));
  }
  await seeded.download("mirrored");
  const media = join(seeded.config.dataDir, "media");
  const verify = (line = "", options?: Parameters<typeof callCli>[1]) =>
    callCli(["media", "verify", ...line.split(" ").filter(Boolean), "--config", seeded.configPath], options);
  return { ...seeded, media, verify, copy: (id: string) => join(media, id, "video.bin") };
}

test("media verify: all is well, as a process of its own beside an open database", async (t) => {
  const { configPath } = await openMirrored(t);
  const { code, stdout, stderr } = await runCli(["media", "verify", "--config", configPath]);
  assert.deepEqual([code, stdout, stderr], [0, "3 copies, 33 bytes read: 3 good\n", ""]);
});

test("media verify: what is wrong is a line each, then a summary, and exit code 1", async (t) => {
  const { verify, copy } = await openMirrored(t);
  rmSync(copy("v1"));
  truncateSync(copy("v2"), 5);
  const { code, stdout } = await verify();
  assert.equal(code, 1);
  const lines = stdout.trimEnd().split("\n");
  // Copies are read side by side.
  const [first, second] = lines.slice(0, 2).sort();
  const rest = lines.slice(2);
  assert.match(first!, /^damaged {5}med_\w+ {2}video {6}v2\/video\.bin is cut: 5 of 11 bytes; its link dies in \d+ h/);
  assert.match(second!, /^missing {5}med_\w+ {2}video {6}v1\/video\.bin is missing; its link dies in \d+ h/);
  assert.deepEqual(rest, [
    "3 copies, 16 bytes read: 1 good, 1 missing, 1 damaged",
    "--mend downloads again what is missing or damaged",
  ]);
  assert.doesNotMatch(stdout, /hush/);
  assert.equal((await verify("--video-id v3")).code, 0);
  assert.equal((await verify("--kind thumbnail")).stdout, "0 copies, 0 bytes read: 0 good\n");
});

test("media verify --json: an object for each finding, and the summary last", async (t) => {
  const { verify, copy } = await openMirrored(t);
  writeFileSync(copy("v3"), "video of v4");
  const { code, stdout } = await verify("--json --rate 1GiB");
  assert.equal(code, 1);
  const [finding, summary, ...more] = jsonLines(stdout);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [finding.videoId, finding.fault, finding.key, finding.bytes, finding.mend],
    ["v3", "damaged", "v3/video.bin", 11, null],
  );
  const none = { missing: 0, unreadable: 0, mended: 0, unreached: 0, lostTargets: [], stopped: false };
  assert.deepEqual(summary, { copies: 3, bytes: 33, good: 2, damaged: 1, ...none });
});

test("media verify --mend: queues the downloads, which the relay then makes", async (t) => {
  const { verify, copy, store, download } = await openMirrored(t);
  rmSync(copy("v1"));
  const { code, stdout } = await verify("--mend");
  assert.equal(code, 1);
  assert.match(stdout, /is missing; queued for download\n/);
  assert.match(stdout, /\n1 queued for download: the relay does it; "media list" says how it ends\n$/);
  assert.equal(await download("mirrored"), 1);
  assert.equal((await store.media({ limit: 3, state: "mirrored" })).length, 3);
  assert.equal((await verify()).code, 0);
});

test("media verify: a folder that is not there, or holds nothing, is no lost copies, and none is made", async (t) => {
  const { verify, media } = await openMirrored(t);
  renameSync(media, `${media}.away`);
  const gone = await verify();
  assert.deepEqual([gone.code, gone.stdout], [1, ""]);
  assert.match(gone.stderr, /^wochit-relay: the media folder .*media cannot be read: ENOENT.*\n$/);
  assert.ok(!existsSync(media));
  mkdirSync(media);
  const empty = await verify("--mend");
  assert.equal(empty.code, 1);
  assert.match(
    empty.stderr,
    /^wochit-relay: the folder .*media: it holds nothing at all: most likely its disk is not mounted\. Mount it, .*\n$/,
  );
  assert.equal(empty.stdout, "0 copies, 0 bytes read: 0 good, and 3 of which nothing is known\n");
  const [summary] = jsonLines((await verify("--json")).stdout);
  assert.deepEqual([summary.unreached, summary.lostTargets.length], [3, 1]);
});

test("media verify: on a terminal it shows how far it is, and leaves a clean last line", async (t) => {
  const { verify } = await openMirrored(t);
  const { stdout, stderr } = await verify("", { width: 80 });
  assert.equal(stdout, "3 copies, 33 bytes read: 3 good\n");
  assert.match(stderr, /\x1b\[K$/);
});

test("media verify: a rate that is no size is refused", async (t) => {
  const { verify } = await openMirrored(t);
  for (const rate of ["fast", "0", "50MB"]) {
    const { code, stderr } = await verify(`--rate ${rate}`);
    assert.equal(code, 2);
    assert.match(stderr, /--rate must be a size like 50MiB/);
  }
});

test("media retry of a mirrored one names what looks after copies", async (t) => {
  const { store, configPath } = await openMirrored(t);
  const [medium] = await store.media({ limit: 1 });
  const { code, stderr } = await callCli(["media", "retry", medium!.id, "--config", configPath]);
  assert.equal(code, 1);
  assert.match(stderr, /is mirrored; "media verify --mend"/);
});

test("media list --by deadline: what is not secured yet, the nearest first; deadlines as people read them", async (t) => {
  const { store, take, download, configPath } = await openMirrored(t);
  const run = (line: string) => callCli([...line.split(" "), "--config", configPath]);
  await take(ready("spooled", { videoUrl: "https://cdn.example.com/s.mp4" }));
  await download("spooled");
  const now = Date.now();
  for (const [id, hours] of Object.entries({ far: 20, near: 2, middle: 8 })) {
    const expires = Math.floor(now / 1000) + hours * 3600 + 90;
    await take(
      ready(id, { videoUrl: `https://cdn.example.com/${id}.mp4?Expires=${expires}&Signature=x&Key-Pair-Id=y` }),
    );
  }
  const { stdout } = await run("media list --by deadline --json");
  const rows = jsonLines(stdout);
  assert.deepEqual(
    rows.map(({ videoId }) => videoId),
    ["near", "middle", "far"],
  );
  const table = (await run("media list --by deadline")).stdout.split("\n");
  assert.match(table[0]!, /LINK DIES/);
  assert.match(table[1]!, / in 2 h( 1 min)? .*near/);
  assert.match((await run("media list --state mirrored")).stdout, /mirrored +- /);
  assert.equal((await run("media list --by size")).code, 2);

  const [status] = jsonLines((await run("status --json")).stdout);
  assert.deepEqual([status.uploads, status.unsecured.count, status.unsecured.mediumId], [1, 3, rows[0].id]);
  assert.equal(status.unsecured.nearestDeadline, rows[0].deadline);
  const words = (await run("status")).stdout;
  assert.match(words, /^not secured +3; the nearest deadline is in 2 h( 1 min)? \(med_\w+\)$/m);
  assert.match(words, /^media .*; 1 safe in the spool, to be uploaded$/m);
  assert.ok(store);
});

test("copies in a former target are linked to at the relay, and verified where they are", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true, publicBaseUrl: "https://cdn.example.com/base" } });
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v.mp4" }));
  await seeded.download("mirrored");
  const list = () => callJson(["media", "list", "--config", seeded.configPath]);
  assert.equal((await list())[0]?.url, "https://cdn.example.com/base/v1/video.bin");

  const input = JSON.parse(readFileSync(seeded.configPath, "utf8"));
  const dir = join(seeded.dir, "elsewhere");
  mkdirSync(dir);
  writeFileSync(
    seeded.configPath,
    JSON.stringify({ ...input, mirror: { ...input.mirror, target: { type: "local", dir } } }),
  );
  assert.match((await list())[0]?.url, /^https:\/\/relay\.example\.com\/media\/v1\/video\.bin\?sig=/);
  const { code, stdout } = await callCli(["media", "verify", "--config", seeded.configPath]);
  assert.deepEqual([code, stdout], [0, "1 copy, 11 bytes read: 1 good\n"]);
});
