import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { lastingPort } from "../support/serve-process.ts";
import { spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("a log without a reader costs no event: the relay takes events, answers, and ends in time at SIGTERM", async (t) => {
  const config = join(tempFolder(t), "config.json");
  const listen = `127.0.0.1:${await lastingPort()}`;
  writeFileSync(
    config,
    JSON.stringify({ dataDir: "data", admin: null, server: { listen }, receive: { allowFrom: ["127.0.0.1"] } }),
  );
  const child = spawnCli(["serve", "--config", config]);
  t.after(() => child.kill("SIGKILL"));
  const health = async () => (await fetch(`http://${listen}/healthz`)).status;
  await waitFor(async () => (await health()) === 200);

  let taken = 0;
  const postSome = async (sender: number) => {
    for (let n = 0; n < 250; n++) {
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${sender}-${n}`, title: "x" });
      const answer = await fetch(`http://${listen}/webhooks/wochit`, {
        method: "POST",
        body,
        signal: AbortSignal.timeout(60_000),
      });
      if (answer.status === 200) taken++;
      await answer.arrayBuffer();
    }
  };
  await Promise.all([1, 2, 3, 4].map(postSome));
  assert.equal(taken, 1_000);
  assert.equal(await health(), 200);

  // It is read only once the process has ended: what it then held back is gone with it.
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve([code, signal])));
  process.kill(child.pid!, "SIGTERM");
  const late = setTimeout(() => child.kill("SIGKILL"), 60_000);
  assert.deepEqual(await ended, [0, null]);
  clearTimeout(late);
});
