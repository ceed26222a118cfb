import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { build } from "esbuild";
import { followFile } from "../../../src/platform/files/hash-thread.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";
import { finish } from "../../support/spawn.ts";
import { waitFor } from "../../support/wait.ts";

const MIB = 2 ** 20;

function openPlace(t: TestContext) {
  const folder = tempFolder(t);
  const threads: Worker[] = [];
  let ended = 0;
  const follow = (path: string) =>
    followFile(path, (thread) => {
      threads.push(thread);
      thread.on("exit", () => ended++);
    });
  const allEnd = () => waitFor(() => ended === threads.length);
  /** An empty file, or one that holds `content`. */
  async function create(name: string, content: Uint8Array = new Uint8Array()) {
    const path = join(folder, name);
    writeFileSync(path, content);
    const file = await open(path, "r+");
    t.after(() => file.close());
    return { path, file };
  }
  return { follow, threads, allEnd, create };
}

test("sums of files of every size are those of node:crypto, and each thread ends", async (t) => {
  const { follow, allEnd, create } = openPlace(t);
  const content = noise(5 * MIB);
  const { path, file } = await create("file", content);
  for (const edge of [0, 2 ** 18, 2 * MIB, 4 * MIB]) {
    for (const length of [edge - 1, edge, edge + 1].filter((size) => size >= 0)) {
      assert.equal(await follow(path).sum(file, length), sha256Of(content.subarray(0, length)), String(length));
    }
  }
  await allEnd();
});

test("files that grow are followed to their ends, several at once", async (t) => {
  const { follow, allEnd, create } = openPlace(t);
  const sums = [9 * MIB, 6 * MIB + 77, 3 * MIB].map(async (size, key) => {
    const content = noise(size, key);
    const { path, file } = await create(`file-${key}`);
    const following = follow(path);
    for (let at = 0; at < size; at += 700_001) {
      const { bytesWritten } = await file.write(content, at, Math.min(700_001, size - at), at);
      following.written(at + bytesWritten);
      if (at % 3 === 0) await sleep(1);
    }
    assert.equal(await following.sum(file, size), sha256Of(content), String(size));
  });
  await Promise.all(sums);
  await allEnd();
});

test("only what is said to be written is read: what comes behind it may still change", async (t) => {
  const { follow, create } = openPlace(t);
  const { path, file } = await create("file", new Uint8Array(3 * MIB));
  const following = follow(path);
  following.written(MIB);
  await sleep(100);
  const rest = noise(2 * MIB);
  await file.write(rest, 0, rest.length, MIB);
  assert.equal(await following.sum(file, 3 * MIB), sha256Of(Buffer.concat([new Uint8Array(MIB), rest])));
});

test("a file that is dropped is let go, and holds up no other", async (t) => {
  const { follow, allEnd, create } = openPlace(t);
  const content = noise(5 * MIB);
  const { path, file } = await create("file", content);
  const dropped = follow(path);
  const kept = follow(path);
  dropped.written(2 * MIB);
  kept.written(2 * MIB);
  const sum = dropped.sum(file, content.length);
  dropped.drop();
  assert.equal(await sum, null);
  dropped.written(3 * MIB);
  dropped.drop();
  assert.equal(await dropped.sum(file, content.length), null);
  assert.equal(await kept.sum(file, content.length), sha256Of(content));
  await allEnd();
});

test("there is no sum of a file that ends early, is missing, a link, or another than the one that was opened", async (t) => {
  const { follow, allEnd, create } = openPlace(t);
  const content = noise(2 * MIB);
  const { path, file } = await create("file", content);
  assert.equal(await follow(path).sum(file, content.length + 1), null);
  assert.equal(await follow(`${path}-missing`).sum(file, content.length), null);
  symlinkSync(path, `${path}-link`);
  assert.equal(await follow(`${path}-link`).sum(file, content.length), null);
  const { path: other } = await create("other", content);
  assert.equal(await follow(other).sum(file, content.length), null);
  const cut = follow(path);
  cut.written(MIB);
  truncateSync(path, 100);
  assert.equal(await cut.sum(file, content.length), null);
  rmSync(path);
  assert.equal(await follow(other).sum(await openOther(t, other), content.length), sha256Of(content));
  await allEnd();
});

async function openOther(t: TestContext, path: string) {
  const file = await open(path);
  t.after(() => file.close());
  return file;
}

test("a thread that breaks, or is ended, gives no sum", async (t) => {
  const { follow, threads, allEnd, create } = openPlace(t);
  const content = noise(8 * MIB);
  const { path, file } = await create("file", content);
  const ends = [(thread: Worker) => thread.postMessage(null), (thread: Worker) => void thread.terminate()];
  for (const end of ends) {
    const following = follow(path);
    following.written(MIB);
    end(threads.at(-1)!);
    following.written(2 * MIB);
    assert.equal(await following.sum(file, content.length), null);
    following.written(3 * MIB);
    following.drop();
  }
  await allEnd();
});

test("a process waits for a sum that it asked for, and for nothing else of the thread; also as one CommonJS file", async (t) => {
  const folder = tempFolder(t);
  const content = noise(32 * MIB);
  const path = join(folder, "file");
  writeFileSync(path, content);
  const program = join(folder, "program.mjs");
  const bundle = join(folder, "program.cjs");
  writeFileSync(
    program,
    `import { followFile as follow } from ${JSON.stringify(resolve("src/platform/files/hash-thread.ts"))};
    import { open } from "node:fs/promises";
    import process from "node:process";
    async function main() {
      const path = ${JSON.stringify(path)};
      if (process.argv[2] === "leave") return follow(path).written(1000);
      const file = await open(path);
      console.log(await follow(path).sum(file, ${content.length}));
      await file.close();
    }
    main();`,
  );
  await build({ entryPoints: [program], bundle: true, platform: "node", format: "cjs", outfile: bundle });
  const runtime = process.versions.deno === undefined ? [] : ["run", "-A", "--no-check"];
  for (const [file, does] of [program, bundle].flatMap(
    (file) =>
      [
        [file, "wait"],
        [file, "leave"],
      ] as const,
  )) {
    const child = spawn(process.execPath, [...runtime, file, does], { env: process.env });
    const timer = setTimeout(() => child.kill("SIGKILL"), 60_000);
    const { code, stdout, stderr } = await finish(child);
    clearTimeout(timer);
    assert.deepEqual(
      [code, stdout, stderr],
      [0, does === "wait" ? `${sha256Of(content)}\n` : "", ""],
      `${file} ${does}`,
    );
  }
});
