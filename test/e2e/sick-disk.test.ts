import assert from "node:assert/strict";
import { once } from "node:events";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ConfigInput } from "../../src/config/schema.ts";
import { listen } from "../support/listen.ts";
import { mountSmallDisk, noMounts, type SmallDisk } from "../support/mounts.ts";
import { type TestClock, testClock } from "../support/ports.ts";
import { withProvider } from "../support/provider.ts";
import { realPorts } from "../support/real-ports.ts";
import { endpointTo, type RelayInFolder, startRelay } from "../support/relay-in-folder.ts";
import { callCli, callJson } from "../support/spawn.ts";
import { waitFor } from "../support/wait.ts";

const MIB = 2 ** 20;
const HOUR = 3_600_000;

async function open(t: TestContext, overrides: ConfigInput): Promise<RelayInFolder> {
  const relay = await startRelay(overrides);
  t.after(() => relay.close());
  return relay;
}

/** A relay whose data folder is on a small disk of its own. */
async function onSmallDisk(
  bytes: number,
  overrides: ConfigInput,
  run: (relay: RelayInFolder, disk: SmallDisk) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "wochit-relay-"));
  const disk = mountSmallDisk(dir, bytes);
  try {
    const relay = await startRelay({ dataDir: join(dir, "data"), ...overrides });
    try {
      await run(relay, disk);
    } finally {
      await relay.close();
    }
  } finally {
    disk.unmount();
    rmSync(dir, { recursive: true });
  }
}

async function post(relay: RelayInFolder, wochitVideoId: string, more: Record<string, unknown> = {}) {
  const body = JSON.stringify({ type: "draft.update", wochitVideoId, ...more });
  const answer = await fetch(relay.webhooks, { method: "POST", body });
  const { id } = (await answer.json()) as { id?: string };
  return { status: answer.status, retryAfter: answer.headers.get("retry-after"), id };
}

async function status(url: string): Promise<number> {
  const answer = await fetch(url);
  await answer.arrayBuffer();
  return answer.status;
}

/** All ids of events that are stored, by the command that an operator would use. */
async function storedIds({ configPath }: RelayInFolder): Promise<string[]> {
  const rows = await callJson(["events", "list", "--limit", "1000", "--config", configPath]);
  return rows.map(({ id }) => id);
}

const isRefused = (answer: Awaited<ReturnType<typeof post>>) => answer.status === 503 && answer.retryAfter !== null;

test("a start on a read-only disk answers 503, serves copies, lets commands read, and takes events once it can", {
  skip: noMounts,
}, async () => {
  await withProvider({}, (provider) =>
    onSmallDisk(64 * MIB, {}, async (relay, disk) => {
      const url = provider.addVideo("film").link();
      const { id } = await post(relay, "film", { type: "video.ready", videoUrl: url });
      const copy = await waitFor(async () => {
        const [medium] = await callJson(["media", "list", "--state", "mirrored", "--config", relay.configPath]);
        return medium?.url;
      });
      await relay.stop();
      disk.readOnly(true);
      await relay.restart();
      assert.ok(isRefused(await post(relay, "early")));
      assert.equal(await status(`${relay.url}/healthz`), 200);
      assert.equal(await status(`${relay.url}/readyz`), 503);
      const served = `${relay.url}${new URL(copy).pathname}${new URL(copy).search}`;
      assert.equal(await status(served), 200, "copies are served");
      assert.deepEqual(await storedIds(relay), [id], "commands read");
      const pause = await callCli(["endpoints", "pause", "nobody", "--config", relay.configPath]);
      assert.equal(pause.code, 1);
      const said = relay.ports.log.facts.filter(({ fact }) => fact.startsWith("the store cannot be used"));
      assert.equal(said.length, 1, "once, however often it is tried");
      assert.match(String(said[0]!.fields.error), /^the disk of dataDir .*data is read-only; make it writable: /);

      disk.readOnly(false);
      const late = await waitFor(async () => {
        const answer = await post(relay, "late");
        return answer.status === 200 && answer;
      });
      assert.equal(await status(`${relay.url}/readyz`), 200);
      assert.deepEqual((await storedIds(relay)).sort(), [id, late.id].sort());
      assert.equal(await status(served), 200);
    }),
  );
});

test(
  "a start on a full disk without a reserve answers 503, and takes events once there is room",
  {
    skip: noMounts,
  },
  () =>
    onSmallDisk(12 * MIB, {}, async (relay, { dir }) => {
      const { id } = await post(relay, "before");
      await relay.stop();
      fill(dir);
      await relay.restart();
      assert.ok(isRefused(await post(relay, "early")));
      assert.equal(await status(`${relay.url}/readyz`), 503);
      assert.deepEqual(await storedIds(relay), [id]);
      rmSync(join(dir, "filler"));
      const late = await waitFor(async () => {
        const answer = await post(relay, "late");
        return answer.status === 200 && answer;
      });
      assert.deepEqual((await storedIds(relay)).sort(), [id, late.id].sort());
    }),
);

