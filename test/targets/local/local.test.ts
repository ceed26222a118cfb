import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, statSync } from "node:fs";
import { link, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { ROOT } from "../../../scripts/root.ts";
import { openLocalTarget } from "../../../src/targets/local/open.ts";
import { openTarget } from "../../../src/targets/table.ts";
import { aboutOf, put, read, testMirrorTarget } from "../../contracts/mirror-target.ts";
import { waitFor } from "../../support/wait.ts";

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "relay-local-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const dir = join(folder, "data", "media");
  return { folder, dir, spool: join(folder, "spool"), target: await openTarget({ type: "local", dir }) };
}

const noLinks = () => Promise.reject(Object.assign(new Error("no links"), { code: "EPERM" }));

const never = new AbortController().signal;

testMirrorTarget("local", async (t) => (await open(t)).target);

testMirrorTarget("local without hard links", async (t) => {
  const { dir } = await open(t);
  return openLocalTarget({ type: "local", dir }, { hardLink: noLinks });
});

for (const [name, hardLink] of [
  ["a file is linked into the target", link],
  ["without hard links a file is copied into the target", noLinks],
] as const) {
  test(`${name} and stays as it is, whether it replaces something or not`, async (t) => {
    const { folder, dir } = await open(t);
    const target = await openLocalTarget({ type: "local", dir }, { hardLink });
    const files = ["one", "two"].map((content) => join(folder, content));
    for (const file of files) await writeFile(file, file);
    const ino = async (path: string) => (await stat(path)).ino;
    const put = (key: string, file: string, replace: boolean) =>
      target.put(key, file, aboutOf(file, { replace }), never);

    assert.equal(await put("a/video.mp4", files[0]!, false), "stored");
    for (const file of files) assert.equal(await put("a/thumbnail.jpg", file, true), "stored");
    assert.equal((await ino(files[0]!)) === (await ino(join(dir, "a/video.mp4"))), hardLink === link);
    assert.equal((await ino(files[1]!)) === (await ino(join(dir, "a/thumbnail.jpg"))), hardLink === link);
    for (const file of files) assert.equal(await readFile(file, "utf8"), file);
    // As after a crash: the key may be a name of this very file already, and rename(2) would leave both names.
    assert.equal(await put("a/thumbnail.jpg", files[1]!, true), "stored");
    assert.equal(await put("a/video.mp4", files[0]!, false), "exists-same");
    for (const file of files) await rm(file);
    assert.equal(await read(await target.open("a/video.mp4", "GET")), files[0]);
    assert.equal(await read(await target.open("a/thumbnail.jpg", "GET")), files[1]);
    assert.deepEqual(await readdir(join(dir, ".incoming")).catch(() => []), []);
  });
}

test("all bytes of a copy are read, and its file is let go, also by a reader who leaves", async (t) => {
  const { dir, spool, target } = await open(t);
  const content = Buffer.alloc(1_000_000, "0123456789");
  await put(target, spool, "a/video.mp4", content);
  const chunks: Uint8Array[] = [];
  for await (const chunk of (await target.read("a/video.mp4", never))!) chunks.push(chunk);
  assert.ok(content.equals(Buffer.concat(chunks)));
  for await (const _ of (await target.read("a/video.mp4", never))!) break;
  const stop = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of (await target.read("a/video.mp4", stop.signal))!) stop.abort(new Error("stop"));
  }, /stop/);
  assert.equal(await target.read("a/none.mp4", never), null);
  assert.equal(await target.read("a", never), null);
  // A stream closes its file in the background.
  if (process.platform === "linux") await waitFor(async () => (await openFiles(dir)).length === 0);
});

/** The files of a folder that this process has open. */
async function openFiles(folder: string): Promise<string[]> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((path) => path.startsWith(folder));
}

test("a former target's directory is not made anew, and nothing in it is cleared", async (t) => {
  const { folder, dir, target, spool } = await open(t);
  const gone = join(folder, "gone");
  await assert.rejects(
    openLocalTarget({ type: "local", dir: gone }, { access: "former" }),
    /gone, .* is gone; bring it/,
  );
  assert.equal(existsSync(gone), false);
  await put(target, spool, "a/video.mp4", "one");
  await mkdir(join(dir, ".incoming"));
  await writeFile(join(dir, ".incoming", "of another relay"), "");
  for (const access of ["former", "shared"] as const) {
    const opened = await openLocalTarget({ type: "local", dir }, { access });
    assert.equal(await read(await opened.open("a/video.mp4", "GET")), "one");
    assert.equal((await readdir(join(dir, ".incoming"))).length, 1);
  }
  await openLocalTarget({ type: "local", dir });
  assert.equal(existsSync(join(dir, ".incoming")), false);
});

test("a directory that is another process's is not made", async (t) => {
  const { folder } = await open(t);
  const dir = join(folder, "unmounted");
  await assert.rejects(openLocalTarget({ type: "local", dir }, { access: "shared" }), {
    code: "target_unavailable",
    message: `${dir}, where copies are kept, is gone; bring it back`,
  });
  assert.equal(existsSync(dir), false);
});

