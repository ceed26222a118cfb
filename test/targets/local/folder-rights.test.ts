import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { chmod, link, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import test, { type TestContext } from "node:test";
import { putBackup } from "../../../src/backup/in-target.ts";
import { giveRights } from "../../../src/targets/local/folder-rights.ts";
import { openLocalTarget } from "../../../src/targets/local/open.ts";
import { aboutOf, put } from "../../contracts/mirror-target.ts";
import { openCopies } from "../../mirror/copies.ts";
import { sha256Of } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";
import { testLog } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";

const noLinks = () => Promise.reject(Object.assign(new Error("no links"), { code: "EPERM" }));

/** A group that is not this process's own: root may give files to any, others to one that they are in as well. */
const other = process.getuid?.() === 0 ? 54_321 : process.getgroups?.().find((gid) => gid !== process.getgid?.());
const noGroup = other === undefined ? "this user is in one group only, and may give files to no other" : false;

const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

/** A folder of this mode and group, in a process of the umask that the package's unit has. */
function makeFolder(t: TestContext, mode: number, gid: number) {
  const umask = process.umask(0o077);
  if (umask !== 0o077) t.after(() => process.umask(umask));
  const folder = tempFolder(t);
  const dir = join(folder, "copies");
  mkdirSync(dir);
  chownSync(dir, statSync(dir).uid, gid);
  chmodSync(dir, mode);
  return { dir, spool: join(folder, "spool") };
}

for (const [how, hardLink] of [
  ["linked", link],
  ["copied", noLinks],
] as const) {
  test(`a copy that is ${how} gets the group of its folder, and what the folder lets group and others read`, {
    skip: noGroup,
  }, async (t) => {
    for (const [mode, folder, file] of [
      [0o2750, "2750", "640"],
      [0o750, "750", "640"],
      [0o755, "755", "644"],
      [0o2755, "2755", "644"],
    ] as const) {
      const { dir, spool } = makeFolder(t, mode, other!);
      const target = await openLocalTarget({ type: "local", dir }, { hardLink });
      await put(target, spool, "v1/video.mp4", "film");
      await put(target, spool, "v1/deep/thumbnail.jpg", "one", true);
      await put(target, spool, "v1/deep/thumbnail.jpg", "two", true);
      for (const name of ["v1", "v1/deep"]) {
        assert.deepEqual([modeOf(join(dir, name)), statSync(join(dir, name)).gid], [folder, other], name);
      }
      for (const name of ["v1/video.mp4", "v1/deep/thumbnail.jpg"]) {
        assert.deepEqual([modeOf(join(dir, name)), statSync(join(dir, name)).gid], [file, other], name);
      }
      assert.deepEqual(await target.oddities(), []);
    }
  });
}

test("a folder that is its owner's alone keeps its copies so", async (t) => {
  const { dir, spool } = makeFolder(t, 0o700, statSync(".").gid);
  const target = await openLocalTarget({ type: "local", dir });
  await put(target, spool, "v1/video.mp4", "film");
  assert.deepEqual([modeOf(join(dir, "v1")), modeOf(join(dir, "v1/video.mp4"))], ["700", "600"]);
});

test("a backup is for the relay alone, whoever may read the copies", { skip: noGroup }, async (t) => {
  for (const hardLink of [link, noLinks]) {
    const { dir, spool } = makeFolder(t, 0o2755, other!);
    const target = await openLocalTarget({ type: "local", dir }, { hardLink });
    mkdirSync(spool);
    const file = join(spool, "backup.db");
    await writeFile(file, "everything", { mode: 0o644 });
    const backup = { file, bytes: 10, sha256: sha256Of("everything") };
    await putBackup(target, "~backups/relay-1.db", backup, new AbortController().signal);
    assert.equal(modeOf(join(dir, "~backups/relay-1.db")), "600");
  }
});

/** The user nobody, in the group of this process: what only root may do is refused. */
const noUser =
  process.getuid?.() !== 0
    ? "needs root, to become a user who is not in the folder's group"
    : "Deno" in globalThis
      ? "Deno changes no user of its process"
      : false;

test("who is not in the folder's group has copies of it made where the folder passes its group on, and else says so once", {
  skip: noUser,
}, async (t) => {
  for (const [mode, file, gid, odd] of [
    [0o2770, "640", other, []],
    [0o770, "600", 0, [/do not get its group \(54321\).*: add the relay's user to that group, or chmod g\+s/]],
  ] as const) {
    const { dir, spool } = makeFolder(t, mode, other!);
    chmodSync(join(dir, ".."), 0o777);
    chownSync(dir, 65_534, other!);
    const log = testLog();
    process.seteuid!(65_534);
    try {
      const target = await openLocalTarget({ type: "local", dir }, { log });
      for (const name of ["video.mp4", "thumbnail.jpg"])
        await put(target, spool, `v1/${name}`, name, name !== "video.mp4");
      assert.equal(await put(target, spool, "v1/video.mp4", "video.mp4"), "exists-same");
      assert.equal(await put(target, spool, "v1/video.mp4", "another"), "exists-different");
      const oddities = await target.oddities();
      assert.equal(oddities.length, odd.length);
      for (const [nth, words] of odd.entries()) assert.match(oddities[nth]!, words);
      assert.equal(log.facts.length, odd.length);
    } finally {
      process.seteuid!(0);
    }
    for (const name of ["video.mp4", "thumbnail.jpg"]) {
      const path = join(dir, "v1", name);
      assert.deepEqual([modeOf(path), statSync(path).gid, await readFile(path, "utf8")], [file, gid, name]);
    }
    assert.deepEqual(readdirSync(join(dir, ".incoming")), []);
  }
});

test("where a service may set no set-group-ID bit the rights are given all the same", { skip: noGroup }, async (t) => {
  const { dir } = makeFolder(t, 0o2750, other!);
  const folder = join(dir, "v1");
  mkdirSync(folder);
  assert.equal(modeOf(folder), "2700");
  const restricted: typeof chmod = async (path, mode) => {
    if ((Number(mode) & 0o6000) !== 0) throw Object.assign(new Error("not permitted"), { code: "EPERM" });
    return chmod(path, mode);
  };
  assert.equal(await giveRights(folder, { gid: other!, mode: 0o2750 }, restricted), true);
  assert.deepEqual([modeOf(folder), statSync(folder).gid], ["750", other]);
  const readOnly: typeof chmod = () => Promise.reject(Object.assign(new Error("read-only"), { code: "EROFS" }));
  assert.equal(await giveRights(dir, { gid: other!, mode: 0o2755 }, readOnly), false);
});

test("a folder in whose place a symbolic link was put is not written through, nor deleted from", async (t) => {
  const { dir, spool } = makeFolder(t, 0o700, statSync(".").gid);
  const elsewhere = join(dir, "../elsewhere");
  mkdirSync(join(elsewhere, "v1"), { recursive: true });
  await writeFile(join(elsewhere, "v1/video.mp4"), "another's");
  const target = await openLocalTarget({ type: "local", dir });
  await put(target, spool, "v1/video.mp4", "film");
  renameSync(dir, `${dir}.away`);
  symlinkSync(elsewhere, dir);
  const refused = {
    code: "target_unavailable",
    message: /leads to .*elsewhere by a symbolic link now: bring it back, or restart/,
  };
  await assert.rejects(put(target, spool, "v2/video.mp4", "film"), refused);
  await assert.rejects(put(target, spool, "v1/video.mp4", "film", true), refused);
  await assert.rejects(target.delete("v1/video.mp4"), refused);
  assert.deepEqual(readdirSync(elsewhere, { recursive: true }).sort(), ["v1", "v1/video.mp4"]);
  assert.equal(await readFile(join(elsewhere, "v1/video.mp4"), "utf8"), "another's");
  rmSync(dir);
  await assert.rejects(put(target, spool, "v2/video.mp4", "film"), { message: /is gone; bring it back/ });
  mkdirSync(dir);
  assert.equal(await put(target, spool, "v2/video.mp4", "film"), "stored", "a folder that is made anew is as good");
  renameSync(dir, `${dir}.empty`);
  renameSync(`${dir}.away`, dir);
  await target.delete("v1/video.mp4");
  assert.equal(existsSync(join(dir, "v1")), false);
});

test("a link that the config itself names is followed; one that is put above the folder later is not", async (t) => {
  const { dir, spool } = makeFolder(t, 0o700, statSync(".").gid);
  const named = join(dir, "../named");
  symlinkSync(dir, named);
  const target = await openLocalTarget({ type: "local", dir: join(named, "media") });
  assert.equal(await put(target, spool, "v1/video.mp4", "film"), "stored");
  renameSync(dir, `${dir}.away`);
  symlinkSync(`${dir}.away`, dir);
  const file = join(dir, "../film");
  await writeFile(file, "film");
  await assert.rejects(target.put("v2/video.mp4", file, aboutOf("film"), new AbortController().signal), {
    code: "target_unavailable",
  });
  const other = await openLocalTarget({ type: "local", dir: join(named, "media") });
  assert.equal(await put(other, spool, "v2/video.mp4", "film"), "stored", "once it is opened anew");
});

test("a target that leads elsewhere counts as down, and what waits goes on when it is back", async (t) => {
  const at = await openCopies(t);
  const dir = join(at.dir, "data/media");
  const elsewhere = join(at.dir, "elsewhere");
  await at.bring("v1", "the film");
  renameSync(dir, `${dir}.away`);
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, dir);
  const work = async () => {
    for (const job of (await at.uploads.claim({ limit: 9, now: at.clock.now(), leaseFor: 30_000 })).jobs)
      await at.uploads.run(job, at.lease);
  };
  await work();
  assert.match(at.health.trouble() ?? "", /by a symbolic link now/);
  assert.equal(at.log.facts.filter(({ fact }) => fact === "the mirror target is down: uploads wait").length >= 1, true);
  assert.deepEqual(readdirSync(elsewhere), []);
  rmSync(dir);
  renameSync(`${dir}.away`, dir);
  await waitFor(async () => {
    await at.clock.advance(10_000);
    at.health.mayTry();
    await work();
    return (await at.store.media({ limit: 9 }))[0]?.state === "mirrored";
  });
  assert.equal(at.health.trouble(), null);
});
