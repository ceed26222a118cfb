import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { type BackupPlaces, backupProcess, type RunBackup } from "../../src/backup/make.ts";
import { warnOfPublicBackups } from "../../src/backup/open.ts";
import { startBackups } from "../../src/backup/schedule.ts";
import { partOf } from "../../src/store/backup.ts";
import { openStore } from "../../src/store/open.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { testClock, testPorts } from "../support/ports.ts";
import { setClock } from "../support/set-clock.ts";
import { finish, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const HOUR = 3_600_000;
const MAIN = join(import.meta.dirname, "../../src/main.ts");
/** As selfCommand returns it for the program; here the main file is the test's. */
const SELF = { command: process.execPath, args: [...("Deno" in globalThis ? ["run", "-A"] : []), MAIN] };

type Wish = {
  every?: number;
  keep?: number;
  to?: "dir" | "target";
  run?: RunBackup;
  target?: Partial<BackupPlaces["target"]>;
};

async function settle(t: TestContext) {
  // In this order, also after a failure: what still runs ends, then its store, then its folder.
  const ends: (() => unknown)[] = [];
  t.after(async () => {
    for (const end of ends.reverse()) await end();
  });
  const config = configIn(tempFolder({ after: (end) => void ends.push(end as () => unknown) }));
  const clock = testClock();
  const ports = testPorts(clock);
  const store = await openStore(config, ports, { role: "relay" });
  ends.push(() => store.close());
  const ended = new AbortController();
  ends.push(() => ended.abort(new Error("the test has ended")));
  const dir = join(config.dataDir, "backups");
  const made: string[] = [];
  const run: RunBackup = async (file) => {
    made.push(file);
    writeFileSync(file, "a backup", { mode: 0o600 });
    return { bytes: 8, events: 0, newest: null, sha256: "ab" };
  };
  const start = (wish: Wish = {}) => {
    const backups = startBackups({
      config: { every: wish.every ?? HOUR, keep: wish.keep ?? 28, to: wish.to ?? "dir" },
      dataDir: config.dataDir,
      store,
      target: { put: async () => "stored", delete: async () => {}, ...wish.target },
      ports,
      run: wish.run ?? run,
    });
    ends.push(() => backups.stop());
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
  /** Waits while the clock goes on a little: a timer may be set late. */
  const until = (isSo: () => boolean) =>
    waitFor(async () => {
      if (!isSo()) await pass(1);
      return isSo();
    });
  const count = (n: number) => until(() => facts("backup made").length === n);
  return { config, clock, ports, store, dir, made, start, facts, pass, until, count, ends, ended: ended.signal };
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
  await store.backups.note({ ...own, planned: false });
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
  assert.deepEqual((await store.backups.list()).map(({ name }) => name).sort(), [own.name, ...made.slice(-2)].sort());
});

test("a failure is an error that says what and where, tried again after five minutes; old backups stay", async (t) => {
  const { start, pass, until, count, facts, dir, store } = await settle(t);
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
  // From here on the five minutes count, and not from the try itself.
  await until(() => facts("backup failed").length === 1);
  await pass(4 * 60_000);
  assert.equal(tries, 1);
  await pass(2 * 60_000);
  await waitFor(() => pass(1_000).then(() => tries === 2));
  const { level, fields } = facts("backup failed")[0]!;
  assert.equal(level, "error");
  assert.deepEqual([fields.to, fields.where, fields.error], ["dir", dir, "there is no room in /backups"]);
  const noted = await waitFor(() => store.backups.failed());
  assert.deepEqual([noted.error, noted.againAt - noted.at], ["there is no room in /backups", 5 * 60_000]);
  assert.equal(readdirSync(dir).length, 1);
});

test("to the target: the local file goes, what is beyond `keep` is removed there, and a failing upload leaves nothing", async (t) => {
  const { start, pass, count, dir, store, facts } = await settle(t);
  const kept = new Set<string>();
  let isDown = false;
  const target: BackupPlaces["target"] = {
    async put(key, file, { bytes, sha256 }) {
      assert.ok(existsSync(file));
      assert.deepEqual([bytes, sha256], [8, "ab"]);
      if (isDown) throw new Error("the bucket is away");
      kept.add(key);
      return "stored";
    },
    delete: async (key) => void kept.delete(key),
  };
  start({ to: "target", keep: 1, target });
  await pass(1);
  await count(1);
  // Its turn may end late, and only then is the next one set.
  const passUntil = <T>(fact: () => T) =>
    waitFor(async () => {
      await pass(60_000);
      return fact();
    });
  await passUntil(() => facts("backup made").length === 2);
  await waitFor(() => kept.size === 1);
  assert.deepEqual([...kept], [(await store.backups.last())?.name]);
  isDown = true;
  const failed = await passUntil(() => facts("backup failed")[0]);
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

test("a try that failed while the clock was ahead puts nothing off", async (t) => {
  const { start, pass, until, ports, facts, count } = await settle(t);
  const machine = setClock(ports.clock);
  ports.clock = machine;
  machine.setAhead(100 * HOUR);
  let isBroken = true;
  start({
    run: async (file) => {
      if (isBroken) throw new Error("there is no room");
      writeFileSync(file, "a backup");
      return { bytes: 8, events: 0, newest: null, sha256: "ab" };
    },
  });
  await pass(1);
  await until(() => facts("backup failed").length === 1);
  isBroken = false;
  machine.setAhead(0);
  await pass(10 * 60_000);
  await count(1);
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

test("where a backup is about to be is written down before it is begun, and no longer once it is noted", async (t) => {
  const { start, pass, count, dir, store } = await settle(t);
  const begun = async () =>
    (await store.backups.begun()).map(({ place, name }) => `${place} ${name.split("/").at(-1)}`);
  const seen: string[][] = [];
  start({
    to: "target",
    run: async (file) => {
      seen.push(await begun());
      writeFileSync(file, "a backup");
      return { bytes: 8, events: 0, newest: null, sha256: "ab" };
    },
    target: {
      put: async () => {
        seen.push(await begun());
        return "stored";
      },
    },
  });
  await pass(1);
  await count(1);
  await waitFor(async () => (await begun()).length === 0);
  const name = (await store.backups.last())!.name.split("/")[1]!;
  // In the target its name cannot be guessed.
  assert.match(name, /^relay-\d{8}T\d{6}Z-[0-9a-f]{8}\.db$/);
  assert.deepEqual(seen, [[`dir ${name}`], [`dir ${name}`, `target ${name}`]]);
  assert.deepEqual(readdirSync(dir), []);
});

test("what a killed relay has left of a backup is removed before the next begins: a file, half a file, a key", async (t) => {
  const { start, pass, dir, store, facts, clock } = await settle(t);
  mkdirSync(dir, { recursive: true });
  const whole = join(dir, "relay-20251231T000000Z.db");
  const half = join(dir, "relay-20251231T010000Z.db");
  const noted = join(dir, "relay-20251231T020000Z.db");
  for (const path of [whole, partOf(half), noted]) writeFileSync(path, "left");
  const bucket = new Set(["~backups/left.db", "~backups/good.db"]);
  await store.backups.note({
    at: clock.now() - 2 * HOUR,
    place: "dir",
    name: noted,
    bytes: 4,
    events: 0,
    newest: null,
    planned: true,
  });
  for (const name of [whole, half, noted]) await store.backups.begin({ place: "dir", name });
  await store.backups.begin({ place: "target", name: "~backups/left.db" });
  let found: string[] = [];
  let isDown = true;
  const target = {
    delete: async (key: string) => {
      if (isDown) throw new Error("the bucket is away");
      bucket.delete(key);
    },
  };
  const backups = start({
    target,
    run: async (file) => {
      found = readdirSync(dir);
      writeFileSync(file, "a backup");
      return { bytes: 8, events: 0, newest: null, sha256: "ab" };
    },
  });
  // What is left is removed first, which takes the disk's own time.
  await waitFor(() => pass(1).then(() => facts("backup made").length === 1));
  assert.deepEqual(found, [noted.split("/").at(-1)], "one that is noted is none of these");
  assert.equal(facts("what is left of a backup was not removed")[0]?.fields.name, "~backups/left.db");
  await waitFor(async () => (await store.backups.begun()).length === 1);
  await backups.stop();
  isDown = false;
  start({ target });
  await waitFor(async () => (await store.backups.begun()).length === 0);
  assert.deepEqual([...bucket], ["~backups/good.db"]);
});

test("a stop does not wait for a bucket that does not answer", async (t) => {
  const { start, pass, until, count, facts } = await settle(t);
  let asked = false;
  const backups = start({
    keep: 1,
    to: "target",
    target: {
      delete: (_, signal) =>
        new Promise((_, reject) => {
          asked = true;
          signal?.addEventListener("abort", () => reject(signal.reason));
        }),
    },
  });
  await pass(1);
  await count(1);
  await pass(HOUR + 60_000);
  await until(() => asked);
  let isStopped = false;
  void backups.stop().then(() => {
    isStopped = true;
  });
  await waitFor(() => isStopped);
  assert.deepEqual(facts("an old backup was not removed"), []);
});

test("backups in a target that has become public are an error, as long as they are there", async (t) => {
  const { store, clock, ports, facts } = await settle(t);
  const at = clock.now();
  for (const name of ["~backups/gone.db", "~backups/there.db"]) {
    await store.backups.note({ at, place: "target", name, bytes: 1, events: 0, newest: null, planned: true });
  }
  const said = () => facts("backups lie in a public target: anyone with their names can read every event; remove them");
  const target = { head: async (key: string) => (key.endsWith("there.db") ? { bytes: 1 } : null) };
  await warnOfPublicBackups(null, store, target, ports.log);
  assert.equal(said().length, 0);
  await warnOfPublicBackups("https://cdn.example.com", store, target, ports.log);
  assert.deepEqual(
    said().map(({ level, fields }) => [level, fields.count, fields.newest]),
    [["error", 1, "~backups/there.db"]],
  );
  assert.deepEqual(
    (await store.backups.list()).map(({ name }) => name),
    ["~backups/there.db"],
  );
});

test("a process that handles no signal is killed at once, and its half file is removed", async (t) => {
  const { config, dir } = await settle(t);
  mkdirSync(dir, { recursive: true });
  const program = join(config.dataDir, "deaf.mjs");
  writeFileSync(
    program,
    `import { writeFileSync } from "node:fs";
     import process from "node:process";
     process.on("SIGTERM", () => {});
     writeFileSync(process.argv[3].replace(/([^/]+)$/, ".$1.relay-part"), "half");
     for (;;);`,
  );
  const self = { command: process.execPath, args: [...SELF.args.slice(0, -1), program] };
  const stop = new AbortController();
  t.after(() => stop.abort());
  const file = join(dir, "a.db");
  const running = backupProcess(join(config.dataDir, "relay.db"), self)(file, stop.signal);
  running.catch(() => {});
  await waitFor(() => existsSync(partOf(file)));
  let outcome: unknown = null;
  running.catch((error) => {
    outcome = error;
  });
  stop.abort(new Error("the relay stops"));
  await waitFor(() => outcome);
  assert.equal(String(outcome), "Error: the relay stops");
  assert.deepEqual(readdirSync(dir), []);
});

/** Cuts a backup off that is half made. One that was whole before says nothing: once more. */
async function cutHalfway<T>(file: string, begin: (file: string) => { cut(): void; ended: Promise<T> }): Promise<T> {
  for (;;) {
    const { cut, ended } = begin(file);
    await waitFor(() => existsSync(file) || statSync(partOf(file), { throwIfNoEntry: false })?.size);
    cut();
    const outcome = await ended;
    if (!existsSync(file)) return outcome;
    rmSync(file);
  }
}

/** So much that a copy of it takes a while. */
function fill(database: string): void {
  const db = new Database(database);
  db.exec("CREATE TABLE filling (bytes BLOB)");
  db.exec(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150) INSERT INTO filling SELECT randomblob(500000) FROM n",
  );
  db.close();
}

test("the program's own process makes a whole backup, reports why it cannot, and ends at the signal", async (t) => {
  const { config, dir, store, ended } = await settle(t);
  const database = join(config.dataDir, "relay.db");
  const run = backupProcess(database, SELF);
  mkdirSync(dir);
  const file = join(dir, "a.db");
  const made = await run(file, ended);
  assert.equal(made.bytes, statSync(file).size);
  assert.match(made.sha256, /^[0-9a-f]{64}$/);
  assert.deepEqual([made.events, made.newest], [0, null]);
  const db = new Database(file, { readonly: true });
  assert.equal(db.pragma("integrity_check", { simple: true }), "ok");
  db.close();

  await assert.rejects(run(join(dir, "none", "a.db"), ended), { message: /^there is no folder .*none for the backup/ });
  await assert.rejects(backupProcess(database, { command: join(dir, "no-program"), args: [] })(file, ended), {
    message: /a process cannot be started/,
  });
  await store.close();
  fill(database);
  const outcome = await cutHalfway(join(dir, "b.db"), (file) => {
    const stop = new AbortController();
    const stopped = run(file, AbortSignal.any([stop.signal, ended]));
    return { cut: () => stop.abort(new Error("the relay stops")), ended: stopped.then(() => null, String) };
  });
  assert.equal(outcome, "Error: the relay stops");
  assert.deepEqual(readdirSync(dir), ["a.db"]);
});

test("the process ends, and leaves nothing, when the program that started it has ended", async (t) => {
  const { config, dir, store } = await settle(t);
  await store.close();
  mkdirSync(dir);
  const database = join(config.dataDir, "relay.db");
  fill(database);
  const file = join(dir, "a.db");
  const { code, stderr } = await cutHalfway(file, () => {
    const child = spawnCli(["backup", file, "--database", database, "--while-stdin", "--json"]);
    t.after(() => child.kill("SIGKILL"));
    return { cut: () => child.stdin!.end(), ended: finish(child) };
  });
  assert.match(stderr, /the program that started this one has ended/);
  assert.equal(code, 1);
  assert.deepEqual(readdirSync(dir), []);
});
