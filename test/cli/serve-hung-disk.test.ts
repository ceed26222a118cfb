import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { suite, type TestContext, test } from "node:test";
import { noRecorder, recordDisk } from "../support/disk/recorder.ts";
import { tempFolder } from "../support/folder.ts";
import { noNotifySocket, openNotifySocket } from "../support/notify-socket.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { waitFor } from "../support/wait.ts";

/** So long that no test sees its end: a sync that hangs. Microseconds. */
const FOR_EVER = 600_000_000;

/** A relay as a process of its own. The syncs of its disk return, or hang. */
async function serveOn(t: TestContext, more: { hangsAtOnce?: boolean; env?: Record<string, string> } = {}) {
  const dir = tempFolder(t);
  const root = join(dir, "disk");
  mkdirSync(root);
  const { env, faults } = recordDisk({ root, faultsFile: join(dir, "faults") });
  t.after(() => faults.close());
  const port = await lastingPort();
  const configPath = join(dir, "config.json");
  const config = {
    dataDir: join(root, "data"),
    admin: null,
    server: { listen: `127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
  };
  writeFileSync(configPath, JSON.stringify(config));
  const hang = () => faults.set("syncDelayUs", FOR_EVER);
  if (more.hangsAtOnce) hang();
  const lines: string[] = [];
  const relay = spawnServe({ configPath, port, env: { ...env, ...more.env }, onLine: (line) => lines.push(line) });
  t.after(() => relay.kill());
  const url = `http://127.0.0.1:${port}`;
  return {
    relay,
    hang,
    goOn: () => faults.set("syncDelayUs", 0),
    /** Resolves once it has logged this. */
    logged: (fact: string) => waitFor(() => lines.find((line) => line.includes(`"msg":"${fact}`))),
    count: (fact: string) => lines.filter((line) => line.includes(`"msg":"${fact}`)).length,
    readyz: async () => (await fetch(`${url}/readyz`)).status,
    /** Null: there was no answer. */
    post: async () => {
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: "v1" });
      const answer = await fetch(`${url}/webhooks/wochit`, { method: "POST", body }).catch(() => null);
      return answer?.status ?? null;
    },
  };
}

/** Node joins its threads at the end; Deno does not, and ends as if nothing hung. */
const ends = (signal: string, code: number) => ("Deno" in globalThis ? { code, signal: null } : { code: null, signal });

suite("a disk that does not answer", { concurrency: true, skip: noRecorder }, () => {
  test("under a running relay: SIGTERM ends it within ten seconds, cleanly, and nothing was acknowledged", async (t) => {
    const disk = await serveOn(t);
    await disk.relay.ready();
    disk.hang();
    const posted = disk.post();
    await waitFor(async () => (await disk.readyz()) === 503);
    const { ms, ...how } = await disk.relay.stop();
    assert.deepEqual(how, ends("SIGTERM", 0));
    assert.ok(ms < 30_000, `${ms} ms`);
    assert.notEqual(await posted, 200);
    if (!("Deno" in globalThis)) assert.match(await disk.logged("the end is forced"), /"hanging":\["thread store"/);
  });

  test("under a running relay: a second SIGTERM ends it at once", async (t) => {
    const disk = await serveOn(t);
    await disk.relay.ready();
    disk.hang();
    void disk.post();
    await waitFor(async () => (await disk.readyz()) === 503);
    process.kill(disk.relay.pid, "SIGTERM");
    await disk.logged("stopping");
    const { code, signal } = await disk.relay.stop();
    assert.deepEqual({ code, signal }, ends("SIGKILL", 1));
    assert.equal(disk.count("stopped"), 0, "it did not wait for the time that a stop has");
    if (!("Deno" in globalThis)) await disk.logged("the end is forced");
  });

  test("when the relay starts: the log says so, and SIGTERM ends it", async (t) => {
    const disk = await serveOn(t, { hangsAtOnce: true });
    await disk.logged("the database is not open yet: the disk does not answer");
    const how = await disk.relay.stop();
    assert.deepEqual([how.code, how.signal], Object.values(ends("SIGTERM", 0)));
    assert.match(await disk.logged("stopped"), /it was not open yet/);
  });

  test("a stop that comes while the relay opens waits for that, and closes it", async (t) => {
    // It waits for three seconds, in which a busy machine may not come that far: then once more.
    for (let triesLeft = 4; ; triesLeft--) {
      const disk = await serveOn(t, { hangsAtOnce: true });
      await disk.logged("the database is not open yet");
      process.kill(disk.relay.pid, "SIGTERM");
      await disk.logged("stopping");
      disk.goOn();
      assert.deepEqual(await disk.relay.ended, { code: 0, signal: null });
      const line = await disk.logged("stopped");
      if (triesLeft > 0 && line.includes("it was not open yet")) continue;
      return assert.doesNotMatch(line, /trouble/);
    }
  });

  test("the watchdog is notified all the while, idle and busy; the log says what is wrong, and when it is over", {
    skip: noNotifySocket,
  }, async (t) => {
    const socket = await openNotifySocket(t);
    const disk = await serveOn(t, { env: { NOTIFY_SOCKET: socket.path, WATCHDOG_USEC: "1000000" } });
    await disk.relay.ready();
    const pings = () => socket.heard.filter(([first]) => first === "WATCHDOG=1").length;
    const pinged = async (times: number) => {
      const before = pings();
      await waitFor(() => pings() >= before + times);
    };
    await pinged(1);
    disk.hang();
    await pinged(4);
    const posted = disk.post();
    assert.match(await disk.logged("store in trouble"), /the disk has not answered for \d+ s/);
    await pinged(4);
    assert.equal(await disk.readyz(), 503);
    assert.equal(disk.count("store in trouble"), 1);
    disk.goOn();
    assert.equal(await posted, 200);
    await disk.logged("store recovered");
  });
});
