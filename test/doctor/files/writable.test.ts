import assert from "node:assert/strict";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { type Mounts, readSandbox } from "../../../src/doctor/files/mounts.ts";
import type { Account } from "../../../src/doctor/files/permissions.ts";
import { writableJudge } from "../../../src/doctor/files/writable.ts";
import { tempFolder } from "../../support/folder.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";

const user = process.geteuid?.() ?? null;
const stranger: Account = { uid: 4_000_000, gid: 4_000_000, name: "relay", groups: new Set([4_000_000]) };

/** A folder that others may pass: a temp folder is its user's alone. */
function openFolder(t: TestContext): string {
  const dir = tempFolder(t);
  chmodSync(dir, 0o755);
  return dir;
}

function judge(dir: string, more: { account?: Account | null; sandbox?: Mounts; user?: number | null } = {}) {
  const { account = stranger, sandbox = null, user = 0 } = more;
  const data = { path: "/data", folder: null, database: null, account };
  return writableJudge({ data, user, sandbox: async () => sandbox })({ dir, option: "backup.dir" });
}

test("root's own folder is not writable for the relay's user, and the advice is the command that helps", async (t) => {
  const dir = openFolder(t);
  const { state, detail, advice, isThere } = await judge(dir);
  const { uid } = statSync(dir);
  assert.deepEqual([state, isThere], ["failed", true]);
  assert.equal(detail, `${dir} (mode 0755, of user ${uid}): the relay's user relay may not write to it`);
  assert.equal(advice, `chown relay:4000000 ${dir}`);
  assert.equal((await judge(dir, { account: { ...stranger, uid } })).state, "ok");
  chmodSync(dir, 0o757);
  assert.deepEqual([(await judge(dir)).state, (await judge(dir)).detail], ["ok", `${dir}, writable for relay`]);
  // Write access without search access is not enough to make a file.
  chmodSync(dir, 0o756);
  assert.equal((await judge(dir)).state, "failed");
});

test("a missing folder is judged by the nearest one above it", async (t) => {
  const above = openFolder(t);
  const dir = join(above, "deep", "down");
  const { state, detail, advice, isThere } = await judge(dir);
  assert.deepEqual([state, isThere], ["failed", false]);
  assert.match(
    detail,
    /down is not there yet, and the relay's user relay may not make it in \S+ \(mode 0755, of user \d+\)$/,
  );
  assert.equal(advice, `install -d -m 700 -o relay -g 4000000 ${dir}`);
  assert.equal((await judge(dir, { account: { ...stranger, gid: null } })).advice, `install -d -m 700 -o relay ${dir}`);
  chmodSync(above, 0o757);
  const can = await judge(dir);
  assert.deepEqual([can.state, can.detail, can.isThere], ["ok", `${dir} is not there yet: the relay makes it`, false]);
  // The user that it will run as is not known.
  chmodSync(above, 0o755);
  assert.equal((await judge(dir, { account: null })).state, "ok");
});

