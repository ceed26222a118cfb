import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { codingsIn, unpack } from "../../../src/mirror/download/content-coding.ts";
import { noise } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";

/** Unpacks bytes by a Content-Encoding. */
async function unpackBytes(dir: string, bytes: Uint8Array, coding: string) {
  const [from, to] = [join(dir, "packed"), join(dir, "unpacked")];
  writeFileSync(from, bytes);
  const { signal } = new AbortController();
  const result = await unpack({ from, to, coding, maxSize: 2 ** 22, checkSpace: async () => {}, signal });
  return { ...result, to };
}

test("a head that names more codings than any file has makes no decoder for each", async (t) => {
  const dir = tempFolder(t);
  const coding = "br,".repeat(80_000);
  assert.ok(codingsIn(coding).length < 10);
  const before = process.memoryUsage.rss();
  const { bytes, why, to } = await unpackBytes(dir, new Uint8Array(1000), coding);
  assert.equal(bytes, 0);
  assert.match(why!, /too many codings/);
  assert.equal(existsSync(to), false);
  assert.ok(process.memoryUsage.rss() - before < 100 * 2 ** 20);
});

test("what is packed twice is unpacked twice", async (t) => {
  const film = Buffer.from("film");
  const { why, to } = await unpackBytes(tempFolder(t), gzipSync(gzipSync(film)), "gzip, gzip");
  assert.equal(why, null);
  assert.deepEqual(readFileSync(to), film);
});

test("of several frames the first is not taken for the whole", async (t) => {
  const frames = [100_000, 3_000_000].map((bytes) => zstdCompressSync(noise(bytes)));
  const { bytes, why } = await unpackBytes(tempFolder(t), Buffer.concat(frames), "zstd");
  // Node 26 unpacks all frames.
  if (why === null) assert.equal(bytes, 3_100_000);
  else {
    assert.ok(bytes <= 100_000);
    assert.match(why, /frame/i);
  }
});

test("a full disk is not taken for the end of a cut file", { skip: noMounts }, async (t) => {
  const dir = tempFolder(t);
  const disk = mountSmallDisk(join(dir, "disk"), 16.5 * 2 ** 20);
  try {
    const [from, to] = [join(dir, "packed"), join(disk.dir, "unpacked")];
    // The decoder fails before the disk is waited for, which takes no more than the beginning.
    writeFileSync(from, gzipSync(noise(17.5 * 2 ** 20)).subarray(0, -100));
    const { signal } = new AbortController();
    const given = { from, to, coding: "gzip", maxSize: 2 ** 30, checkSpace: async () => {}, signal };
    await assert.rejects(unpack(given), { name: "LocalFailure", message: /the disk took \d+ of \d+ bytes/ });
    assert.equal(existsSync(to), false);
    disk.grow(20 * 2 ** 20);
    const { bytes, why } = await unpack(given);
    assert.ok(bytes > 17 * 2 ** 20);
    assert.match(why!, /unexpected end of file/);
  } finally {
    disk.unmount();
  }
});
