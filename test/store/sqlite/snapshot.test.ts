import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { openStore } from "../../../src/store/open.ts";
import { settingsOf } from "../../../src/store/settings.ts";
import { openSqliteStore } from "../../../src/store/sqlite/open.ts";
import { testPorts } from "../../support/ports.ts";
import { openSeeded, ready } from "../../support/seeded.ts";

/** A delivery, and a store beside the relay's that reads it while `commit` changes both of the tables that it is in. */
async function openBeside(t: TestContext, isBeside: boolean) {
  const { config, store, take, deliver } = await openSeeded(t);
  await take(ready("v1"));
  await deliver("app", "retry");
  const [delivery] = await store.deliveries({ limit: 1, endpoint: "app" });
  const opening = { dataDir: config.dataDir, settings: settingsOf(config), isBeside };
  const beside = await openSqliteStore(opening, testPorts(), { role: "operator" });
  const writer = new Database(join(config.dataDir, "relay.db"));
  t.after(async () => {
    writer.close();
    await beside.close();
  });
  writer.pragma("synchronous = OFF");
  const count = writer.prepare("UPDATE deliveries SET attempts = attempts + 1, claims = claims + 1");
  const log = writer.prepare(
    "INSERT INTO attempts (delivery, n, started_at, duration) SELECT id, claims + 1000, 1, 1 FROM deliveries",
  );
  const commit = writer.transaction(() => {
    count.run();
    log.run();
  });
  return { beside, commit, id: delivery!.id, config };
}

for (const isBeside of [false, true]) {
  const who = isBeside ? "the thread that reads" : "a command";
  test(`a read of several statements by ${who} sees one commit, and the next read sees what came since`, async (t) => {
    const { beside, commit, id } = await openBeside(t, isBeside);
    const read = async () => {
      const { attempts, attemptLog } = await beside.delivery(id);
      return [attempts, attemptLog.length];
    };
    assert.deepEqual(await read(), [1, 1]);
    const reading = read();
    let commits = 0;
    // Between the statements, which are a turn of the microtasks apart.
    for (; commits < 20; commits++) {
      commit();
      await null;
    }
    const [attempts, logged] = await reading;
    assert.equal(attempts, logged);
    assert.deepEqual(await read(), [1 + commits, 1 + commits]);
  });
}

test("reads of one turn share a snapshot, one that fails too; the log is moved when they have ended", async (t) => {
  const { beside, commit, id } = await openBeside(t, true);
  const all = [beside.delivery(id), beside.delivery("dlv_none"), beside.checkpoint(), beside.delivery(id)];
  const states = (await Promise.allSettled(all)).map(({ status }) => status);
  assert.deepEqual(states, ["fulfilled", "rejected", "fulfilled", "fulfilled"]);
  commit();
  assert.equal((await beside.delivery(id)).attempts, 2);
});

test("a command reads and writes in turn", async (t) => {
  const { beside, id, config } = await openBeside(t, false);
  await Promise.all([beside.delivery(id), beside.cancelDelivery(id, 1), beside.delivery(id)]);
  const again = await openStore(config, testPorts(), { role: "operator" });
  t.after(() => again.close());
  assert.equal((await again.delivery(id)).state, "canceled");
});
