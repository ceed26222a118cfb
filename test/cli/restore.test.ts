import assert from "node:assert/strict";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { gunzipSync } from "node:zlib";
import Database from "better-sqlite3";
import type { ConfigInput } from "../../src/config/schema.ts";
import type { AuditEntry } from "../../src/model/audit.ts";
import { openStore } from "../../src/store/open.ts";
import { VIDEO, withStage } from "../e2e/stage.ts";
import { configIn, freshConfigIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";
import { endpointTo, type RelayInFolder } from "../support/relay-in-folder.ts";
import { callCli, callJson, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const ports = realPorts();

/** A backup, and an empty data folder with a config of its own. */
async function settle(t: TestContext, input: ConfigInput = {}) {
  const dir = tempFolder(t);
  mkdirSync(join(dir, "former"));
  const former = configIn(join(dir, "former"));
  const store = await openStore(former, ports, { role: "relay" });
  const epoch = await store.epoch();
  await store.backups.note({
    at: 1,
    place: "dir",
    name: "/backups/former.db",
    bytes: 1,
    events: 0,
    newest: null,
    planned: true,
  });
  const now = ports.clock.now();
  const login = { token: "admin", mark: "0123", address: "127.0.0.1", createdAt: now, expiresAt: now + 3_600_000 };
  await store.beginSession({ ...login, hash: "a1" });
  await store.close();
  const file = join(dir, "a.db");
  await callJson(["backup", file, "--database", join(former.dataDir, "relay.db")]);
  const config = freshConfigIn(dir, input);
  return { dir, file, epoch, former, config, flags: ["--config", join(dir, "config.json")] };
}

test("a backup gets the place of a database that is not there: the folder 0700, the file 0600, a new epoch", async (t) => {
  const { file, flags, config, epoch } = await settle(t);
  mkdirSync(config.dataDir, { mode: 0o755 });
  const before = readFileSync(file);
  const { code, stdout, stderr } = await callCli(["restore", file, ...flags]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(
    stdout,
    /relay\.db: 0 events, .*checked.*\nbackups that were made before are not known to it: .*backup\.keep says\nstart the relay; copies of media are not in a backup: "media verify --mend" .* \(into an empty folder only once any file is put there/,
  );
  assert.equal(statSync(config.dataDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(config.dataDir, "relay.db")).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(config.dataDir).sort(), ["relay.db", "relay.lock"]);
  assert.deepEqual(readFileSync(file), before);
  const store = await openStore(config, ports, { role: "relay" });
  t.after(() => store.close());
  assert.deepEqual(await store.sessions(), [], "logins of before have ended");
  assert.match(epoch, /^[0-9a-f]{32}$/);
  assert.notEqual(await store.epoch(), epoch);
  assert.equal(await store.epoch(), await store.epoch());
  assert.deepEqual(await store.backups.list(), [], "the former life's backups are not this one's to remove");
});

test("it refuses, in one line, whatever would lose something", async (t) => {
  const { dir, file, flags, config, former } = await settle(t);
  const { dataDir } = config;
  const refused = async (given: string, why: RegExp, code = 1) => {
    const { stderr, ...said } = await callCli(["restore", given, ...flags]);
    assert.match(stderr, why);
    assert.match(stderr, /^wochit-relay: [^\n]+\n$/);
    assert.equal(said.code, code);
    assert.equal(existsSync(join(dataDir, ".relay.db.relay-part")), false);
  };
  await refused(join(dir, "none.db"), /there is no file/);
  await refused(dir, /is no file/);
  writeFileSync(join(dir, "notes.txt"), "mine");
  await refused(join(dir, "notes.txt"), /not a database of wochit-relay/);
  const newer = join(dir, "newer.db");
  copyFileSync(file, newer);
  const db = new Database(newer);
  db.pragma("user_version = 99");
  db.close();
  await refused(newer, /newer\.db has schema 99, this program knows \d+; run the newer wochit-relay/);
  const damaged = join(dir, "damaged.db");
  writeFileSync(damaged, readFileSync(file).fill(0xff, 3 * 4096, 20 * 4096));
  await refused(damaged, /damaged\.db (is damaged|was not restored)/);
  writeFileSync(damaged, readFileSync(file));
  const unsound = new Database(damaged);
  unsound.unsafeMode();
  unsound.exec("PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'media_due'");
  unsound.close();
  await refused(damaged, /damaged\.db is damaged \(integrity_check/);
  const cut = join(dir, "cut.db");
  writeFileSync(cut, readFileSync(file).subarray(0, 9 * 4096));
  await refused(cut, /cut\.db is damaged/);
  copyFileSync(file, join(dir, "open.db"));
  writeFileSync(join(dir, "open.db-wal"), "something");
  await refused(join(dir, "open.db"), /open\.db-wal is beside it: make a backup of it first/);
  assert.equal(existsSync(join(dataDir, "relay.db")), false);

  for (const trace of ["relay.db-wal", "relay.db-shm", "relay.db"]) {
    writeFileSync(join(dataDir, trace), "a trace");
    await refused(file, new RegExp(`${trace} is there: restore into an empty data folder`));
    assert.equal(readFileSync(join(dataDir, trace), "utf8"), "a trace");
    rmSync(join(dataDir, trace));
  }
  const running = await openStore(config, ports, { role: "relay" });
  rmSync(join(dataDir, "relay.db"));
  for (const end of ["-wal", "-shm"]) rmSync(join(dataDir, `relay.db${end}`), { force: true });
  const beside = await runCli(["restore", file, ...flags]);
  assert.match(beside.stderr, /another wochit-relay is running with dataDir/);
  await running.close();
  assert.equal(existsSync(join(former.dataDir, "relay.db")), true);
});

test("the audit of what is restored says who restored it, and from what", async (t) => {
  const { file, flags, config } = await settle(t);
  assert.equal((await callCli(["restore", file, ...flags])).code, 0);
  const store = await openStore(config, ports, { role: "relay" });
  t.after(() => store.close());
  const [{ through, by, verb, subject, outcome }, ...others] = (await store.audit({ limit: 9 })) as [AuditEntry];
  assert.deepEqual([through, verb, subject, outcome], ["cli", "restore", file, "done"]);
  assert.match(by, /^(uid \d|a user)/);
  assert.ok(others.every((entry: AuditEntry) => entry.verb !== "restore"));
  await store.pauseEndpoint("app", "a test", Date.now());
  await store.noteDeed({ through: "cli", by: "x" }, { verb: "doctor", subject: null, count: null, outcome: "done" });
  assert.equal((await store.audit({ limit: 1 }))[0]!.verb, "doctor");
});

test("a backup of an older schema is restored, and migrated at the next start", async (t) => {
  const { dir, flags, config } = await settle(t);
  const old = join(dir, "old.db");
  writeFileSync(old, gunzipSync(readFileSync(join(import.meta.dirname, "../fixtures/databases/schema-1.db.gz"))));
  const { code, stdout } = await callCli(["restore", old, ...flags]);
  assert.equal(code, 0);
  assert.match(stdout, /6 events.*\nits schema is 1: the next start makes it \d+\n/);
  const store = await openStore(config, ports, { role: "relay" });
  t.after(() => store.close());
  assert.equal((await store.counts()).events, 6);
  assert.match(await store.epoch(), /^[0-9a-f]{32}$/);
});

const noRoot = process.getuid?.() === 0 ? false : "giving files away takes root's rights";

test("run by root, what it makes belongs to the folder's owner", { skip: noRoot }, async (t) => {
  const { file, flags, config } = await settle(t);
  mkdirSync(config.dataDir);
  chownSync(config.dataDir, 12_345, 12_346);
  assert.equal((await callCli(["restore", file, ...flags])).code, 0);
  for (const name of readdirSync(config.dataDir)) {
    const { uid, gid } = statSync(join(config.dataDir, name));
    assert.deepEqual([uid, gid], [12_345, 12_346], name);
  }
});

test("run by root, it makes nothing through a link that the folder's owner has put in the lock's place", {
  skip: noRoot,
}, async (t) => {
  const { dir, file, flags, config } = await settle(t);
  mkdirSync(config.dataDir);
  chownSync(config.dataDir, 12_345, 12_346);
  const elsewhere = join(dir, "of-root");
  symlinkSync(elsewhere, join(config.dataDir, "relay.lock"));
  const { code, stderr } = await callCli(["restore", file, ...flags]);
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: .*relay\.lock is a link: nothing is done with it[^\n]*\n$/);
  assert.equal(existsSync(elsewhere), false);
  writeFileSync(elsewhere, "", { mode: 0o644 });
  assert.equal((await callCli(["restore", file, ...flags])).code, 1);
  assert.deepEqual([statSync(elsewhere).uid, statSync(elsewhere).mode & 0o777], [0, 0o644]);
});

test("a target is in the data folder only where its path is", async (t) => {
  const dir = tempFolder(t);
  const { file } = await settle(t);
  const config = freshConfigIn(dir, { mirror: { target: { type: "local", dir: join(dir, "data2") } } });
  assert.ok(`${dir}/data2`.startsWith(config.dataDir), "else this says nothing");
  const { stdout } = await callCli(["restore", file, "--config", join(dir, "config.json")]);
  assert.match(stdout, /\nstart the relay: it goes on with what was not done\n$/);
});

test("from the target, by its name; without a name it says where to look", async (t) => {
  const dir = tempFolder(t);
  const media = join(dir, "copies");
  mkdirSync(media);
  const config = freshConfigIn(dir, { mirror: { target: { type: "local", dir: media } } });
  const flags = ["--config", join(dir, "config.json")];
  await (await openStore(config, ports, { role: "relay" })).close();
  const [made] = await callJson(["backup", "--to-target", ...flags]);
  rmSync(config.dataDir, { recursive: true });
  const { code, stderr } = await callCli(["restore", "--from-target", ...flags]);
  assert.equal(code, 2);
  assert.match(stderr, /^wochit-relay: FILE is missing: name one of the backups in the folder \S+copies [^\n]*\n$/);
  assert.deepEqual((await callCli(["restore", "--from-target", "", ...flags])).stderr, stderr);
  for (const name of ["../x", "a/b", "~backups/", ".x", "a b"]) {
    const no = await callCli(["restore", "--from-target", name, ...flags]);
    assert.equal(no.code, 2);
    assert.match(
      no.stderr,
      /^wochit-relay: ".*" is no name of a backup in the target, like ~backups\/relay-\S+\.db: "restore --from-target" without/,
    );
  }
  const wrong = await callCli(["restore", "--from-target", "relay-0.db", ...flags]);
  assert.match(wrong.stderr, /the target has no ~backups\/relay-0\.db/);
  // Nothing is fetched for a folder that takes nothing.
  writeFileSync(join(config.dataDir, "relay.db-wal"), "a trace");
  const taken = await callCli(["restore", "--from-target", "relay-0.db", ...flags]);
  assert.match(taken.stderr, /relay\.db-wal is there: restore into an empty data folder/);
  rmSync(join(config.dataDir, "relay.db-wal"));
  writeFileSync(join(media, "~backups", "notes.db"), "no database ".repeat(99));
  const strange = await callCli(["restore", "--from-target", "notes.db", ...flags]);
  assert.match(strange.stderr, /^wochit-relay: ~backups\/notes\.db is not a database of wochit-relay\n$/);
  const [restored] = await callJson(["restore", "--from-target", made.name.replace("~backups/", ""), ...flags]);
  assert.equal(restored.bytes, made.bytes);
  assert.deepEqual(readdirSync(config.dataDir).sort(), ["relay.db", "relay.lock"]);
});

test("without a name, the backups in the target are listed, newest first, and no more than twenty", async (t) => {
  const dir = tempFolder(t);
  const media = join(dir, "copies");
  mkdirSync(media);
  const config = freshConfigIn(dir, { mirror: { target: { type: "local", dir: media } } });
  const flags = ["--config", join(dir, "config.json")];
  const list = async () => {
    const { code, stdout, stderr } = await callCli(["restore", "--from-target", ...flags]);
    assert.equal(code, 2);
    return { lines: stdout.split("\n").slice(1, -1), stderr };
  };
  assert.match((await list()).stderr, /FILE is missing, and there is no backup in the folder/);
  mkdirSync(join(media, "~backups"));
  const names = Array.from({ length: 22 }, (_, n) => `relay-202601${String(n + 1).padStart(2, "0")}T030000Z.db`);
  for (const name of names) writeFileSync(join(media, "~backups", name), "x".repeat(2048));
  const { lines, stderr } = await list();
  assert.equal(lines.length, 20);
  assert.match(lines[0]!, /^~backups\/relay-20260122T030000Z\.db +2\.0 KiB +2026-01-22 03:00:00Z$/);
  assert.match(lines[19]!, /20260103T030000Z/);
  assert.match(stderr, /\(2 older ones are not shown\)/);
  rmSync(media, { recursive: true });
  assert.match((await list()).stderr, /cannot be listed: .*copies, where copies are kept, is gone/);
  assert.equal(existsSync(config.dataDir), false);
});

test("a data folder that can be none is one line that names it", async (t) => {
  const { dir, file } = await settle(t);
  writeFileSync(join(dir, "text"), "mine");
  symlinkSync(join(dir, "nowhere"), join(dir, "dangling"));
  for (const dataDir of ["text", "text/a/b", "dangling", "dangling/a"]) {
    const path = join(dir, "other.json");
    writeFileSync(path, JSON.stringify({ dataDir: join(dir, dataDir) }));
    const { code, stderr } = await callCli(["restore", file, "--config", path]);
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`^wochit-relay: [^\\n]+${dataDir}[^\\n]+\\n$`));
  }
});

const TALKS = ["app", "late"];

test("after the machine has burned, all that was acknowledged before the backup is there, and unfinished work goes on", async () => {
  const endpoints = (app: string) => TALKS.map((id) => endpointTo(`${app}/${id}`, { id, retry: ["100ms", "1h"] }));
  await withStage({ endpoints }, async ({ provider, relay, app, send, delivery }) => {
    const run = (...args: string[]) => callJson([...args, "--config", relay.configPath]);
    const folder = relay.config.dataDir;
    const file = join(relay.dir, "backup.db");
    // Everything is done for the first; of the second the bytes are in the spool, and its target takes nothing yet.
    app.answer(({ path }) => (path === "/late" ? 503 : 200));
    const linksOf = (id: string) => ({
      videoUrl: provider.addVideo(id).link(),
      thumbnailUrl: provider.addThumbnail(id).link(),
    });
    const first = await send("video.ready", linksOf(VIDEO));
    await delivery(first.id, "/app");
    // The next attempt is far away.
    await waitFor(async () => (await run("deliveries", "list", "--endpoint", "late"))[0].attempts === 2);
    const media = join(folder, "media");
    rmSync(media, { recursive: true });
    writeFileSync(media, "in the way of every copy");
    const second = await send("video.ready", { videoId: "v2", ...linksOf("v2") });
    await waitFor(async () => (await run("status"))[0].uploads === 2);
    // Another process: the one that has the database open in this one must not lose its locks.
    const made = await runCli(["backup", file, "--json", "--config", relay.configPath]);
    assert.equal(made.code, 0, made.stderr);
    assert.equal(JSON.parse(made.stdout).events, 2);

    // What comes after the backup is not in it: a third event, the second one's copy, its delivery.
    rmSync(media);
    await relay.restart();
    for (const { id } of await run("media", "list", "--video-id", "v2")) await run("media", "retry", id);
    const third = await send("video.delete", { videoId: "v3" });
    await delivery(second.id, "/app");
    await delivery(third.id, "/app");
    await burn(relay, file);
    assert.deepEqual(readdirSync(folder).sort(), ["relay.db", "relay.lock"]);
    const seen = app.requests.length;
    app.answer(200);
    await relay.restart();

    const again = await delivery(second.id, "/app", 1);
    assert.equal(again.json.relay.media.video.status, "mirrored");
    assert.ok(app.requests.indexOf(again) >= seen, "under the same webhook-id, once more");
    const events = await run("events", "list");
    assert.deepEqual(
      events.map(({ id }) => id),
      [second.id, first.id],
    );
    const copies = await run("media", "list");
    assert.deepEqual(copies.map(({ videoId, kind, state }) => [videoId, kind, state]).sort(), [
      [VIDEO, "thumbnail", "mirrored"],
      [VIDEO, "video", "mirrored"],
      ["v2", "thumbnail", "mirrored"],
      ["v2", "video", "mirrored"],
    ]);
    // The first one's copy burned with the folder; that is said, and mended.
    const verified = await callCli(["media", "verify", "--mend", "--config", relay.configPath]);
    assert.match(verified.stdout, /2 good, 2 missing\n2 queued/);
    await waitFor(async () => (await callCli(["media", "verify", "--config", relay.configPath])).code === 0);
    // What was on its way to an app that was down goes on, too; on a slow machine a notice of its copies comes after it.
    const arrivedLate = () => run("deliveries", "list", "--endpoint", "late", "--state", "delivered");
    await waitFor(async () => (await arrivedLate()).some(({ eventId }) => eventId === second.id));
    const [late] = await run("deliveries", "list", "--endpoint", "late", "--state", "pending");
    assert.equal(late.eventId, first.id);
    await run("deliveries", "retry", late.id);
    assert.ok(await delivery(first.id, "/late"));
    const fourth = await send("video.delete", { videoId: "v3" });
    assert.ok(fourth.id > third.id, "ids repeat none that was given before");
    const [before, after] = [third, fourth].map(({ id }) => id.slice(15));
    assert.notEqual(before, after, "an event of the same millisecond has another id");
    const { code, stderr } = await callCli(["events", "show", third.id, "--config", relay.configPath]);
    assert.deepEqual([code, stderr], [1, `wochit-relay: no event "${third.id}"\n`]);
    await delivery(fourth.id, "/app");
  });
});

/** Ends the relay, removes its data folder, and puts the backup in its place. */
async function burn(relay: RelayInFolder, file: string): Promise<void> {
  const folder = relay.config.dataDir;
  await relay.stop();
  rmSync(folder, { recursive: true });
  const { code, stderr } = await callCli(["restore", file, "--config", relay.configPath]);
  assert.equal(code, 0, stderr);
}
