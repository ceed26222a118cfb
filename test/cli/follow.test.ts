import assert from "node:assert/strict";
import { copyFileSync, existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { databaseOf } from "../../src/store/backup.ts";
import { openSeeded, ready, type Seeded } from "../support/seeded.ts";
import { callCli, callJson, finish, jsonLines, runCli, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const flags = ({ configPath }: Seeded) => ["--config", configPath];

/** `events list --follow --json` as a process, and the ids that it has printed. */
function startFollow(t: TestContext, seeded: Seeded, options: string[] = []) {
  const child = spawnCli(["events", "list", "--follow", "--json", ...options, ...flags(seeded)]);
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  const rows = () => jsonLines(text.slice(0, text.lastIndexOf("\n") + 1));
  const ids = () => rows().map(({ id }) => id as string);
  const ended = finish(child);
  t.after(() => child.kill("SIGKILL"));
  return {
    ids,
    rows,
    printed: (wanted: string[]) => waitFor(() => ids().length >= wanted.length),
    async stop(signal: NodeJS.Signals = "SIGTERM") {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}

async function takeMany(seeded: Seeded, count: number, video = "v1"): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(await seeded.take({ type: "draft.update", wochitVideoId: video, n }));
  return ids;
}

test("what --follow does not go with is refused by its own name", async (t) => {
  const seeded = await openSeeded(t);
  const refusal = async (...options: string[]) => {
    const { code, stderr } = await runCli(["events", "list", "--follow", ...options, ...flags(seeded)]);
    assert.equal(code, 2);
    return stderr;
  };
  assert.match(await refusal("--title", "abc"), /, not with --title \(/);
  assert.match(await refusal("--since", "1h", "--limit", "3"), /--since, or --limit/);
});

test("the newest are shown, the oldest of them first, then what comes, until the command is stopped", async (t) => {
  const seeded = await openSeeded(t);
  const ids = await takeMany(seeded, 12);
  const all = startFollow(t, seeded);
  const some = startFollow(t, seeded, ["--video-id", "v2", "--limit", "5"]);
  await all.printed(ids.slice(2));
  assert.deepEqual(all.ids(), ids.slice(2));
  const others = await takeMany(seeded, 3, "v2");
  await Promise.all([all.printed([...ids.slice(2), ...others]), some.printed(others)]);
  assert.deepEqual(all.ids(), [...ids.slice(2), ...others]);
  assert.deepEqual(some.ids(), others);
  assert.deepEqual(all.rows().slice(-1), await callJson(["events", "list", "--limit", "1", ...flags(seeded)]));
  const { code, stderr } = await all.stop();
  // Of a child that it has signaled Deno says that the signal ended it, whatever its exit code was.
  const ends = "Deno" in globalThis ? [0, null] : [0];
  assert.equal(stderr, "");
  assert.ok(ends.includes(code), `it ended with ${code}`);
  assert.ok(ends.includes((await some.stop("SIGINT")).code));
});

test("with a cursor file each event comes once, also without the relay, and after a kill from where it is", async (t) => {
  const seeded = await openSeeded(t);
  const file = join(seeded.dir, "seen");
  const ids = await takeMany(seeded, 15);
  const first = startFollow(t, seeded, ["--cursor-file", file]);
  await first.printed(ids);
  assert.deepEqual(first.ids(), ids, "without a file it begins with the oldest");
  await waitFor(() => existsSync(file));
  await first.stop();

  ids.push(...(await takeMany(seeded, 3)));
  const second = startFollow(t, seeded, ["--cursor-file", file]);
  await second.printed(ids.slice(15));
  const before = readFileSync(file, "utf8");
  ids.push(...(await takeMany(seeded, 3)));
  await second.printed(ids.slice(15));
  assert.deepEqual(second.ids(), ids.slice(15));
  await waitFor(() => readFileSync(file, "utf8") !== before);
  await second.stop("SIGKILL");

  await seeded.store.close();
  const third = startFollow(t, seeded, ["--cursor-file", file]);
  const fourth = startFollow(t, seeded, ["--since", "1h"]);
  await fourth.printed(ids);
  assert.deepEqual(fourth.ids(), ids);
  await third.stop();
  // A cursor is saved behind what was printed: after the kill something may come again, but nothing is left out.
  assert.deepEqual(third.ids(), ids.slice(ids.length - third.ids().length));
});

test("after a restore the cursor of a file has expired; a database that is replaced meanwhile ends the command", async (t) => {
  const seeded = await openSeeded(t);
  const file = join(seeded.dir, "seen");
  const ids = await takeMany(seeded, 3);
  const database = databaseOf(seeded.config.dataDir);
  const backup = join(seeded.dir, "b.db");
  await callJson(["backup", backup, ...flags(seeded)]);
  const follow = startFollow(t, seeded, ["--cursor-file", file]);
  await follow.printed(ids);
  await waitFor(() => existsSync(file));
  copyFileSync(database, `${database}.copy`);
  renameSync(`${database}.copy`, database);
  const ended = await follow.ended;
  assert.equal(ended.code, 1);
  assert.match(ended.stderr, /^wochit-relay: .*relay\.db was deleted or replaced; run this command again\n$/);

  await seeded.store.close().catch(() => {});
  rmSync(seeded.config.dataDir, { recursive: true });
  await callJson(["restore", backup, ...flags(seeded)]);
  const command = ["events", "list", "--follow", "--json", "--cursor-file", file, ...flags(seeded)];
  const again = await runCli(command);
  assert.deepEqual([again.code, again.stdout], [1, ""]);
  assert.match(again.stderr, /^wochit-relay: the database was restored.*: begin again/);
});

test("without --json it is a table, whose lines come as the events do; it ends with its reader", async (t) => {
  const seeded = await openSeeded(t);
  const [id] = await takeMany(seeded, 1);
  const list = ["events", "list", "--follow", ...flags(seeded)];
  const { code, stdout } = await callCli(list, { drained: async () => false });
  const [titles, row] = stdout.split("\n");
  assert.equal(code, 0);
  assert.match(titles!, /^ID +RECEIVED +TYPE +VIDEO/);
  assert.match(row!, new RegExp(`^${id} +\\S.* draft\\.update +v1`));
});

test("options that do not go with --follow are refused, by their names", async (t) => {
  const seeded = await openSeeded(t);
  await seeded.take(ready("v1"));
  const refused = async (...options: string[]) => {
    const { code, stderr } = await callCli(["events", "list", ...options, ...flags(seeded)]);
    assert.equal(code, 2, options.join(" "));
    return stderr;
  };
  assert.match(await refused("--follow", "--until", "1h"), /not with --until/);
  assert.match(await refused("--follow", "--context-missing"), /not with --context-missing/);
  assert.match(await refused("--follow", "--before", "evt_1"), /not with --before/);
  assert.match(await refused("--cursor-file", "x"), /--cursor-file goes with --follow/);
});

test("deliveries list --follow shows what is made, and how each attempt ends, also of what waited already", async (t) => {
  const seeded = await openSeeded(t);
  const seen = (options: string[]) => {
    const child = spawnCli(["deliveries", "list", "--follow", "--json", ...options, ...flags(seeded)]);
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
    });
    const ended = finish(child);
    t.after(() => child.kill("SIGKILL"));
    const rows = () =>
      jsonLines(text.slice(0, text.lastIndexOf("\n") + 1)).map(({ videoId, state }) => `${videoId} ${state}`);
    return { rows, shows: (wanted: string[]) => waitFor(() => rows().join() === wanted.join()), child, ended };
  };
  await seeded.take(ready("v0"));
  await seeded.deliver("app", "delivered");
  await seeded.deliver("archive", "dead");
  for (const id of ["v1", "v2", "v3"]) await seeded.take({ type: "draft.new", wochitVideoId: id });
  const all = seen(["--limit", "1", "--endpoint", "app"]);
  const dead = seen(["--limit", "1", "--state", "dead"]);
  // Both are at it before anything happens.
  await all.shows(["v3 pending"]);
  await dead.shows(["v0 dead"]);
  await seeded.deliver("app", "retry");
  await all.shows(["v3 pending", "v1 pending", "v2 pending", "v3 pending"]);
  await seeded.take({ type: "draft.new", wochitVideoId: "v4" });
  await all.shows(["v3 pending", "v1 pending", "v2 pending", "v3 pending", "v4 pending"]);
  await seeded.deliver("app", "dead");
  await all.shows(["v3 pending", "v1 pending", "v2 pending", "v3 pending", "v4 pending", "v4 dead"]);
  await dead.shows(["v0 dead", "v4 dead"]);
  // Deno reports a child that its own `kill` has ended as ended by the signal.
  process.kill(all.child.pid!, "SIGTERM");
  assert.equal((await all.ended).code, 0);
  const { code, stderr } = await runCli(["deliveries", "list", "-f", "--since", "1h", ...flags(seeded)]);
  assert.deepEqual([code, /not with --since/.test(stderr)], [2, true]);
});

test("--limit 0 begins with what comes", async (t) => {
  const seeded = await openSeeded(t);
  await takeMany(seeded, 3);
  const cursor = join(seeded.dir, "cursor");
  const none = startFollow(t, seeded, ["--limit", "0", "--cursor-file", cursor]);
  await waitFor(() => existsSync(cursor));
  const [next] = await takeMany(seeded, 1);
  await none.printed([next!]);
  assert.deepEqual(none.ids(), [next]);
});
