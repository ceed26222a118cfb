import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { openStore } from "../../src/store/open.ts";
import { configIn, endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { realPorts } from "../support/real-ports.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { makeTask, seedDead } from "../support/tasks.ts";
import { waitFor } from "../support/wait.ts";

const MANY = 300;

test("a relay that is killed in the middle of a task repeats and loses nothing of it", async (t) => {
  const dir = tempFolder(t);
  const port = await lastingPort();
  const config = configIn(dir, {
    server: { listen: `127.0.0.1:${port}` },
    mirror: { enabled: false },
    // Nothing is sent: what the task makes waits, and is counted.
    endpoints: [endpoint("app", { paused: true })],
  });
  const first = await openStore(config, realPorts(), { role: "relay" });
  await seedDead(first, MANY);
  const id = await makeTask(first, { verb: "replay", filter: { since: 0 } }, Date.now(), 20);
  await first.close();

  const relay = () => spawnServe({ configPath: join(dir, "config.json"), port });
  const store = await openStore(config, realPorts(), { role: "operator" });
  t.after(() => store.close());
  const doneBeyond = (least: number) => waitFor(async () => (await store.task(id)).done > least);
  for (let kills = 0, done = 0; kills < 3; kills++) {
    const process = relay();
    await doneBeyond(done);
    await process.kill();
    done = (await store.task(id)).done;
    assert.ok(done < MANY, "it was killed in the middle");
  }
  const last = relay();
  const task = await waitFor(async () => (await store.task(id)).endedAt !== null && store.task(id));
  assert.equal((await last.stop()).code, 0);
  assert.deepEqual([task.state, task.total, task.done, task.failed], ["done", MANY, MANY, 0]);
  const replays = (await store.deliveries({ limit: 10 * MANY })).filter(({ replay }) => replay);
  assert.equal(replays.length, MANY);
  assert.equal(new Set(replays.map(({ eventId }) => eventId)).size, MANY);
});
