import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import Database from "better-sqlite3";
import { openTargets, type Targets } from "../../src/mirror/open-targets.ts";
import { openStore } from "../../src/store/open.ts";
import { openLocalTarget } from "../../src/targets/local/open.ts";
import type { S3Target } from "../../src/targets/s3/options.ts";
import { placeOfTarget, type Target } from "../../src/targets/table.ts";
import type { Access, MirrorTarget, Opening } from "../../src/targets/target.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { bindMount, noMounts } from "../support/mounts.ts";
import { testLog, testPorts } from "../support/ports.ts";

const bucket = (more: Partial<S3Target> = {}): S3Target => ({
  type: "s3",
  bucket: "films",
  region: "eu-1",
  endpoint: "https://s3.test",
  prefix: "wochit",
  pathStyle: true,
  credentials: { accessKeyId: "id", secretAccessKey: "a secret", sessionToken: null },
  ca: "/etc/ca.pem",
  storageClass: "COLD",
  serverSideEncryption: "AES256",
  kmsKeyId: null,
  cacheControl: "max-age=1",
  ...more,
});

/** A data folder and its store. Buckets are folders beside it, and what they were opened with is remembered. */
async function open(t: TestContext) {
  const dir = tempFolder(t);
  const config = configIn(dir);
  const { dataDir } = config;
  const store = await openStore(config, testPorts(), { role: "relay" });
  t.after(() => store.close());
  const opened: { config: Target; access: Access }[] = [];
  const closed: string[] = [];
  const openIt = async (given: Target, { access = "own" }: Opening): Promise<MirrorTarget> => {
    opened.push({ config: given, access });
    const folder = given.type === "local" ? given.dir : join(dir, given.bucket);
    const target = await openLocalTarget(
      { type: "local", dir: folder },
      { access: given.type === "local" ? access : "own" },
    );
    return { ...target, close: async () => void closed.push(folder) };
  };
  const log = testLog();
  const start = (target: Target, beside = false, formerTargets: Target[] = []) =>
    openTargets({ config: { target, formerTargets }, dataDir, store, log, beside, open: openIt });
  const media = { type: "local" as const, dir: join(dataDir, "media") };
  return { dir, dataDir, store, opened, closed, log, start, media };
}

/** Keeps a file of this text. */
async function put(dir: string, target: MirrorTarget, key: string): Promise<void> {
  const file = join(dir, "file");
  await rm(file, { force: true });
  await writeFile(file, key);
  const about = { contentType: "video/mp4", bytes: key.length, sha256: "", eventId: "e", videoId: "v" };
  await target.put(key, file, { ...about, replace: true, again: false }, new AbortController().signal);
}

async function read(target: MirrorTarget | null, key: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await target!.read(key, new AbortController().signal)) ?? []) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("from a folder to a bucket, to another folder and back: what was kept anywhere stays reachable", async (t) => {
  const { dir, start, media, store } = await open(t);
  const places: [Target, string][] = [
    [media, "a/video.mp4"],
    [bucket(), "b/video.mp4"],
    [{ type: "local", dir: join(dir, "elsewhere") }, "c/video.mp4"],
    [media, "d/video.mp4"],
  ];
  const kept: [string, string][] = [];
  for (const [config, key] of places) {
    const targets = await start(config);
    await put(dir, targets.present, key);
    kept.push([targets.presentId, key]);
    for (const [id, key] of kept) assert.equal(await read(await targets.at(id), key), key);
    await targets.close();
  }
  assert.equal(new Set(kept.map(([id]) => id)).size, 3);
  assert.equal(kept[0]![0], kept[3]![0]);
  assert.equal((await store.targets()).length, 3);
});

test("what is remembered of a bucket is how to find it, and no secret", async (t) => {
  const { start, store } = await open(t);
  await start(bucket());
  const places = (await store.targets()).map(({ place }) => place);
  assert.deepEqual(places.at(-1), {
    type: "s3",
    bucket: "films",
    region: "eu-1",
    endpoint: "https://s3.test",
    prefix: "wochit",
    pathStyle: true,
  });
  assert.deepEqual(placeOfTarget({ type: "local", dir: "/srv/media" }), { type: "local", dir: "/srv/media" });
});

