import assert from "node:assert/strict";
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readOrMakeToken } from "../../src/admin/token-file.ts";
import { tempFolder } from "../support/folder.ts";
import { testRandom } from "../support/ports.ts";

test("a token is made once, for the owner only, and read from then on", (t) => {
  const dir = tempFolder(t);
  const made = readOrMakeToken(dir, testRandom());
  assert.match(made.token, /^[\w-]{43}$/);
  assert.deepEqual([made.isNew, made.wasOpen, made.path], [true, false, join(dir, "admin-token")]);
  assert.equal(readFileSync(made.path, "utf8"), `${made.token}\n`);
  assert.equal(statSync(made.path).mode & 0o777, 0o600);
  assert.deepEqual(readOrMakeToken(dir, testRandom()), { ...made, isNew: false });
  assert.deepEqual(readdirSync(dir), ["admin-token"]);
});

test("an empty file, as a full disk may leave, is replaced", (t) => {
  const dir = tempFolder(t);
  writeFileSync(join(dir, "admin-token"), "");
  assert.equal(readOrMakeToken(dir, testRandom()).isNew, true);
  assert.notEqual(readFileSync(join(dir, "admin-token"), "utf8"), "");
});

test("no link is followed, dangling or not, and no folder is read", (t) => {
  const dir = tempFolder(t);
  const elsewhere = join(dir, "elsewhere");
  mkdirSync(join(dir, "one"));
  symlinkSync(elsewhere, join(dir, "one", "admin-token"));
  assert.throws(() => readOrMakeToken(join(dir, "one"), testRandom()), { code: "conflict", message: /is a link/ });
  writeFileSync(elsewhere, "a secret of somebody else");
  assert.throws(() => readOrMakeToken(join(dir, "one"), testRandom()), { code: "conflict", message: /is a link/ });
  mkdirSync(join(dir, "two"));
  linkSync(elsewhere, join(dir, "two", "admin-token"));
  assert.throws(() => readOrMakeToken(join(dir, "two"), testRandom()), { code: "conflict", message: /is a link/ });
  mkdirSync(join(dir, "three", "admin-token"), { recursive: true });
  assert.throws(() => readOrMakeToken(join(dir, "three"), testRandom()), { code: "conflict", message: /is no file/ });
});

test("a file that others may read is used, for its owner only from then on", (t) => {
  const dir = tempFolder(t);
  const { path, token } = readOrMakeToken(dir, testRandom());
  chmodSync(path, 0o644);
  assert.deepEqual(readOrMakeToken(dir, testRandom()), { path, token, isNew: false, wasOpen: true });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(readOrMakeToken(dir, testRandom()).wasOpen, false);
});
