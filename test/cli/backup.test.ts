import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";
import { after, type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { reprocess } from "../../src/actions/quarantine.ts";
import type { Config } from "../../src/config/schema.ts";
import { createAccept, createAcceptKept } from "../../src/receive/accept.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "../support/config.ts";
import { tempFolder, timeOfFiles } from "../support/folder.ts";
import { mountSmallDisk, noMounts } from "../support/mounts.ts";
import { realPorts } from "../support/real-ports.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, callJson, finish, runCli, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const ports = realPorts();

async function fill(config: Config, { events = 3, padding = 0 } = {}): Promise<void> {
  const store = await openStore(config, ports, { role: "relay" });
  const accept = createAccept({ store });
  const title = "x".repeat(padding);
  const event = (n: number) => Buffer.from(JSON.stringify({ type: "draft.new", wochitVideoId: `v${n}`, title }));
  await Promise.all(Array.from({ length: events }, (_, n) => accept(event(n), "192.0.2.1", ports.clock.now())));
  await store.close();
}

const once = mkdtempSync(join(tmpdir(), "wochit-relay-backup-"));
after(() => rmSync(once, { recursive: true, force: true }));
let made: Promise<string> | null = null;

/** Events of 20 kB. */
const LARGE = 2_500;

/** A data folder whose backup takes long enough to be interrupted, made once. */
function large(): Promise<string> {
  const config = configIn(once);
  made ??= fill(config, { events: LARGE, padding: 20_000 }).then(() => config.dataDir);
  return made;
}

/** A data folder with some events, and what the commands are given. */
async function settle(
  t: TestContext,
  { isLarge = false, ...options }: { isLarge?: boolean; events?: number; padding?: number } = {},
) {
  const dir = tempFolder(t);
  const config = configIn(dir);
  if (isLarge) cpSync(await large(), config.dataDir, { recursive: true });
  else await fill(config, options);
  const backups = join(dir, "backups");
  mkdirSync(backups);
  const flags = ["--config", join(dir, "config.json")];
  return { dir, config, backups, file: join(backups, "a.db"), flags, database: join(config.dataDir, "relay.db") };
}

function idsIn(path: string): number {
  const db = new Database(path, { readonly: true });
  try {
    assert.equal(db.pragma("integrity_check", { simple: true }), "ok");
    return db.prepare<[], { n: number }>("SELECT count(*) AS n FROM events").get()!.n;
  } finally {
    db.close();
  }
}

test("a backup without a relay is one whole file, the owner's alone, and the database knows of it", async (t) => {
  const { file, flags, config, backups } = await settle(t);
  const [made] = await callJson(["backup", file, ...flags]);
  assert.deepEqual(Object.keys(made), [
    "place",
    "name",
    "bytes",
    "at",
    "schema",
    "events",
    "newestEvent",
    "sha256",
    "ms",
  ]);
  assert.deepEqual([made.place, made.name, made.events], ["file", file, 3]);
  assert.equal(statSync(file).size, made.bytes);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(backups), ["a.db"]);
  assert.equal(idsIn(file), 3);
  const store = await openStore(config, ports, { role: "operator" });
  t.after(() => store.close());
  const last = await store.backups.last();
  assert.deepEqual(
    [last?.place, last?.name, last?.bytes, last?.events, last?.planned],
    ["file", file, made.bytes, 3, false],
  );
  assert.ok(Math.abs(last!.at - ports.clock.now()) < 60_000);
});

test("a backup beside a relay that writes holds all that was committed before, and is read where nothing can be written", async (t) => {
  const { file, flags, config, database } = await settle(t);
  // Another process, whose locks this one's files do not give up.
  const child = spawnCli(["serve", ...flags], {});
  const ended = finish(child);
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  await waitFor(() => existsSync(`${database}-wal`));
  const { code, stdout, stderr } = await callCli(["backup", file, ...flags]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    /^\/.*a\.db: 3 events, the newest of \d{4}-\d\d-\d\d [\d:]+Z, [\d.]+ KiB, checked, in \d+\.\d s\n$/,
  );
  assert.equal(readFileSync(file)[18], 1, "no log of its own");
  assert.equal(idsIn(file), 3);
  assert.equal(config.backup, null);
});

