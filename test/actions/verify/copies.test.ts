import assert from "node:assert/strict";
import { readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type Finding, type VerifyParts, verifyCopies } from "../../../src/actions/verify/copies.ts";
import { createThrottle } from "../../../src/platform/throttle.ts";
import { sha256Of } from "../../support/bytes.ts";
import { testClock } from "../../support/ports.ts";
import { realPorts } from "../../support/real-ports.ts";
import { openSeeded, ready } from "../../support/seeded.ts";

/** A database with mirrored videos, their files, and a verification of them as the command does it. */
async function openMirrored(t: Pick<TestContext, "after">, count: number) {
  const seeded = await openSeeded(t, { mirror: { enabled: true }, endpoints: [] });
  const name = (at: number) => `v${String(at).padStart(5, "0")}`;
  const link = (at: number) => `https://cdn.example.com/${at}.mp4`;
  await Promise.all(Array.from({ length: count }, (_, at) => seeded.take(ready(name(at), { videoUrl: link(at) }))));
  await seeded.download("mirrored");
  const dir = join(seeded.config.dataDir, "media");
  const found: Finding[] = [];
  const lost: string[] = [];
  const read: VerifyParts["read"] = async ({ key }) => {
    const bytes = await readFile(join(dir, key)).catch((error) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    return bytes && chunksOf(bytes);
  };
  const verify = (changes: Partial<VerifyParts> = {}) =>
    verifyCopies({
      store: seeded.store,
      clock: realPorts().clock,
      signal: new AbortController().signal,
      read,
      lookInto: async () => null,
      filter: {},
      rate: null,
      mend: false,
      found: (finding) => void found.push(finding),
      lost: (_, why) => void lost.push(why),
      progress() {},
      ...changes,
    });
  return { ...seeded, name, read, verify, found, lost, path: (at: number) => join(dir, name(at), "video.bin") };
}

/** In two pieces, as a stream would give them. */
async function* chunksOf(bytes: Uint8Array) {
  yield bytes.subarray(0, 3);
  yield bytes.subarray(3);
}

/** Five ways in which a copy can go bad. */
const DAMAGE: Record<string, (path: string) => void> = {
  flipped(path) {
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(path, bytes);
  },
  cut: (path) => truncateSync(path, 4),
  emptied: (path) => truncateSync(path, 0),
  removed: (path) => rmSync(path),
  replaced: (path) => writeFileSync(path, "somebody else's file, which is longer"),
};

test("of many copies exactly those are found that are damaged, in five ways", async (t) => {
  const { verify, found, lost, name, path } = await openMirrored(t, 100);
  const ways = Object.values(DAMAGE);
  const expected = Array.from({ length: 25 }, (_, n) => {
    const at = (n * 37) % 100;
    ways[n % ways.length]!(path(at));
    return name(at);
  });
  const summary = await verify();
  assert.deepEqual(found.map(({ videoId }) => videoId).sort(), expected.sort());
  const { bytes, ...counts } = summary;
  const none = { unreadable: 0, mended: 0, unreached: 0 };
  assert.deepEqual(counts, { copies: 100, good: 75, missing: 5, damaged: 20, ...none });
  assert.ok(bytes > 0);
  assert.deepEqual(lost, []);
  const details = new Set(found.map(({ fault, detail }) => `${fault}: ${detail}`));
  assert.deepEqual([...details].sort(), [
    "damaged: is another file: longer than the 15 bytes that were kept",
    "damaged: is cut: 4 of 15 bytes",
    "damaged: is empty",
    "damaged: is not what was kept: as long, with another sha256",
    "missing: is missing",
  ]);
});

test("only what is asked for is read, and not what was superseded", async (t) => {
  const { verify, store, take, download, name } = await openMirrored(t, 3);
  assert.equal((await verify({ filter: { videoId: name(1) } })).copies, 1);
  assert.equal((await verify({ filter: { kind: "thumbnail" } })).copies, 0);
  for (const file of ["a.jpg", "b.jpg"]) {
    const thumbnailUrl = `https://cdn.example.com/${file}`;
    await take({ type: "draft.update", wochitVideoId: name(1), thumbnailUrl });
    await download("mirrored");
  }
  const states = (await store.media({ limit: 10, kind: "thumbnail" })).map(({ state }) => state);
  assert.deepEqual(states, ["mirrored", "superseded"]);
  assert.equal((await verify({ filter: { kind: "thumbnail" } })).copies, 1);
  assert.equal((await verify({ filter: { until: Date.now() - 60_000 } })).copies, 0);
});

test("mending queues what is missing and damaged for download, and says when the link has expired", async (t) => {
  const { verify, found, store, path } = await openMirrored(t, 3);
  rmSync(path(0));
  truncateSync(path(1), 1);
  const clock = realPorts().clock;
  const summary = await verify({ mend: true });
  assert.deepEqual([summary.good, summary.mended], [1, 2]);
  assert.deepEqual(
    found.map(({ mend }) => mend),
    [
      { queued: true, note: null },
      { queued: true, note: null },
    ],
  );
  for (const { id } of found) assert.equal((await store.medium(id)).state, "pending");
  const again = await verify({ mend: true });
  assert.equal(again.mended, 0);
  assert.deepEqual(found.at(-1)?.mend, { queued: false, note: "it is being downloaded already" });
  rmSync(path(2));
  const late = { ...clock, now: () => clock.now() + 10 * 86_400_000 };
  await verify({ mend: true, clock: late });
  const [expired] = found.filter(({ mend }) => mend?.queued && mend.note !== null);
  assert.equal(expired?.mend?.note, "its link has expired and is tried all the same");
});

test("a copy that cannot be read is a finding, and never mended; its neighbours are judged", async (t) => {
  const { verify, found, lost, read, name } = await openMirrored(t, 50);
  const refused = new Set([7, 8, 9, 10, 11, 12, 13].map((at) => `${name(at)}/video.bin`));
  const summary = await verify({
    mend: true,
    read: async (copy, signal) => {
      if (refused.has(copy.key)) throw Object.assign(new Error("permission denied"), { code: "EACCES" });
      return read(copy, signal);
    },
  });
  assert.deepEqual([summary.good, summary.unreadable, summary.mended], [43, 7, 0]);
  assert.deepEqual(lost, []);
  assert.equal(found[0]?.detail, "cannot be read: permission denied (EACCES)");
});

test("a target that is down is given up after a few copies, from the start and in the middle", async (t) => {
  const { verify, found, lost, read } = await openMirrored(t, 200);
  let reads = 0;
  const down = async () => {
    reads++;
    throw new Error("connect ECONNREFUSED 127.0.0.1:9000");
  };
  const lookInto = async () => "connect ECONNREFUSED 127.0.0.1:9000";
  const atOnce = await verify({ read: down, lookInto });
  assert.deepEqual([atOnce.copies, atOnce.unreached], [0, 200]);
  assert.deepEqual(lost.splice(0), ["connect ECONNREFUSED 127.0.0.1:9000"]);
  assert.ok(reads < 20, `${reads} reads`);

  reads = 0;
  const midway = await verify({ read: (copy, signal) => (reads++ < 100 ? read(copy, signal) : down()), lookInto });
  assert.deepEqual([midway.good, midway.unreached, midway.unreadable], [100, 100, 0]);
  assert.equal(lost.splice(0).length, 1);

  reads = 0;
  const unmounted = await verify({
    read: async (copy, signal) => (reads++ < 100 ? read(copy, signal) : null),
    lookInto: async () => "it holds nothing at all",
  });
  assert.deepEqual([unmounted.good, unmounted.unreached, unmounted.missing], [100, 100, 0]);
  assert.deepEqual(lost.splice(0), ["it holds nothing at all"]);
  assert.deepEqual(found, []);
});

test("a target that fails for a moment is not given up", async (t) => {
  const { verify, read, found, lost } = await openMirrored(t, 20);
  let reads = 0;
  let looks = 0;
  const lookInto = async () => (looks++ < 2 ? "connect ECONNREFUSED 127.0.0.1:9000" : null);
  const down: VerifyParts["read"] = () => Promise.reject(new Error("connect ECONNREFUSED 127.0.0.1:9000"));
  const summary = await verify({
    read: (copy, signal) => (reads++ === 10 ? down(copy, signal) : read(copy, signal)),
    lookInto,
  });
  assert.deepEqual([summary.good, summary.unreadable, summary.unreached, lost], [19, 1, 0, []]);
  assert.equal(found.length, 1);
});

test("a folder that holds nothing is not a hundred missing copies; one that holds other things is", async (t) => {
  const { verify, found, lost } = await openMirrored(t, 100);
  const empty = await verify({ read: async () => null, lookInto: async () => "it holds nothing at all" });
  assert.deepEqual([empty.missing, empty.unreached, found.length], [0, 100, 0]);
  assert.deepEqual(lost.splice(0), ["it holds nothing at all"]);
  const missing = await verify({ read: async () => null });
  assert.deepEqual([missing.missing, missing.unreached, found.length], [100, 0, 100]);
});

test("a thumbnail that is replaced while it is read is judged by its new row", async (t) => {
  const { verify, found, store, take, download, config, name } = await openMirrored(t, 1);
  const thumbnail = (more: object) =>
    take({ type: "draft.update", wochitVideoId: name(0), thumbnailUrl: "https://cdn.example.com/t.jpg", ...more });
  await thumbnail({});
  await download("mirrored");
  const [row] = await store.media({ limit: 1, kind: "thumbnail" });
  let reads = 0;
  const content = readFileSync(join(config.dataDir, "media", row!.key!));
  const summary = await verify({
    filter: { kind: "thumbnail" },
    read: async () => {
      // The new file is in place before its row says so.
      if (reads++ === 0) {
        await thumbnail({ title: "changed" });
        return chunksOf(Buffer.from("a newer file of another length"));
      }
      if (reads === 2) await download("mirrored");
      return chunksOf(content);
    },
  });
  assert.deepEqual([summary.good, found.length], [1, 0]);
  assert.ok(reads >= 2);
});

test("a copy whose row has changed by the time it was read is judged by the new one", async (t) => {
  const { verify, found, store } = await openMirrored(t, 1);
  const content = Buffer.from("what took its place");
  const now = { bytes: content.length, sha256: sha256Of(content) };
  const summary = await verify({
    store: { ...store, medium: async (id) => ({ ...(await store.medium(id)), ...now }) },
    read: async () => chunksOf(content),
  });
  assert.deepEqual([summary.good, found.length], [1, 0]);
});

test("a copy that is deleted while it is read is no finding", async (t) => {
  const { verify, found, store, name } = await openMirrored(t, 3);
  const summary = await verify({
    filter: { videoId: name(1) },
    read: async () => {
      await store.forgetVideo(name(1), Date.now());
      return null;
    },
  });
  assert.deepEqual([summary.copies, found.length], [0, 0]);
});

test("it ends early when it is stopped", async (t) => {
  const { verify, read } = await openMirrored(t, 200);
  const abort = new AbortController();
  let reads = 0;
  const summary = await verify({
    signal: abort.signal,
    read: (copy, signal) => {
      if (reads++ === 20) abort.abort();
      return read(copy, signal);
    },
  });
  assert.ok(summary.copies < 40);
  assert.equal(summary.unreached + summary.unreadable, 0);
});

test("a rate is kept to by all readers together, and small files do not wait one by one", async () => {
  const clock = testClock();
  let timers = 0;
  const after: typeof clock.after = (ms, run) => {
    timers++;
    return clock.after(ms, run);
  };
  const throttle = createThrottle(1_000_000, { ...clock, after });
  const { signal } = new AbortController();
  let bytes = 0;
  const reader = async () => {
    for (let at = 0; at < 250; at++) {
      await throttle(1_000, signal);
      bytes += 1_000;
    }
  };
  const readers = [reader(), reader(), reader(), reader()];
  await clock.advance(500);
  assert.ok(bytes > 450_000 && bytes < 550_000, `${bytes} bytes in half a second`);
  await clock.advance(600);
  assert.equal(bytes, 1_000_000);
  assert.ok(timers < 250, `${timers} timers for 1000 files`);
  await Promise.all(readers);
});
