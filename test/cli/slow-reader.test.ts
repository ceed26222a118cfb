import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { databaseOf } from "../../src/store/backup.ts";
import { openFile } from "../../src/store/sqlite/files/driver.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { callCli, finish, jsonLines, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** More rows than one page of the store has, and than a pipe holds. */
const EVENTS = 2_100;

async function openMany(t: Pick<TestContext, "after">) {
  const seeded = await openSeeded(t, { endpoints: [] });
  const take = (_: unknown, n: number) => seeded.take(ready(`video-${n}`, { title: "t".repeat(200) }));
  const ids = await Promise.all(Array.from({ length: EVENTS }, take));
  const list = ["events", "list", "--limit", "1000000", "--config", seeded.configPath];
  return { ...seeded, ids: ids.reverse(), list };
}

const idsIn = (text: string) => jsonLines(text).map(({ id }) => id as string);

test("a reader that pauses gets every line, and only then the command ends", async (t) => {
  const { list, ids } = await openMany(t);
  const child = spawnCli([...list, "--json"]);
  const ended = new Promise((resolve) => child.once("close", resolve));
  // The pause is the input: longer than a program might wait for its reader.
  await sleep(4_000);
  let text = "";
  child.stdout?.on("data", (chunk) => {
    text += chunk;
  });
  assert.equal(await ended, 0);
  assert.deepEqual(idsIn(text), ids);
});

test("a list holds few rows, and no read transaction, while its reader pauses", async (t) => {
  const { list, ids, config, store } = await openMany(t);
  let goOn = (_: boolean) => {};
  let given = 0;
  const reader = new Promise<boolean>((resolve) => {
    goOn = resolve;
  });
  const drained = (_: string, bytes: number) => {
    given = bytes;
    return bytes > 100_000 ? reader : Promise.resolve(true);
  };
  const listed = callCli([...list, "--json"], { drained });
  await waitFor(() => given > 100_000);
  await store.probe();
  const beside = openFile(databaseOf(config.dataDir), { timeout: 0 });
  t.after(() => beside.close());
  beside.prepare("SELECT 1 FROM events").get();
  // What is in the log can only be taken out of it when nobody reads an older state (sqlite.org/wal.html#ckpt).
  assert.deepEqual(beside.pragma("wal_checkpoint(TRUNCATE)"), [{ busy: 0, log: 0, checkpointed: 0 }]);
  assert.ok(given < 110_000, `${given} bytes were written to a reader that pauses`);
  goOn(true);
  assert.deepEqual(idsIn((await listed).stdout), ids);
});

test("a reader that has gone ends a list, quietly", async (t) => {
  const { list } = await openMany(t);
  const child = spawnCli([...list, "--json"]);
  child.stdout?.once("data", () => child.stdout?.destroy());
  const { code, stderr } = await finish(child);
  assert.deepEqual([code, stderr], [0, ""]);
  let asked = 0;
  const drained = async () => ++asked < 10;
  const { stdout } = await callCli([...list, "--json"], { drained });
  assert.equal(stdout.trimEnd().split("\n").length, 10);
});

test("a long table comes in blocks that line up, each row once", async (t) => {
  const { list, ids, take } = await openMany(t);
  let blocks = 0;
  const drained = async (name: string) => {
    if (name === "stdout") blocks++;
    return true;
  };
  const { stdout } = await callCli(list, { drained });
  assert.equal(blocks, 2);
  const [titles, ...rows] = stdout.trimEnd().split("\n");
  assert.deepEqual(
    rows.map((row) => row.split(" ")[0]),
    ids,
  );
  const column = titles!.indexOf("VIDEO");
  assert.ok(rows.every((row) => row.slice(column).startsWith("video-")));
  // What is wider than all of the first block stands out where there is no terminal, and is cut where there is one.
  const wide = "w".repeat(60);
  await take(ready(wide), 1);
  assert.match((await callCli(list)).stdout, new RegExp(`  ${wide}  `));
  const { stdout: terminal } = await callCli(list, { width: 150, env: { NO_COLOR: "1" } });
  assert.ok(terminal.split("\n").every((line) => line.length <= 150));
});