test("without a config, by --database, nothing is written to the database", async (t) => {
  const { file, config, database } = await settle(t);
  const before = readFileSync(database);
  const [made] = await callJson(["backup", file, "--database", database]);
  assert.equal(made.events, 3);
  assert.deepEqual(readFileSync(database), before);
  assert.deepEqual(
    readdirSync(config.dataDir).filter((name) => /-(wal|shm)$/.test(name)),
    [],
  );
});

test("a former backup is replaced; the database itself, links to it, folders and others' files are not", async (t) => {
  const { dir, file, flags, database, backups, config } = await settle(t);
  const refused = async (path: string, why: RegExp) => {
    const before = existsSync(path) && statSync(path).isFile() ? readFileSync(path) : null;
    const { code, stderr } = await callCli(["backup", path, ...flags]);
    assert.equal(code, 1, path);
    assert.match(stderr, why);
    assert.match(stderr, /^wochit-relay: [^\n]+\n$/);
    if (before !== null) assert.deepEqual(readFileSync(path), before);
  };
  await callJson(["backup", file, ...flags]);
  const first = statSync(file).ino;
  await callJson(["backup", file, ...flags]);
  assert.notEqual(statSync(file).ino, first);
  symlinkSync(file, join(backups, "newest.db"));
  await callJson(["backup", join(backups, "newest.db"), ...flags]);
  assert.equal(idsIn(file), 3);

  await refused(database, /is the database itself/);
  await refused(`${database}-wal`, /is the database itself/);
  symlinkSync(database, join(backups, "soft.db"));
  linkSync(database, join(backups, "hard.db"));
  symlinkSync(config.dataDir, join(dir, "elsewhere"));
  await refused(join(backups, "soft.db"), /is the database itself/);
  await refused(join(backups, "hard.db"), /is the database itself/);
  await refused(join(dir, "elsewhere", "relay.db"), /is the database itself/);
  await refused(backups, /is a folder/);
  await refused(
    join(dir, "none", "a.db"),
    /there is no folder .*none for the backup: make it, or name a file elsewhere/,
  );
  await refused(join(file, "a.db"), /\/a\.db (is no folder|cannot be used: ENOTDIR)/);
  symlinkSync(join(dir, "nowhere"), join(backups, "dangling.db"));
  await refused(join(backups, "dangling.db"), /a link that leads nowhere/);
  writeFileSync(join(backups, "notes.txt"), "mine");
  await refused(join(backups, "notes.txt"), /no backup of a relay: it is left as it is/);
  const other = new Database(join(backups, "other.db"));
  other.exec("CREATE TABLE a (b)");
  other.close();
  await refused(join(backups, "other.db"), /no backup of a relay/);

  // Another relay's database, whether that runs or not.
  const neighbour = await settle(t);
  await refused(neighbour.database, /is the database of another relay/);
});

test("wrong uses say what is right", async (t) => {
  const { file, flags, dir, database } = await settle(t);
  const says = async (args: string[], why: RegExp, code = 2) => {
    const said = await callCli(["backup", ...args]);
    assert.match(said.stderr, why);
    assert.equal(said.code, code);
  };
  await says([...flags], /FILE is missing/);
  await says(["", ...flags], /FILE is missing/);
  await says([file, "--to-target", ...flags], /not both/);
  await says(["--to-target", "--database", database], /--to-target needs a config/);
  await says([file, "--database", join(dir, "none.db")], /there is no database/, 1);
  writeFileSync(join(dir, "text.db"), "no database ".repeat(99));
  await says([file, "--database", join(dir, "text.db")], /not a database/, 1);
  writeFileSync(join(dir, "empty.db"), "");
  await says([file, "--database", join(dir, "empty.db")], /holds nothing yet/, 1);
  assert.equal(existsSync(file), false);
});

