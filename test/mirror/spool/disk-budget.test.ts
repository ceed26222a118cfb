import assert from "node:assert/strict";
import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { attemptDownload } from "../../../src/mirror/download/attempt.ts";
import { createLocalFailures } from "../../../src/mirror/download/local-failures.ts";
import { LIMITS } from "../../../src/mirror/download/rate-limits.ts";
import { LocalFailure } from "../../../src/mirror/errors.ts";
import { createDiskBudget } from "../../../src/mirror/spool/disk-budget.ts";
import { createInProgress } from "../../../src/mirror/spool/in-progress.ts";
import { readResumeState } from "../../../src/mirror/spool/resume-state.ts";
import { spoolPaths, sweepSpool } from "../../../src/mirror/spool/spool.ts";
import type { DownloadOutcome } from "../../../src/model/job.ts";
import { openOutbound } from "../../../src/platform/net/outbound.ts";
import { mp4 } from "../../support/media-bytes.ts";
import { serve } from "../../support/media-server.ts";
import { testClock } from "../../support/ports.ts";
import { openDownloads } from "../download/downloads.ts";

const isRoom = (error: unknown) => error instanceof LocalFailure && error.resource === "disk space";

/** A disk of which 100 bytes stay free; `free` is what the system says. */
function openRoom(free: number) {
  const disk = { free };
  const room = createDiskBudget("/spool", 100, async () => disk.free);
  const gaveUp: string[] = [];
  const reserve = (name: string, left: number | null) => room.reserve({ left, stop: () => gaveUp.push(name) });
  return { disk, room, reserve, gaveUp };
}

test("nothing begins while less is free than is to stay free", async () => {
  const { disk, room, reserve } = openRoom(99);
  await assert.rejects(room.check(), isRoom);
  await assert.rejects(reserve("unknown", null), isRoom);
  disk.free = 100;
  await room.check();
  await reserve("unknown", null);
});

test("what running downloads still have to write is not promised twice", async () => {
  const { disk, reserve } = openRoom(1100);
  const first = await reserve("first", 600);
  await assert.rejects(
    reserve("large", 500),
    /too little room in \/spool: 1100 bytes are free, mirror.minFreeDisk keeps 100, 600 are set aside for downloads under way, 500 are to come; free some/,
  );
  await reserve("small", 400);
  disk.free -= 300;
  first.left(300);
  await assert.rejects(reserve("one more", 1), isRoom, "what was written is gone from the disk and from the promise");
  first.release();
  first.release();
  await reserve("one more", 300);
  await assert.rejects(reserve("and more", 1), isRoom);
});

test("two that come together are not both promised the last room", async () => {
  const { reserve } = openRoom(1100);
  const outcomes = await Promise.allSettled([reserve("a", 600), reserve("b", 600)]);
  assert.deepEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
});

test("a download that learns late how much it needs stops no other", async () => {
  const { reserve, gaveUp } = openRoom(1100);
  await reserve("first", 900);
  const late = await reserve("late", null);
  await assert.rejects(late.resize(101), isRoom);
  assert.deepEqual(gaveUp, []);
  const other = openRoom(1100);
  const resumed = await other.reserve("resumed", 600);
  await resumed.resize(1000);
  const small = await reserve("small", null);
  await small.resize(100);
  await assert.rejects(reserve("more", 1), isRoom);
});

test("where the disk fills up the download that needs the most is stopped, and only one at a time", async () => {
  const { disk, reserve, gaveUp } = openRoom(1100);
  const [small, large] = [await reserve("small", 100), await reserve("large", 700)];
  const unknown = await reserve("unknown", null);
  await small.check();
  disk.free = 850;
  await small.check();
  assert.deepEqual(gaveUp, ["unknown"]);
  await small.check();
  await large.check();
  assert.deepEqual(gaveUp, ["unknown"], "the room of one that is on its way out is waited for");
  unknown.release();
  await assert.rejects(large.check(), isRoom);
  large.release();
  await small.check();
  assert.deepEqual(gaveUp, ["unknown"]);
});

const film = mp4({ bytes: 1000 });

function errorOf(outcome: DownloadOutcome | null): string {
  const { is, own, error } = outcome as Extract<DownloadOutcome, { is: "retry" }>;
  assert.deepEqual([is, own], ["retry", true]);
  return error;
}

