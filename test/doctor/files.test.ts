import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { folderProbes } from "../../src/doctor/files/data-folder.ts";
import { diskProbes, judgeWrites } from "../../src/doctor/files/disk.ts";
import { type Account, may, ownerName, readAccount } from "../../src/doctor/files/permissions.ts";
import { lookAtPlace, type Place } from "../../src/doctor/files/place.ts";
import { filesProbes, findSecrets } from "../../src/doctor/files/secrets.ts";
import { AlreadySaid } from "../../src/doctor/probe.ts";
import { tempFolder } from "../support/folder.ts";
import { mountSmallDisk, noMounts } from "../support/mounts.ts";
import { realPorts } from "../support/real-ports.ts";
import { findingsOf, inWords } from "./findings.ts";

const ports = realPorts();
const { platform } = process;
const user = process.geteuid?.() ?? null;

/** A data folder as a relay of this very user makes it. */
function dataFolder(t: Parameters<typeof tempFolder>[0]): string {
  const dir = join(tempFolder(t), "data");
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(join(dir, "relay.db"), "", { mode: 0o600 });
  return dir;
}

const placeOf = (dataDir: string) => lookAtPlace(dataDir, { clock: ports.clock, platform });
const look = (dataDir: string, more: { place?: () => Promise<Place>; user?: number | null } = {}) =>
  findingsOf(folderProbes({ place: placeOf(dataDir), platform, user, mediaDir: join(dataDir, "media"), ...more }));

/** The same place, used by somebody else than those who made its files: how it looks to root after root was at work. */
const usedBy = (dataDir: string, account: Partial<Account>) => async () => {
  const place = await placeOf(dataDir)();
  return { ...place, account: { ...place.account!, ...account, groups: new Set<number>() } };
};
const stranger = { uid: 4_000_000, gid: 4_000_000, name: "relay" };

test("a data folder of its user alone is well, and so is what is in it", async (t) => {
  const found = await look(dataFolder(t));
  assert.match(inWords(found["data.folder"]), /^ok: .*\/data, the relay runs as \S+, mode 0700$/);
  assert.match(inWords(found["data.files"]), /^ok: 1 /);
  assert.equal(found["data.disk"]?.length, platform === "linux" ? 1 : 0);
});

test("no folder yet is a warning, and nothing else is said of it", async (t) => {
  const dir = join(tempFolder(t), "data");
  assert.deepEqual(Object.keys(await look(dir)), ["data.folder"]);
  assert.match(inWords((await look(dir))["data.folder"]), /^warning: .* is not there yet/);
});

test("a folder that others may look into is a warning, with the command that helps", async (t) => {
  const dir = dataFolder(t);
  chmodSync(dir, 0o755);
  const [finding] = (await look(dir))["data.folder"]!;
  assert.deepEqual([finding!.state, finding!.advice], ["warning", `chmod 700 ${dir}`]);
});

test("files that the relay's user cannot use are a failure that names them", async (t) => {
  const dir = dataFolder(t);
  mkdirSync(join(dir, "spool"));
  for (const name of ["a", "b", "c"]) writeFileSync(join(dir, "spool", `${name}.file`), "", { mode: 0o600 });
  symlinkSync("/nowhere", join(dir, "link"));
  const [finding] = (await look(dir, { place: usedBy(dir, stranger), user: 0 }))["data.files"]!;
  assert.equal(finding!.state, "failed");
  assert.match(
    finding!.detail,
    /relay\.db, .*spool, .*spool\/a\.file and 2 more: the relay's user relay cannot use them$/,
  );
  const names = ["relay.db", "spool", ...["a", "b", "c"].map((name) => `spool/${name}.file`)];
  assert.equal(finding!.advice, `chown relay:4000000 ${names.map((name) => join(dir, name)).join(" ")}`);
});

