import assert from "node:assert/strict";
import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { openStore } from "../../../src/store/open.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testPorts } from "../../support/ports.ts";

/** A relay's store with one event in its log, which is then deleted, beside a command that has the database open. */
async function loseLog(t: TestContext, { isReading }: { isReading: boolean }) {
  const dir = tempFolder(t);
  const config = configIn(dir);
  const ports = testPorts();
  const store = await openStore(config, ports, { role: "relay", onLost: () => {} });
  const post = (id: string) => {
    const body = Buffer.from(JSON.stringify({ type: "video.delete", wochitVideoId: id }));
    return store.accept({ receivedAt: ports.clock.now(), sourceAddress: "192.0.2.1", body });
  };
  const path = join(config.dataDir, "relay.db");
  const command = new Database(path);
  t.after(() => command.close());
  // It has the log open from now on.
  command.exec(isReading ? "BEGIN; SELECT 1 FROM events" : "SELECT 1 FROM events");
  await post("v1");
  rmSync(`${path}-wal`);
  await assert.rejects(post("v2"), { code: "store_unavailable" });
  await store.close();
  /** What is left when all processes are gone at once: the database alone. */
  const eventsLeft = () => {
    copyFileSync(path, join(dir, "left.db"));
    const left = new Database(join(dir, "left.db"));
    const { n } = left.prepare<[], { n: number }>("SELECT count(*) AS n FROM events").get()!;
    left.close();
    return n;
  };
  return { eventsLeft, facts: ports.log.facts };
}

test("what a deleted log holds is in the database when the store is closed, though a command has it open", async (t) => {
  const { eventsLeft, facts } = await loseLog(t, { isReading: false });
  assert.equal(eventsLeft(), 1);
  assert.ok(!facts.some(({ fact }) => fact.startsWith("the deleted write-ahead log")));
});

test("a deleted log that cannot be moved, because a command reads from it, is an error in the log", async (t) => {
  const { facts } = await loseLog(t, { isReading: true });
  const [said] = facts.filter(({ fact }) => fact.startsWith("the deleted write-ahead log was not saved"));
  assert.deepEqual(said?.fields, { error: "another process reads from it" });
});
