import assert from "node:assert/strict";
import { statSync, symlinkSync, writeFileSync } from "node:fs";
import { lstat, open } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  makeFolder,
  makeFolders,
  nullWhereMissing,
  syncFile,
  syncFolder,
  syncFolderSync,
} from "../../../src/platform/files/file-system.ts";
import { tempFolder } from "../../support/folder.ts";

test("a folder is made once, and never where something else has its name", async (t) => {
  const folder = join(tempFolder(t), "a");
  assert.equal(await makeFolder(folder), true);
  assert.equal(await makeFolder(folder), false);
  writeFileSync(join(folder, "file"), "");
  symlinkSync(folder, join(folder, "link"));
  for (const name of ["file", "link"]) {
    await assert.rejects(makeFolder(join(folder, name)), {
      code: "conflict",
      message: /is in the way: it is no folder/,
    });
  }
});

test("missing folders are made for their owner only, existing ones are left as they are", (t) => {
  const parent = tempFolder(t);
  const mode = statSync(parent).mode;
  makeFolders(join(parent, "a/b/c"));
  makeFolders(join(parent, "a/b/c"));
  assert.equal(statSync(parent).mode, mode);
  for (const each of ["a", "a/b", "a/b/c"]) assert.equal(statSync(join(parent, each)).mode & 0o777, 0o700);
  writeFileSync(join(parent, "file"), "");
  assert.throws(() => makeFolders(join(parent, "file/a")), { code: "ENOTDIR" });
});

test("only what is missing is null", async (t) => {
  const folder = tempFolder(t);
  const file = join(folder, "file");
  writeFileSync(file, "");
  assert.equal(await lstat(join(folder, "missing")).catch(nullWhereMissing), null);
  assert.equal(await lstat(join(file, "below")).catch(nullWhereMissing), null);
  await assert.rejects(open(folder, "w").catch(nullWhereMissing), { code: "EISDIR" });
});

test("files and folders are synced, and what is missing is an error", async (t) => {
  const folder = tempFolder(t);
  writeFileSync(join(folder, "file"), "bytes");
  await syncFile(join(folder, "file"));
  await syncFolder(folder);
  syncFolderSync(folder);
  await assert.rejects(syncFile(join(folder, "missing")), { code: "ENOENT" });
  await assert.rejects(syncFolder(join(folder, "missing")), { code: "ENOENT" });
  assert.throws(() => syncFolderSync(join(folder, "missing")), { code: "ENOENT" });
});
