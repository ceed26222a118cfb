import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import type { About, MirrorTarget, Opened } from "../../src/targets/target.ts";
import { sha256Of } from "../support/bytes.ts";
import { timeOfFiles } from "../support/folder.ts";

const never = () => new AbortController().signal;

/** What a target is told of these bytes; with these members changed. */
export function aboutOf(content: string | Uint8Array, members: Partial<About> = {}): About {
  return {
    contentType: "video/mp4",
    bytes: Buffer.byteLength(content),
    sha256: sha256Of(content),
    eventId: "evt_1",
    videoId: "video-1",
    replace: false,
    again: false,
    ...members,
  };
}

/** Writes a file to put, and puts it. */
export async function put(
  target: Pick<MirrorTarget, "put">,
  folder: string,
  key: string,
  content: string | Uint8Array,
  replace = false,
) {
  await mkdir(folder, { recursive: true });
  const file = join(await mkdtemp(join(folder, "put-")), "file.part");
  await writeFile(file, content);
  return target.put(key, file, aboutOf(content, { replace }), never());
}

/** What a reader gets; follows an address where the target gives one, which may turn out to lead to nothing. */
export async function read(opened: Opened | null): Promise<string | null> {
  if (opened === null) return null;
  if (opened.is === "file") return new Response(opened.read(0, opened.bytes - 1)).text();
  const response = await fetch(opened.url);
  if (response.ok) return response.text();
  await response.body?.cancel();
  if (response.status === 404) return null;
  throw new Error(`the address of a copy answers ${response.status}`);
}

