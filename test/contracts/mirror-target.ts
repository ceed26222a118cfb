import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import type { MirrorTarget, Opened } from "../../src/mirror/target.ts";

const never = () => new AbortController().signal;

export function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** Writes a file to put, and puts it. */
export async function put(
  target: MirrorTarget,
  folder: string,
  key: string,
  content: string | Uint8Array,
  replace = false,
) {
  await mkdir(folder, { recursive: true });
  const file = join(await mkdtemp(join(folder, "put-")), "file.part");
  await writeFile(file, content);
  return target.put(key, file, { contentType: "video/mp4", sha256: sha256(content), replace }, never());
}

/** What a reader gets; follows an address where the target gives one. */
export async function read(opened: Opened | null): Promise<string | null> {
  if (opened === null) return null;
  if (opened.is === "elsewhere") return (await fetch(opened.url)).text();
  return new Response(opened.read(0, opened.bytes - 1)).text();
}

/** What every mirror target owes its callers. `open` gives an empty one, and takes it away after the test. */
export function testMirrorTarget(name: string, open: (t: TestContext) => Promise<MirrorTarget>): void {
  const check = (promise: string, run: (target: MirrorTarget, folder: string) => Promise<void>) =>
    test(`${name}: ${promise}`, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "relay-target-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      await run(await open(t), folder);
    });

  check("what was put is there, whole", async (target, folder) => {
    assert.equal(await target.head("a/video.mp4"), null);
    assert.equal(await target.open("a/video.mp4"), null);
    assert.equal(await put(target, folder, "a/video.mp4", "one"), "stored");
    assert.deepEqual(await target.head("a/video.mp4"), { bytes: 3 });
    assert.equal(await read(await target.open("a/video.mp4")), "one");
  });

  check("keys do not get into each other's way", async (target, folder) => {
    const keys = [
      "a/video.mp4",
      "a/video.0123abcd.mp4",
      "a/thumbnail.jpg",
      "b/video.mp4",
      "deep/er/still/~x-1/video.mp4",
      "top.mp4",
    ];
    for (const key of keys) assert.equal(await put(target, folder, key, key), "stored");
    for (const key of keys) assert.equal(await read(await target.open(key)), key);
  });

  check("without replace nothing is touched, and the answer tells whether it is the same", async (target, folder) => {
    await put(target, folder, "a/video.mp4", "one");
    assert.equal(await put(target, folder, "a/video.mp4", "one"), "exists-same");
    assert.equal(await put(target, folder, "a/video.mp4", "two"), "exists-different");
    assert.equal(await put(target, folder, "a/video.mp4", "longer"), "exists-different");
    assert.equal(await read(await target.open("a/video.mp4")), "one");
  });

  check("with replace the new one is there", async (target, folder) => {
    assert.equal(await put(target, folder, "a/thumbnail.jpg", "one", true), "stored");
    assert.equal(await put(target, folder, "a/thumbnail.jpg", "second", true), "stored");
    assert.equal(await read(await target.open("a/thumbnail.jpg")), "second");
    assert.deepEqual(await target.head("a/thumbnail.jpg"), { bytes: 6 });
  });

  check("of many puts at once exactly one is stored", async (target, folder) => {
    const contents = ["one", "two", "three", "one", "two", "three"];
    const answers = await Promise.all(contents.map((content) => put(target, folder, "a/video.mp4", content)));
    assert.equal(answers.filter((answer) => answer === "stored").length, 1);
    assert.equal(answers.filter((answer) => answer === "exists-same").length, 1);
    assert.equal(await read(await target.open("a/video.mp4")), contents[answers.indexOf("stored")]);
  });

  check("a reader sees the old one or the new one, never a piece", async (target, folder) => {
    const contents = ["a", "b"].map((letter) => letter.repeat(300_000));
    await put(target, folder, "a/thumbnail.jpg", contents[0]!, true);
    const writing = (async () => {
      for (let round = 1; round < 20; round++) await put(target, folder, "a/thumbnail.jpg", contents[round % 2]!, true);
    })();
    let done = false;
    void writing.finally(() => {
      done = true;
    });
    while (!done) assert.ok(contents.includes((await read(await target.open("a/thumbnail.jpg"))) ?? "nothing"));
    await writing;
  });

  check("what was deleted is gone; deleting it again is fine; it can be put again", async (target, folder) => {
    await put(target, folder, "a/video.mp4", "one");
    await put(target, folder, "a/thumbnail.jpg", "two");
    for (let round = 0; round < 2; round++) {
      await target.delete("a/video.mp4");
      assert.equal(await target.head("a/video.mp4"), null);
      assert.equal(await target.open("a/video.mp4"), null);
    }
    assert.equal(await read(await target.open("a/thumbnail.jpg")), "two");
    await target.delete("a/thumbnail.jpg");
    assert.equal(await put(target, folder, "a/video.mp4", "three"), "stored");
    assert.equal(await read(await target.open("a/video.mp4")), "three");
  });

  check("puts and deletes of neighbours at once do not disturb each other", async (target, folder) => {
    for (let round = 0; round < 20; round++) {
      await put(target, folder, "a/thumbnail.jpg", "one", true);
      const [, placed] = await Promise.all([
        target.delete("a/thumbnail.jpg"),
        put(target, folder, `a/${round}.mp4`, "two"),
      ]);
      assert.equal(placed, "stored");
      assert.equal(await read(await target.open(`a/${round}.mp4`)), "two");
      await target.delete(`a/${round}.mp4`);
    }
  });

  check("an aborted put throws and leaves nothing", async (target, folder) => {
    const file = join(folder, "file.part");
    await writeFile(file, "one");
    const meta = { contentType: "video/mp4", sha256: sha256("one"), replace: false };
    await assert.rejects(target.put("a/video.mp4", file, meta, AbortSignal.abort(new Error("stop"))), /stop/);
    assert.equal(await target.head("a/video.mp4"), null);
  });

  check("a put of a file that is not there throws", async (target, folder) => {
    const meta = { contentType: "video/mp4", sha256: sha256("one"), replace: false };
    await assert.rejects(target.put("a/video.mp4", join(folder, "missing"), meta, never()), /ENOENT/);
    assert.equal(await target.head("a/video.mp4"), null);
  });

  check("a key that could lead out of the target throws", async (target, folder) => {
    const keys = [
      "",
      "..",
      "../x",
      "a/../../x",
      "a/..",
      "/etc/x",
      "a//x",
      "a/",
      ".x",
      "a/.x",
      "a\\x",
      "a\0x",
      "C:x",
      "a b",
      "é",
      `a/${"x".repeat(300)}`,
    ];
    for (const key of keys) {
      await assert.rejects(put(target, folder, key, "one"), key);
      await assert.rejects(target.head(key), key);
      await assert.rejects(target.open(key), key);
      await assert.rejects(target.delete(key), key);
    }
  });
}
