import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { lockedNode, provideNode, stripsFor } from "../../scripts/build/base-node.ts";
import { findTarget, hostTarget } from "../../scripts/build/targets.ts";
import { buildBinary } from "../../scripts/build.ts";
import { tempFolder } from "../support/folder.ts";
import { mountSmallDisk, noMounts } from "../support/mounts.ts";
import { type Finished, finish, finishInTime } from "../support/spawn.ts";
import { wholeOnly } from "../support/whole.ts";

/** A user that no system knows. */
const NOBODY = 54_321;

const folder = tempFolder({ after: (clean) => process.once("exit", clean as () => void) });
const { binary, skip } = await build();
const asRoot = skip || (process.getuid?.() !== 0 && "only root can become another user");

async function build(): Promise<{ binary: string; skip: string | false }> {
  if (process.versions.deno !== undefined) return { binary: "", skip: "the binary is made by Node, and of Node" };
  if (wholeOnly) return { binary: "", skip: wholeOnly };
  try {
    return { binary: await buildBinary(hostTarget(), folder), skip: false };
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes("cannot be fetched")) throw error;
    return { binary: "", skip: `there is no Node to make a binary of: ${message}` };
  }
}

type Wish = { env?: Record<string, string>; cwd?: string; uid?: number };

/** Runs the binary with nothing of the test's own environment. */
function run(args: string[], { env = {}, cwd = folder, uid }: Wish = {}): Promise<Finished> {
  const child = spawn(binary, args, { cwd, env, ...(uid && { uid, gid: uid }) });
  return finishInTime(child);
}

/** A data folder in which a relay has run, and the rest of what a placement needs. */
async function place(t: TestContext, uid?: number) {
  const dir = tempFolder(t);
  const data = join(dir, "data");
  const config = join(dir, "config.json");
  writeFileSync(config, JSON.stringify({ dataDir: data }));
  const sqlite = await import("../../src/store/sqlite/files/database.ts");
  sqlite.makeFolder(data);
  sqlite.openDatabase(data, "relay").close();
  const cache = join(dir, "cache");
  mkdirSync(cache, { mode: 0o700 });
  chmodSync(dir, 0o755);
  const own = (...paths: string[]) => {
    for (const path of paths) if (uid) chownSync(path, uid, uid);
  };
  own(data, cache, ...readdirSync(data).map((name) => join(data, name)));
  /** `status` opens the database; there are no other folders than these to unpack to. */
  const status = (env: Record<string, string> = {}, who = uid) =>
    run(["status", "--config", config], {
      env: { XDG_CACHE_HOME: cache, TMPDIR: join(dir, "none"), ...env },
      uid: who,
    });
  return { dir, data, config, cache, native: join(data, ".native"), inCache: join(cache, "wochit-relay"), own, status };
}

function fails(finished: Finished): void {
  assert.equal(finished.code, 1);
  assert.match(finished.stderr, /^wochit-relay: SQLite's library cannot be unpacked in any of [^\n]+\n$/);
}

function works({ code, stdout, stderr }: Finished): void {
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^relay +none runs on /);
}

/** The addon in a folder, which is all that is there. */
function addonIn(dir: string): string {
  const names = readdirSync(dir);
  assert.equal(names.length, 1, names.join(", "));
  assert.match(names[0]!, /^sqlite-[0-9a-f]{16}\.node$/);
  return join(dir, names[0]!);
}

test("the binary says what it is made of, with nothing in its environment and nothing beside it", {
  skip,
}, async () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const locked = await lockedNode(findTarget(hostTarget()));
  const { code, stdout, stderr } = await run(["--version"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const words = `^wochit-relay ${version} \\(commit [0-9a-f]{7}(-dirty)?, Node ${locked.version}, SQLite 3\\.\\d+\\.\\d+\\)\n$`;
  assert.match(stdout, new RegExp(words));
  const most = stripsFor(findTarget(hostTarget())).length > 0 ? 110 : 130;
  assert.ok(statSync(binary).size < most * 2 ** 20, `${statSync(binary).size} bytes`);
});

test("the whole loop runs in the binary alone, and leaves nothing behind", { skip }, async (t) => {
  const cwd = tempFolder(t);
  const { code, stdout, stderr } = await run(["demo", "--exit"], { cwd, env: { TMPDIR: cwd, HOME: cwd } });
  assert.deepEqual([code, stderr], [0, ""], stdout);
  assert.match(stdout, /6 deliveries +signed, verified/);
  assert.deepEqual(readdirSync(cwd), []);
});

test("a working folder that is gone is one line", { skip }, async () => {
  const script = 'mkdir "$1/gone" && cd "$1/gone" && rmdir "$1/gone" && exec "$2" status';
  const { code, stderr } = await finish(spawn("/bin/sh", ["-c", script, "sh", folder, binary]));
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: ENOENT: [^\n]+\n$/);
});

