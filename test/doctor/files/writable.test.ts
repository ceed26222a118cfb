import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import type { Account } from "../../../src/doctor/files/permissions.ts";
import { findSandbox } from "../../../src/doctor/files/read-only.ts";
import { writableJudge } from "../../../src/doctor/files/writable.ts";
import { tempFolder } from "../../support/folder.ts";
import { mountSmallDisk, noMounts } from "../../support/mounts.ts";

type IsReadOnly = NonNullable<Awaited<ReturnType<typeof findSandbox>>>;

const user = process.geteuid?.() ?? null;
const stranger: Account = { uid: 4_000_000, gid: 4_000_000, name: "relay", groups: new Set([4_000_000]) };

/** A folder that others may pass: a temp folder is its user's alone. */
function openFolder(t: TestContext): string {
  const dir = tempFolder(t);
  chmodSync(dir, 0o755);
  return dir;
}

function judge(
  dir: string,
  more: { account?: Account | null; sandbox?: IsReadOnly | null; user?: number | null } = {},
) {
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

test("what systemd gives the relay to read only is a failure", async (t) => {
  const dir = openFolder(t);
  const only =
    (...readOnly: string[]): IsReadOnly =>
    async (path) =>
      readOnly.includes(path);
  const account = { ...stranger, uid: statSync(dir).uid };
  const { state, detail, advice } = await judge(dir, { account, sandbox: only(dir) });
  assert.deepEqual([state, detail], ["failed", `${dir} is read-only for the relay that runs under systemd`]);
  assert.match(advice!, /^systemctl edit wochit-relay: \[Service\] ReadWritePaths=/);
  const missing = join(dir, "new");
  assert.match((await judge(missing, { account, sandbox: only(dir) })).advice!, /^make it, then systemctl edit/);
  // That is the relay of another data folder.
  assert.equal((await judge(dir, { account, sandbox: only(dir, "/data") })).state, "ok");
});

test("the kernel is asked what a process sees in its sandbox", { skip: noMounts }, async (t) => {
  const dir = openFolder(t);
  const at = (name: string) => join(dir, name);
  for (const name of ["mine", "fixed", "hidden/inside", "fixed/but"]) mkdirSync(at(name), { recursive: true });
  // As ProtectSystem=, ReadWritePaths= and ProtectHome= of systemd do it.
  const script = `set -e; mount --bind fixed/but fixed/but; mount --bind fixed fixed; mount -o remount,bind,ro fixed
mount --bind mine fixed/but; mount -t tmpfs -o ro tmpfs hidden; echo ready; read end`;
  const sandboxed = spawn("unshare", ["-m", "sh", "-c", script], { cwd: dir, stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => sandboxed.stdin.end());
  await once(sandboxed.stdout, "data");
  writeFileSync(at("procs"), `${sandboxed.pid}\n`);
  const isReadOnly = (await findSandbox([at("none"), at("procs")]))!;
  for (const [name, expected] of Object.entries({
    mine: false,
    fixed: true,
    "fixed/but": false,
    "hidden/inside": true,
  })) {
    assert.equal(await isReadOnly(at(name)), expected, name);
  }
  assert.equal(await findSandbox([at("none")]), null);
});