test("a file that is too large for now waits, without asking again; smaller ones go on; one failures", async (t) => {
  let large = 0;
  const length = 2 ** 52;
  const origin = await serve(t, (request, response) => {
    if (request.url !== "/large") return void response.writeHead(200, { "content-length": film.length }).end(film);
    large++;
    response.writeHead(200, { "content-length": length, etag: '"1"' }).write("x");
  });
  const { run, log, spoolDir, queue, files } = await openDownloads(t, { config: { maxSize: 2 ** 53 } });
  const mediumId = "med_large";
  for (let round = 0; round < 3; round++) {
    assert.match(errorOf(await run(`${origin}/large`, { mediumId })), /4503599627370496 are to come/);
    assert.equal((await run(`${origin}/small`))?.is, "spooled");
  }
  assert.equal(large, 1);
  assert.equal(await sweepSpool(spoolDir, [{ mediumId, uploads: false }]), 3, "a restart changes nothing of that");
  assert.match(errorOf(await run(`${origin}/large`, { mediumId })), /are to come/);
  assert.equal(large, 1);
  assert.deepEqual(await files(), ["med_large.part.json"]);
  assert.match(queue.spoolTrouble() ?? "", /too little room/);
  assert.deepEqual(
    log.facts.filter(({ level }) => level === "error").map(({ fact }) => fact),
    ["downloads wait for room on the spool's disk"],
  );
});

test("on a disk that is low nothing is claimed, nothing is asked for, and events lose no attempts", async (t) => {
  const { queue, store, job, log } = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 } });
  store.due.push(job("http://127.0.0.1:1/"));
  for (let round = 0; round < 3; round++)
    assert.deepEqual((await queue.claim({ limit: 4, now: 0, leaseFor: 0 })).jobs, []);
  assert.deepEqual([store.claims, store.due.length], [[], 1]);
  assert.match(queue.spoolTrouble() ?? "", /mirror.minFreeDisk keeps/);
  assert.deepEqual(
    log.facts.map(({ level }) => level),
    ["error"],
  );
});

test("a spool that cannot be used is tried until it can, and then all goes on without a restart", async (t) => {
  const origin = await serve(t, (_, response) => void response.end(film));
  const clock = testClock(Date.now());
  const { queue, run, store, job, log, spoolDir } = await openDownloads(t, { clock });
  // Fails for root, too, which permissions do not stop.
  await mkdir(spoolPaths(spoolDir, "med_1").part, { recursive: true });
  await mkdir(join(spoolDir, "~probe.part"));
  assert.match(errorOf(await run(origin)), /^spool: /);
  store.due.push(job(origin));
  for (let round = 0; round < 3; round++) {
    await clock.advance(1_000);
    assert.deepEqual((await queue.claim({ limit: 4, now: 0, leaseFor: 0 })).jobs, []);
  }
  await rmdir(join(spoolDir, "~probe.part"));
  await clock.advance(1_000);
  assert.equal((await queue.claim({ limit: 4, now: 0, leaseFor: 0 })).jobs.length, 1, "the others go on");
  await rmdir(spoolPaths(spoolDir, "med_1").part);
  assert.equal((await run(origin, { mediumId: "med_1" }))?.is, "spooled");
  assert.deepEqual(
    log.facts.filter(({ level, fact }) => level === "error" || /again/.test(fact)).map(({ fact }) => fact),
    ["downloads wait: the spool cannot be used", "the spool can be used again"],
  );
  assert.equal(queue.spoolTrouble(), null);
});

test("a part that fills the disk makes room again, and its length is remembered", async (t) => {
  const origin = await serve(t, (_, response) => {
    response.writeHead(200, { etag: '"1"' });
    const chunk = Buffer.alloc(2 ** 20);
    const more = () => response.write(chunk, () => !response.destroyed && setImmediate(more));
    more();
  });
  const subject = await openDownloads(t);
  const outbound = openOutbound({ allowPrivateAddresses: true, connectTimeout: 1_000 });
  t.after(() => outbound.close());
  // The room is taken away while the file arrives.
  let looks = 0;
  const diskBudget = createDiskBudget(subject.spoolDir, 100, async () => (++looks > 3 ? 0 : 2 ** 40));
  const job = subject.job(origin, { mediumId: "med_1" });
  const { config, ports, spoolDir } = subject;
  const shared = { config, outbound, ports, spoolDir, diskBudget, limits: LIMITS, heldCopy: async () => null };
  const failures = createLocalFailures(ports);
  const lease = { signal: new AbortController().signal, yieldSlot() {} };
  const outcome = await attemptDownload({ ...shared, inProgress: createInProgress(), failures }, job, lease);
  assert.match(errorOf(outcome), /too little room/);
  assert.ok(failures.has("disk space"));
  assert.ok(!("progressed" in outcome!), "nothing is left to go on from");
  assert.deepEqual(await subject.files(), ["med_1.part.json"]);
  const note = await readResumeState(spoolPaths(subject.spoolDir, "med_1").state);
  assert.ok(note!.atLeast >= 16 * 2 ** 20, String(note!.atLeast));
  assert.deepEqual([note?.validator, note?.synced], [null, 0]);
});