test("a folder behind one that the relay's user may not pass is out of his reach", async (t) => {
  const above = openFolder(t);
  mkdirSync(join(above, "private", "open"), { recursive: true });
  chmodSync(join(above, "private"), 0o700);
  chmodSync(join(above, "private", "open"), 0o777);
  const { state, detail, advice } = await judge(join(above, "private", "open"));
  assert.equal(state, "failed");
  assert.match(detail, /open: the relay's user relay may not pass \S+private$/);
  assert.equal(advice, `chmod o+x ${join(above, "private")}, or choose another backup.dir`);
  // The first thing to be done, also where nothing could be made behind it.
  chmodSync(join(above, "private", "open"), 0o700);
  assert.match((await judge(join(above, "private", "open", "new"))).detail, /may not pass \S+private$/);
});

test("where an access control list may permit what the mode does not, it is a warning", async (t) => {
  const dir = openFolder(t);
  chmodSync(dir, 0o775);
  const { state, detail, advice } = await judge(dir);
  assert.deepEqual([state, advice], ["warning", `if none does: chown relay:4000000 ${dir}`]);
  assert.match(detail, /unless an access control list permits it$/);
});

test("as the relay's own user the system's word counts", async (t) => {
  const dir = openFolder(t);
  const account = { ...stranger, uid: user ?? 0 };
  assert.equal((await judge(dir, { account, user })).state, "ok");
  if (user === 0) return; // whom no mode keeps from anything
  chmodSync(dir, 0o555);
  assert.equal((await judge(dir, { account, user })).state, "failed");
});

test("a place where no file can be made is reported, for every user", async (t) => {
  const dir = openFolder(t);
  writeFileSync(join(dir, "file"), "");
  const file = await judge(join(dir, "file", "backups"), { account: null });
  assert.match(file.detail, /file is no folder$/);
  if (process.platform !== "linux") return;
  const kernels = await judge("/proc/nope", { account: { ...stranger, uid: 0 } });
  assert.deepEqual(
    [kernels.state, kernels.detail, kernels.advice],
    ["failed", "/proc/nope: no file can be made in /proc, a file system of the kernel", "choose another backup.dir"],
  );
});

test("a disk that is mounted read-only is reported", { skip: noMounts }, async (t) => {
  const disk = mountSmallDisk(join(openFolder(t), "media"), 2 ** 20);
  try {
    disk.readOnly(true);
    assert.match((await judge(disk.dir)).detail, /media: its disk is mounted read-only$/);
  } finally {
    disk.unmount();
  }
});

test("a folder is judged although the data folder cannot be read", async (t) => {
  const dir = openFolder(t);
  const finding = await writableJudge({ data: null, user, sandbox: async () => null })({ dir, option: "backup.dir" });
  assert.equal(finding.state, "ok");
});

test("what systemd gives the relay to read only is a failure, as the kernel has it", async (t) => {
  const dir = openFolder(t);
  const lists = [join(dir, "none"), join(dir, "procs")];
  mkdirSync(join(dir, "77"));
  writeFileSync(join(dir, "procs"), "77\n78\n");
  const mounts = [
    "22 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw",
    "23 22 8:1 /var/lib/wochit-relay /var/lib/wochit-relay rw,relatime - ext4 /dev/sda1 rw",
    "24 22 8:2 / /srv/the\\040media rw,relatime - ext4 /dev/sdb1 rw",
    "25 22 8:3 / /home ro,nosuid - tmpfs tmpfs rw",
    "26 22 8:3 / /mnt ro - ext4 /dev/sdc1 rw",
    "28 22 8:4 / /disk rw shared:2 - ext4 /dev/sdd1 ro,errors=remount-ro",
    "27 26 8:3 / /mnt rw - ext4 /dev/sdc1 rw",
  ];
  writeFileSync(join(dir, "77", "mountinfo"), `${mounts.join("\n")}\n`);
  const sandbox = (await readSandbox({ lists, proc: dir }))!;
  const isReadOnly = [
    "/srv",
    "/srv/the media/v1",
    "/srv/the mediator",
    "/home/x",
    "/disk",
    "/mnt/x",
    "/var/lib/wochit-relay",
  ];
  assert.deepEqual(
    isReadOnly.map((path) => sandbox.isReadOnly(path)),
    [true, false, true, true, true, false, false],
  );
  assert.equal(await readSandbox({ lists: [join(dir, "none")], proc: dir }), null);

  const only = (...readOnly: string[]): Mounts => ({ isReadOnly: (path) => readOnly.includes(path) });
  const account = { ...stranger, uid: statSync(dir).uid };
  const { state, detail, advice } = await judge(dir, { account, sandbox: only(dir) });
  assert.deepEqual([state, detail], ["failed", `${dir} is read-only for the relay that runs under systemd`]);
  assert.match(advice!, /^systemctl edit wochit-relay: \[Service\] ReadWritePaths=/);
  const missing = join(dir, "new");
  assert.match((await judge(missing, { account, sandbox: only(dir) })).advice!, /^make it, then systemctl edit/);
  // That is the relay of another data folder.
  assert.equal((await judge(dir, { account, sandbox: only(dir, "/data") })).state, "ok");
});
