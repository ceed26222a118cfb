import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { diskProbes, judgeWrites } from "../../../src/doctor/files/disk.ts";
import { fileSystemProbe } from "../../../src/doctor/files/file-system.ts";
import { dataIn, findingsOf, inWords, makeDataFolder } from "../../support/doctor.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";
import { realPorts } from "../../support/real-ports.ts";

const ports = realPorts();

const disk = async (dataDir: string, more: Partial<Parameters<typeof diskProbes>[0]> = {}) =>
  findingsOf(
    diskProbes({ data: await dataIn(dataDir), ports, minFreeDisk: 0, mediaDir: null, backupDir: null, ...more }),
  );

test("free space is measured once for each disk, against what downloads and copies need", async (t) => {
  const dir = makeDataFolder(t);
  writeFileSync(join(dir, "reserve"), Buffer.alloc(16 * 2 ** 20));
  const found = await disk(dir, { mediaDir: join(dir, "not", "yet") });
  assert.match(inWords(found["disk.space.data"]), /^ok: .* free for data, media \(/);
  assert.match(inWords(found["disk.reserve"]), /^ok: 16\.0 MiB/);
  assert.match(inWords((await disk(dir, { minFreeDisk: 2 ** 60 }))["disk.space.data"]), /^failed: .*minFreeDisk/);
  const large = { ...(await dataIn(dir)), database: { path: "", bytes: 2 ** 60, bornAt: 0 } };
  assert.match(inWords((await disk(dir, { data: large }))["disk.space.data"]), /^warning: .*cannot be copied/);
});

test("media on a disk of their own are told apart, and what is kept in memory is no disk", {
  skip: noMounts,
}, async (t) => {
  const dir = makeDataFolder(t);
  const small = mountSmallDisk(join(dir, "media"), 2 ** 20);
  try {
    const found = await disk(dir, { mediaDir: small.dir });
    const names = Object.keys(found).filter((name) => name.startsWith("disk.space"));
    assert.deepEqual(names, ["disk.space.data", "disk.space.media"]);
    assert.match(inWords(found["disk.space.media"]), / free for media /);
    assert.match(
      inWords((await findingsOf([fileSystemProbe(small.dir)]))["data.disk"]),
      /^warning: .* is on tmpfs: all of it is gone/,
    );
  } finally {
    small.unmount();
  }
});

test("real writes are timed, and leave nothing behind, not even those of a killed doctor", async (t) => {
  const dir = makeDataFolder(t);
  writeFileSync(join(dir, ".doctor-0123456789abcdef"), "");
  const found = await disk(dir);
  assert.match(
    inWords(found["disk.sync"]),
    /^(ok|warning): a write of 4 KiB is on the disk after .* ms \(median\), .* ms \(worst of 11\)/,
  );
  assert.deepEqual(readdirSync(dir), ["relay.db"]);
  assert.match(inWords(found["disk.reserve"]), /^warning: .*reserve is not there/);
});

test("a disk whose usual write takes more than 20 ms is slow; one slow write among many is none", () => {
  assert.equal(judgeWrites([1, 2, 3, 2, 500], "/data").state, "ok");
  const { state, detail } = judgeWrites([25, 30, 21, 22, 80], "/data");
  assert.equal(state, "warning");
  assert.match(detail, /after 25 ms \(median\), 80 ms \(worst of 5\)/);
});
