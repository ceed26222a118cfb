import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withTempFolder } from "../../src/cli/temp-folder.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock } from "../support/ports.ts";

test("each run has a folder of its own, which is there until its own end", async (t) => {
  const dataDir = tempFolder(t);
  const clock = testClock(Date.now());
  await withTempFolder(dataDir, clock, async (first) => {
    writeFileSync(join(first, "copy"), "half");
    await withTempFolder(dataDir, clock, async (second) => {
      assert.notEqual(second, first);
      assert.equal(statSync(second).mode & 0o777, 0o700);
    });
    assert.ok(existsSync(join(first, "copy")));
  });
  assert.deepEqual(readdirSync(dataDir), []);
});

test("a folder whose run takes long is not cleared, one that was left for an hour is; a link is left alone", async (t) => {
  const dataDir = tempFolder(t);
  const elsewhere = tempFolder(t);
  writeFileSync(join(elsewhere, "mine"), "mine");
  const clock = testClock(Date.now());
  const left = join(dataDir, ".backup-abcdef");
  mkdirSync(left);
  symlinkSync(elsewhere, join(dataDir, ".backup-link"));
  utimesSync(left, clock.now() / 1000, clock.now() / 1000);
  await withTempFolder(dataDir, clock, async (first) => {
    for (let n = 0; n < 12; n++) {
      await clock.advance(10 * 60_000);
      // The disk takes its own time.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await withTempFolder(dataDir, clock, async () => {});
    assert.ok(existsSync(first));
    assert.equal(existsSync(left), false);
  });
  assert.deepEqual(readdirSync(dataDir), [".backup-link"]);
  assert.deepEqual(readdirSync(elsewhere), ["mine"]);
});
