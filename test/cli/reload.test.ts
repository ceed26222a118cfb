import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { SECRET } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { serve, stop } from "../support/serve-here.ts";
import { MAIN, runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** A relay, once it can be told to reload, and the command against it. */
async function start(t: Parameters<typeof serve>[0], options: object = {}, env: Record<string, string> = {}) {
  const dir = tempFolder(t);
  const relay = await serve(t, dir, { admin: null, ...options }, env);
  const note = join(dir, "data/relay.run");
  await waitFor(() => statSync(note, { throwIfNoEntry: false }));
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  return {
    ...relay,
    note,
    rewrite: (changes: object) => writeFileSync(relay.config, JSON.stringify({ ...given, ...changes })),
    reload: (...more: string[]) => runCli(["reload", "--config", relay.config, ...more]),
  };
}

test("reload says what the running relay took, and what waits for its restart", async (t) => {
  const endpoints = [{ id: "app", url: "http://127.0.0.1:9/", secret: { env: "APP_SECRET" } }];
  const relay = await start(t, { endpoints }, { APP_SECRET: SECRET });
  const none = await relay.reload();
  assert.deepEqual([none.code, none.stderr], [0, ""]);
  assert.match(none.stdout, /^config taken: no change$/m);
  assert.match(none.stdout, /^values from its environment are those of its start, until .*: APP_SECRET$/m);
  relay.rewrite({ receive: { allowFrom: ["192.0.2.1"] }, server: { listen: "127.0.0.1:1" } });
  const changed = await relay.reload();
  assert.match(changed.stdout, /^config taken, changed: receive$/m);
  assert.match(changed.stdout, /^restart the relay for these to change: server\.listen$/m);
  const answer = await fetch(`${relay.url}/webhooks/wochit`, { method: "POST", body: "{}" });
  assert.equal(answer.status, 403, "it holds when the command ends");
  const [json] = [JSON.parse((await relay.reload("--json")).stdout)];
  assert.deepEqual([json.taken, json.problems, json.environment], [true, [], ["APP_SECRET"]]);
  await stop(relay.child, "SIGTERM");
});

test("a config that the running relay refuses is told with its problems, exit code 2", async (t) => {
  const relay = await start(t);
  relay.rewrite({ receive: { maxBody: "lots" }, log: { levl: "info" } });
  const { code, stdout, stderr } = await relay.reload();
  assert.equal(code, 2);
  assert.match(stdout, /^log\.levl: unknown key/m);
  assert.match(stdout, /^receive\.maxBody: must be /m);
  assert.equal(stderr, "wochit-relay: refused (2 problems): the former config holds\n");
  await stop(relay.child, "SIGTERM");
});

test("another admin token in the data folder is a change, in the audit too, and a short one is a warning", async (t) => {
  const relay = await start(t, { admin: { listen: "127.0.0.1:0" } });
  const path = join(dirname(relay.note), "admin-token");
  await waitFor(() => statSync(path, { throwIfNoEntry: false }));
  await waitFor(async () => /no change/.test((await relay.reload()).stdout));
  writeFileSync(path, "abc\n");
  const { stdout } = await relay.reload();
  assert.match(stdout, /^config taken, changed: admin-token$/m);
  assert.match(stdout, /^warning: \S+admin-token: is short: with less than 32 characters it may be guessed$/m);
  assert.doesNotMatch(stdout, /abc/);
  await waitFor(async () => {
    const audit = await runCli(["audit", "list", "--json", "--config", relay.config]);
    return /"verb":"reload","subject":"admin-token"/.test(audit.stdout);
  });
  rmSync(path);
  assert.match((await relay.reload()).stdout, /^config taken, changed: admin-token$/m);
  assert.doesNotMatch((await relay.reload()).stdout, /admin-token/);
  await stop(relay.child, "SIGTERM");
});

test("without a relay, or with a note that leads elsewhere, reload signals nothing and says why", async (t) => {
  const relay = await start(t);
  const mine = readFileSync(relay.note, "utf8");
  assert.equal(statSync(relay.note).mode & 0o777, 0o600);
  const refusal = async (note: string) => {
    writeFileSync(relay.note, note);
    const { code, stderr } = await relay.reload();
    assert.equal(code, 1);
    return stderr;
  };
  const { namespace } = JSON.parse(mine);
  if (namespace !== null) {
    assert.match(await refusal(mine.replace(namespace, "pid:[1]")), /runs in another container/);
  }
  const unseen = namespace === null ? '"pid:[1]"' : "null";
  const elsewhere = mine.replace(JSON.stringify(namespace), unseen);
  for (const note of ["", '{"pid":-1}', '{"pid":"1"}', elsewhere])
    assert.match(await refusal(note), /send it SIGHUP/, note);
  if (process.getuid?.() === 0) {
    writeFileSync(relay.note, mine);
    chownSync(relay.note, 12_345, 12_345);
    assert.match((await relay.reload()).stderr, /send it SIGHUP/, "another user may not name a process of root's");
  }
  // Signals to this process would end it.
  const other = mine.replace(/"pid":\d+/, `"pid":${process.pid}`);
  rmSync(relay.note);
  await stop(relay.child, "SIGTERM");
  assert.match(await refusal(other), /no relay runs with/);
});

const OTHER = 12_346;
const isReadable = process.getuid?.() === 0 && spawnSync("test", ["-r", MAIN], { uid: OTHER }).status === 0;

test("who may not have a relay read its config is told so", {
  skip: isReadable ? false : "only root runs programs as another user, who must be able to read them",
}, async (t) => {
  const relay = await start(t);
  chmodSync(dirname(relay.config), 0o755);
  const { code, stderr } = await runCli(["reload", "--config", relay.config], { uid: OTHER, env: { HOME: tmpdir() } });
  const line = "wochit-relay: only root and the relay's own user may have it read its config\n";
  assert.deepEqual([code, stderr], [1, line]);
  await stop(relay.child, "SIGTERM");
});

test("reload where no relay has ever run says so", async (t) => {
  const config = join(tempFolder(t), "config.json");
  writeFileSync(config, JSON.stringify({ dataDir: "none" }));
  const { code, stderr } = await runCli(["reload", "--config", config]);
  assert.equal(code, 1);
  assert.match(stderr, /^wochit-relay: no relay runs with \S+none: it reads the config when it is started\n$/);
});