/** All that the target itself reads of a key. */
export async function readAll(target: Pick<MirrorTarget, "read">, key: string): Promise<Buffer | null> {
  const bytes = await target.read(key, never());
  if (bytes === null) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * What every mirror target owes its callers. `open` gives an empty one, and takes it away after the test. `skip` says why
 * there is none to be had here.
 */
export function testMirrorTarget(
  name: string,
  open: (t: TestContext) => Promise<MirrorTarget>,
  skip: string | false = false,
): void {
  const check = (promise: string, run: (target: MirrorTarget, folder: string) => Promise<void>) =>
    test(`${name}: ${promise}`, { skip }, async (t) => {
      const folder = await mkdtemp(join(tmpdir(), "relay-target-"));
      t.after(() => rm(folder, { recursive: true, force: true }));
      const target = await open(t);
      t.after(() => target.close());
      await run(target, folder);
    });

  check("what was put is there, whole", async (target, folder) => {
    assert.equal(await target.head("a/video.mp4"), null);
    assert.equal(await read(await target.open("a/video.mp4", "GET")), null);
    assert.equal(await put(target, folder, "a/video.mp4", "one"), "stored");
    assert.deepEqual(await target.head("a/video.mp4"), { bytes: 3 });
    assert.equal(await read(await target.open("a/video.mp4", "GET")), "one");
  });

  check("the file that was put stays as it is", async (target, folder) => {
    const file = join(folder, "file.part");
    await writeFile(file, "one");
    for (const replace of [false, true, false]) {
      await target.put("a/thumbnail.jpg", file, aboutOf("one", { replace }), never());
      assert.equal(await readFile(file, "utf8"), "one");
    }
  });

  check("all of a copy can be read back, and a key that holds nothing is told", async (target, folder) => {
    const content = Buffer.alloc(3_000_001, "a film of many bytes, ");
    await put(target, folder, "a/video.mp4", content);
    assert.deepEqual(await readAll(target, "a/video.mp4"), content);
    assert.equal(await target.read("a/thumbnail.jpg", never()), null);
    for await (const _ of (await target.read("a/video.mp4", never()))!) break; // whoever has seen enough may leave
    const stop = AbortSignal.abort(new Error("stop"));
    await assert.rejects(async () => {
      for await (const _ of (await target.read("a/video.mp4", stop))!);
    }, /stop/);
  });

  check("what an attempt left that was killed is no hindrance to the next one", async (target, folder) => {
    const file = join(folder, "file.part");
    await writeFile(file, "one");
    assert.equal(await target.put("a/video.mp4", file, aboutOf("one", { again: true }), never()), "stored");
    assert.equal(await target.put("a/video.mp4", file, aboutOf("one", { again: true }), never()), "exists-same");
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
    for (const key of keys) assert.equal(await read(await target.open(key, "GET")), key);
  });

  check("without replace nothing is touched, and the answer tells whether it is the same", async (target, folder) => {
    await put(target, folder, "a/video.mp4", "one");
    assert.equal(await put(target, folder, "a/video.mp4", "one"), "exists-same");
    assert.equal(await put(target, folder, "a/video.mp4", "two"), "exists-different");
    assert.equal(await put(target, folder, "a/video.mp4", "longer"), "exists-different");
    assert.equal(await read(await target.open("a/video.mp4", "GET")), "one");
  });

  check("with replace the new one is there", async (target, folder) => {
    assert.equal(await put(target, folder, "a/thumbnail.jpg", "one", true), "stored");
    assert.equal(await put(target, folder, "a/thumbnail.jpg", "second", true), "stored");
    assert.equal(await read(await target.open("a/thumbnail.jpg", "GET")), "second");
    assert.deepEqual(await target.head("a/thumbnail.jpg"), { bytes: 6 });
  });

  check("of many puts at once exactly one is stored", async (target, folder) => {
    const contents = ["one", "two", "three", "one", "two", "three"];
    const answers = await Promise.all(contents.map((content) => put(target, folder, "a/video.mp4", content)));
    assert.equal(answers.filter((answer) => answer === "stored").length, 1);
    assert.equal(answers.filter((answer) => answer === "exists-same").length, 1);
    assert.equal(await read(await target.open("a/video.mp4", "GET")), contents[answers.indexOf("stored")]);
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
    while (!done) assert.ok(contents.includes((await read(await target.open("a/thumbnail.jpg", "GET"))) ?? "nothing"));
    await writing;
  });

  check("what was deleted is gone; deleting it again is fine; it can be put again", async (target, folder) => {
    await put(target, folder, "a/video.mp4", "one");
    await put(target, folder, "a/thumbnail.jpg", "two");
    for (let round = 0; round < 2; round++) {
      await target.delete("a/video.mp4");
      assert.equal(await target.head("a/video.mp4"), null);
      assert.equal(await read(await target.open("a/video.mp4", "GET")), null);
    }
    assert.equal(await read(await target.open("a/thumbnail.jpg", "GET")), "two");
    await target.delete("a/thumbnail.jpg");
    assert.equal(await put(target, folder, "a/video.mp4", "three"), "stored");
    assert.equal(await read(await target.open("a/video.mp4", "GET")), "three");
  });

  check("what lies in a folder is listed, with its size and age, and nothing else", async (target, folder) => {
    assert.deepEqual(await target.list("~backups"), []);
    // A store has a clock of its own, and so has a disk.
    const clocks = [Date.now(), timeOfFiles(folder)];
    for (const key of ["~backups/b.db", "~backups/a.db", "~backups/deep/c.db", "~backups-not/d.db", "a/video.mp4"])
      await put(target, folder, key, key);
    const listed = await target.list("~backups");
    assert.deepEqual(listed.map(({ key, bytes }) => [key, bytes]).sort(), [
      ["~backups/a.db", 13],
      ["~backups/b.db", 13],
    ]);
    for (const { modifiedAt } of listed) {
      assert.ok(
        clocks.some((began) => Math.abs(modifiedAt - began) < 60_000),
        String(modifiedAt),
      );
    }
  });

  check("puts and deletes of neighbours at once do not disturb each other", async (target, folder) => {
    for (let round = 0; round < 20; round++) {
      await put(target, folder, "a/thumbnail.jpg", "one", true);
      const [, placed] = await Promise.all([
        target.delete("a/thumbnail.jpg"),
        put(target, folder, `a/${round}.mp4`, "two"),
      ]);
      assert.equal(placed, "stored");
      assert.equal(await read(await target.open(`a/${round}.mp4`, "GET")), "two");
      await target.delete(`a/${round}.mp4`);
    }
  });

  check("an aborted put throws and leaves nothing", async (target, folder) => {
    const file = join(folder, "file.part");
    await writeFile(file, "one");
    await assert.rejects(target.put("a/video.mp4", file, aboutOf("one"), AbortSignal.abort(new Error("stop"))), /stop/);
    assert.equal(await target.head("a/video.mp4"), null);
  });

  check("a put of a file that is not there throws", async (target, folder) => {
    await assert.rejects(target.put("a/video.mp4", join(folder, "missing"), aboutOf("one"), never()), /ENOENT/);
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
      await assert.rejects(target.open(key, "GET"), key);
      await assert.rejects(target.delete(key), key);
      await assert.rejects(target.read(key, never()), key);
      await assert.rejects(target.list(key), key);
    }
  });
}
