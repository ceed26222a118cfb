import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import Database from "better-sqlite3";
import { RelayError } from "../../../src/errors.ts";
import { environment, systemClock } from "../../../src/platform/runtime.ts";
import { openStore } from "../../../src/store/open.ts";
import { ownBytes, packError, unpackError } from "../../../src/store/thread/messages.ts";
import { storeContracts } from "../../contracts/every-store.ts";
import type { OpenStore } from "../../contracts/store.ts";
import { storeCountsContract } from "../../contracts/store-counts.ts";
import { storeIntakeContract } from "../../contracts/store-intake.ts";
import { storeLanesContract } from "../../contracts/store-lanes.ts";
import { configIn } from "../../support/config.ts";
import { damageTable } from "../../support/damage.ts";
import { noRecorder, recordDisk } from "../../support/disk/recorder.ts";
import { tempFolder } from "../../support/folder.ts";

import { type TestClock, testPorts } from "../../support/ports.ts";
import { lastingPort, type ServeProcess, spawnServe } from "../../support/serve-process.ts";
import { waitFor } from "../../support/wait.ts";
import { isWhole } from "../../support/whole.ts";

/** Its timers watch a disk, and are the machine's: a test whose clock passes weeks would be years of looks at it. */
const openOnThread: OpenStore = (config, { clock, ...ports }) => {
  const { after } = systemClock();
  return openStore(config, { ...ports, clock: { ...clock, after } }, { role: "relay", onThread: true });
};

// A thread for each sentence takes a tenth of a second: the short form has the sentences about order and intake.
const contracts = isWhole ? storeContracts : [storeCountsContract, storeIntakeContract, storeLanesContract];
for (const contract of contracts) contract("sqlite on a thread", openOnThread);

async function openHere(t: TestContext, onLost?: () => void) {
  const config = configIn(tempFolder(t));
  const ports = testPorts();
  const store = await openStore(config, ports, { role: "relay", onThread: true, ...(onLost && { onLost }) });
  t.after(() => store.close().catch(() => {}));
  const post = (videoId: string, size = 0) => {
    const body = Buffer.from(JSON.stringify({ type: "video.delete", wochitVideoId: videoId, more: "x".repeat(size) }));
    return store.accept({ receivedAt: ports.clock.now(), sourceAddress: "192.0.2.1", body });
  };
  return { config, store, post, ports };
}

test("bodies that wait for the thread are bounded in bytes; what is refused is told, the rest is committed", async (t) => {
  const { store, post } = await openHere(t);
  const size = 4 * 2 ** 20;
  const posts = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => post(`v${at}`, size)));
  const refused = posts.filter((each) => each.status === "rejected");
  assert.equal(refused.length, 5, "64 MiB hold 15 of them");
  for (const { reason } of refused) assert.equal((reason as RelayError).code, "store_unavailable");
  assert.equal((await store.events({ limit: 99 })).length, 15);
  assert.equal((await post("later", size)).status, "accepted");
});

test("a body that alone is larger than what may wait is taken where nothing else waits", async (t) => {
  const { post } = await openHere(t);
  assert.equal((await post("v1", 65 * 2 ** 20)).status, "accepted");
});

test("a view takes along its own bytes alone", () => {
  const view = Buffer.from(new ArrayBuffer(65_536), 100, 3);
  const { response } = ownBytes({ response: view }) as { response: Uint8Array };
  assert.deepEqual([response.byteLength, response.buffer.byteLength], [3, 3]);
});

test("after its end a store starts no thread, and every call settles", async (t) => {
  const { store, post } = await openHere(t);
  await post("v0");
  let waiting = 0;
  const call = (promise: Promise<unknown>) => {
    waiting++;
    promise.catch(() => {}).finally(() => waiting--);
  };
  let isClosed = false;
  const closed = store.close().then(() => {
    isClosed = true;
  });
  while (!isClosed) {
    call(post("v1"));
    call(store.changeMark());
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  await waitFor(() => waiting === 0);
  await assert.rejects(store.counts(), { code: "store_unavailable" });
});

test("bytes come through a thread as they were, whatever buffer they are a view of", async (t) => {
  const { store, ports } = await openHere(t);
  const pool = Buffer.from(`garbage{"type":"video.delete","wochitVideoId":"v1"}garbage`);
  const body = pool.subarray(7, pool.length - 7);
  const received = { receivedAt: ports.clock.now(), sourceAddress: "192.0.2.1", body };
  const [{ id }] = await Promise.all([store.accept(received), store.accept(received)]);
  assert.deepEqual(Buffer.from(await store.eventBody(id)), Buffer.from(body));
});

test("a long list that is asked for before the thread that reads has started does not wait for it", async (t) => {
  const { store, post } = await openHere(t);
  const { id } = await post("v1");
  let isReading = false;
  const started = store.checkpoint().then(() => {
    isReading = true;
  });
  assert.deepEqual([(await store.events({ limit: 9 })).map((event) => event.id), isReading], [[id], false]);
  await started;
  assert.equal((await store.events({ limit: 9 })).length, 1);
});

test("the thread that reads gives way to the others", { skip: environment().platform !== "linux" }, async (t) => {
  const { store } = await openHere(t);
  const given = niceness();
  await store.checkpoint();
  const [first] = given;
  assert.deepEqual(
    [given.filter((nice) => nice === first).length, niceness().filter((nice) => nice === first! + 5).length],
    [given.length, 1],
  );
});

/** Of each thread of this process, its first one first (proc_pid_stat(5), nice). */
const niceness = () =>
  readdirSync("/proc/self/task")
    .map((id) => readFileSync(`/proc/self/task/${id}/stat`, "utf8"))
    .map((stat) => Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]));