for (const [name, hardLink] of [
  ["linked", link],
  ["copied", noLinks],
] as const) {
  test(`a file that has waited is proven before it is ${name}: of other bytes nothing is kept`, async (t) => {
    const { folder, dir } = await open(t);
    const target = await openLocalTarget({ type: "local", dir }, { hardLink });
    const file = join(folder, "file");
    await writeFile(file, "the fi1m");
    for (const replace of [false, true]) {
      const about = aboutOf("the film", { again: true, replace });
      await assert.rejects(target.put("a/video.mp4", file, about, never), {
        name: "SpoolChanged",
        message: `${file} is not what was downloaded: its sha256 is another one`,
      });
    }
    assert.deepEqual(await readdir(dir), []);
    await writeFile(file, "the film");
    assert.equal(await target.put("a/video.mp4", file, aboutOf("the film", { again: true }), never), "stored");
  });
}

test("of a directory that is gone it is not said that it holds nothing", async (t) => {
  const { dir, target } = await open(t);
  await rm(dir, { recursive: true });
  const asks = [
    () => target.head("a/video.mp4"),
    () => target.open("a/video.mp4", "GET"),
    () => target.read("a/video.mp4", never),
    () => target.delete("a/video.mp4"),
  ];
  for (const ask of asks) await assert.rejects(ask, { code: "target_unavailable" });
  await mkdir(dir);
  assert.equal(await target.head("a/video.mp4"), null);
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
  assert.equal(await target.open("b/video.mp4", "GET"), null);
  assert.equal(await target.head("b/video.mp4"), null);
  assert.equal(await put(target, spool, "b/video.mp4", "one"), "exists-different");
  assert.equal(await put(target, spool, "b/video.mp4", "one", true), "stored");
  assert.equal(await readFile(join(outside, "secret"), "utf8"), "secret");
  assert.deepEqual(await readdir(outside), ["secret"]);
});

test("a folder that a delete takes away in the middle of a put is made again", async (t) => {
  const { dir, spool } = await open(t);
  let taken = 0;
  const hardLink = async (from: string | Buffer | URL, to: string | Buffer | URL) => {
    if (taken++ === 0) await rm(join(dir, "a"), { recursive: true });
    await link(from, to);
  };
  const target = await openLocalTarget({ type: "local", dir }, { hardLink });
  assert.equal(await put(target, spool, "a/video.mp4", "one"), "stored");
  assert.equal(await read(await target.open("a/video.mp4", "GET")), "one");
});

test("something else under the name of a folder is said", async (t) => {
  const { dir, spool, target } = await open(t);
  await writeFile(join(dir, "a"), "a file");
  await assert.rejects(put(target, spool, "a/video.mp4", "one"), /a is in the way: it is no folder/);
});

test("the tag differs for other bytes, also of the same size, and is the same for the same", async (t) => {
  const { spool, target } = await open(t);
  const tag = async () => {
    const opened = await target.open("a/thumbnail.jpg", "GET");
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
  const [replaced, deleted] = [
    await target.open("a/thumbnail.jpg", "GET"),
    await target.open("a/thumbnail.jpg", "GET"),
  ];
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
    const opened = await target.open("a/video.mp4", "GET");
    assert.ok(opened?.is === "file");
    assert.equal(await new Response(opened.read(start, end)).text(), content.slice(start, end + 1));
  }
});

/** A folder on another file system than the temporary one, where this machine has such a place. */
function elsewhere(): string | null {
  const { dev } = statSync(tmpdir());
  const place = ["/dev/shm", ROOT].find((dir) => existsSync(dir) && statSync(dir).dev !== dev);
  if (place === undefined) return null;
  const parent = place === ROOT ? join(ROOT, "build") : place;
  try {
    mkdirSync(parent, { recursive: true });
    return mkdtempSync(join(parent, "relay-spool-"));
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
  assert.equal(await read(await target.open("a/video.mp4", "GET")), "one");
  assert.equal(await read(await target.open("a/thumbnail.jpg", "GET")), "two");
  assert.deepEqual(await readdir(join(dir, ".incoming")), []);

  const file = join(spool!, "big.part");
  await writeFile(file, Buffer.alloc(50_000_000));
  /** Puts it, and stops that half-way. Null: it was whole before. */
  async function stopped(): Promise<string | null> {
    const stop = new AbortController();
    const placing = target.put("b/video.mp4", file, aboutOf(""), stop.signal);
    setTimeout(() => stop.abort(new Error("stop")), 5);
    return placing.then(() => null, String);
  }
  let why = await stopped();
  for (; why === null; why = await stopped()) await target.delete("b/video.mp4");
  assert.match(why, /stop|abort/i);
  assert.equal(await target.head("b/video.mp4"), null);
  assert.deepEqual(await readdir(join(dir, ".incoming")), []);
});
