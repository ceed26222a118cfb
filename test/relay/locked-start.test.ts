import assert from "node:assert/strict";
import { test } from "node:test";
import { request } from "undici";
import { openStore } from "../../src/store/open.ts";
import { openDatabase } from "../../src/store/sqlite/files/database.ts";
import { configIn } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { holdDatabase } from "../support/hold-database.ts";
import { realPorts } from "../support/real-ports.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { waitFor } from "../support/wait.ts";

test("a command that closes the database just then keeps no relay from opening it", async (t) => {
  const config = configIn(tempFolder(t));
  await (await openStore(config, realPorts(), { role: "relay" })).close();
  await holdDatabase(t, config.dataDir, 300);
  // Before it a start looks whether to migrate, and waits there, too.
  openDatabase(config.dataDir, "relay").close();
});

test("a relay whose database is held for long stands by, and takes events once it is free", async (t) => {
  const relay = await startRelay();
  t.after(() => relay.close());
  await relay.stop();
  const holder = await holdDatabase(t, relay.config.dataDir, 600_000);
  await relay.restart();
  const ready = async () => {
    const answer = await request(`${relay.url}/readyz`);
    await answer.body.dump();
    return answer.statusCode;
  };
  assert.equal(await ready(), 503);
  holder.kill("SIGKILL");
  await waitFor(async () => (await ready()) === 200);
});
