import assert from "node:assert/strict";
import { test } from "node:test";
import Database from "better-sqlite3";
import { databaseOf } from "../../../src/store/backup.ts";
import { openStore } from "../../../src/store/open.ts";
import { bench, plain } from "../../contracts/store.ts";
import { openOfMany } from "../../contracts/store-breaker.ts";
import { configIn } from "../../support/config.ts";
import { tempFolder } from "../../support/folder.ts";
import { testClock, testPorts } from "../../support/ports.ts";

test("a breaker that closes writes some of a backlog, and each claim some more", async (t) => {
  const clock = testClock();
  const config = configIn(tempFolder(t), plain({ concurrency: 4, retry: ["1h"] }));
  const store = await openStore(config, testPorts(clock), { role: "relay" });
  t.after(() => store.close());
  const at = bench(store, clock, config, () => Promise.reject(new Error("it is opened once")));
  const probe = await openOfMany(at, 600);
  const db = new Database(databaseOf(config.dataDir), { readonly: true });
  t.after(() => db.close());
  const due = () => db.prepare("SELECT count(*) FROM deliveries WHERE due = ?").pluck().get(clock.now());
  assert.equal((await at.deliver(probe)).breaker, "closed");
  const seen = [due()];
  for (let more = true; more; seen.push(due())) {
    const { isMore = false } = await store.claimDeliveries({
      endpoint: "cms",
      now: clock.now(),
      limit: 1,
      leaseFor: 1_000,
    });
    more = isMore;
  }
  // One of them is under way.
  assert.deepEqual(seen, [250, 499, 598]);
});
