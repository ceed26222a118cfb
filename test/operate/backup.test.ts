import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { backupProcess, type RunBackup } from "../../src/operate/backup/process.ts";
import { type BackupTarget, startBackups } from "../../src/operate/backup.ts";
import { systemClock } from "../../src/platform/runtime.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";

const HOUR = 3_600_000;
const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** As selfCommand tells it of the program; here the main file is the test's. */
const SELF = { command: process.execPath, args: [...("Deno" in globalThis ? ["run", "-A"] : []), MAIN] };

type Wish = { every?: number; keep?: number; to?: "dir" | "target"; run?: RunBackup; target?: Partial<BackupTarget> };

async function settle(t: TestContext) {
  const config = configIn(tempFolder(t));
  const clock = testClock();
  const ports = testPorts(clock);
  const store = await openStore(config, ports, { role: "relay" });
  t.after(() => store.close());
  const dir = join(config.dataDir, "backups");
  const made: string[] = [];
  const run: RunBackup = async (file) => {
    made.push(file);
    writeFileSync(file, "a backup", { mode: 0o600 });
    return { bytes: 8, at: clock.now(), events: 0, newest: null, sha256: "ab" };
  };
  const start = (wish: Wish = {}) => {
    const backups = startBackups({
      config: { every: wish.every ?? HOUR, keep: wish.keep ?? 28, to: wish.to ?? "dir" },
      dataDir: config.dataDir,
      store,
      target: { put: async (name) => name, remove: async () => {}, ...wish.target },
      ports,
      run: wish.run ?? run,
    });
    t.after(() => backups.stop());
    return backups;
  };
  const facts = (fact: string) => ports.log.facts.filter((one) => one.fact === fact);
  /** What the real disk does between two timers takes real time. */
  const pass = async (ms: number) => {
    for (let rest = ms; rest > 0; rest -= 60_000) {
      await clock.advance(Math.min(rest, 60_000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const count = (n: number) => waitFor(() => facts("backup made").length === n);
  return { config, clock, ports, store, dir, made, start, facts, pass, count };
}

test("the first one at once, then one a turn; the turn goes on over a restart", async (t) => {
  const { start, pass, count, made, facts, dir } = await settle(t);
  const backups = start();
  await pass(1);
  await count(1);
  await pass(HOUR - 120_000);
  assert.equal(made.length, 1);
  await backups.stop();
  start();
  await pass(60_000);
  assert.equal(made.length, 1);
  await pass(120_000);
  await count(2);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.deepEqual(Object.keys(facts("backup made")[0]!.fields), ["to", "name", "bytes", "events", "ms"]);
});

test("what is beyond `keep` goes after a success: only what it made by itself, never an operator's own", async (t) => {
  const { start, pass, count, made, dir, store, clock } = await settle(t);
  const own = { at: clock.now(), place: "file", name: join(dir, "own.db"), bytes: 1, events: 0, newest: null } as const;
  await store.noteBackup({ ...own, planned: false });
  mkdirSync(dir, { recursive: true });
  writeFileSync(own.name, "own");
  writeFileSync(join(dir, "relay-20200101T000000Z.db"), "another relay's, for all that is known");
  start({ keep: 2 });
  for (let n = 1; n <= 4; n++) {
    await pass(n === 1 ? 1 : HOUR + 60_000);
    await count(n);
  }
  await waitFor(() => readdirSync(dir).length === 4);
  assert.deepEqual(
    readdirSync(dir)
      .map((name) => join(dir, name))
      .sort(),
    [own.name, join(dir, "relay-20200101T000000Z.db"), ...made.slice(-2)].sort(),
  );
  assert.deepEqual((await store.backups()).map(({ name }) => name).sort(), [own.name, ...made.slice(-2)].sort());
});

test("a failure is an error that says what and where, tried again after five minutes; old backups stay", async (t) => {
  const { start, pass, count, facts, dir, store } = await settle(t);
  const first = start({ keep: 1 });
  await pass(1);
  await count(1);
  await first.stop();
  let tries = 0;
  start({
    keep: 1,
    run: async () => {
      tries++;
      throw new Error("there is no room in /backups");
    },
  });
  await pass(HOUR);
  await waitFor(() => tries === 1);
  await pass(4 * 60_000);
  assert.equal(tries, 1);
  await pass(2 * 60_000);
  await waitFor(() => tries === 2);
  const { level, fields } = facts("backup failed")[0]!;
  assert.equal(level, "error");
  assert.deepEqual([fields.to, fields.where, fields.error], ["dir", dir, "there is no room in /backups"]);
  assert.equal(readdirSync(dir).length, 1);
  assert.equal(facts("the last backup is old").length, 0);
  await pass(HOUR + 60_000);
  const old = await waitFor(() => facts("the last backup is old")[0]);
  assert.equal(old.level, "warn");
  assert.equal(old.fields.name, (await store.lastBackup())!.name);
});

test("to the target: the local file goes, what is beyond `keep` is removed there, and a failing upload leaves nothing", async (t) => {
  const { start, pass, count, dir, store, facts } = await settle(t);
  const kept = new Set<string>();
  let isDown = false;
  const target: BackupTarget = {
    async put(name, { file, bytes, sha256 }) {
      assert.ok(existsSync(file));
      assert.deepEqual([bytes, sha256], [8, "ab"]);
      if (isDown) throw new Error("the bucket is away");
      kept.add(`~backups/${name}`);
      return `~backups/${name}`;
    },
    remove: async (name) => void kept.delete(name),
  };
  start({ to: "target", keep: 1, target });
  await pass(1);
  await count(1);
  await pass(HOUR + 60_000);
  await count(2);
  await waitFor(() => kept.size === 1);
  assert.deepEqual([...kept], [(await store.lastBackup())?.name]);
  isDown = true;
  await pass(HOUR + 60_000);
  const failed = await waitFor(() => facts("backup failed")[0]);
  assert.deepEqual([failed.fields.where, failed.fields.error], ["mirror.target", "the bucket is away"]);
  assert.deepEqual(readdirSync(dir), []);
  assert.equal(kept.size, 1);
});

test("a clock that was set back puts nothing off, and makes no more of them", async (t) => {
  const { start, pass, count, clock, made } = await settle(t);
  const before = start();
  await pass(1);
  await count(1);
  await before.stop();
  clock.set(clock.now() - 100 * HOUR);
  start();
  await pass(120_000);
  await count(2);
  await pass(HOUR - 180_000);
  assert.equal(made.length, 2);
  await pass(180_000);
  await count(3);
});

test("a stop ends what is under way, and waits for its end", async (t) => {
  const { start, pass, facts } = await settle(t);
  let ended = false;
  const backups = start({
    run: (_, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () =>
          setTimeout(() => {
            ended = true;
            reject(signal.reason);
          }, 50),
        ),
      ),
  });
  await pass(1);
  await backups.stop();
  assert.ok(ended);
  assert.deepEqual(facts("backup failed"), []);
});

test("the program's own process makes a whole backup, says why it cannot, and ends when it is told to", async (t) => {
  const { config, dir } = await settle(t);
  const { after } = systemClock();
  const database = join(config.dataDir, "relay.db");
  const run = backupProcess(database, SELF, after);
  mkdirSync(dir);
  const file = join(dir, "a.db");
  const never = new AbortController().signal;
  const made = await run(file, never);
  assert.equal(made.bytes, statSync(file).size);
  assert.match(made.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual([made.events, made.newest], [0, null]);
  assert.ok(Math.abs(made.at - Date.now()) < 60_000);
  const db = new Database(file, { readonly: true });
  assert.equal(db.pragma("integrity_check", { simple: true }), "ok");
  db.close();

  await assert.rejects(run(join(dir, "none", "a.db"), never), { message: /^the folder .*none cannot be used/ });
  await assert.rejects(backupProcess(database, { command: join(dir, "no-program"), args: [] }, after)(file, never), {
    message: /the backup's process cannot be started/,
  });
  const stop = new AbortController();
  const stopped = run(join(dir, "b.db"), stop.signal);
  setTimeout(() => stop.abort(new Error("the relay stops")), 20);
  await assert.rejects(stopped, { message: "the relay stops" });
  assert.deepEqual(readdirSync(dir), ["a.db"]);
});
