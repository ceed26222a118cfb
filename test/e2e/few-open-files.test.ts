import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Agent, request } from "undici";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { listen } from "../support/listen.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

const OPEN_FILES = 64;
const CONNECTIONS = 80;
const DELIVERIES = 100;

test("where few files may be open, events that come on more connections than that do not stop deliveries", {
  skip: process.platform === "win32",
}, async (t) => {
  let delivered = 0;
  const app = createServer((_, response) => {
    delivered++;
    response.end();
  });
  const { url } = await listen(t, app);
  const port = await lastingPort();
  const configPath = join(tempFolder(t), "config.json");
  const config = {
    dataDir: "data",
    admin: null,
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    endpoints: [{ id: "app", url, secret: SECRET }],
  };
  writeFileSync(configPath, JSON.stringify(config));
  const relay = spawnServe({ configPath, port, openFiles: OPEN_FILES });
  t.after(() => relay.kill());
  await relay.ready();

  // A connection that waits for a file is given up soon.
  const dispatcher = new Agent({ connections: CONNECTIONS, pipelining: 1, headersTimeout: 2_000 });
  let isOver = false;
  let accepted = 0;
  const postAll = async (sender: number) => {
    for (let n = 0; !isOver; n++) {
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${sender}-${n}` });
      const post = { method: "POST", body, dispatcher } as const;
      try {
        const answer = await request(`http://127.0.0.1:${port}/webhooks/wochit`, post);
        await answer.body.dump();
        if (answer.statusCode === 200) accepted++;
      } catch {
        // Its connection was closed: the sender tries again.
        await sleep(20);
      }
    }
  };
  const posting = Array.from({ length: CONNECTIONS }, (_, sender) => postAll(sender));
  try {
    await waitFor(() => delivered >= DELIVERIES);
    assert.ok(accepted > 0);
  } finally {
    isOver = true;
    await Promise.all(posting);
    await dispatcher.destroy();
  }
  assert.equal((await relay.stop()).code, 0);
});
