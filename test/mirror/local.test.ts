import assert from "node:assert/strict";
import { existsSync, mkdtempSync, statSync } from "node:fs";
import { link, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { openLocalTarget } from "../../src/mirror/local.ts";
import { openTarget } from "../../src/mirror/target.ts";
import { put, read, sha256, testMirrorTarget } from "../contracts/mirror-target.ts";

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "relay-local-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dir = join(folder, "data", "media");
  return { folder, dir, spool: join(folder, "spool"), target: await openTarget({ type: "local", dir }) };
}

testMirrorTarget("local", async (t) => (await open(t)).target);

testMirrorTarget("local without hard links", async (t) => {
  const { dir } = await open(t);
  return openLocalTarget({ type: "local", dir }, () =>
    Promise.reject(Object.assign(new Error("no links"), { code: "EPERM" })),
  );
});

test("the directory is created, readable by its owner and group at most", async (t) => {
  const { dir, spool, target } = await open(t);
  await put(target, spool, "a/video.mp4", "one");
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  assert.equal((await stat(join(dir, "a"))).mode & 0o027, 0);
  assert.equal(await readFile(join(dir, "a", "video.mp4"), "utf8"), "one");
});

test("a deleted copy takes its empty folders along, and no other", async (t) => {
  const { dir, spool, target } = await open(t);
  await put(target, spool, "a/b/video.mp4", "one");
  await put(target, spool, "a/thumbnail.jpg", "two");
  await target.delete("a/b/video.mp4");
  assert.deepEqual(await readdir(join(dir, "a")), ["thumbnail.jpg"]);
  await target.delete("a/thumbnail.jpg");
  assert.deepEqual(await readdir(dir), []);
});

test("a symbolic link in the directory is not followed", async (t) => {
  const { folder, dir, spool, target } = await open(t);
  const outside = join(folder, "outside");
  await mkdir(outside);
  await writeFile(join(outside, "secret"), "secret");
  await symlink(outside, join(dir, "a"));
  await assert.rejects(put(target, spool, "a/video.mp4", "one"), /is in the way/);
  await mkdir(join(dir, "b"));
  await symlink(join(outside, "secret"), join(dir, "b", "video.mp4"));
  assert.equal(await target.open("b/video.mp4"), null);
  assert.equal(await target.head("b/video.mp4"), null);
  assert.equal(await put(target, spool, "b/video.mp4", "one"), "exists-different");
  assert.equal(await put(target, spool, "b/video.mp4", "one", true), "stored");
  assert.equal(await readFile(join(outside, "secret"), "utf8"), "secret");
  assert.deepEqual(await readdir(outside), ["secret"]);
});

test("a folder that a delete takes away in the middle of a put is made again", async (t) => {
  const { dir, spool } = await open(t);
  let taken = 0;
  const target = await openLocalTarget({ type: "local", dir }, async (from, to) => {
    if (taken++ === 0) await rm(join(dir, "a"), { recursive: true });
    await link(from, to);
  });
  assert.equal(await put(target, spool, "a/video.mp4", "one"), "stored");
  assert.equal(await read(await target.open("a/video.mp4")), "one");
});

test("something else under the name of a folder is said", async (t) => {
  const { dir, spool, target } = await open(t);
  await writeFile(join(dir, "a"), "a file");
  await assert.rejects(put(target, spool, "a/video.mp4", "one"), /a is in the way: it is no folder/);
});

test("the tag differs for other bytes, also of the same size, and is the same for the same", async (t) => {
  const { spool, target } = await open(t);
  const tag = async () => {
    const opened = await target.open("a/thumbnail.jpg");
    assert.ok(opened?.is === "file");
    await opened.close();
    return opened.tag;
  };
  await put(target, spool, "a/thumbnail.jpg", "one", true);
  const first = await tag();
  assert.equal(await tag(), first);
  await put(target, spool, "a/thumbnail.jpg", "two", true);
  assert.notEqual(await tag(), first);
});

test("a copy that is replaced or deleted while it is read is read whole", async (t) => {
  const { spool, target } = await open(t);
  await put(target, spool, "a/thumbnail.jpg", "a".repeat(1_000_000), true);
  const [replaced, deleted] = [await target.open("a/thumbnail.jpg"), await target.open("a/thumbnail.jpg")];
  await put(target, spool, "a/thumbnail.jpg", "b", true);
  assert.equal(await read(replaced), "a".repeat(1_000_000));
  await target.delete("a/thumbnail.jpg");
  assert.equal(await read(deleted), "a".repeat(1_000_000));
});

test("a range is read to the byte", async (t) => {
  const { spool, target } = await open(t);
  const content = Array.from({ length: 100_000 }, (_, index) => String(index)).join(" ");
  await put(target, spool, "a/video.mp4", content);
  for (const [start, end] of [
    [0, 0],
    [5, 9],
    [262_143, 262_144],
    [100, 560_000],
  ] as const) {
    const opened = await target.open("a/video.mp4");
    assert.ok(opened?.is === "file");
    assert.equal(await new Response(opened.read(start, end)).text(), content.slice(start, end + 1));
  }
});

/** A folder on another file system than the temporary one, where this machine has such a place. */
function elsewhere(): string | null {
  if (!existsSync("/dev/shm") || statSync("/dev/shm").dev === statSync(tmpdir()).dev) return null;
  try {
    return mkdtempSync("/dev/shm/relay-spool-");
  } catch {
    return null;
  }
}
const spool = elsewhere();

test("a spool on another file system", {
  skip: spool === null && "no second file system on this machine",
}, async (t) => {
  const { dir, target } = await open(t);
  t.after(() => rm(spool!, { recursive: true, force: true }));
  assert.equal(await put(target, spool!, "a/video.mp4", "one"), "stored");
  assert.equal(await put(target, spool!, "a/video.mp4", "one"), "exists-same");
  assert.equal(await put(target, spool!, "a/video.mp4", "two"), "exists-different");
  assert.equal(await put(target, spool!, "a/thumbnail.jpg", "one", true), "stored");
  assert.equal(await put(target, spool!, "a/thumbnail.jpg", "two", true), "stored");
  assert.equal(await read(await target.open("a/video.mp4")), "one");
  assert.equal(await read(await target.open("a/thumbnail.jpg")), "two");
  assert.deepEqual(await readdir(join(dir, ".incoming")), []);

  const file = join(spool!, "big.part");
  await writeFile(file, Buffer.alloc(50_000_000));
  const stop = new AbortController();
  const meta = { contentType: "video/mp4", sha256: sha256(""), replace: false };
  const placing = target.put("b/video.mp4", file, meta, stop.signal);
  setTimeout(() => stop.abort(new Error("stop")), 5);
  await assert.rejects(placing, (error: Error) => /stop|abort/i.test(error.message));
  assert.equal(await target.head("b/video.mp4"), null);
  assert.deepEqual(await readdir(join(dir, ".incoming")), []);
});