test("damage that was met by the thread that reads, and disproved, is over there too", async (t) => {
  const config = configIn(tempFolder(t));
  const open = () => openStore(config, testPorts(), { role: "relay", onThread: true });
  const before = await open();
  const body = Buffer.from(`{"type":"video.delete","wochitVideoId":"v1"}`);
  await before.accept({ receivedAt: 0, sourceAddress: "192.0.2.1", body });
  await before.close();
  const path = join(config.dataDir, "relay.db");
  damageTable(path, "events");
  const store = await open();
  t.after(() => store.close());
  // It waits until that thread has started.
  await store.checkpoint();
  await assert.rejects(store.events({ limit: 9 }), { code: "SQLITE_CORRUPT" });
  assert.match(store.damage() ?? "", /malformed/);
  store.disproveDamage();
  await store.checkpoint();
  assert.equal(store.damage(), null);
});

test("a database that loses a file says so through its thread, and takes nothing more", async (t) => {
  let lost = 0;
  const { config, post, store, ports } = await openHere(t, () => lost++);
  await post("v1");
  rmSync(join(config.dataDir, "relay.db-wal"));
  await assert.rejects(post("v2"), { code: "store_unavailable" });
  assert.equal(lost, 1);
  assert.match(store.trouble() ?? "", /relay.db-wal was deleted or replaced/);
  assert.ok(
    ports.log.facts.some(({ fact }) => fact === "store in trouble"),
    "its log lines come through",
  );
});

test("an error keeps its kind, its code and its cause on the way between threads", () => {
  const cause = Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR_FSYNC" });
  const error = unpackError(
    structuredClone(packError(new RelayError("unsupported", "it cannot be opened", { cause }))),
  );
  assert.ok(error instanceof RelayError);
  assert.deepEqual([error.code, error.message], ["unsupported", "it cannot be opened"]);
  assert.ok(error.cause instanceof Error && !(error.cause instanceof RelayError));
  assert.deepEqual([(error.cause as { code?: string }).code, error.cause.message], [cause.code, cause.message]);
});

test("without events a probe is committed all the while, so that a disk that does not answer is found", async (t) => {
  const { config, post, ports } = await openHere(t);
  await post("v1");
  const db = new Database(join(config.dataDir, "relay.db"), { readonly: true });
  t.after(() => db.close());
  const version = () => db.pragma("data_version", { simple: true });
  for (let probes = 0; probes < 2; probes++) {
    const before = version();
    await (ports.clock as TestClock).advance(16_000);
    await waitFor(() => version() !== before);
  }
});

async function serve(t: TestContext, env: (dir: string) => Record<string, string>) {
  const dir = tempFolder(t);
  const port = await lastingPort();
  const dataDir = join(dir, "data");
  mkdirSync(dataDir, { mode: 0o700 });
  const configPath = join(dir, "config.json");
  const config = { dataDir, server: { listen: `127.0.0.1:${port}` }, receive: { allowFrom: ["127.0.0.1"] } };
  writeFileSync(configPath, JSON.stringify(config));
  const relay: ServeProcess = spawnServe({ configPath, port, env: env(dir) });
  t.after(() => relay.kill());
  await relay.ready();
  const url = `http://127.0.0.1:${port}`;
  const post = (id: string) =>
    fetch(`${url}/webhooks/wochit`, {
      method: "POST",
      body: JSON.stringify({ type: "video.delete", wochitVideoId: id }),
    }).then(({ status }) => status);
  const get = (path: string) => fetch(url + path).then(({ status }) => status);
  return { relay, post, get };
}

test("while the disk does not answer, all that needs no commit is answered", { skip: noRecorder }, async (t) => {
  let faults: ReturnType<typeof recordDisk>["faults"] | null = null;
  const { post, get } = await serve(t, (dir) => {
    const disk = recordDisk({ root: join(dir, "data"), faultsFile: join(dir, "faults") });
    faults = disk.faults;
    return disk.env;
  });
  t.after(() => faults!.close());
  assert.equal(await post("v1"), 200);
  faults!.set("syncDelayUs", 60_000_000);
  let answered: number | null = null;
  const posted = post("v2").then((status) => {
    answered = status;
  });
  assert.equal(await get("/healthz"), 200);
  assert.equal(await get("/media/none/none.mp4"), 404, "the database is read beside the writer");
  await waitFor(async () => (await get("/readyz")) === 503);
  assert.equal(answered, null, "the event is not committed, so it is not answered");
  faults!.set("syncDelayUs", 0);
  await posted;
  assert.equal(answered, 200);
  await waitFor(async () => (await get("/readyz")) === 200);
});

test("a relay whose store's thread dies ends, and says why", {
  skip: "Deno" in globalThis && "the thread is made to die by NODE_OPTIONS",
}, async (t) => {
  let die = "";
  const { relay, post } = await serve(t, (dir) => {
    const trap = join(dir, "trap.mjs");
    die = join(dir, "die");
    writeFileSync(
      trap,
      `import { existsSync } from "node:fs";
      import { isMainThread } from "node:worker_threads";
      const look = () => {
        if (existsSync(${JSON.stringify(die)})) throw new Error("died for a test");
      };
      if (!isMainThread) setInterval(look, 20).unref();`,
    );
    return { NODE_OPTIONS: `--import ${trap}` };
  });
  assert.equal(await post("v1"), 200);
  writeFileSync(die, "");
  assert.deepEqual(await relay.ended, { code: 1, signal: null });
  assert.match(relay.lastLines().join("\n"), /the store's thread ended: died for a test/);
});