test("a start after a crash on a full disk, which has leases to end, answers 503, and takes events once there is room", {
  skip: noMounts,
}, async (t) => {
  const app = createServer();
  const asked = once(app, "request");
  const { url } = await listen(t, app);
  await onSmallDisk(12 * MIB, { endpoints: [endpointTo(url)] }, async (relay, { dir }) => {
    const { id } = await post(relay, "before");
    await asked;
    // What a crash would leave: the delivery is leased.
    const files = ["relay.db", "relay.db-wal", "relay.db-shm"].map((name) => join(dir, "data", name));
    const left = files.map((file) => readFileSync(file));
    await relay.stop();
    for (const [at, file] of files.entries()) writeFileSync(file, left[at]!);
    fill(dir);
    await relay.restart();
    assert.ok(isRefused(await post(relay, "early")));
    assert.equal(await status(`${relay.url}/readyz`), 503);
    rmSync(join(dir, "filler"));
    const late = await waitFor(async () => {
      const answer = await post(relay, "late");
      return answer.status === 200 && answer;
    });
    assert.deepEqual((await storedIds(relay)).sort(), [id, late.id].sort());
  });
});

for (const index of ["with", "without"]) {
  test(
    `a start on a read-only disk after a crash, ${index} the log's index, answers 503, and takes events once it can`,
    {
      skip: noMounts,
    },
    () =>
      onSmallDisk(64 * MIB, { mirror: { enabled: false } }, async (relay, disk) => {
        const { id } = await post(relay, "before");
        // What a crash leaves: the event is in the log only, which a disk that takes no change cannot be rid of.
        const ends = ["", "-wal", ...(index === "with" ? ["-shm"] : [])];
        const files = ends.map((end) => join(disk.dir, `data/relay.db${end}`));
        const left = files.map((file) => readFileSync(file));
        await relay.stop();
        for (const [at, file] of files.entries()) writeFileSync(file, left[at]!);
        disk.readOnly(true);
        await relay.restart();
        assert.ok(isRefused(await post(relay, "early")));
        assert.equal(await status(`${relay.url}/healthz`), 200);
        assert.equal(await status(`${relay.url}/readyz`), 503);
        const [said] = relay.ports.log.facts.filter(({ fact }) => fact.startsWith("the store cannot be used"));
        assert.match(String(said!.fields.error), /^the disk of dataDir .*data is read-only; make it writable: /);

        disk.readOnly(false);
        const late = await waitFor(async () => {
          const answer = await post(relay, "late");
          return answer.status === 200 && answer;
        });
        assert.deepEqual((await storedIds(relay)).sort(), [id, late.id].sort());
      }),
  );
}

/** Not a byte is left. */
function fill(dir: string): void {
  const { bavail, bsize } = statfsSync(dir);
  writeFileSync(join(dir, "filler"), Buffer.alloc(bavail * bsize));
}

test(
  "readyz says 503 while events of the size that was refused cannot be taken, however small ones fare",
  {
    skip: noMounts,
  },
  () =>
    onSmallDisk(12 * MIB, { mirror: { enabled: false } }, async (relay, { dir }) => {
      // The log has room of its own for what is small.
      await post(relay, "first", { pad: "p".repeat(100_000) });
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(join(dir, "filler"), Buffer.alloc(bavail * bsize - 120_000));
      const large = await post(relay, "large", { pad: "p".repeat(500_000) });
      assert.ok(isRefused(large));
      assert.equal((await post(relay, "small")).status, 200);
      assert.equal(await status(`${relay.url}/readyz`), 503);
      rmSync(join(dir, "filler"));
      await waitFor(async () => (await status(`${relay.url}/readyz`)) === 200);
      assert.equal((await post(relay, "large", { pad: "p".repeat(500_000) })).status, 200);
    }),
);

for (const lost of ["relay.db-wal", "relay.db-shm", "relay.lock"]) {
  test(`with ${lost} deleted nothing is acknowledged that is not kept, and the store is opened anew`, async (t) => {
    const relay = await open(t, { mirror: { enabled: false } });
    const dataDir = join(relay.dir, "data");
    const acknowledged: string[] = [];
    for (let n = 0; n < 5; n++) acknowledged.push((await post(relay, `before-${n}`)).id!);
    unlinkSync(join(dataDir, lost));
    assert.ok(isRefused(await post(relay, "at once")), "also within the first second");
    await waitFor(async () => {
      const { status, id } = await post(relay, "after");
      if (status === 200) acknowledged.push(id!);
      return status === 200;
    });
    assert.ok(readdirSync(dataDir).includes(lost));
    const ids = new Set(await storedIds(relay));
    assert.deepEqual(
      acknowledged.filter((id) => !ids.has(id)),
      [],
    );
  });
}

