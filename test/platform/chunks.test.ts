import assert from "node:assert/strict";
import { test } from "node:test";
import { createChunks } from "../../src/platform/chunks.ts";

test("chunks keep their bytes and their order, small ones in memory of about their size", () => {
  const chunks = createChunks();
  const parts = Array.from({ length: 3_000 }, (_, n) =>
    new Uint8Array(n % 7 === 0 ? 5_000 : 1 + (n % 900)).fill(n % 251),
  );
  for (const part of parts) chunks.add(part);
  const taken = chunks.take();
  assert.deepEqual(Buffer.concat(taken), Buffer.concat(parts));
  assert.deepEqual(chunks.take(), []);

  // As a parser gives them: each is one byte of what its socket has read.
  for (let n = 0; n < 50_000; n++) chunks.add(new Uint8Array(65_536).subarray(0, 1));
  const bytes = chunks.take();
  const memory = [...new Set(bytes.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0);
  assert.equal(Buffer.concat(bytes).length, 50_000);
  assert.ok(memory < 200_000, `${memory} bytes for 50,000`);
});

test("an only chunk is given as it came", () => {
  const chunks = createChunks();
  const only = new Uint8Array([1, 2, 3]);
  chunks.add(only);
  assert.equal(chunks.take()[0], only);
});