test("copies of a database from before there were several targets are in the default folder", async (t) => {
  const { start, store, media, dir, dataDir } = await open(t);
  await mkdir(media.dir, { recursive: true });
  await put(dir, await openLocalTarget(media), "a/video.mp4");
  const db = new Database(join(dataDir, "relay.db"));
  db.exec(`
    INSERT INTO media (id, video, kind, event, sequence, url, host, deadline, changes, state, key)
      VALUES (3, 1, 'video', 2, 1, 'https://h/v.mp4', 'h', 9000, 0, 'mirrored', 'a/video.mp4')`);
  db.close();
  const targets = await start(bucket());
  const [before] = await store.targets();
  assert.deepEqual(before?.place, media);
  assert.equal(await read(await targets.at(before!.id), "a/video.mp4"), "a/video.mp4");
});

test("a database without copies knows of no place but the present one", async (t) => {
  const { start, store } = await open(t);
  await start(bucket());
  assert.deepEqual(
    (await store.targets()).map(({ place }) => place.type),
    ["s3"],
  );
});

test("a former bucket is reached with the present keys where they are for the same endpoint, else with the client's own", async (t) => {
  const { start, opened } = await open(t);
  const first = await start(bucket());
  const same = await start(bucket({ bucket: "newer" }));
  await same.at(first.presentId);
  const { type, bucket: name, region, endpoint, prefix, pathStyle } = bucket();
  const plain = { storageClass: null, serverSideEncryption: null, kmsKeyId: null, cacheControl: null };
  const place = { type, bucket: name, region, endpoint, prefix, pathStyle };
  const { credentials, ca } = bucket();
  assert.deepEqual(opened.at(-1), { config: { ...place, ...plain, credentials, ca }, access: "former" });
  const other = await start(bucket({ bucket: "newest", endpoint: "https://other.test" }));
  await other.at(first.presentId);
  assert.deepEqual(opened.at(-1)?.config, { ...place, ...plain, credentials: null, ca: null });
});

test("a former bucket is reached as mirror.formerTargets says, with its own keys", async (t) => {
  const { start, opened, media } = await open(t);
  const { presentId } = await start(bucket());
  const keys = { accessKeyId: "old", secretAccessKey: "old secret", sessionToken: null };
  const told = bucket({ endpoint: "https://S3.test/", pathStyle: false, credentials: keys });
  const targets = await start(media, false, [bucket({ bucket: "another" }), told]);
  await targets.at(presentId);
  assert.deepEqual(opened.at(-1), { config: told, access: "former" });
});

test("a former target is opened when it is first asked for, once, and all that was opened is closed", async (t) => {
  const { start, media, opened, closed, dir } = await open(t);
  const first = await start(media);
  const second = await start({ type: "local", dir: join(dir, "new") });
  assert.equal(opened.length, 2);
  const [one, two] = await Promise.all([second.at(first.presentId), second.at(first.presentId)]);
  assert.equal(one, two);
  assert.equal(await second.at(second.presentId), second.present);
  assert.equal(opened.length, 3);
  await second.close();
  assert.deepEqual(closed.sort(), [media.dir, join(dir, "new")].sort());
});

test("a target that never was is none; one that is gone is an error that says which, and found again when it is back", async (t) => {
  const { start, media, dir } = await open(t);
  const first = await start(media);
  await put(dir, first.present, "a/video.mp4");
  const second = await start({ type: "local", dir: join(dir, "new") });
  assert.equal(await second.at("tgt_none"), null);
  await rename(media.dir, `${media.dir}.away`);
  for (let ask = 0; ask < 2; ask++) {
    await assert.rejects(second.at(first.presentId), {
      code: "target_unavailable",
      message: `${media.dir}, where copies were kept before, is gone; bring it back`,
    });
  }
  assert.equal(existsSync(media.dir), false, "it is not made anew");
  await rename(`${media.dir}.away`, media.dir);
  assert.equal(await read(await second.at(first.presentId), "a/video.mp4"), "a/video.mp4");
});

test("an error that is not for people is put in words, with the place and without a secret", async (t) => {
  const { store, dataDir, start } = await open(t);
  const first = await start(bucket());
  const targets = await openTargets({
    config: { target: { type: "local", dir: join(dataDir, "new") } },
    dataDir,
    store,
    open: async (given) => {
      if (given.type === "s3") throw new Error("no credentials");
      return openLocalTarget(given);
    },
  });
  await assert.rejects(targets.at(first.presentId), {
    code: "target_unavailable",
    message:
      "the bucket films/wochit at https://s3.test, where copies were kept before, cannot be used: no credentials",
  });
});

