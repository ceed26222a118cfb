import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Webhook } from "standardwebhooks";
import { findDeno, readDenoRights } from "../../scripts/deno.ts";
import { ROOT } from "../../scripts/root.ts";
import { SECRET } from "../support/config.ts";
import { bareEnvironment } from "../support/environment.ts";
import { tempFolder } from "../support/folder.ts";
import { openReceiver } from "../support/receiver.ts";
import { lastingPort } from "../support/serve-process.ts";
import { finishInTime } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

// On Node as well as on Deno: whoever works on the one must not learn from the other's suite that a right is missing.
const deno = process.versions.deno === undefined ? findDeno() : process.execPath;
const only = deno === null ? { skip: "node_modules has no Deno" } : {};
const main = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const rights = readDenoRights();

/** Not below /dev, where scripts/test.ts may have the other folders: there Deno wants all rights. */
function folderOnDisk(t: TestContext): string {
  const build = join(ROOT, "build");
  mkdirSync(build, { recursive: true });
  return tempFolder(t, build);
}

/** Starts the program with these rights, and none that could be asked for. */
function start(args: string[], options: { cwd: string; rights?: string[] }) {
  const child = spawn(deno!, ["run", "--no-prompt", ...(options.rights ?? rights), main, ...args], {
    cwd: options.cwd,
    env: { ...bareEnvironment(), TMPDIR: options.cwd },
  });
  return { child, ended: finishInTime(child) };
}

test(
  "on Deno the rights in the command of docs/INSTALL.md are enough: demo, check, serve, delivery, backup, doctor, restore",
  only,
  async (t) => {
    const cwd = folderOnDisk(t);
    const run = async (...args: string[]) => {
      const { code, stdout, stderr } = await start(args, { cwd }).ended;
      assert.deepEqual([code, stderr], [0, ""], `${args.join(" ")}: ${stdout}`);
      return stdout;
    };
    const app = await openReceiver();
    t.after(() => app.close());
    const listen = `127.0.0.1:${await lastingPort()}`;
    const config = {
      dataDir: "data",
      server: { listen, publicUrl: `http://${listen}` },
      receive: { allowFrom: ["127.0.0.1"] },
      endpoints: [{ id: "app", url: app.url, secret: SECRET, allowPrivateAddresses: true }],
    };
    writeFileSync(join(cwd, "config.json"), JSON.stringify(config));

    assert.match(await run("--version"), /\bDeno \d+\.\d+/);
    assert.match(await run("check"), /: valid\n$/);
    await run("demo", "--exit");

    const relay = start(["serve"], { cwd });
    await waitFor(async () => (await fetch(`http://${listen}/healthz`)).ok);
    const body = JSON.stringify({ type: "draft.new", wochitVideoId: "v1" });
    const answer = await fetch(`http://${listen}/webhooks/wochit`, { method: "POST", body });
    assert.equal(answer.status, 200);
    const { headers, body: sent } = await waitFor(() => app.requests[0]);
    new Webhook(SECRET).verify(sent.toString(), headers as Record<string, string>);
    await run("backup", "backup.db");
    assert.match(await run("doctor"), /\b0 failed\n$/);
    process.kill(relay.child.pid!, "SIGTERM"); // After child.kill Deno tells the signal, not how the process ended.
    const { code, stderr } = await relay.ended;
    assert.deepEqual([code, stderr], [0, ""]);

    writeFileSync(join(cwd, "config.json"), JSON.stringify({ ...config, dataDir: "restored" }));
    await run("restore", "backup.db");
    assert.match(await run("events", "list"), /draft\.new/);
  },
);

test("on Deno each of these rights is needed, and a missing one is named in one line", only, async (t) => {
  const cwd = folderOnDisk(t);
  const without = rights.map(async (right) => {
    const { code, stdout, stderr } = await start(["demo", "--exit"], {
      cwd,
      rights: rights.filter((one) => one !== right),
    }).ended;
    assert.notEqual(code, 0, `${right} is not needed: ${stdout}`);
    assert.match(stdout + stderr, new RegExp(`run again with the ${right} flag`));
    assert.doesNotMatch(stdout + stderr, /\n\s+at /);
  });
  await Promise.all(without);
});
