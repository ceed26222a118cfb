import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { serve, stop } from "../support/serve-here.ts";
import { callJson, runCli } from "../support/spawn.ts";

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
  assert.match(stderr, /^wochit-relay: [^\n]*(EADDRINUSE|in use)[^\n]*\n$/);
  assert.doesNotMatch(stdout + stderr, /\n\s+at /);
  await stop(relay.child, "SIGTERM");
});
