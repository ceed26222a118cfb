import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import type { DownloadJob } from "../../src/domain.ts";
import { startWorker } from "../../src/jobs/worker.ts";
import { LIMITS, watchPace } from "../../src/mirror/pace.ts";
import type { Store } from "../../src/store/store.ts";
import { testClock, testRandom } from "../support/ports.ts";
import { waitFor } from "../support/wait.ts";
import { mp4 } from "./bytes.ts";
import { openDownloads, serve } from "./downloads.ts";

const KIB = 1024;

/** Watches a download whose bytes follow from the seconds that have passed. */
async function watch(seconds: number, bytesAt: (second: number) => number) {
  const clock = testClock();
  const told: string[] = [];
  const second = () => Math.round(clock.elapsed() / 1000);
  const stop = watchPace(clock, LIMITS, {
    bytes: () => bytesAt(second()),
    onSlow: () => told.push(`slow at ${second()}`),
    onHopeless: (reason) => told.push(`${reason} at ${second()}`),
  });
  await clock.advance(seconds * 1000);
  stop();
  await clock.advance(10_000);
  return told;
}

test("waiting for the head, or less than 512 KiB/s on average, is slow after three seconds", async () => {
  assert.deepEqual(await watch(2, () => 0), []);
  assert.deepEqual((await watch(5, () => 0))[0], "slow at 3");
  assert.deepEqual((await watch(5, (second) => second * 511 * KIB))[0], "slow at 3");
  assert.deepEqual(await watch(100, (second) => second * 512 * KIB), []);
  assert.deepEqual((await watch(100, (second) => Math.min(second, 50) * 512 * KIB))[0], "slow at 51");
});

test("less than 1 KiB/s on average is hopeless after a minute, and not before", async () => {
  const hopeless = async (seconds: number, rate: number) =>
    (await watch(seconds, (second) => second * rate)).filter((line) => !line.startsWith("slow"));
  assert.deepEqual(await hopeless(59, 0), []);
  assert.match((await hopeless(60, 0))[0] ?? "", /too slow: 0 bytes\/s after 60 s at 60/);
  assert.match((await hopeless(60, 1023))[0] ?? "", /too slow/);
  assert.deepEqual(await hopeless(90, 1024), []);
});

test("a download ends after the total limit, however fast it is", async () => {
  const told = await watch(LIMITS.total / 1000 + 1, (second) => second * 2 ** 20);
  assert.match(told[0] ?? "", /took longer than 43200 s at 43200/);
});

/** Sends the head of a film at once, and the rest by drops, or never. */
async function dripping(t: TestContext, everyMs: number | null) {
  const film = mp4({ bytes: 100_000 });
  return serve(t, (_, response) => {
    response.writeHead(200, { "content-length": film.length });
    let at = 0;
    const drop = () => {
      response.write(film.subarray(at, at + 50));
      at += 50;
    };
    drop();
    if (everyMs === null) return;
    const timer = setInterval(drop, everyMs);
    response.on("close", () => clearInterval(timer));
  });
}

test("a slow download gives its slot away, goes on, and is tried again when it is hopeless", async (t) => {
  const origin = await dripping(t, 20);
  const { run } = await openDownloads(t, { limits: { yieldAfter: 100, slowAfter: 1_500, slowRate: 100_000 } });
  let yielded = 0;
  const outcome = await run(origin, {}, undefined, () => yielded++);
  assert.ok(yielded > 0);
  assert.equal(outcome?.is, "retry");
  assert.match((outcome as { error: string }).error, /too slow: \d+ bytes\/s/);
});

test("a fast download keeps its slot", async (t) => {
  const film = mp4({ bytes: 100_000 });
  const origin = await serve(t, (_, response) => void response.end(film));
  const { run } = await openDownloads(t);
  const outcome = await run(origin, {}, undefined, () => assert.fail("it gave its slot away"));
  assert.equal(outcome?.is, "mirrored");
});

test("a head that never comes, and a body that stalls, end in their limits", async (t) => {
  const silent = await serve(t, () => {});
  const stalled = await dripping(t, null);
  const { run } = await openDownloads(t, { limits: { headers: 200, idle: 200 } });
  const outcomes = await Promise.all([run(silent), run(stalled)]);
  assert.match((outcomes[0] as { error: string }).error, /Headers Timeout/);
  assert.match((outcomes[1] as { error: string }).error, /Body Timeout/);
  assert.deepEqual(
    outcomes.map((outcome) => outcome?.is),
    ["retry", "retry"],
  );
});

test("slow links starve nobody, and one host gets no more than its share", async (t) => {
  const film = mp4({ bytes: 1000 });
  const slow = await serve(t, () => {});
  const fast = await serve(t, (_, response) => void response.end(film));
  const { queue, store, job, ports } = await openDownloads(t, {
    config: { concurrency: 2 },
    limits: { yieldAfter: 50 },
  });
  store.due.push(...Array.from({ length: 6 }, () => job(`${slow}/x`)), job(`${fast}/x`, { videoId: "v2" }));
  const worker = startWorker<DownloadJob>(queue, store as unknown as Store, { ...ports, random: testRandom() });
  t.after(() => worker.stop(0));
  await waitFor(() => store.settled.some(({ outcome }) => outcome.is === "mirrored"));
  assert.equal(store.due.length, 4, "two of the slow host run, four wait");
  assert.ok(store.claims.some(({ busyHosts }) => busyHosts.includes(new URL(slow).host)));
  await worker.stop(0);
  assert.equal(store.settled.length, 1, "what was stopped settles nothing");
});

test("no more than four times the slots are unfinished, whatever gives its slot away", async (t) => {
  const { queue, store, job } = await openDownloads(t, { config: { concurrency: 2 }, limits: { yieldAfter: 50 } });
  const origins = await Promise.all(Array.from({ length: 10 }, () => serve(t, () => {})));
  store.due.push(...origins.map((origin) => job(origin)));
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  for (let round = 0; round < 20; round++) {
    for (const claimed of await queue.claim(2, 0, 0))
      running.push(queue.run(claimed, { signal: stop.signal, yieldSlot() {} }));
  }
  assert.equal(running.length, 8);
  stop.abort(new Error("enough"));
  await Promise.all(running);
  assert.equal((await queue.claim(2, 0, 0)).length, 2, "finished ones make room");
});

test("a claim takes no more of one host than fit, though all were of that host", async (t) => {
  const { queue, store, job } = await openDownloads(t, { config: { concurrency: 4 } });
  const origin = await serve(t, () => {});
  store.due.push(...Array.from({ length: 10 }, () => job(origin)));
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  const claim = async (limit: number) => {
    const jobs = await queue.claim(limit, 0, 0);
    running.push(...jobs.map((claimed) => queue.run(claimed, { signal: stop.signal, yieldSlot() {} })));
    return jobs.length;
  };
  assert.equal(await claim(3), 3);
  assert.equal(await claim(4), 1);
  assert.equal(await claim(4), 0);
  stop.abort(new Error("enough"));
  await Promise.all(running);
});