test("a relay starts without its target, says so, and uses it as soon as it can be opened", async (t) => {
  const { start, dir, log } = await open(t);
  const file = join(dir, "in the way");
  await writeFile(file, "");
  const targets = await start({ type: "local", dir: join(file, "media") });
  assert.deepEqual(
    log.facts.map(({ level, fact }) => [level, fact]),
    [["error", "mirror target cannot be used yet"]],
  );
  await assert.rejects(targets.present.head("a/video.mp4"), /ENOTDIR/);
  await assert.rejects((await targets.at(targets.presentId))!.open("a/video.mp4", "GET"), /ENOTDIR/);
  await targets.close();
  await rm(file);
  await put(dir, targets.present, "a/video.mp4");
  assert.equal(await readFile(join(file, "media", "a", "video.mp4"), "utf8"), "a/video.mp4");
});

test("a command beside a running relay clears nothing that is on its way", async (t) => {
  const { start, media, opened } = await open(t);
  await mkdir(join(media.dir, ".incoming"), { recursive: true });
  await writeFile(join(media.dir, ".incoming", "piece"), "");
  await start(media, true);
  assert.equal(opened.at(-1)?.access, "shared");
  assert.equal(existsSync(join(media.dir, ".incoming", "piece")), true);
  await start(media);
  assert.equal(existsSync(join(media.dir, ".incoming", "piece")), false);
});

/** The names of a copy, without whether they are certain. */
async function namesIn(targets: Targets, target: string, key = "v1/video.mp4"): Promise<string[][]> {
  return (await targets.namesOf({ target, key })).map((name) => [name.target, name.key]);
}

test("two paths to one folder are two names of one place", async (t) => {
  const { start, media, dir } = await open(t);
  const first = await start(media);
  const moved = join(dir, "moved");
  await rename(media.dir, moved);
  const alone = await start({ type: "local", dir: moved });
  const [one, other] = [alone.presentId, first.presentId].map((id) => [id, "v1/video.mp4"]);
  assert.deepEqual(await namesIn(alone, alone.presentId), [one]);
  assert.deepEqual(await namesIn(alone, first.presentId), [other], "it is gone");
  await symlink(moved, media.dir);
  assert.deepEqual(await namesIn(alone, alone.presentId), [one, other]);
  assert.deepEqual(await namesIn(alone, first.presentId), [other, one]);
  const s3 = await start(bucket());
  assert.deepEqual(await namesIn(s3, s3.presentId), [[s3.presentId, "v1/video.mp4"]]);
  assert.deepEqual(await namesIn(s3, "tgt_none"), [["tgt_none", "v1/video.mp4"]]);
});

test("a folder that is mounted at two places is one place", { skip: noMounts }, async (t) => {
  const { start, media, dir } = await open(t);
  const first = await start(media);
  const mounted = join(dir, "mounted");
  const unmount = bindMount(media.dir, mounted);
  try {
    const second = await start({ type: "local", dir: mounted });
    assert.notEqual(second.presentId, first.presentId);
    const names = await second.namesOf({ target: first.presentId, key: "v1/video.mp4" });
    assert.deepEqual(names, [
      { target: first.presentId, key: "v1/video.mp4", isCertain: true },
      { target: second.presentId, key: "v1/video.mp4", isCertain: true },
    ]);
  } finally {
    unmount();
  }
});

test("a folder inside another one has a longer and a shorter name for one copy", async (t) => {
  const { start, dir } = await open(t);
  const outer = await start({ type: "local", dir: join(dir, "all") });
  const inner = await start({ type: "local", dir: join(dir, "all", "films") });
  const [long, short] = [
    [outer.presentId, "films/v1/video.mp4"],
    [inner.presentId, "v1/video.mp4"],
  ];
  assert.deepEqual(await namesIn(inner, outer.presentId, "films/v1/video.mp4"), [long, short]);
  assert.deepEqual(await namesIn(inner, inner.presentId), [short, long]);
  assert.deepEqual(await namesIn(inner, outer.presentId), [[outer.presentId, "v1/video.mp4"]]);
});