test("what is meant for other Node programs does not reach the binary", { skip }, async () => {
  const env = { NODE_OPTIONS: "--require /nowhere.js --no-such-option" };
  const { code, stderr } = await run(["--version"], { env });
  assert.deepEqual([code, stderr], [0, ""]);
});

test("SIGUSR1 opens no debugger", { skip: skip || (process.platform === "win32" && "a signal of Unix") }, async (t) => {
  const dir = tempFolder(t);
  const config = join(dir, "config.json");
  writeFileSync(config, JSON.stringify({ dataDir: "data", server: { listen: "127.0.0.1:0" } }));
  const child = spawn(binary, ["serve", "--config", config], { cwd: dir, env: {} });
  const ended = finish(child);
  await new Promise<void>((listening) => {
    child.stdout.on("data", (chunk: Buffer) => chunk.includes('"listening"') && listening());
  });
  child.kill("SIGUSR1");
  await new Promise((later) => setTimeout(later, 300));
  const answer = await new Promise<string>((resolve) => {
    const socket = connect(9229, "127.0.0.1");
    socket.once("connect", () => resolve("somebody listens"));
    socket.once("error", () => resolve("nobody listens"));
    t.after(() => socket.destroy());
  });
  child.kill("SIGTERM");
  const { code, stderr } = await ended;
  assert.deepEqual([answer, code, stderr], ["nobody listens", 0, ""]);
});

test("eight cold starts at once unpack one whole addon, for their user alone", { skip }, async (t) => {
  const { native, status } = await place(t);
  for (const finished of await Promise.all(Array.from({ length: 8 }, () => status()))) works(finished);
  const { uid, mode } = lstatSync(native);
  assert.deepEqual([uid, mode & 0o777], [process.getuid!(), 0o700]);
  const before = lstatSync(addonIn(native));
  works(await status());
  assert.equal(lstatSync(addonIn(native)).ino, before.ino, "it is unpacked once");
});

test("a damaged addon is replaced before it is loaded", { skip }, async (t) => {
  const { native, status } = await place(t);
  works(await status());
  const whole = readFileSync(addonIn(native));
  writeFileSync(addonIn(native), whole.subarray(0, 1_000_000));
  works(await status());
  assert.ok(readFileSync(addonIn(native)).equals(whole));
  // What is no file is not waited for.
  const path = addonIn(native);
  rmSync(path);
  spawnSync("mkfifo", ["-m", "600", path]);
  works(await status());
  assert.ok(lstatSync(path).isFile());
});

test("the folders are tried in order, and one line names them all when none will do", { skip }, async (t) => {
  const { dir, data, native, inCache, status } = await place(t);
  const wished = join(dir, "wished");
  writeFileSync(native, "in the way");
  works(await status());
  addonIn(inCache);
  works(await status({ WOCHIT_RELAY_NATIVE_DIR: wished }));
  addonIn(wished);
  works(await status({ CACHE_DIRECTORY: dir, XDG_CACHE_HOME: "" }));
  addonIn(join(dir, "native"));

  const finished = await status({
    XDG_CACHE_HOME: join(data, "relay.db"),
    WOCHIT_RELAY_NATIVE_DIR: join(dir, "no", "where"),
  });
  fails(finished);
  for (const named of [
    `${join(dir, "no", "where")} (`,
    `${native} (it is no folder)`,
    join(data, "relay.db"),
    join(dir, "none"),
  ]) {
    assert.ok(finished.stderr.includes(named), `${named} in ${finished.stderr}`);
  }
  assert.match(finished.stderr, /; set WOCHIT_RELAY_NATIVE_DIR to a folder /);
});