test("a damaged database gives no backup, and one line that says so", async (t) => {
  const { file, flags, database, backups } = await settle(t);
  const whole = readFileSync(database);
  const refused = async (why: RegExp) => {
    const { code, stderr } = await callCli(["backup", file, ...flags]);
    assert.equal(code, 1);
    assert.match(stderr, why);
    assert.match(stderr, /^wochit-relay: [^\n]+\n$/);
    assert.deepEqual(readdirSync(backups), []);
  };
  const db = new Database(database);
  db.unsafeMode();
  db.exec("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'media_due'");
  db.close();
  await refused(/the copy is damaged \(integrity_check: .*never used/);
  writeFileSync(database, whole.fill(0xff, 5 * 4096, 20 * 4096));
  await refused(/malformed/);
});

test("interrupted, it leaves no half file; killed, the next run clears what it left", async (t) => {
  const { file, flags, backups } = await settle(t, { isLarge: true });
  /** Ends a backup that is half made, by this signal. One that was whole before the signal came says nothing: once more. */
  const endHalfway = async (signal: "SIGINT" | "SIGKILL") => {
    for (;;) {
      const child = spawnCli(["backup", file, ...flags]);
      const ended = finish(child);
      await waitFor(() => readdirSync(backups).some((name) => statSync(join(backups, name)).size > 0));
      child.kill(signal);
      const result = await ended;
      if (!existsSync(file)) return result;
      rmSync(file);
    }
  };
  const { code, stderr } = await endHalfway("SIGINT");
  assert.deepEqual(readdirSync(backups), []);
  // Deno tells of a child that was sent a signal as if it had died of it.
  if (!("Deno" in globalThis)) assert.equal(code, 1, stderr);
  assert.match(stderr, /stopped by SIGINT/);

  await endHalfway("SIGKILL");
  assert.ok(readdirSync(backups).includes(".a.db.relay-part"));
  assert.equal((await callCli(["backup", file, ...flags])).code, 0);
  assert.deepEqual(readdirSync(backups), ["a.db"]);
  assert.equal(idsIn(file), LARGE);
});

/** As if nobody had touched it for so many seconds. */
function age(path: string, seconds: number): void {
  const then = timeOfFiles(dirname(path)) / 1000 - seconds;
  utimesSync(path, then, then);
}

test("what a killed run left under another name goes with the next backup; what is not ours, or at work, stays", async (t) => {
  const { file, flags, backups, config } = await settle(t, { isLarge: true });
  mkdirSync(join(config.dataDir, "media"));
  const part = join(backups, ".a.db.relay-part");
  /** A backup that is half made when it gets this signal. One that was whole before: once more. */
  const signaled = async (signal: NodeJS.Signals) => {
    for (;;) {
      const child = spawnCli(["backup", file, ...flags]);
      t.after(() => child.kill("SIGKILL"));
      const ended = finish(child);
      await waitFor(() => existsSync(file) || statSync(part).size > 2 ** 20);
      process.kill(child.pid!, signal);
      if (signal === "SIGKILL") await ended;
      if (!existsSync(file) && existsSync(part)) return { child, ended };
      child.kill("SIGCONT");
      await ended;
      rmSync(file);
    }
  };
  const next = async (name: string) => assert.equal((await callCli(["backup", join(backups, name), ...flags])).code, 0);

  await signaled("SIGKILL");
  age(part, 61);
  const others = [".notes.part", "plain.relay-part"].map((name) => join(backups, name));
  for (const path of others) {
    writeFileSync(path, "mine");
    age(path, 90_000);
  }
  await next("b.db");
  assert.deepEqual(readdirSync(backups).sort(), [...others.map((path) => basename(path)), "b.db"].sort());

  const slow = await signaled("SIGSTOP");
  age(part, 90_000);
  await next("b.db");
  assert.ok(existsSync(part), "it is at work");
  process.kill(slow.child.pid!, "SIGCONT");
  assert.equal((await slow.ended).code, 0);
  assert.equal(idsIn(file), LARGE);
});

test("what a killed run into the target left goes with the next backup of any kind; not while it is at work", async (t) => {
  const { flags, backups, config } = await settle(t, { isLarge: true });
  mkdirSync(join(config.dataDir, "media"));
  const folders = () => readdirSync(config.dataDir).filter((name) => name.startsWith(".backup-"));
  const inside = () => folders().flatMap((name) => readdirSync(join(config.dataDir, name)));
  /** A backup that stands still half made. One that was whole before: once more. */
  const stopped = async () => {
    for (;;) {
      const child = spawnCli(["backup", "--to-target", ...flags]);
      t.after(() => child.kill("SIGKILL"));
      let isOver = false;
      const ended = finish(child).finally(() => {
        isOver = true;
      });
      await waitFor(() => isOver || inside().some((name) => name.endsWith(".relay-part-journal")));
      if (!isOver) process.kill(child.pid!, "SIGSTOP");
      if (folders().length > 0) return { child, ended };
      child.kill("SIGCONT");
      await ended;
    }
  };
  const { child, ended } = await stopped();
  const [folder] = folders();
  const old = () => age(join(config.dataDir, folder!), 90_000);
  old();
  const next = async () => assert.equal((await callCli(["backup", join(backups, "b.db"), ...flags])).code, 0);
  await next();
  assert.deepEqual(folders(), [folder], "it is at work");
  child.kill("SIGKILL");
  await ended;
  writeFileSync(join(config.dataDir, folder!, "notes.txt"), "mine");
  old();
  await next();
  assert.deepEqual(folders(), [folder], "not all of it is ours");
  rmSync(join(config.dataDir, folder!, "notes.txt"));
  age(join(config.dataDir, folder!), 11);
  await next();
  assert.deepEqual(folders(), []);
});

test("a place that is read-only is said in words", { skip: noMounts }, async (t) => {
  const { dir, flags } = await settle(t);
  const disk = mountSmallDisk(join(dir, "small"), 2 ** 20);
  try {
    disk.readOnly(true);
    const { code, stderr } = await callCli(["backup", join(disk.dir, "a.db"), ...flags]);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^wochit-relay: the backup \S+a\.db was not made: \S+small is on a file system that is read-only; [^\n]*\n$/,
    );
  } finally {
    disk.unmount();
  }
});