test("a bucket of the same name may be the same bucket, whatever its endpoint; it is not where the names differ", async (t) => {
  const { start } = await open(t);
  const at = async (more: Partial<S3Target>) => (await start(bucket(more))).presentId;
  const first = await at({});
  const plain = await at({ endpoint: "http://s3.test" });
  const amazon = await at({ endpoint: null });
  const bare = await at({ prefix: "", endpoint: "https://10.0.0.1:8443/" });
  await at({ bucket: "other" });
  await at({ prefix: "wochi" });
  const targets = await start(bucket());
  const same = (target: string) => ({ target, key: "v1/video.mp4", isCertain: false });
  assert.deepEqual(await targets.namesOf({ target: first, key: "v1/video.mp4" }), [
    { ...same(first), isCertain: true },
    same(plain),
    same(amazon),
    { target: bare, key: "wochit/v1/video.mp4", isCertain: false },
  ]);
  assert.deepEqual(await namesIn(targets, bare), [[bare, "v1/video.mp4"]]);
  assert.deepEqual((await namesIn(targets, bare, "wochit/v1/video.mp4")).length, 4);
  const inner = await at({ prefix: "wochit/one" });
  const names = await targets.namesOf({ target: first, key: "one/v1/video.mp4" });
  assert.deepEqual(names.at(-1), { target: inner, key: "v1/video.mp4", isCertain: true });
});

test("an endpoint has one id, however it is spelled, and its keys", async (t) => {
  const { start, opened, store } = await open(t);
  const first = await start(bucket());
  for (const endpoint of ["https://s3.test/", "https://S3.Test", "https://s3.test:443//"]) {
    assert.equal((await start(bucket({ endpoint }))).presentId, first.presentId);
  }
  assert.equal((await store.targets()).filter(({ place }) => place.type === "s3").length, 1);
  const newer = await start(bucket({ bucket: "newer", endpoint: "HTTPS://s3.test:443" }));
  await newer.at(first.presentId);
  assert.deepEqual((opened.at(-1)!.config as S3Target).credentials, bucket().credentials);
});

/** The same relay with its data folder elsewhere. */
async function reopen(t: TestContext, dir: string) {
  const config = configIn(dir);
  const store = await openStore(config, testPorts(), { role: "relay" });
  t.after(() => store.close());
  const start = (target: Target = config.mirror.target) =>
    openTargets({ config: { target }, dataDir: config.dataDir, store });
  return { config, store, start };
}

test("the data folder is moved: what was kept inside it is where it was, and a folder outside it, too", async (t) => {
  const { dir, store, start, media } = await open(t);
  const first = await start(media);
  await put(dir, first.present, "a/video.mp4");
  const outside = await start({ type: "local", dir: join(dir, "outside") });
  await put(dir, outside.present, "b/video.mp4");
  await store.close();
  const moved = tempFolder(t);
  await rename(join(dir, "data"), join(moved, "data"));

  const again = await reopen(t, moved);
  const targets = await again.start();
  assert.equal(targets.presentId, first.presentId);
  assert.equal(await read(targets.present, "a/video.mp4"), "a/video.mp4");
  assert.equal(await read(await targets.at(outside.presentId), "b/video.mp4"), "b/video.mp4");
  const former = await again.start({ type: "local", dir: join(dir, "outside") });
  assert.equal(former.presentId, outside.presentId);
  assert.equal(await read(await former.at(first.presentId), "a/video.mp4"), "a/video.mp4");
  assert.deepEqual(
    (await again.store.targets()).map(({ place }) => place),
    [
      { type: "local", dir: join(moved, "data", "media") },
      { type: "local", dir: join(dir, "outside") },
    ],
  );
});

test("a folder inside the data folder that was written down with its whole path is the same one, and moves from then on", async (t) => {
  const { dir, dataDir, store, start, media } = await open(t);
  const first = await start(media);
  await put(dir, first.present, "a/video.mp4");
  await store.close();
  const db = new Database(join(dataDir, "relay.db"));
  db.prepare("UPDATE targets SET name = ?, place = ?").run(`local ${media.dir}`, JSON.stringify(media));
  db.close();
  const again = await reopen(t, dir);
  assert.equal((await again.start()).presentId, first.presentId);
  await again.store.close();
  const moved = tempFolder(t);
  await rename(dataDir, join(moved, "data"));
  const targets = await (await reopen(t, moved)).start();
  assert.equal(targets.presentId, first.presentId);
  assert.equal(await read(targets.present, "a/video.mp4"), "a/video.mp4");
});

test("a folder whose name only begins like the way out of the data folder is inside it", async (t) => {
  const { store, dataDir } = await open(t);
  const place = { type: "local", dir: join(dataDir, "..media") } as const;
  await store.targetId(place);
  assert.deepEqual((await store.targets())[0]?.place, place);
});
