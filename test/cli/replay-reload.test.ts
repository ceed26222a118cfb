import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { tempFolder } from "../support/folder.ts";
import { openReceiver } from "../support/receiver.ts";
import { endpointTo } from "../support/relay-in-folder.ts";
import { ready } from "../support/seeded.ts";
import { serve, stop } from "../support/serve-here.ts";
import { runCli } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

test("a replay of many goes by the config that the running relay has taken, and says so where that is another one", async (t) => {
  const app = await openReceiver();
  t.after(() => app.close());
  const events = ["draft.*"];
  const relay = await serve(t, tempFolder(t), {
    mirror: { enabled: false },
    endpoints: [endpointTo(app.url, { events })],
  });
  const given = JSON.parse(readFileSync(relay.config, "utf8"));
  const rewrite = (...endpoints: object[]) => writeFileSync(relay.config, JSON.stringify({ ...given, endpoints }));
  const run = (line: string) => runCli([...line.split(" "), "--config", relay.config]);
  const replay = (to: string) => run(`events replay --endpoint ${to} --since 1h --yes`);
  for (const id of ["v1", "v2"]) {
    const body = JSON.stringify(ready(id));
    assert.equal((await fetch(`${relay.url}/webhooks/wochit`, { method: "POST", body })).status, 200);
  }
  // It starts the thread on which tasks look for what they take.
  const none = await replay("app");
  assert.deepEqual([none.code, none.stdout], [0, "0 deliveries replayed\n"]);
  const draft = JSON.stringify({ type: "draft.new", wochitVideoId: "v3" });
  await fetch(`${relay.url}/webhooks/wochit`, { method: "POST", body: draft });
  const first = await replay("app");
  assert.deepEqual([first.code, first.stdout.split("\n").at(-2)], [0, "1 replayed"]);

  const wider = endpointTo(app.url);
  const added = endpointTo(app.url, { id: "new" });
  rewrite(wider, added);
  const unread = await replay("new");
  assert.deepEqual([unread.code, unread.stdout.split("\n").at(-2)], [1, "0 replayed, 3 not"]);
  assert.match(unread.stderr, /^the config that the relay holds does not send 3 of them to new: wochit-relay reload/m);

  assert.equal((await run("reload")).code, 0);
  for (const to of ["app", "new"]) {
    const { code, stdout, stderr } = await replay(to);
    assert.deepEqual([code, stdout.split("\n").at(-2)], [0, "3 replayed"], `${to}: ${stderr}`);
  }
  await waitFor(() => app.requests.length >= 8);
  await stop(relay.child, "SIGTERM");
});
