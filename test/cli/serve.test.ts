import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { serve, stop } from "../support/serve-here.ts";
import { callJson, runCli, spawnCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

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
    assert.ok(ms < 30_000);
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

test("a second relay with the same data folder is refused in one line", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const second = await runCli(["serve", "--config", relay.config]);
  assert.equal(second.code, 1);
  assert.match(second.stderr, /^wochit-relay: another wochit-relay is running with dataDir [^\n]*\n$/);
  assert.equal((await stop(relay.child, "SIGTERM")).code, 0);
});

test("an address that is taken is said in one line, exit code 1", async (t) => {
  const relay = await serve(t, tempFolder(t));
  const other = join(tempFolder(t), "config.json");
  writeFileSync(other, JSON.stringify({ server: { listen: new URL(relay.url).host } }));
  const { code, stdout, stderr } = await runCli(["serve", "--config", other]);
  assert.equal(code, 1);
  assert.match(
    stderr,
    /^wochit-relay: cannot listen on \S+: another program has this port \(EADDRINUSE\): see which[^\n]*\n$/,
  );
  assert.doesNotMatch(stdout + stderr, /\n\s+at /);
  await stop(relay.child, "SIGTERM");
});

test("under the journal each line begins with its priority, and is JSON", async (t) => {
  const dir = tempFolder(t);
  const path = join(dir, "stream");
  const stdout = openSync(path, "w");
  const { dev, ino } = fstatSync(stdout, { bigint: true });
  const config = join(dir, "config.json");
  writeFileSync(config, JSON.stringify({ dataDir: "data", admin: null, server: { listen: "127.0.0.1:0" } }));
  const env = { JOURNAL_STREAM: `${dev}:${ino}` };
  const child = spawnCli(["serve", "--config", config], { env, stdout });
  t.after(() => child.kill("SIGKILL"));
  closeSync(stdout);
  const lines = () => readFileSync(path, "utf8").trimEnd().split("\n");
  await waitFor(() => lines().some((line) => line.includes('"listening"')));
  await stop(child, "SIGTERM");
  for (const line of lines()) {
    const [, priority, entry] = /^<(\d)>(\{.*\})$/.exec(line) ?? assert.fail(line);
    assert.equal(priority, JSON.parse(entry!).level === "info" ? "6" : "4", line);
  }
});
