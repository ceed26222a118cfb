import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Of, sha256OfFile } from "../../../src/platform/files/sha256.ts";
import { tempFolder } from "../../support/folder.ts";

const CONTENT = Buffer.alloc(2.5 * 2 ** 20, "a file of several pieces ");
const SUM = createHash("sha256").update(CONTENT).digest("hex");

test("the sum of a file is the same by its path and by its descriptor, which stays open and where it was", async (t) => {
  const path = join(tempFolder(t), "file");
  writeFileSync(path, CONTENT);
  const descriptor = openSync(path, "r");
  t.after(() => closeSync(descriptor));
  assert.equal(await sha256OfFile(path), SUM);
  assert.equal(await sha256OfFile(descriptor), SUM);
  assert.equal(await sha256OfFile(descriptor), SUM);
  assert.equal(readSync(descriptor, Buffer.alloc(8), 0, 8, 0), 8);
  for (const length of [0, 1, 2 ** 20, 2 ** 20 + 1, CONTENT.length]) {
    const sum = createHash("sha256").update(CONTENT.subarray(0, length)).digest("hex");
    assert.equal(await sha256OfFile(descriptor, undefined, length), sum, String(length));
  }
  await assert.rejects(sha256OfFile(descriptor, undefined, CONTENT.length + 1), /1 bytes early/);
  await assert.rejects(sha256OfFile(`${path}.missing`), { code: "ENOENT" });
});

test("an aborted signal ends the sum with its reason, also where nothing comes", async (t) => {
  const path = join(tempFolder(t), "file");
  writeFileSync(path, CONTENT);
  const stop = new AbortController();
  async function* pieces() {
    yield CONTENT;
    stop.abort(new Error("stopped"));
    yield CONTENT;
  }
  await assert.rejects(sha256Of(pieces(), stop.signal), /^Error: stopped$/);
  await assert.rejects(sha256OfFile(path, stop.signal), /^Error: stopped$/);
});

test("an aborted sum by a descriptor leaves it open", async (t) => {
  const path = join(tempFolder(t), "file");
  writeFileSync(path, CONTENT);
  const descriptor = openSync(path, "r");
  const stop = new AbortController();
  const sum = sha256OfFile(descriptor, stop.signal);
  stop.abort(new Error("stopped"));
  await assert.rejects(sum, /^Error: stopped$/);
  assert.equal(readSync(descriptor, Buffer.alloc(8), 0, 8, 0), 8);
  closeSync(descriptor);
});
