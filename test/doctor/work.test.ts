import assert from "node:assert/strict";
import { test } from "node:test";
import { openSeeded } from "../support/seeded.ts";
import { callCli } from "../support/spawn.ts";

async function diagnose(configPath: string) {
  const { stdout } = await callCli(["doctor", "--offline", "--json", "--config", configPath]);
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return (probe: string) => lines.find((line) => line.probe === probe);
}

test("events of allowed senders that the token, the size, the path or the way of sending kept out are a warning with what to do", async (t) => {
  const { store, configPath } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  const receivedAt = Date.now();
  const refuse = (reason: "token" | "size" | "path" | "method" | "request", body: string) =>
    store.quarantine({ receivedAt, sourceAddress: "54.81.68.237", reason, body: Buffer.from(body) });
  const before = await diagnose(configPath);
  assert.equal(before("senders.token"), undefined);
  await refuse("token", "{}");
  await refuse("token", "[]");
  for (const reason of ["size", "path", "method", "request"] as const) await refuse(reason, "{}");
  const said = await diagnose(configPath);
  const { state, detail, advice } = said("senders.token");
  assert.deepEqual(
    [state, detail],
    [
      "warning",
      "2 requests of allowed senders were refused within a day for the token in their path, the last of 54.81.68.237",
    ],
  );
  assert.match(advice, /receive\.token.*quarantine reprocess/);
  assert.match(said("senders.size").advice, /receive\.maxBody/);
  assert.match(said("senders.path").advice, /receive\.path.*quarantine reprocess/);
  assert.match(said("senders.method").advice, /redirect/);
  assert.match(said("senders.request").advice, /log/);
});

test("a backup that the relay tried in vain is a failure, until one comes to something", async (t) => {
  const { store, configPath } = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 }, backup: {} });
  const at = Date.now() - 180_000;
  await store.backups.noteFailed({ at, error: "/srv/b: no room", againAt: at + 300_000 });
  const { state, detail, advice } = (await diagnose(configPath))("backup");
  assert.equal(state, "failed");
  assert.equal(detail, "the relay's last try, 3 min ago, failed: /srv/b: no room; none was ever checked");
  assert.match(advice, /tries again at 20\d\d-.*Z$/);

  const made = { at: Date.now(), name: "/srv/b/a.db", bytes: 9, events: 0, newest: null };
  await store.backups.note({ ...made, place: "file", planned: false });
  assert.match((await diagnose(configPath))("backup").detail, /failed: .*; the last that was checked was made/);
  await store.backups.note({ ...made, place: "target", planned: true });
  assert.equal((await diagnose(configPath))("backup").state, "ok");
});
