import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Readable } from "node:stream";
import test, { type TestContext } from "node:test";
import { writeBody } from "../../../src/mirror/download/write-body.ts";
import { LocalFailure, PermanentFailure } from "../../../src/mirror/errors.ts";
import { startChecksum } from "../../../src/mirror/spool/checksum.ts";
import { openHasher } from "../../../src/platform/files/hash-thread.ts";
import { noise, sha256Of } from "../../support/bytes.ts";

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

async function openPlace(t: TestContext) {
  const folder = await mkdtemp(join(tmpdir(), "relay-arrive-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, "med_1.part");
  /** Writes chunks into a new file, or behind the `from` bytes of the one before; `marks` are the lengths that are durable. */
  async function write(chunks: Chunks, more: Partial<Parameters<typeof writeBody>[1]> = {}) {
    const file = await open(path, more.from ? "r+" : "w");
    const marks: number[] = [];
    const written: number[] = [];
    const onWritten = (length: number) => void written.push(length);
    const onDurable = async (length: number) => void marks.push(length);
    const base = { file, from: 0, maxSize: 2 ** 40, onBytes() {}, onWritten, onDurable, async checkSpace() {} };
    try {
      const length = await writeBody(Readable.from(chunks), { ...base, ...more });
      return { length, written, marks };
    } catch (error) {
      throw Object.assign(error as Error, { marks });
    } finally {
      await file.close();
    }
  }
  return { path, write };
}

test("chunks of every size arrive in order, each in memory of its own", async (t) => {
  const { path, write } = await openPlace(t);
  const content = new Uint8Array(noise(5_000_000));
  for (const size of [content.length, 2 ** 20, 65_536, 16_384, 999]) {
    const chunks = Array.from({ length: Math.ceil(content.length / size) }, (_, i) =>
      content.slice(i * size, (i + 1) * size),
    );
    const { length, written, marks } = await write(chunks);
    assert.deepEqual([length, marks], [content.length, [content.length]], String(size));
    assert.deepEqual([written.toSorted((a, b) => a - b), written.at(-1)], [written, length], String(size));
    assert.equal(sha256Of(await readFile(path)), sha256Of(content), String(size));
  }
});

test("chunks that share their memory with their neighbours arrive whole", async (t) => {
  const { path, write } = await openPlace(t);
  const content = new Uint8Array(noise(6_000_000));
  // As a server of small chunks, or TLS, gives them: several slices of each read, reads that straddle the batches.
  function* slices() {
    for (let at = 0, read = 0; at < content.length; at += 700_000, read++) {
      const memory = content.slice(at, at + 700_000);
      for (let from = 0; from < memory.length; from += 33_333 + read) yield memory.subarray(from, from + 33_333 + read);
    }
  }
  await write(slices());
  assert.equal(sha256Of(await readFile(path)), sha256Of(content));
});

test("of chunks of a byte each byte is kept, and not what its socket read with it", async (t) => {
  const { path, write } = await openPlace(t);
  const content = new Uint8Array(noise(3_000));
  async function* bytes() {
    for (const [n, byte] of content.entries()) {
      const socketRead = new Uint8Array(64 * 1024).fill(byte);
      yield socketRead.subarray(0, 1);
      // By now it was taken. What is kept of it would change with it; the first one of all is kept as it came.
      if (n > 0) setImmediate(() => socketRead.fill(0));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await write(bytes());
  assert.equal(sha256Of(await readFile(path)), sha256Of(content));
});

test("chunks from Node's own pool do no harm to others that live there", async (t) => {
  const { path, write } = await openPlace(t);
  const neighbour = Buffer.from("a neighbour in the pool");
  const words = Array.from({ length: 200_000 }, (_, index) => Buffer.from(`${index} `));
  const expected = sha256Of(Buffer.concat(words));
  await write(words);
  assert.equal(sha256Of(await readFile(path)), expected);
  assert.equal(neighbour.toString(), "a neighbour in the pool");
});

test("what is said to be written can be read back at once", async (t) => {
  const { path, write } = await openPlace(t);
  const content = new Uint8Array(noise(6_000_000));
  const chunks = Array.from({ length: 600 }, (_, i) => content.slice(i * 10_000, (i + 1) * 10_000));
  const wrong: number[] = [];
  const onWritten = (length: number) => {
    if (!readFileSync(path).subarray(0, length).equals(content.subarray(0, length))) wrong.push(length);
  };
  await write(chunks, { onWritten });
  assert.deepEqual(wrong, []);
});

test("an empty body is an empty file", async (t) => {
  const { path, write } = await openPlace(t);
  assert.deepEqual(await write([]), { length: 0, written: [], marks: [] });
  assert.ok(existsSync(path));
});

test("every 16 MiB what came is made durable, and the free space is looked at", async (t) => {
  const { write } = await openPlace(t);
  let looks = 0;
  const megabytes = (count: number) => Array.from({ length: count }, () => new Uint8Array(2 ** 20));
  const { marks } = await write(megabytes(50), {
    async checkSpace() {
      looks++;
    },
  });
  assert.equal(looks, 3);
  assert.equal(marks.at(-1), 50 * 2 ** 20);
  assert.ok(marks.length >= 2 && marks[0]! <= 17 * 2 ** 20, String(marks));
  const checkSpace = () => Promise.reject(new LocalFailure("disk space", "too little room"));
  await assert.rejects(write(megabytes(50), { checkSpace }), LocalFailure);
});

test("what came before a break is durable, and reported so, before the error is thrown", async (t) => {
  const { path, write } = await openPlace(t);
  const content = noise(3_000_000);
  async function* breaking() {
    yield content.subarray(0, 2_500_000);
    throw new Error("the line is dead");
  }
  const error = await write(breaking()).catch((thrown) => thrown);
  assert.match(String(error), /line is dead/);
  assert.deepEqual(error.marks, [2_500_000]);
  assert.deepEqual(await readFile(path), content.subarray(0, 2_500_000));
});

test("on a slow disk nothing is reported any more after the body's error is thrown", async (t) => {
  const { path } = await openPlace(t);
  const file = await open(path, "w");
  t.after(() => file.close());
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  let syncs = 0;
  const slow = {
    writev: (...given: Parameters<typeof file.writev>) => pause(5).then(() => file.writev(...given)),
    // Each one takes longer, so that a second one would be seen.
    datasync: () => pause(20 * ++syncs).then(() => file.datasync()),
  } as typeof file;
  const body = Readable.from(Array.from({ length: 20 }, () => new Uint8Array(2 ** 20)));
  const marks: number[] = [];
  // The line breaks with the chunk that begins a sync, and waits for the disk.
  const onBytes = (length: number) => {
    if (length === 16 * 2 ** 20) process.nextTick(() => body.destroy(new Error("the line is dead")));
  };
  const onDurable = async (length: number) => void marks.push(length);
  const given = { file: slow, from: 0, maxSize: 2 ** 40, onBytes, onWritten() {}, onDurable, async checkSpace() {} };
  await assert.rejects(writeBody(body, given), /the line is dead/);
  const before = [...marks];
  assert.equal(before.at(-1), 16 * 2 ** 20);
  await pause(60);
  assert.deepEqual(marks, before);
});

test("a rest goes behind what is there, and lengths count from the start", async (t) => {
  const { path, write } = await openPlace(t);
  const content = noise(3_000_000);
  await writeFile(path, content.subarray(0, 1_000_000));
  let seen = 0;
  const onBytes = (length: number) => {
    seen = length;
  };
  const rest = [content.subarray(1_000_000)];
  const { length, written, marks } = await write(rest, { from: 1_000_000, onBytes });
  assert.deepEqual([length, seen, written.at(-1), marks], [3_000_000, 3_000_000, 3_000_000, [3_000_000]]);
  assert.equal(sha256Of(await readFile(path)), sha256Of(content));
  await assert.rejects(write([new Uint8Array(2)], { from: 9, maxSize: 10 }), PermanentFailure);
});

test("a checksum is right on either thread, and only a large file uses the other one", async (t) => {
  const { path } = await openPlace(t);
  const content = noise(4 * 2 ** 20 + 1);
  await writeFile(path, content);
  const file = await open(path);
  t.after(() => file.close());
  let threads = 0;
  const hasher = openHasher({ onStart: () => threads++ });
  t.after(() => hasher.close());
  const broken = { follow: () => ({ written() {}, sum: async () => null, drop() {} }) };
  for (const maker of [hasher, broken]) {
    for (const length of [0, 1, 2 ** 20, 2 ** 20 + 1, 4 * 2 ** 20 - 1, 4 * 2 ** 20, content.length]) {
      const sum = startChecksum(maker, path, new AbortController().signal);
      sum.written(length);
      assert.equal(await sum.end(file, length), sha256Of(content.subarray(0, length)), String(length));
      assert.equal(threads, maker === hasher && length < 4 * 2 ** 20 ? 0 : 1);
    }
  }
});

test("a sum ends with its signal, whatever the thread is at", async (t) => {
  const { path } = await openPlace(t);
  await writeFile(path, noise(5_000_000));
  const file = await open(path);
  t.after(() => file.close());
  const asked = Promise.withResolvers<void>();
  const dropped = Promise.withResolvers<null>();
  function sum() {
    asked.resolve();
    return dropped.promise;
  }
  const stuck = { follow: () => ({ written() {}, sum, drop: () => dropped.resolve(null) }) };
  const stop = new AbortController();
  const ended = startChecksum(stuck, path, stop.signal).end(file, 5_000_000);
  await asked.promise;
  stop.abort(new Error("the relay stops"));
  await assert.rejects(ended, /the relay stops/);
  await assert.rejects(startChecksum(stuck, path, stop.signal).end(file, 1), /the relay stops/);
});

test("a body beyond the limit, a lost body and a failing disk are distinguished", async (t) => {
  const { write } = await openPlace(t);
  await assert.rejects(write([new Uint8Array(11)], { maxSize: 10 }), PermanentFailure);
  const gone = Readable.from([new Uint8Array(1)]);
  gone.on("error", () => {}).destroy(new Error("reset"));
  const closed = await open("/dev/null", "r");
  const given = { from: 0, maxSize: 99, onBytes() {}, onWritten() {}, async onDurable() {}, async checkSpace() {} };
  await assert.rejects(writeBody(gone, { ...given, file: closed }), /reset/);
  await assert.rejects(
    writeBody(Readable.from([new Uint8Array(1)]), { ...given, file: closed }),
    (error) => error instanceof LocalFailure && error.resource === "spool",
  );
  await closed.close();
});