test("two runs do not write to one file", async (t) => {
  const { file, flags, backups } = await settle(t);
  const other = new Database(join(backups, ".a.db.relay-part"));
  other.exec("CREATE TABLE a (b); BEGIN EXCLUSIVE");
  const { code, stderr } = await runCli(["backup", file, ...flags]);
  assert.equal(code, 1);
  assert.match(stderr, /is being written by another backup/);
  other.close();
  assert.equal((await callCli(["backup", file, ...flags])).code, 0);
});

test("a full disk is one line, and nothing is left", { skip: noMounts }, async (t) => {
  const { dir, flags } = await settle(t, { events: 100, padding: 20_000 });
  const disk = mountSmallDisk(join(dir, "small"), 2 ** 20);
  try {
    const { code, stderr } = await callCli(["backup", join(disk.dir, "a.db"), ...flags]);
    assert.equal(code, 1);
    assert.match(stderr, /^wochit-relay: the backup .*a\.db was not made: there is no room in .*small[^\n]*\n$/);
    assert.deepEqual(readdirSync(disk.dir), []);
  } finally {
    disk.unmount();
  }
});

const noRoot = process.getuid?.() === 0 ? false : "giving files away takes root's rights";

test("run by root it leaves nothing that the relay's user cannot use", { skip: noRoot }, async (t) => {
  const { file, flags, config, backups, dir } = await settle(t);
  const user = 12_345;
  for (const path of [
    config.dataDir,
    backups,
    ...readdirSync(config.dataDir).map((name) => join(config.dataDir, name)),
  ])
    chownSync(path, user, user);
  // A log that is in use, so that the command meets it, and leaves it to others.
  const reader = new Database(join(config.dataDir, "relay.db"));
  reader.exec("INSERT OR REPLACE INTO meta VALUES ('probe', x'01')");
  assert.equal((await runCli(["backup", file, ...flags])).code, 0);
  assert.equal((await runCli(["backup", "--to-target", ...flags])).code, 1, "the target's folder is not there yet");
  mkdirSync(join(config.dataDir, "media"));
  chownSync(join(config.dataDir, "media"), user, user);
  assert.equal((await runCli(["backup", "--to-target", ...flags])).code, 0);
  const foreign = spawnSync("find", [config.dataDir, backups, "!", "-uid", String(user)], { encoding: "utf8" });
  assert.equal(foreign.stdout, "");
  reader.close();
  assert.equal(statSync(dir).uid, 0);
});