test("what is none of the relay's is nobody's trouble, in none of its folders", async (t) => {
  const dir = dataFolder(t);
  for (const folder of ["", "spool", "media"]) {
    mkdirSync(join(dir, folder), { recursive: true });
    mkdirSync(join(dir, folder, "lost+found"), { mode: 0o700 });
    writeFileSync(join(dir, folder, ".notes"), "", { mode: 0o600 });
  }
  writeFileSync(join(dir, "dump.sql"), "", { mode: 0o600 });
  mkdirSync(join(dir, ".native"), { mode: 0o755 });
  for (const name of ["relay.db", "spool"]) chmodSync(join(dir, name), 0o777);
  const found = await look(dir, { place: usedBy(dir, stranger), user: 0 });
  assert.match(inWords(found["data.files"]), /^ok: 3 files and folders, all of them usable for relay$/);
});

test("of many files as many are named as a command takes, and the rest is for the next time", async (t) => {
  const dir = dataFolder(t);
  mkdirSync(join(dir, "spool"));
  for (let n = 0; n < 20; n++) writeFileSync(join(dir, "spool", `m${n}.part`), "", { mode: 0o600 });
  const [finding] = (await look(dir, { place: usedBy(dir, { ...stranger, gid: null }), user: 0 }))["data.files"]!;
  assert.match(finding!.detail, / and 19 more: /);
  assert.match(finding!.advice!, /^chown relay (\S+ ){9}\S+, then run doctor again for the others$/);
});