test("a store that is opened anew waits for no delivery under way, and delivers it again", async (t) => {
  const app = createServer();
  let requests = 0;
  app.on("request", () => requests++);
  const { url } = await listen(t, app);
  // The clock on which running work is waited for at a stop never strikes.
  const real = realPorts();
  const clock = {
    ...real.clock,
    after: (ms: number, run: () => void) => real.clock.after(ms < 4_000 ? ms : HOUR, run),
  };
  const endpoints = [endpointTo(url, { timeout: "5m" })];
  const relay = await startRelay({ endpoints, mirror: { enabled: false } }, { ...real, clock });
  t.after(() => {
    app.closeAllConnections();
    return relay.close();
  });
  await post(relay, "before");
  await waitFor(() => requests === 1);
  unlinkSync(join(relay.dir, "data/relay.db-wal"));
  await waitFor(async () => (await post(relay, "after")).status === 200);
  await waitFor(() => requests > 1);
});

test("a store that cannot be opened is tried again after 1, 2, 4 and 8 seconds, and then every 8", async (t) => {
  const hands = testClock(Date.now());
  /** What is waited for, in milliseconds. */
  const waits: number[] = [];
  const after: TestClock["after"] = (ms, run) => {
    waits.push(ms);
    return hands.after(ms, run);
  };
  const clock = { ...hands, after };
  const relay = await startRelay({ mirror: { enabled: false } }, { ...realPorts(), clock });
  /** Past all graces. */
  const end = async (ended: Promise<void>) => {
    await clock.advance(10_000);
    await ended;
  };
  t.after(() => end(relay.close()));
  const database = join(relay.dir, "data/relay.db");
  const { id } = await post(relay, "before");
  await end(relay.stop());
  renameSync(database, join(relay.dir, "away"));
  writeFileSync(database, "this is no database ".repeat(100));
  await relay.restart();
  const tries = () => relay.ports.log.facts.filter(({ fact }) => fact.startsWith("the store cannot be used")).length;
  assert.equal(tries(), 1);
  for (const [n, wait] of [1_000, 2_000, 4_000, 8_000, 8_000].entries()) {
    // What is wrong is another thing each time, or it would not be said again.
    rmSync(database, { recursive: true });
    if (n % 2 === 0) mkdirSync(database);
    else writeFileSync(database, "this is no database ".repeat(100));
    await waitFor(() => waits.includes(wait));
    await clock.advance(wait - 1);
    for (let turn = 0; turn < 20; turn++) assert.equal(await status(`${relay.url}/readyz`), 503);
    assert.equal(tries(), n + 1, `not before ${wait} ms`);
    waits.length = 0;
    await clock.advance(1);
    await waitFor(() => tries() === n + 2);
  }
  rmSync(database, { recursive: true });
  renameSync(join(relay.dir, "away"), database);
  await waitFor(() => waits.includes(8_000));
  await clock.advance(8_000);
  await waitFor(async () => (await status(`${relay.url}/readyz`)) === 200);
  assert.deepEqual(await storedIds(relay), [id]);
});

test("with relay.db deleted nothing is acknowledged, also within the first second", async (t) => {
  const relay = await open(t, { mirror: { enabled: false } });
  assert.equal((await post(relay, "before")).status, 200);
  unlinkSync(join(relay.dir, "data/relay.db"));
  assert.ok(isRefused(await post(relay, "after")));
  assert.equal(await status(`${relay.url}/readyz`), 503);
  const [said] = relay.ports.log.facts.filter(({ fact }) => fact === "store in trouble");
  assert.match(String(said?.fields.error), /relay\.db was deleted or replaced; put it back, or restart the relay/);
});

test("with relay.db and its log moved away, and relay.db alone put back, the store is opened anew", async (t) => {
  const relay = await open(t, { mirror: { enabled: false } });
  const database = join(relay.dir, "data/relay.db");
  const { id } = await post(relay, "before");
  for (const end of ["", "-wal"]) renameSync(database + end, join(relay.dir, `away${end}`));
  assert.ok(isRefused(await post(relay, "meanwhile")));
  renameSync(join(relay.dir, "away"), database);
  const late = await waitFor(async () => {
    const answer = await post(relay, "late");
    return answer.status === 200 && answer;
  });
  assert.deepEqual((await storedIds(relay)).filter((each) => [id, late.id].includes(each)).length, 2);
});
