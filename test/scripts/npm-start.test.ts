import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { lastingPort } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

const ROOT = join(import.meta.dirname, "../..");

test("npm start: SIGTERM to npm ends the relay, and npm with it", async (t) => {
  const config = join(tempFolder(t), "config.json");
  const listen = `127.0.0.1:${await lastingPort()}`;
  writeFileSync(config, JSON.stringify({ dataDir: "data", server: { listen } }));
  // A group of its own, so that nothing is left of it when the test fails.
  const npm = spawn("npm", ["start", "--silent", "--", "serve", "--config", config], {
    cwd: ROOT,
    stdio: "ignore",
    detached: true,
  });
  const ended = new Promise((resolve) => npm.once("exit", (code) => resolve(code)));
  t.after(() => {
    try {
      process.kill(-npm.pid!, "SIGKILL");
    } catch {
      // All of it has ended.
    }
  });
  const answers = () =>
    fetch(`http://${listen}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  await waitFor(answers);
  process.kill(npm.pid!, "SIGTERM");
  assert.equal(await ended, 0);
  assert.equal(await answers(), false);
});
