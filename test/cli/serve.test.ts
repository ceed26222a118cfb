import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type TestContext, test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { callJson, finish, runCli, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

type Line = Record<string, unknown> & { level: string; time: string; msg: string };

/** `serve` as a process of its own, over a folder of its own, and what it has logged so far. */
async function serve(t: TestContext, dir: string, options: object = {}) {
  const config = join(dir, "config.json");
  const own = { dataDir: "data", server: { listen: "127.0.0.1:0" }, receive: { allowFrom: ["127.0.0.1"] } };
  writeFileSync(config, JSON.stringify({ ...own, ...options }));
  const child = spawnCli(["serve", "--config", config]);
  t.after(() => child.kill("SIGKILL"));
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  const ended = finish(child);
  const lines = (): Line[] =>
    output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  const find = (msg: string) => waitFor(() => lines().find((line) => line.msg === msg), 20_000);
  const first = await Promise.race([find("listening"), ended.then(({ stderr }) => Promise.reject(new Error(stderr)))]);
  return { child, ended, lines, find, url: String(first.url), config };
}

/** Not by `child.kill`: Deno then says that the child died of the signal, whatever it did about it. */
async function stop(child: ChildProcess, signal: NodeJS.Signals) {
  const begun = performance.now();
  const ended = finish(child);
  process.kill(child.pid!, signal);
  const late = setTimeout(() => child.kill("SIGKILL"), 15_000);
  return { ...(await ended.finally(() => clearTimeout(late))), ms: performance.now() - begun };
}

test("serve logs JSON lines to stdout, answers, and exits with 0 soon after SIGTERM and SIGINT", async (t) => {
  const dir = tempFolder(t);
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    const relay = await serve(t, dir);
    const body = JSON.stringify({ type: "draft.delete", wochitVideoId: signal });
    const answer = await fetch(`${relay.url}/webhooks/wochit`, { method: "POST", body });
    assert.equal(answer.status, 200);
    assert.equal(((await answer.json()) as { status: string }).status, "accepted");
    const { code, ms } = await stop(relay.child, signal);
    assert.equal(code, 0);
    assert.ok(ms < 10_000);
    const { stderr } = await relay.ended;
    assert.equal(stderr, "");
    for (const line of relay.lines()) assert.ok(line.level && line.time && line.msg);
    assert.equal(relay.lines().at(-1)?.msg, "stopped");
  }
  const rows = await callJson(["events", "list", "--config", join(dir, "config.json")]);
  assert.deepEqual(
    rows.map(({ videoId }) => videoId),
    ["SIGINT", "SIGTERM"],
  );
});

test("a second relay with the same data folder is refused in one line, and SIGHUP does not end the first", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const second = await runCli(["serve", "--config", relay.config]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^wochit-relay: another wochit-relay is running with dataDir [^\n]*\n$/);
  process.kill(relay.child.pid!, "SIGHUP");
  await relay.find("the config is not read again in this version: restart the relay");
  assert.equal((await fetch(`${relay.url}/healthz`)).status, 200);
  assert.equal((await stop(relay.child, "SIGTERM")).code, 0);
});

test("an address that is taken is said in one line, exit code 1", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const other = join(tempFolder(t), "config.json");
  writeFileSync(other, JSON.stringify({ server: { listen: new URL(relay.url).host } }));
  const { code, stdout, stderr } = await runCli(["serve", "--config", other]);
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: [^\n]*(EADDRINUSE|in use)[^\n]*\n$/);
  assert.doesNotMatch(stdout + stderr, /\n\s+at /);
  await stop(relay.child, "SIGTERM");
});