test("into the target, below ~backups, which names the key; not into one that is public", async (t) => {
  const { dir, flags, config } = await settle(t);
  const media = join(config.dataDir, "media");
  mkdirSync(media);
  const [made] = await callJson(["backup", "--to-target", ...flags]);
  assert.match(made.name, /^~backups\/relay-\d{8}T\d{6}Z-[0-9a-f]{8}\.db$/);
  assert.equal(made.place, "target");
  assert.equal(idsIn(join(media, made.name)), 3);
  assert.deepEqual(
    readdirSync(config.dataDir).filter((name) => name.startsWith(".b")),
    [],
  );
  copyFileSync(join(dir, "config.json"), join(dir, "former.json"));
  writeFileSync(
    join(dir, "config.json"),
    JSON.stringify({ dataDir: config.dataDir, mirror: { publicBaseUrl: "https://cdn.example.com" } }),
  );
  const { code, stderr } = await callCli(["backup", "--to-target", ...flags]);
  assert.equal(code, 1);
  assert.match(stderr, /the mirror target is public .*name a FILE/);
});

test("two runs into the target keep out of each other's way; what killed ones left is cleared after an hour", async (t) => {
  const { flags, config } = await settle(t, { events: 1000, padding: 20_000 });
  mkdirSync(join(config.dataDir, "media"));
  const folders = ["old", "new"].map((name) => join(config.dataDir, `.backup-${name}000`));
  for (const folder of folders) mkdirSync(folder);
  writeFileSync(join(folders[0]!, ".relay-20260101T000000Z-00000000.db.relay-part"), "left");
  for (const [index, hours] of [2, 0].entries()) {
    const then = Date.now() / 1000 - hours * 3_600;
    utimesSync(folders[index]!, then, then);
  }
  const runs = await Promise.all([1, 2].map(() => runCli(["backup", "--to-target", ...flags])));
  assert.deepEqual(
    runs.map(({ code, stderr }) => [code, stderr]),
    [
      [0, ""],
      [0, ""],
    ],
  );
  assert.deepEqual(
    readdirSync(config.dataDir).filter((name) => name.startsWith(".b")),
    [".backup-new000"],
  );
});

test("on a terminal it shows how far it is, and leaves one line", async (t) => {
  const { file, flags } = await settle(t);
  const { code, stdout } = await callCli(["backup", file, ...flags], { width: 80 });
  assert.equal(code, 0);
  assert.equal(stdout.split("\n").length, 2);
});

test("the newest event of a backup is the one that was received last, not the one that was taken in last", async (t) => {
  const seeded = await openSeeded(t);
  const at = Date.now();
  await seeded.take(ready("v1"), at);
  const body = Buffer.from(JSON.stringify(ready("v2")));
  const refused = { receivedAt: at - 3_600_000, sourceAddress: "192.0.2.1", reason: "source" as const, body };
  const { id } = await seeded.store.quarantine(refused);
  await reprocess(seeded.store, createAcceptKept(seeded), id);
  const flags = ["--config", seeded.configPath];
  const [made] = await callJson(["backup", join(seeded.dir, "a.db"), ...flags]);
  assert.deepEqual([made.events, made.newestEvent], [2, new Date(at).toISOString()]);
  const [status] = await callJson(["status", ...flags]);
  assert.equal(status.lastEventAt, new Date(at).toISOString());
});
