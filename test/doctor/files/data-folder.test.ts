import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type DataFolder, judgeDataFolder } from "../../../src/doctor/files/data-folder.ts";
import { judgeFileSystem } from "../../../src/doctor/files/file-system.ts";
import { judgeOwnership } from "../../../src/doctor/files/ownership.ts";
import type { Finding } from "../../../src/doctor/probe.ts";
import { dataIn, dataUsedBy, inWords, makeDataFolder, stranger, user } from "../../support/doctor.ts";
import { tempFolder } from "../../support/folder.ts";

/** What is found in the data folder's files, with its media in `mediaDir`. */
async function judgeFiles(data: DataFolder, mediaDir = join(data.path, "media")) {
  return (await judgeOwnership(data, mediaDir)) as Finding;
}

test("a data folder of its user alone is well, and so is what is in it", async (t) => {
  const data = await dataIn(makeDataFolder(t));
  assert.match(inWords([judgeDataFolder(data, user)]), /^ok: .*\/data, the relay runs as \S+, mode 0700$/);
  assert.match(inWords([await judgeFiles(data)]), /^ok: 1 /);
  if (process.platform !== "linux") return;
  assert.ok((await judgeFileSystem(data.path)).detail.length > 0);
});

test("no folder yet is a warning", async (t) => {
  const data = await dataIn(join(tempFolder(t), "data"));
  assert.match(inWords([judgeDataFolder(data, user)]), /^warning: .* is not there yet/);
});

test("a folder that others may look into is a warning, with the command that helps", async (t) => {
  const dir = makeDataFolder(t);
  chmodSync(dir, 0o755);
  const { state, advice } = judgeDataFolder(await dataIn(dir), user);
  assert.deepEqual([state, advice], ["warning", `chmod 700 ${dir}`]);
});

test("a volume as Kubernetes' fsGroup leaves it is well: root's, with the group's right to write; without that it is not", () => {
  const judge = (folder: { uid: number; gid: number; mode: number }) =>
    judgeDataFolder(
      {
        ...{ path: "/data", folder: { ...folder, isFolder: true } },
        database: { path: "/data/relay.db", bytes: 1, bornAt: 0 },
        account: { uid: 65_532, gid: 65_532, name: "nonroot", groups: new Set([65_532]) },
      },
      65_532,
    );
  const mounted = { uid: 0, gid: 65_532, mode: 0o2775 };
  assert.match(
    inWords([judge(mounted)]),
    /^ok: \/data, root's; the relay runs as nonroot, whose group 65532 may write/,
  );
  assert.equal(judge({ ...mounted, mode: 0o2755 }).state, "failed");
  assert.equal(judge({ ...mounted, gid: 0 }).state, "failed");
  assert.equal(judge({ ...mounted, uid: 7 }).state, "warning");
});

test("files that the relay's user cannot use are a failure that names them", async (t) => {
  const dir = makeDataFolder(t);
  mkdirSync(join(dir, "spool"));
  for (const name of ["a", "b", "c"]) writeFileSync(join(dir, "spool", `${name}.file`), "", { mode: 0o600 });
  symlinkSync("/nowhere", join(dir, "link"));
  const finding = await judgeFiles(await dataUsedBy(dir, stranger));
  assert.equal(finding.state, "failed");
  assert.match(
    finding.detail,
    /relay\.db, .*spool, .*spool\/a\.file and 2 more: the relay's user relay cannot use them$/,
  );
  const names = ["relay.db", "spool", ...["a", "b", "c"].map((name) => `spool/${name}.file`)];
  assert.equal(finding.advice, `chown relay:4000000 ${names.map((name) => join(dir, name)).join(" ")}`);
});

test("files that are not the relay's are ignored, in each of its folders", async (t) => {
  const dir = makeDataFolder(t);
  for (const folder of ["", "spool", "media"]) {
    mkdirSync(join(dir, folder), { recursive: true });
    mkdirSync(join(dir, folder, "lost+found"), { mode: 0o700 });
    writeFileSync(join(dir, folder, ".notes"), "", { mode: 0o600 });
  }
  writeFileSync(join(dir, "dump.sql"), "", { mode: 0o600 });
  mkdirSync(join(dir, ".native"), { mode: 0o755 });
  for (const name of ["relay.db", "spool"]) chmodSync(join(dir, name), 0o777);
  const finding = await judgeFiles(await dataUsedBy(dir, stranger));
  assert.match(inWords([finding]), /^ok: 3 files and folders, all of them usable for relay$/);
});

test("of many files the advice names as many as a command takes, and to run doctor again", async (t) => {
  const dir = makeDataFolder(t);
  mkdirSync(join(dir, "spool"));
  for (let n = 0; n < 20; n++) writeFileSync(join(dir, "spool", `m${n}.part`), "", { mode: 0o600 });
  const finding = await judgeFiles(await dataUsedBy(dir, { ...stranger, gid: null }));
  assert.match(finding.detail, / and 19 more: /);
  assert.match(finding.advice!, /^chown relay (\S+ ){9}\S+, then run doctor again for the others$/);
});

test("a copy that the relay may only read is usable, a folder of copies that it cannot write to is not", async (t) => {
  const dir = makeDataFolder(t);
  const media = join(tempFolder(t), "media");
  mkdirSync(media);
  for (const name of ["relay.db", "spool"]) writeFileSync(join(dir, name), "");
  chmodSync(join(dir, "relay.db"), 0o666);
  chmodSync(join(dir, "spool"), 0o666);
  writeFileSync(join(media, "video.mp4"), "", { mode: 0o644 });
  const judge = async () => judgeFiles(await dataUsedBy(dir, stranger), media);
  assert.equal((await judge()).state, "ok");
  mkdirSync(join(media, "v1"), { mode: 0o755 });
  writeFileSync(join(media, "v1", "video.mp4"), "", { mode: 0o600 });
  writeFileSync(join(media, "v1", "thumbnail.jpg"), "", { mode: 0o644 });
  const { state, detail, advice } = await judge();
  assert.equal(state, "failed");
  assert.match(detail, /media\/v1, .*media\/v1\/video\.mp4: the relay's user relay cannot use them$/);
  assert.equal(advice, `chown relay:4000000 ${join(media, "v1")} ${join(media, "v1", "video.mp4")}`);
});

test("a user who is neither root nor the relay's is advised to run it as one of them", async (t) => {
  const dir = makeDataFolder(t);
  const data = await dataUsedBy(dir, stranger);
  assert.match(inWords([judgeDataFolder(data, 1234)]), /^failed: .* is used by relay$/);
  assert.match(inWords([judgeDataFolder(data, 0)]), /^failed: .* belongs to user \d+, relay\.db in it to relay/);
});

test("the relay's user is the owner of the folder, whatever the owner of the database in it", {
  skip: user === 0 ? false : "only root can give files away",
}, async (t) => {
  const owners = async (folder: number, database: number) => {
    const dir = makeDataFolder(t);
    chownSync(dir, folder, folder);
    chownSync(join(dir, "relay.db"), database, database);
    return (await dataIn(dir)).account!.uid;
  };
  assert.equal(await owners(4712, 0), 4712);
  assert.equal(await owners(4712, 4713), 4712);
  // Root's folder is one before its chown.
  assert.equal(await owners(0, 4712), 4712);
});
