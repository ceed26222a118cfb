import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import stringWidth from "string-width";
import { judgeMedia } from "../../src/doctor/media.ts";
import { endpoint } from "../support/config.ts";
import { tempFolder } from "../support/folder.ts";
import { startRelay } from "../support/relay-in-folder.ts";
import { openSeeded, ready } from "../support/seeded.ts";
import { serve } from "../support/serve-here.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const DAY = 86_400_000;
const MIB = 2 ** 20;

test("status is one screen, however much waits and is wrong, and says of each thing what helps", async (t) => {
  const names = ["app", "cms", "stats", "archive", "mail", "search"];
  const seeded = await openSeeded(t, {
    endpoints: names.map((id) => endpoint(id, { events: ["*"] })),
    mirror: { enabled: true },
    backup: { every: "6h", keep: 2, to: "dir" },
  });
  const { store, configPath } = seeded;
  const now = Date.now();
  for (const n of [1, 2]) await seeded.take(ready(`v${n}`, { videoUrl: `https://cdn.example/${n}.mp4?x=1` }));
  await seeded.download("expired");
  for (const id of names) await seeded.deliver(id, "dead");
  await seeded.take(ready("v3\u202e", { videoUrl: "https://cdn.example/3.mp4" }));
  await store.pauseEndpoint("cms", "moves to a new house, which takes rather long", now);
  await store.noteReading({ at: now - 2 * DAY, pruned: 3, database: 0 });
  await store.noteReading({ at: now, pruned: 7, database: 2 * MIB });

  await store.close();
  const { stdout, stderr, code } = await callCli(["status", "--config", configPath], {
    width: 80,
    env: { NO_COLOR: "1" },
  });
  assert.deepEqual([code, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.ok(lines.length <= 24, `${lines.length} lines`);
  for (const line of lines) assert.ok(stringWidth(line) <= 80, line);
  const [status] = await callJson(["status", "--config", configPath]);
  for (const fact of [
    /^relay +none runs on \S+/m,
    /^events +3 of 3 videos; the last (now|\d+ s ago)$/m,
    /^deliveries +6 waiting, 12 dead$/m,
    /^ {2}app +2 dead; the oldest came (now|\d+ s ago); 1 waits for media \(\d+ min left\)$/m,
    /^ {2}cms +paused: moves to a new house, which takes rather long; 2 dead; /m,
    /^ {2}… +3 more: wochit-relay endpoints list$/m,
    /^not secured +1; the nearest deadline is in /m,
    /^pruned +(now|\d+ s ago), 7 rows; /m,
    /^disk +\S+ \S+ free of \S+ \S+; full in \S.*$/m,
    /^growth +database 1\.0 MiB, copies 0 bytes a day, by the readings of 2 days$/m,
    /^backup +none was checked yet; planned every 6 h$/m,
    /^! No relay runs on this database\n {4}systemctl start wochit-relay$/m,
    /^\d+ things need you, the worst first:$/m,
    /^\d+ more: wochit-relay doctor, wochit-relay status --json$/m,
  ]) {
    assert.match(stdout, fact);
  }
  // Nothing is cut: what is longer goes on below.
  assert.doesNotMatch(stdout, /[^ ]…/);
  assert.equal(Number(/^(\d+) things/m.exec(stdout)![1]), status.alarms.length);
  assert.deepEqual(status.relay, { running: false, version: null, startedAt: null, troubles: [] });
  assert.deepEqual([status.growth.database, status.growth.copies], [MIB, 0]);
  assert.deepEqual([status.retention.rows, status.backup.every, status.backup.last], [7, 6 * 3_600_000, null]);
  assert.deepEqual(status.alarms[0].commands, ["systemctl start wochit-relay"]);

  // Elsewhere than on a terminal nothing is cut.
  const plain = await callCli(["status", "--config", configPath]);
  assert.match(plain.stdout, new RegExp(`^database .*, in ${seeded.config.dataDir}$`, "m"));
});

test("status says since when the relay runs and of which version; where nothing is wrong, that", async (t) => {
  const { config } = await serve(t, tempFolder(t));
  await waitFor(() => existsSync(join(config, "../data/relay.run")));
  const { stdout } = await callCli(["status", "--config", config]);
  assert.match(stdout, /^relay +runs since \S+ \S+ \(.*\), version \d+\.\d+\.\d+/m);
  assert.match(stdout, /^disk +\S+ \S+ free of \S+ \S+$/m);
  assert.match(stdout, /^growth +not known before the relay's readings reach over a day$/m);
  assert.match(stdout, /\n\nall is well: nothing needs you\n$/);
  const [status] = await callJson(["status", "--config", config]);
  assert.deepEqual([status.relay.running, status.alarms, status.growth], [true, [], null]);
});

test("status says that a restart would fail: of a config that is broken, and of one that the relay has refused", async (t) => {
  const relay = await serve(t, tempFolder(t));
  await waitFor(() => existsSync(join(relay.config, "../data/relay.run")));
  const right = readFileSync(relay.config, "utf8");
  const status = () => callCli(["status", "--config", relay.config]);
  writeFileSync(relay.config, right.slice(0, -1));
  const broken = await status();
  assert.match(
    broken.stdout,
    /\n1 thing needs you:\n! the config has problems: the relay goes on with the former one, but a restart would fail: \S*config\.json: .+\n {4}wochit-relay check\n$/,
  );
  assert.match(broken.stderr, /, the others as the relay has them that runs$/m);
  const [json] = await callJson(["status", "--config", relay.config]);
  assert.equal(json.relay.troubles.length, 1);

  // What only the relay sees: a secret that it cannot read.
  const app = { id: "cms", url: "https://app.example/", events: ["*"], secret: { file: "not-there" } };
  writeFileSync(relay.config, JSON.stringify({ ...JSON.parse(right), endpoints: [app] }));
  process.kill(relay.child.pid!, "SIGHUP");
  const refused = await waitFor(async () => {
    const { stdout } = await status();
    return stdout.includes("was refused at") && stdout;
  });
  assert.match(
    refused,
    /\n! the config was refused at .+: the relay goes on .+: .*not-there.*\n {4}wochit-relay check\n/,
  );
  writeFileSync(relay.config, right);
  process.kill(relay.child.pid!, "SIGHUP");
  await waitFor(async () => (await status()).stdout.endsWith("\nall is well: nothing needs you\n"));
});

test("status and healthcheck say that the admin listener is not open, and that a relay does not answer", async (t) => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  const relay = await serve(t, tempFolder(t), { admin: { listen: `127.0.0.1:${port}` } });
  const line = "the admin listener cannot be opened, and is tried again";
  const call = (...words: string[]) => callCli([...words, "--config", relay.config]);
  await waitFor(async () => (await call("healthcheck")).stdout.includes(`but degraded: ${line}\n`));
  assert.match((await call("status")).stdout, new RegExp(`^! ${line}\\n {4}wochit-relay doctor$`, "m"));
  const [{ relay: shown }] = await callJson(["status", "--config", relay.config]);
  assert.deepEqual([shown.running, shown.troubles], [true, [line]]);
  assert.match((await call("doctor", "--offline")).stdout, new RegExp(`^warning +relay +.*degraded: ${line} → `, "m"));
  process.kill(relay.child.pid!, "SIGSTOP");
  const stopped = await call("status");
  process.kill(relay.child.pid!, "SIGCONT");
  assert.match(stopped.stdout, /^! the relay does not answer at http:\/\/127\.0\.0\.1:\d+: no answer within 2 s\n/m);
});

test("what status names as a command does something: what must be done before it is said", async (t) => {
  const relay = await startRelay({ server: { trustedProxies: ["127.0.0.1"] }, mirror: { enabled: false } });
  t.after(() => relay.close());
  const headers = { "content-type": "application/json", "x-forwarded-for": "198.51.100.7" };
  await fetch(relay.webhooks, { method: "POST", headers, body: JSON.stringify(ready("v1")) });
  const { stdout } = await callCli(["status", "--config", relay.configPath], { width: 200 });
  assert.match(
    stdout,
    /^! Events were refused .*198\.51\.100\.7\n {4}If it is right, add it to server\.trustedProxies \(a proxy of yours\) or receive\.allowFrom \(Wochit\), then:\n {4}wochit-relay reload$/m,
  );
});

test("media that failed are no calm: status and doctor say the same of them", async (t) => {
  const seeded = await openSeeded(t, { mirror: { enabled: true, minFreeDisk: 0 } });
  await seeded.take(ready("v1", { videoUrl: "https://cdn.example.com/v1.mp4" }));
  await seeded.download("failed");
  const { stdout } = await callCli(["status", "--config", seeded.configPath], { width: 200 });
  assert.match(
    stdout,
    /^! 1 medium failed within a day, and nothing tries it again\n {4}wochit-relay media list --state failed$/m,
  );
  const [media] = await judgeMedia(seeded.store, Date.now()).then((all) => all.slice(1));
  assert.equal(media!.state, "warning");
});