test("a copy that the relay may only read is no trouble, a folder of copies that it cannot write to is", async (t) => {
  const dir = dataFolder(t);
  const media = join(tempFolder(t), "media");
  mkdirSync(media);
  for (const name of ["relay.db", "spool"]) writeFileSync(join(dir, name), "");
  chmodSync(join(dir, "relay.db"), 0o666);
  chmodSync(join(dir, "spool"), 0o666);
  writeFileSync(join(media, "video.mp4"), "", { mode: 0o644 });
  const judge = async () => {
    const probes = folderProbes({ place: usedBy(dir, stranger), platform, user: 0, mediaDir: media });
    return (await findingsOf(probes))["data.files"]![0]!;
  };
  assert.equal((await judge()).state, "ok");
  mkdirSync(join(media, "v1"), { mode: 0o755 });
  writeFileSync(join(media, "v1", "video.mp4"), "", { mode: 0o600 });
  writeFileSync(join(media, "v1", "thumbnail.jpg"), "", { mode: 0o644 });
  const { state, detail, advice } = await judge();
  assert.equal(state, "failed");
  assert.match(detail, /media\/v1, .*media\/v1\/video\.mp4: the relay's user relay cannot use them$/);
  assert.equal(advice, `chown relay:4000000 ${join(media, "v1")} ${join(media, "v1", "video.mp4")}`);
});

test("whoever is neither root nor the relay's user is told to be", async (t) => {
  const dir = dataFolder(t);
  const found = await look(dir, { place: usedBy(dir, stranger), user: 1234 });
  assert.match(inWords(found["data.folder"]), /^failed: .* is used by relay$/);
  const folder = await look(dir, { place: usedBy(dir, stranger), user: 0 });
  assert.match(inWords(folder["data.folder"]), /^failed: .* belongs to user \d+, relay\.db in it to relay/);
});

test("a disk that does not answer is told once, and nobody waits for it twice", async () => {
  const place = async () => {
    throw new AlreadySaid("/data cannot be looked at: no answer within 5 s");
  };
  const [folder, files] = folderProbes({ place, platform, user, mediaDir: null });
  const signal = new AbortController().signal;
  assert.deepEqual(await folder!.run(signal, () => {}), {
    state: "failed",
    detail: "/data cannot be looked at: no answer within 5 s",
    advice: null,
  });
  await assert.rejects(files!.run(signal, () => {}) as Promise<unknown>, AlreadySaid);
});

test("the relay's user is whom the folder belongs to, whoever has left a database in it", {
  skip: user === 0 ? false : "only root can give files away",
}, async (t) => {
  const owners = async (folder: number, database: number) => {
    const dir = dataFolder(t);
    chownSync(dir, folder, folder);
    chownSync(join(dir, "relay.db"), database, database);
    return (await placeOf(dir)()).account!.uid;
  };
  assert.equal(await owners(4712, 0), 4712);
  assert.equal(await owners(4712, 4713), 4712);
  // Root's is one that nobody has given away.
  assert.equal(await owners(0, 4712), 4712);
});

test("rights are judged by owner, group and others, in this order", () => {
  const account: Account = { uid: 100, gid: 200, name: "relay", groups: new Set([200, 300]) };
  const rights = (uid: number, gid: number, mode: number) => ({ uid, gid, mode });
  assert.equal(may(account, "read", rights(100, 1, 0o400)), true);
  assert.equal(may(account, "read", rights(100, 200, 0o044)), false);
  assert.equal(may(account, "read", rights(1, 300, 0o640)), true);
  assert.equal(may(account, "write", rights(1, 300, 0o640)), false);
  assert.equal(may(account, "read", rights(1, 1, 0o640)), false);
  assert.equal(may(account, "write", rights(1, 1, 0o602)), true);
  assert.equal(may({ ...account, uid: 0 }, "write", rights(1, 1, 0)), true);
});

test("an account's name and groups come from the system's files, where they are there", async (t) => {
  const dir = tempFolder(t);
  const files = { passwd: join(dir, "passwd"), group: join(dir, "group") };
  writeFileSync(files.passwd, "root:x:0:0::/root:/bin/sh\nwochit-relay:x:998:997::/nonexistent:/usr/sbin/nologin\n");
  writeFileSync(files.group, "ssl-cert:x:110:www-data,wochit-relay\nwochit-relay:x:997:\nadm:x:4:syslog\n");
  const account = await readAccount({ uid: 998, gid: 500 }, files);
  assert.deepEqual(
    [account.name, [...account.groups].sort(), ownerName(account)],
    ["wochit-relay", [110, 500, 997], "wochit-relay:500"],
  );
  const unknown = await readAccount({ uid: 7, gid: 8 }, { passwd: "/nowhere", group: "/nowhere" });
  assert.deepEqual([unknown.name, [...unknown.groups]], ["7", [8]]);
  // Root has made the folder, and given it to the user alone: that makes nobody a member of root's group.
  const given = await readAccount({ uid: 7, gid: 0 }, { passwd: "/nowhere", group: "/nowhere" });
  assert.deepEqual([[...given.groups], ownerName(given)], [[], "7"]);
  const known = await readAccount({ uid: 998, gid: 0 }, files);
  assert.deepEqual([[...known.groups].sort(), ownerName(known)], [[110, 997], "wochit-relay:997"]);
  assert.deepEqual([...(await readAccount({ uid: 0, gid: 0 }, files)).groups], [0]);
});

test("secrets are found wherever a config may hold them", () => {
  const config = {
    receive: { token: [{ env: "A" }, { file: "token" }] },
    endpoints: [
      { id: "a", secret: { file: "one" } },
      { id: "b", secret: [{ credential: "c" }] },
    ],
    mirror: { target: { accessKeyId: "not one", secretAccessKey: { file: "/two" } } },
  };
  assert.deepEqual(findSecrets(config), { inline: false, files: ["token", "one", "/two"] });
  assert.equal(findSecrets({ ...config, admin: { token: "hush" } }).inline, true);
  assert.equal(findSecrets({ endpoints: [{ headers: { Authorization: "Bearer hush" } }] }).inline, true);
  assert.equal(findSecrets({ endpoints: [{ headers: { "x-tenant": "news" } }] }).inline, false);
  assert.equal(findSecrets(null).inline, false);
});

test("who else may read the config and the secrets is told, and who may change them", async (t) => {
  const folder = tempFolder(t);
  const path = join(folder, "config.json");
  writeFileSync(path, "{}");
  writeFileSync(join(folder, "key"), "hush");
  const judge = async (mode: number, raw: object, keyMode = 0o600) => {
    chmodSync(path, mode);
    chmodSync(join(folder, "key"), keyMode);
    return findingsOf(filesProbes({ path, folder, raw, tlsKey: null, place: null, platform }));
  };
  const withFile = { admin: { token: { file: "key" } } };
  const inline = { admin: { token: "hush" } };
  assert.match(inWords((await judge(0o644, {}))["files.config"]), /^ok: .*mode 0644, holds no secret itself$/);
  assert.match(inWords((await judge(0o644, inline))["files.config"]), /^warning: .*can read the secrets in it$/);
  assert.match(inWords((await judge(0o640, inline))["files.config"]), /^ok/);
  assert.match(inWords((await judge(0o646, {}))["files.config"]), /^failed: .*can change it$/);
  assert.match(inWords((await judge(0o600, withFile))["files.secrets"]), /^ok: 1 of them/);
  const [open] = (await judge(0o600, withFile, 0o644))["files.secrets"]!;
  assert.deepEqual([open!.state, open!.advice], ["warning", `chmod o-r ${join(folder, "key")}`]);
});

test("a secret that the relay's user cannot read is a failure, though root can", async (t) => {
  const dir = dataFolder(t);
  const key = join(dir, "key.pem");
  writeFileSync(key, "", { mode: 0o600 });
  const place = usedBy(dir, stranger);
  const found = await findingsOf(filesProbes({ path: null, folder: dir, raw: {}, tlsKey: key, place, platform }));
  assert.match(
    inWords(found["files.secrets"]),
    /^failed: .*key\.pem has mode 0600: the relay's user relay cannot read it$/,
  );
});

test("the advice for a secret is one that the relay's user gains by", async (t) => {
  const dir = dataFolder(t);
  const key = join(dir, "key.pem");
  writeFileSync(key, "", { mode: 0o600 });
  const adviceFor = async (gid: number | null) => {
    const place = usedBy(dir, { ...stranger, gid });
    const found = await findingsOf(filesProbes({ path: null, folder: dir, raw: {}, tlsKey: key, place, platform }));
    return found["files.secrets"]![0]!.advice;
  };
  assert.equal(await adviceFor(4_000_000), `chgrp 4000000 ${key}, and chmod 640 ${key}`);
  assert.equal(await adviceFor(null), `chown relay ${key}, and chmod 600 ${key}`);
});

const disk = (dataDir: string, more: Partial<Parameters<typeof diskProbes>[0]> = {}) =>
  findingsOf(diskProbes({ place: placeOf(dataDir), ports, minFreeDisk: 0, folders: [], ...more }));

test("free space is measured once for each disk, against what downloads and copies need", async (t) => {
  const dir = dataFolder(t);
  writeFileSync(join(dir, "reserve"), Buffer.alloc(16 * 2 ** 20));
  const found = await disk(dir, { folders: [{ what: "media", dir: join(dir, "not", "yet") }] });
  assert.match(inWords(found["disk.space.data"]), /^ok: .* free for data, media \(/);
  assert.match(inWords(found["disk.reserve"]), /^ok: 16\.0 MiB/);
  assert.match(inWords((await disk(dir, { minFreeDisk: 2 ** 60 }))["disk.space.data"]), /^failed: .*minFreeDisk/);
  const large = async () => ({ ...(await placeOf(dir)()), database: { path: "", bytes: 2 ** 60, bornAt: 0 } });
  assert.match(inWords((await disk(dir, { place: large }))["disk.space.data"]), /^warning: .*cannot be copied/);
});

test("media on a disk of their own are told apart, and what is kept in memory is no disk", {
  skip: noMounts,
}, async (t) => {
  const dir = dataFolder(t);
  const small = mountSmallDisk(join(dir, "media"), 2 ** 20);
  try {
    const found = await disk(dir, { folders: [{ what: "media", dir: small.dir }] });
    const names = Object.keys(found).filter((name) => name.startsWith("disk.space"));
    assert.deepEqual(names, ["disk.space.data", "disk.space.media"]);
    assert.match(inWords(found["disk.space.media"]), / free for media /);
    assert.match(inWords((await look(small.dir))["data.disk"]), /^warning: .* is on tmpfs: all of it is gone/);
  } finally {
    small.unmount();
  }
});

test("real writes are timed, and leave nothing behind, not even those of a killed doctor", async (t) => {
  const dir = dataFolder(t);
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
