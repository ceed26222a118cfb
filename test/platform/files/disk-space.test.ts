import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import { diskSpace, freeBytes, freeBytesSync } from "../../../src/platform/files/disk-space.ts";
import { tempFolder } from "../../support/folder.ts";

test("the space of a disk is in bytes, and the same with and without waiting", async (t) => {
  const folder = tempFolder(t);
  const { free, size, files, filesFree } = await diskSpace(folder);
  assert.ok(free > 2 ** 20 && free <= size);
  assert.ok(filesFree <= files);
  // Other processes write meanwhile.
  const isNear = (bytes: number) => Math.abs(bytes - free) < size / 2;
  assert.ok(isNear(await freeBytes(folder)) && isNear(freeBytesSync(folder)));
  await assert.rejects(diskSpace(`${folder}/missing`), { code: "ENOENT" });
});

test("a folder of the kernel has no size", { skip: process.platform !== "linux" }, async () => {
  assert.equal((await diskSpace("/proc")).size, 0);
});