test("nothing is unpacked or loaded through a symbolic link, nor where others may write", { skip }, async (t) => {
  const { dir, native, inCache, status } = await place(t);
  const elsewhere = join(dir, "elsewhere");
  mkdirSync(elsewhere, { mode: 0o700 });
  symlinkSync(elsewhere, native);
  works(await status());
  assert.deepEqual(readdirSync(elsewhere), []);
  const refused = await status({ XDG_CACHE_HOME: join(dir, "no", "where") });
  assert.ok(refused.stderr.includes(`${native} (it is a symbolic link)`), refused.stderr);
  const addon = addonIn(inCache);

  const moved = join(dir, "moved.node");
  renameSync(addon, moved);
  symlinkSync(moved, addon);
  works(await status());
  assert.ok(lstatSync(addonIn(inCache)).isFile());

  chmodSync(inCache, 0o770);
  fails(await status());
});

test("where programs must not be run from the data folder the next one is taken", {
  skip: skip || noMounts,
}, async (t) => {
  const { data, dir, config, cache, inCache } = await place(t);
  const disk = mountSmallDisk(join(dir, "disk"), 64 * 2 ** 20);
  try {
    assert.equal(spawnSync("mount", ["-o", "remount,noexec", disk.dir]).status, 0);
    const there = join(disk.dir, "data");
    spawnSync("cp", ["-r", data, there]);
    writeFileSync(config, JSON.stringify({ dataDir: there }));
    const noOther = { TMPDIR: disk.dir, HOME: disk.dir };
    works(await run(["status", "--config", config], { env: { ...noOther, XDG_CACHE_HOME: cache } }));
    addonIn(inCache);

    const finished = await run(["status", "--config", config], { env: noOther });
    fails(finished);
    assert.ok(finished.stderr.includes(`${join(there, ".native")} (failed to map segment`), finished.stderr);
  } finally {
    disk.unmount();
  }
});

test("an unknown user without a home needs the data folder and nothing else", { skip: asRoot }, async (t) => {
  const { native, status } = await place(t, NOBODY);
  chmodSync(folder, 0o755);
  works(await status({ XDG_CACHE_HOME: "" }));
  const { uid, mode } = lstatSync(native);
  assert.deepEqual([uid, mode & 0o777], [NOBODY, 0o700]);
});

test("a home that cannot be written to is passed over", { skip: asRoot }, async (t) => {
  const { dir, native, own, status } = await place(t, NOBODY);
  const home = join(dir, "home");
  mkdirSync(home, { mode: 0o500 });
  own(home);
  writeFileSync(native, "in the way");
  const tmp = join(dir, "tmp");
  mkdirSync(tmp);
  chmodSync(tmp, 0o1777);
  works(await status({ XDG_CACHE_HOME: "", HOME: home, TMPDIR: tmp }));
  addonIn(join(tmp, `wochit-relay-${NOBODY}`));
});

test("what belongs to another user is neither loaded nor added to, by root too", { skip: asRoot }, async (t) => {
  const { data, dir, native, inCache, status } = await place(t, NOBODY);
  const roots = join(dir, "roots");
  mkdirSync(roots);
  works(await status({ WOCHIT_RELAY_NATIVE_DIR: roots }, 0));
  const addon = addonIn(roots);
  fails(await status({}, 0));
  assert.deepEqual(readdirSync(data).sort(), ["relay.db"]);

  // The relay's user has put one there that would do; but it could put another one in its place.
  works(await status());
  addonIn(native);
  fails(await status({}, 0));
  // And the other way round: what root owns nobody else can change.
  works(await status({ WOCHIT_RELAY_NATIVE_DIR: roots }));
  chownSync(addon, NOBODY + 1, NOBODY + 1);
  chmodSync(addon, 0o644);
  fails(await status({ WOCHIT_RELAY_NATIVE_DIR: roots }, 0));
  assert.throws(() => lstatSync(inCache));
});

test("a Node that is not the one of the lock file is refused", { skip }, async (t) => {
  const target = findTarget(hostTarget());
  const locked = await lockedNode(target);
  await assert.rejects(
    provideNode(target, { ...locked, integrity: "sha512-another" }, tempFolder(t)),
    ({ message }: Error) => /^node-[^\n]+ is not what package-lock\.json names: sha512-[^\n]+$/.test(message),
  );
});

test("an unknown target is a usage error that names the valid ones", { skip }, async () => {
  const { code, stdout, stderr } = await finish(spawn(process.execPath, ["scripts/build.ts", "--target", "linux-x46"]));
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(stderr, 'build: unknown target "linux-x46": linux-x64, linux-arm64, win-x64, macos\n');
});
