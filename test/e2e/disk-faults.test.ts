import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite, type TestContext, test } from "node:test";
import { ERRNO, noRecorder, recordDisk } from "../support/disk/recorder.ts";
import { tempFolder } from "../support/folder.ts";
import { openReceiver } from "../support/receiver.ts";
import { lastingPort, spawnServe } from "../support/serve-process.ts";
import { callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

/** A relay as a process of its own, whose disk fails when it is told to. */
async function serveOnFaultyDisk(t: TestContext, options: object = {}) {
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
    server: { listen: `127.0.0.1:${port}`, publicUrl: `http://127.0.0.1:${port}` },
    receive: { allowFrom: ["127.0.0.1"] },
    mirror: { enabled: false },
    ...options,
  };
  writeFileSync(configPath, JSON.stringify(config));
  const lines: string[] = [];
  const start = async () => {
    const started = spawnServe({ configPath, port, env, onLine: (line) => lines.push(line) });
    t.after(() => started.kill());
    await started.ready();
    return started;
  };
  const relay = await start();
  const url = `http://127.0.0.1:${port}`;
  let n = 0;
  /** What it has logged as errors so far. */
  const errors = () => lines.map(readLine).filter(({ level }) => level === "error");
  return {
    relay,
    /** Once it has ended: on the same disk, port and config. */
    start,
    faults,
    reserve: join(root, "data/reserve"),
    errors,
    hasLogged: (what: string) => lines.some((line) => readLine(line).msg === what),
    /** What it logs of its store; the line comes by a pipe, maybe after the answer that it is about. */
    trouble: async () => (await waitFor(() => errors().find(({ msg }) => msg === "store in trouble"))).error,
    async post() {
      const body = JSON.stringify({ type: "draft.update", wochitVideoId: `v${n++}` });
      const answer = await fetch(`${url}/webhooks/wochit`, { method: "POST", body });
      const { id } = (await answer.json()) as { id?: string };
      return { status: answer.status, retryAfter: answer.headers.get("retry-after"), id };
    },
    async status(path: string) {
      const answer = await fetch(url + path);
      await answer.arrayBuffer();
      return answer.status;
    },
    async storedIds() {
      const rows = await callJson(["events", "list", "--limit", "1000", "--config", configPath]);
      return new Set(rows.map(({ id }) => id as string));
    },
  };
}

function readLine(line: string): { level?: string; msg?: string; error?: string } {
  try {
    return JSON.parse(line);
  } catch {
    return { level: "error", msg: line };
  }
}

