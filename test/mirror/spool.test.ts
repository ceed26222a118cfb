import assert from "node:assert/strict";
import { createCipheriv, createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { spoolBody } from "../../src/mirror/spool.ts";
import { NeverMedia, OwnTrouble } from "../../src/mirror/trouble.ts";

async function open(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "relay-spool-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "med_1.part");
  const spool = (
    chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    more: Partial<Parameters<typeof spoolBody>[1]> = {},
  ) =>
    spoolBody(
      (async function* () {
        yield* chunks;
      })(),
      { path, maxSize: 2 ** 40, onBytes() {}, async checkRoom() {}, ...more },
    );
  return { path, spool };
}

/** Bytes that are different everywhere. */
function noise(length: number): Uint8Array {
  return createCipheriv("aes-128-ctr", Buffer.alloc(16), Buffer.alloc(16)).update(Buffer.alloc(length));
}

const sha256 = (content: Uint8Array) => createHash("sha256").update(content).digest("hex");

test("chunks of every size arrive in order, each in memory of its own", async (t) => {
  const { path, spool } = await open(t);
  const content = noise(5_000_000);
  for (const size of [content.length, 2 ** 20, 65_536, 16_384, 999]) {
    const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, i) =>
      content.slice(i * size, (i + 1) * size),
    );
    assert.deepEqual(await spool(chunks), { bytes: content.length, sha256: sha256(content) }, String(size));
    assert.equal(sha256(await readFile(path)), sha256(content), String(size));
  }
});

test("chunks that share their memory with their neighbours arrive whole", async (t) => {
  const { path, spool } = await open(t);
  const content = noise(6_000_000);
  // As a server of small chunks, or TLS, gives them: several slices of each read, reads that straddle the batches.
  function* slices() {
    for (let at = 0, read = 0; at < content.length; at += 700_000, read++) {
      const memory = content.slice(at, at + 700_000);
      for (let from = 0; from < memory.length; from += 33_333 + read) yield memory.subarray(from, from + 33_333 + read);
    }
  }
  assert.equal((await spool(slices())).sha256, sha256(content));
  assert.equal(sha256(await readFile(path)), sha256(content));
});

test("chunks from Node's own pool do no harm to others that live there", async (t) => {
  const { path, spool } = await open(t);
  const neighbour = Buffer.from("a neighbour in the pool");
  const words = Array.from({ length: 200_000 }, (_, index) => Buffer.from(`${index} `));
  const expected = sha256(Buffer.concat(words));
  assert.equal((await spool(words)).sha256, expected);
  assert.equal(sha256(await readFile(path)), expected);
  assert.equal(neighbour.toString(), "a neighbour in the pool");
});

test("an empty body is an empty file", async (t) => {
  const { path, spool } = await open(t);
  assert.deepEqual(await spool([]), { bytes: 0, sha256: sha256(Buffer.alloc(0)) });
  assert.ok(existsSync(path));
});

test("the free space is looked at as bytes arrive", async (t) => {
  const { spool } = await open(t);
  let looks = 0;
  const chunks = Array.from({ length: 130 }, () => new Uint8Array(2 ** 20));
  await spool(chunks, {
    async checkRoom() {
      looks++;
    },
  });
  assert.equal(looks, 2);
  const full = Array.from({ length: 130 }, () => new Uint8Array(2 ** 20));
  const refuse = () => Promise.reject(new OwnTrouble("too little room"));
  await assert.rejects(spool(full, { checkRoom: refuse }), OwnTrouble);
});

test("a body beyond the limit, a body that fails and a disk that fails are told apart", async (t) => {
  const { path, spool } = await open(t);
  await assert.rejects(spool([new Uint8Array(11)], { maxSize: 10 }), NeverMedia);
  async function* failing() {
    yield new Uint8Array(2_000_000);
    throw new Error("the line is dead");
  }
  await assert.rejects(
    spool(failing()),
    (error) => !(error instanceof OwnTrouble) && /line is dead/.test(String(error)),
  );
  await assert.rejects(spool([new Uint8Array(1)], { path: join(path, "nowhere") }), OwnTrouble);
});
