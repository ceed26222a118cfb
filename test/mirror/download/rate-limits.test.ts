import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorker } from "../../../src/jobs/worker.ts";
import { LIMITS, type Limits, watchRate } from "../../../src/mirror/download/rate-limits.ts";
import { createInProgress } from "../../../src/mirror/spool/in-progress.ts";
import type { DownloadJob } from "../../../src/model/job.ts";
import type { Store } from "../../../src/store/store.ts";
import { mp4 } from "../../support/media-bytes.ts";
import { serve } from "../../support/media-server.ts";
import { testClock, testRandom } from "../../support/ports.ts";
import { waitFor } from "../../support/wait.ts";
import { openDownloads } from "./downloads.ts";

const KIB = 1024;

/** Watches a download whose bytes follow from the seconds that have passed. */
async function watch(seconds: number, bytesAt: (second: number) => number) {
  const clock = testClock();
  const told: string[] = [];
  const second = () => Math.round(clock.elapsed() / 1000);
  const stop = watchRate(clock, LIMITS, {
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
  assert.equal(outcome?.is, "spooled");
});

test("a head that never comes, and a body that stalls, end in their limits", async (t) => {
  const silent = await serve(t, () => {});
  const stalled = await dripping(t, null);
  const [hasty, patient] = [
    await openDownloads(t, { limits: { headers: 200 } }),
    await openDownloads(t, { limits: { idle: 200 } }),
  ];
  const outcomes = await Promise.all([hasty.run(silent), patient.run(stalled)]);
  assert.match((outcomes[0] as { error: string }).error, /Headers Timeout/);
  assert.match((outcomes[1] as { error: string }).error, /Body Timeout/);
  assert.deepEqual(
    outcomes.map((outcome) => outcome?.is),
    ["retry", "retry"],
  );
});

/** A worker over the given links, with `concurrency` slots; and what became of them. */
async function work(t: TestContext, links: string[], options: { concurrency: number; limits: Partial<Limits> }) {
  const { queue, store, job, ports, log } = await openDownloads(t, {
    config: { concurrency: options.concurrency },
    limits: options.limits,
  });
  store.due.push(...links.map((link, index) => job(link, { videoId: `v${index}` })));
  const worker = startWorker<DownloadJob>(queue, store as unknown as Store, { ...ports, random: testRandom() });
  t.after(() => worker.stop(0));
  const ends = (is: string) => store.settled.filter(({ outcome }) => outcome.is === is);
  return { store, worker, job, ends, log };
}

/** A host whose files never come, but for `/good`. */
async function slowHost(t: TestContext, onGood = () => {}) {
  const film = mp4({ bytes: 1000 });
  const begun: string[] = [];
  const origin = await serve(t, (request, response) => {
    begun.push(request.url!);
    if (request.url !== "/good") return;
    onGood();
    response.end(film);
  });
  return { origin, begun };
}

test("four slow links hold up no other one of their host", async (t) => {
  const { origin } = await slowHost(t);
  const links = [...Array.from({ length: 4 }, (_, n) => `${origin}/slow${n}`), `${origin}/good`];
  const { worker, store, ends } = await work(t, links, { concurrency: 4, limits: { yieldAfter: 50 } });
  await waitFor(() => ends("spooled").length === 1);
  assert.equal(store.settled.length, 1, "the slow ones go on");
  await worker.stop(0);
  assert.equal(store.settled.length, 1, "what was stopped settles nothing");
});

test("sixteen slow links of several hosts: one gives its place to the next link, and is tried again", async (t) => {
  const hosts = await Promise.all(Array.from({ length: 4 }, () => slowHost(t)));
  const slow = hosts.flatMap(({ origin }) => Array.from({ length: 4 }, (_, n) => `${origin}/slow${n}`));
  const links = [...slow, `${hosts[0]!.origin}/good`];
  const { worker, store, ends, log } = await work(t, links, { concurrency: 4, limits: { yieldAfter: 50 } });
  await waitFor(() => ends("spooled").length === 1 && ends("retry").length === 1);
  assert.equal(store.settled.length, 2, "no more of them than need be");
  const { outcome } = ends("retry")[0]!;
  assert.match((outcome as { error: string }).error, /^slow, and others wait/);
  assert.equal((outcome as { own?: boolean }).own, undefined, "it has had its attempt");
  assert.ok(log.facts.some(({ fact }) => fact === "media not mirrored yet"));
  await worker.stop(0);
});

test("a flood of one host's links lets another host's through before its own", async (t) => {
  const flood = await slowHost(t);
  const other = Object.assign(
    await slowHost(t, () => {
      other.before = flood.begun.length;
    }),
    { before: 0 },
  );
  const links = [...Array.from({ length: 50 }, (_, n) => `${flood.origin}/${n}`), `${other.origin}/good`];
  const { worker, ends } = await work(t, links, { concurrency: 2, limits: { yieldAfter: 200 } });
  await waitFor(() => other.begun.length === 1);
  assert.ok(other.before <= 4, `${other.before} of the flood came first`);
  await waitFor(() => ends("spooled").length === 1);
  await worker.stop(0);
});

test("a download preempted past its deadline does not expire, and is retried", async (t) => {
  const { origin } = await slowHost(t);
  const { queue, job, store, ports } = await openDownloads(t, {
    config: { concurrency: 1 },
    limits: { yieldAfter: 50 },
  });
  const deadline = Date.now() - 1_000;
  store.due.push(...Array.from({ length: 5 }, (_, n) => job(`${origin}/${n}`, { deadline, attempts: 3 })));
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  await waitFor(async () => {
    const jobs = (await queue.claim({ limit: 1, now: 0, leaseFor: 0 })).jobs;
    running.push(
      ...jobs.map((claimed) => queue.run(claimed, { signal: stop.signal, ending: stop.signal, yieldSlot() {} })),
    );
    return store.settled.length > 0;
  });
  const { outcome } = store.settled[0]!;
  assert.equal(outcome.is, "retry");
  const wait = (outcome as { at: number }).at - ports.clock.now();
  assert.ok(wait > 5_000 && wait <= 10_000, `the fourth wait of the schedule, not ${wait}`);
  stop.abort(new Error("enough"));
  await Promise.all(running);
});

test("a download near its end goes on, one without a foreseeable end is preempted", async (t) => {
  const drops = new Map<string, number>();
  const origin = await serve(t, (request, response) => {
    const path = request.url!;
    const isHuge = path === "/huge";
    response.writeHead(200, { "content-length": isHuge ? 2 ** 30 : 100_000 });
    const drop = () => {
      drops.set(path, (drops.get(path) ?? 0) + 1);
      response.write(Buffer.alloc(isHuge ? 100 : 10));
    };
    drop();
    const timer = setInterval(drop, 10);
    response.on("close", () => clearInterval(timer));
  });
  const links = ["small0", "huge", "small1", "small2"].map((path) => `${origin}/${path}`);
  const { worker, store, job } = await work(t, links, { concurrency: 1, limits: { yieldAfter: 50 } });
  // By then each rate has been looked at again after the head came, which says how long the file is.
  await waitFor(() => drops.size === 4 && [...drops.values()].every((count) => count > 250));
  store.due.push(job(`${origin}/next`));
  worker.wake();
  await waitFor(() => store.settled.length > 0);
  await worker.stop(0);
  assert.deepEqual(
    store.settled.map(({ job }) => job),
    ["job_2"],
  );
});

test("links that are tried again take places from slow ones one by one, first tries at once", async (t) => {
  const { origin } = await slowHost(t);
  for (const [attempts, gaveWay] of [
    [0, 3],
    [1, 1],
  ]) {
    const { queue, job, store } = await openDownloads(t, { config: { concurrency: 1 }, limits: { yieldAfter: 900 } });
    store.due.push(...Array.from({ length: 7 }, (_, n) => job(`${origin}/${n}`, { attempts })));
    const stop = new AbortController();
    const running: Promise<void>[] = [];
    const look = async () => {
      for (const claimed of (await queue.claim({ limit: 1, now: 0, leaseFor: 0 })).jobs)
        running.push(queue.run(claimed, { signal: stop.signal, ending: stop.signal, yieldSlot() {} }));
    };
    for (let n = 0; n < 4; n++) await look();
    await sleep(1_100);
    for (let n = 0; n < 10; n++) await look();
    await waitFor(() => store.settled.length >= gaveWay!);
    await sleep(100);
    assert.equal(store.settled.length, gaveWay);
    stop.abort(new Error("enough"));
    await Promise.all(running);
  }
});

test("the download furthest from its end is preempted, of equal ones the one with the fewest bytes", () => {
  const unfinished = createInProgress();
  const gaveWay: string[] = [];
  const add = (id: string, secondsLeft: number, bytes: number) => {
    const job = { id, host: "h" } as DownloadJob;
    unfinished.add(job);
    unfinished.note(job, { secondsLeft, bytes, stop: () => gaveWay.push(id) });
    return job;
  };
  unfinished.add({ id: "fast", host: "h" } as DownloadJob);
  add("near", 10, 5);
  add("far", 1000, 9000);
  add("unknown, much", Number.POSITIVE_INFINITY, 500);
  add("unknown, little", Number.POSITIVE_INFINITY, 5);
  unfinished.note(add("all there", 2000, 1), null);
  for (let round = 0; round < 5; round++) unfinished.preemptSlowest();
  assert.deepEqual(gaveWay, ["unknown, little", "unknown, much", "far", "near"]);
  assert.equal(unfinished.count(), 2);
});

test("no more than four times the slots are unfinished, whatever gives its slot away", async (t) => {
  const { queue, store, job } = await openDownloads(t, { config: { concurrency: 2 }, limits: { yieldAfter: 50 } });
  const origins = await Promise.all(Array.from({ length: 10 }, () => serve(t, () => {})));
  store.due.push(...origins.map((origin) => job(origin)));
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  for (let round = 0; round < 20; round++) {
    for (const claimed of (await queue.claim({ limit: 2, now: 0, leaseFor: 0 })).jobs)
      running.push(queue.run(claimed, { signal: stop.signal, ending: stop.signal, yieldSlot() {} }));
  }
  assert.equal(running.length, 8);
  stop.abort(new Error("enough"));
  await Promise.all(running);
  assert.equal((await queue.claim({ limit: 2, now: 0, leaseFor: 0 })).jobs.length, 2, "finished ones make room");
});