suite("a disk that fails under a running relay", { concurrency: true, skip: noRecorder }, () => {
  for (const [what, errno, words] of [
    ["turns read-only", ERRNO.EROFS, /readonly|I\/O error|unable to open/],
    ["fails every change", ERRNO.EIO, /I\/O error/],
    ["gives no file descriptor", ERRNO.EMFILE, /I\/O error|unable to open/],
  ] as const) {
    test(`one that ${what}: 503, the process lives, and it goes on by itself`, async (t) => {
      const disk = await serveOnFaultyDisk(t);
      const before = await disk.post();
      assert.equal(before.status, 200);
      disk.faults.set("changeErrno", errno);
      const answers = await Promise.all([disk.post(), disk.post()]);
      for (const { status, retryAfter } of answers) assert.deepEqual([status, retryAfter !== null], [503, true]);
      assert.equal(await disk.status("/healthz"), 200);
      assert.equal(await disk.status("/readyz"), 503);
      assert.ok(existsSync(disk.reserve), "room is not what is missing");
      assert.match((await disk.trouble()) ?? "", words);
      assert.deepEqual(
        disk.errors().filter(({ msg }) => /disk full|crashed/.test(msg ?? "")),
        [],
      );

      disk.faults.set("changeErrno", 0);
      const after = await waitFor(async () => {
        const answer = await disk.post();
        return answer.status === 200 && answer;
      });
      await waitFor(async () => (await disk.status("/readyz")) === 200);
      const ids = await disk.storedIds();
      assert.ok(ids.has(before.id!) && ids.has(after.id!));
      assert.deepEqual((await disk.relay.stop()).code, 0);
    });
  }

  test("one that turns read-only: the heartbeat stops within two of its periods, people are told, and all goes on by itself", async (t) => {
    const period = 3_000;
    const [watcher, program] = await Promise.all([openReceiver(), openReceiver()]);
    t.after(() => Promise.all([watcher.close(), program.close()]));
    const heartbeat = { url: `${watcher.url}/beat`, every: `${period}ms` };
    const disk = await serveOnFaultyDisk(t, { alerts: { to: [{ url: program.url, format: "json" }], heartbeat } });
    const said = () =>
      program.requests.flatMap(({ json }) =>
        json.alerts.map(({ name, says }: Record<string, string>) => `${name} ${says}`),
      );
    await waitFor(() => watcher.requests.length > 1);
    disk.faults.set("changeErrno", ERRNO.EROFS);
    const since = Date.now();
    await waitFor(() => disk.hasLogged("no heartbeat was sent") && Date.now() > since + 4 * period, 60_000);
    assert.deepEqual(
      watcher.requests.filter(({ at }) => at > since + 2 * period),
      [],
    );
    await waitFor(() => said().includes("RelayCannotCommit begins"), 90_000);
    const count = watcher.requests.length;
    disk.faults.set("changeErrno", 0);
    await waitFor(() => watcher.requests.length > count, 60_000);
    assert.ok(await waitFor(() => disk.hasLogged("the heartbeat is sent again")));
    await waitFor(() => said().includes("RelayCannotCommit ends"), 90_000);
    assert.deepEqual(said(), ["RelayCannotCommit begins", "RelayCannotCommit ends"]);
  });

  for (const [what, errors] of [
    ["answers no read", { readErrno: ERRNO.EIO }],
    ["answers neither reads nor writes", { readErrno: ERRNO.EIO, changeErrno: ERRNO.EIO }],
  ] as const) {
    test(`one that ${what} when the relay starts: 503, the process lives, and it begins by itself`, async (t) => {
      const disk = await serveOnFaultyDisk(t);
      const before = await disk.post();
      assert.equal(before.status, 200);
      await disk.relay.kill();
      for (const [field, errno] of Object.entries(errors)) disk.faults.set(field as keyof typeof errors, errno);
      const relay = await disk.start();
      const { status, retryAfter } = await disk.post();
      assert.deepEqual([status, retryAfter !== null], [503, true]);
      assert.equal(await disk.status("/readyz"), 503);
      const [said, refused, ...more] = await waitFor(() => disk.errors().length > 1 && disk.errors());
      assert.match(`${said?.msg}: ${said?.error}`, /^the store cannot be used: .*: dataDir .* I\/O error/);
      assert.deepEqual([refused?.msg, refused?.error, more], ["request not taken", said?.error, []]);

      for (const field of Object.keys(errors)) disk.faults.set(field as keyof typeof errors, 0);
      const after = await waitFor(async () => {
        const answer = await disk.post();
        return answer.status === 200 && answer;
      });
      const ids = await disk.storedIds();
      assert.ok(ids.has(before.id!) && ids.has(after.id!));
      assert.deepEqual((await relay.stop()).code, 0);
    });
  }

  test("one that fails while the relay is stopped: it ends in time", async (t) => {
    const disk = await serveOnFaultyDisk(t);
    assert.equal((await disk.post()).status, 200);
    disk.faults.set("changeErrno", ERRNO.EIO);
    const refused = disk.post().catch(() => null);
    const { code, signal } = await disk.relay.stop();
    assert.deepEqual([code, signal], [0, null]);
    await refused;
  });

  test("one whose syncs fail: each is said, nothing acknowledged stands on it", async (t) => {
    const disk = await serveOnFaultyDisk(t);
    disk.faults.set("syncsToFail", 3);
    const answer = await disk.post();
    assert.equal(answer.status, 200, "it is tried again");
    assert.equal(disk.faults.get("failed"), 3);
    assert.match((await disk.trouble()) ?? "", /SQLITE_IOERR_FSYNC/);
    assert.ok((await disk.storedIds()).has(answer.id!));
  });
});
