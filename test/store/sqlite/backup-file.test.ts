import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Database from "better-sqlite3";
import { partOf } from "../../../src/store/backup.ts";
import { copyDatabase } from "../../../src/store/copy-database.ts";
import { openStore } from "../../../src/store/open.ts";
import { makeFile } from "../../../src/store/sqlite/backup/file.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { realPorts } from "../../support/real-ports.ts";
import { waitFor } from "../../support/wait.ts";

const { clock, ...ports } = realPorts();

test("another run takes nobody's copy for one that was left behind, however long it is looked at", async (t) => {
  const config = configIn(tempFolder(t));
  const store = await openStore(config, { clock, ...ports }, { role: "relay" });
  await store.close();
  const dir = tempFolder(t);
  const file = join(dir, "relay-20260101T000000Z.db");
  const others: Promise<void>[] = [];
  const other = async (name: string) => {
    // It has been at it for long.
    utimesSync(partOf(file), 1_000_000_000, 1_000_000_000);
    await makeFile(join(dir, name), () => Promise.reject(new Error("ends"))).catch(() => {});
  };
  const copied = await copyDatabase(join(config.dataDir, "relay.db"), file, {
    clock,
    withHash: true,
    onProgress({ step, done, total }) {
      if (step !== "checking" || done < total) return;
      others.push(
        other("a.db"),
        new Promise((resolve) => setImmediate(resolve)).then(() => other("b.db")),
      );
    },
  });
  await Promise.all(others);
  assert.equal(others.length, 2);
  assert.deepEqual(readdirSync(dir), ["relay-20260101T000000Z.db"]);
  assert.match(copied.sha256!, /^[0-9a-f]{64}$/);
});

test("a run whose name is taken meanwhile leaves nothing", async (t) => {
  const dir = tempFolder(t);
  const file = join(dir, "a.db");
  await assert.rejects(
    makeFile(file, async () => mkdirSync(file)),
    { code: "EISDIR" },
  );
  assert.deepEqual(readdirSync(dir), ["a.db"]);
});

test("what a killed run of 0.2.0 left goes, too", async (t) => {
  const dir = tempFolder(t);
  for (const name of [".relay-20260101T000000Z.db.part", ".notes.part"]) {
    writeFileSync(join(dir, name), "half");
    utimesSync(join(dir, name), 1_000_000_000, 1_000_000_000);
  }
  await makeFile(join(dir, "a.db"), async () => {});
  assert.deepEqual(readdirSync(dir).sort(), [".notes.part", "a.db"]);
});

test("a run whose file was taken away ends, and leaves the other's alone", async (t) => {
  const dir = tempFolder(t);
  const file = join(dir, "a.db");
  const first = makeFile(file, () => makeFile(file, async ({ temp }) => writeFileSync(temp, "whole")));
  await assert.rejects(first, { code: "conflict" });
  assert.equal(existsSync(file), true);
});

test("a copy knows nothing of what its relay was making just then", async (t) => {
  const config = configIn(tempFolder(t));
  const store = await openStore(config, { clock, ...ports }, { role: "relay" });
  const file = join(config.dataDir, "copy.db");
  await store.backups.begin({ place: "dir", name: file });
  await store.close();
  await copyDatabase(join(config.dataDir, "relay.db"), file, { clock });
  const db = new Database(file, { readonly: true });
  t.after(() => db.close());
  const row = db.prepare<[], { value: Uint8Array }>("SELECT value FROM meta WHERE name = 'backups-begun'").get();
  assert.equal(Buffer.from(row!.value).toString(), "[]");
  await waitFor(() => existsSync(file));
});
