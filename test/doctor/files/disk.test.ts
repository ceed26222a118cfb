import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { judgeDisks, judgeReserve, judgeSync, judgeWrites } from "../../../src/doctor/files/disk.ts";
import { judgeFileSystem } from "../../../src/doctor/files/file-system.ts";
import { byPart, inWords, makeDataFolder } from "../../support/doctor.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";
import { realPorts } from "../../support/real-ports.ts";

const space = async (dir: string, more: { media?: string; minFreeDisk?: number; database?: number } = {}) => {
  const { media = null, minFreeDisk = 0, database = 0 } = more;
  return byPart(judgeDisks({ data: dir, media, backups: null }, { minFreeDisk, database }));
};

test("free space is measured once for each disk, against what downloads and copies need", async (t) => {
  const dir = makeDataFolder(t);
  writeFileSync(join(dir, "reserve"), Buffer.alloc(16 * 2 ** 20));
  const found = await space(dir, { media: join(dir, "not", "yet") });
  assert.match(inWords(found.data), /^ok: .* free for data, media \(/);
  assert.match(inWords([await judgeReserve(dir)]), /^ok: 16\.0 MiB/);
  assert.match(inWords((await space(dir, { minFreeDisk: 2 ** 60 })).data), /^failed: .*minFreeDisk/);
  assert.match(inWords((await space(dir, { database: 2 ** 60 })).data), /^warning: .*cannot be copied/);
});

test("media on a disk of their own have a line of their own, and a file system in memory is no disk", {
  skip: noMounts,
}, async (t) => {
  const dir = makeDataFolder(t);
  const small = mountSmallDisk(join(dir, "media"), 2 ** 20);
  try {
    const found = await space(dir, { media: small.dir });
    assert.deepEqual(Object.keys(found), ["data", "media"]);
    assert.match(inWords(found.media), / free for media /);
    assert.match(inWords([await judgeFileSystem(small.dir)]), /^warning: .* is on tmpfs: all of it is lost/);
  } finally {
    small.unmount();
  }
});

test("real writes are timed, and leave nothing behind, not even the files of a killed doctor", async (t) => {
  const dir = makeDataFolder(t);
  writeFileSync(join(dir, ".doctor-sync"), "");
  assert.match(
    inWords([await judgeSync(dir, realPorts().clock, new AbortController().signal)]),
    /^(ok|warning): a write of 4 KiB is on the disk after .* ms \(median\), .* ms \(worst of 11\)/,
  );
  assert.deepEqual(readdirSync(dir), ["relay.db"]);
  assert.match(inWords([await judgeReserve(dir)]), /^warning: .*reserve is not there/);
});

test("a disk whose usual write takes more than 20 ms is slow; one slow write among many is none", () => {
  assert.equal(judgeWrites([1, 2, 3, 2, 500], "/data").state, "ok");
  const { state, detail } = judgeWrites([25, 30, 21, 22, 80], "/data");
  assert.equal(state, "warning");
  assert.match(detail, /after 25 ms \(median\), 80 ms \(worst of 5\)/);
});
