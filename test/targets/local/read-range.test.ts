import assert from "node:assert/strict";
import type { FileHandle } from "node:fs/promises";
import test from "node:test";
import { createLimiter, readRange } from "../../../src/targets/local/read-range.ts";

/** A file of `size` bytes that counts what is done to it. */
function fakeFile(size: number) {
  const done = { reads: 0, closes: 0 };
  const file = {
    async read(buffer: Uint8Array, offset: number, length: number, position: number) {
      done.reads++;
      const bytesRead = Math.max(0, Math.min(length, size - position));
      buffer.fill(position & 0xff, offset, offset + bytesRead);
      return { bytesRead };
    },
    async close() {
      done.closes++;
    },
  };
  return { done, file: file as unknown as FileHandle };
}

const slots = createLimiter(2);

const breathe = () => new Promise((resolve) => setTimeout(resolve, 20));

test("nothing is read before it is asked for, and no more than that", async () => {
  const { done, file } = fakeFile(10_000_000);
  const reader = readRange(file, 0, 9_999_999, slots).getReader();
  await breathe();
  assert.equal(done.reads, 0);
  await reader.read();
  await breathe();
  assert.deepEqual(done, { reads: 1, closes: 0 });
  await reader.cancel();
  assert.deepEqual(done, { reads: 1, closes: 1 });
});

test("the file is closed at the end, and after a stream that nobody read", async () => {
  const whole = fakeFile(1_000_000);
  assert.equal((await new Response(readRange(whole.file, 10, 999_999, slots)).arrayBuffer()).byteLength, 999_990);
  assert.equal(whole.done.closes, 1);
  const unread = fakeFile(1_000_000);
  await readRange(unread.file, 0, 999_999, slots).cancel();
  assert.deepEqual(unread.done, { reads: 0, closes: 1 });
});

test("a file that is shorter than promised is an error, and closed", async () => {
  const { done, file } = fakeFile(300_000);
  await assert.rejects(new Response(readRange(file, 0, 999_999, slots)).arrayBuffer(), /shorter/);
  assert.equal(done.closes, 1);
});

test("of many readers only some have a piece read at once, and each gets its turn, also after errors", async () => {
  let running = 0;
  let most = 0;
  const read = async (fails: boolean) => {
    most = Math.max(most, ++running);
    await breathe();
    running--;
    if (fails) throw new Error("i/o error");
  };
  // Twice: a slot that was handed on is free in the end, once.
  for (let round = 0; round < 2; round++) {
    const ended = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((n) => slots(() => read(n % 2 === 0))));
    assert.deepEqual(
      ended.map(({ status }) => status),
      ["rejected", "fulfilled", "rejected", "fulfilled", "rejected", "fulfilled"],
    );
    assert.equal(most, 2);
  }
});

test("every piece is read in its turn, and between two pieces others have theirs", async () => {
  const turns: string[] = [];
  const one = createLimiter(1);
  const streams = ["a", "b"].map((name) => {
    const { file } = fakeFile(700_000);
    const mine = <T>(work: () => Promise<T>) =>
      one(() => {
        turns.push(name);
        return work();
      });
    return new Response(readRange(file, 0, 699_999, mine)).arrayBuffer();
  });
  await Promise.all(streams);
  assert.equal(turns.join(""), "ababab");
});
