import assert from "node:assert/strict";
import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LeaseLost } from "../../../src/errors.ts";
import { createMover } from "../../../src/mirror/move/mover.ts";
import { openTargets } from "../../../src/mirror/open-targets.ts";
import { createTargetHealth } from "../../../src/mirror/upload/target-health.ts";
import type { TaskJob } from "../../../src/model/task.ts";
import type { MirrorTarget } from "../../../src/targets/target.ts";
import { waitFor } from "../../support/wait.ts";
import { openCopies } from "../copies.ts";

type Faults = { present?: Partial<MirrorTarget>; former?: Partial<MirrorTarget> };

/** Copies of these videos in one folder, and the mover of a mirror whose target is another one. */
async function open(t: TestContext, videos: Record<string, string>, { minFreeDisk = 0 } = {}) {
  const at = await openCopies(t);
  const ids: Record<string, string> = {};
  for (const [videoId, content] of Object.entries(videos)) ids[videoId] = await at.bring(videoId, content);
  await at.work("uploads");
  const { store, clock, spoolDir, locks, config, dir, log } = at;
  const ports = { clock, log };
  const newDir = join(dir, "new");
  const mirror = { ...config.mirror, minFreeDisk, target: { type: "local" as const, dir: newDir } };
  const opened = await openTargets({ config: mirror, dataDir: config.dataDir, store });
  t.after(() => opened.close());
  const faults: Faults = {};
  const mixed = (target: MirrorTarget, which: keyof Faults): MirrorTarget =>
    new Proxy(target, { get: (real, verb) => Reflect.get({ ...real, ...faults[which] }, verb) });
  const present = mixed(opened.present, "present");
  const targets = {
    ...{ present, presentId: opened.presentId },
    at: async (id: string) => (id === opened.presentId ? present : mixed((await opened.at(id))!, "former")),
  };
  const targetHealth = createTargetHealth({ target: present, ports, spoolDir });
  const state = { isBusy: false };
  const mover = createMover({
    ...{ config: mirror, store, targets, ports, spoolDir, targetHealth, locks },
    isBusy: () => state.isBusy,
  });
  t.after(() => mover.stop());
  const ending = new AbortController();
  const begin = async (): Promise<TaskJob> => {
    const { id } = await store.createRun({ verb: "move", options: {}, by: "test" }, clock.now());
    return (await store.claimTask({ id, now: clock.now(), leaseFor: 30_000 })).job!;
  };
  const task = await begin();
  return {
    ...{ at, store, clock, log, ids, faults, state, mover, task, ending, newDir, spoolDir, targets, begin },
    oldDir: (config.mirror.target as { dir: string }).dir,
    move: (how: { deleteSource?: boolean; rate?: number } = {}, job = task) =>
      mover.move(job, { deleteSource: false, rate: null, ...how }, ending.signal),
    /** Moves the clock until it resolves. */
    async passing<T>(work: Promise<T>): Promise<T> {
      let isDone = false;
      const end = work.finally(() => {
        isDone = true;
      });
      await waitFor(async () => {
        if (!isDone) await clock.advance(1_000);
        return isDone;
      });
      return end;
    },
  };
}

const text = (...path: string[]) => readFile(join(...path), "utf8");

test("copies go into the present target under their keys, as files that are shared where the disk is", async (t) => {
  const { move, store, ids, newDir, oldDir, targets, at } = await open(t, { v1: "one film", v2: "another" });
  assert.equal(await move(), "done");
  for (const [videoId, content] of [
    ["v1", "one film"],
    ["v2", "another"],
  ] as const) {
    const medium = await store.medium(ids[videoId]!);
    assert.deepEqual([medium.target, medium.key], [targets.presentId, `${videoId}/video.mp4`]);
    assert.equal(await text(newDir, videoId, "video.mp4"), content);
    assert.equal(await text(oldDir, videoId, "video.mp4"), content, "it is left where it was");
  }
  const inodes = await Promise.all(
    [oldDir, newDir].map((dir) => stat(join(dir, "v1/video.mp4")).then(({ ino }) => ino)),
  );
  assert.equal(inodes[0], inodes[1]);
  assert.equal(await at.work("deletions"), 0);
});

test("sources go with deleteSource, those of earlier moves, too; a new move finds nothing to do", async (t) => {
  const { move, at, store, begin, task, clock, oldDir, newDir } = await open(t, { v1: "one film" });
  assert.equal(await move(), "done");
  await store.endRun(task, { total: 1, done: 0, failed: 0, error: null }, clock.now());
  const again = await begin();
  assert.equal(await move({ deleteSource: true }, again), "done");
  assert.equal(await at.work("deletions"), 1);
  await assert.rejects(stat(join(oldDir, "v1/video.mp4")));
  assert.equal(await text(newDir, "v1/video.mp4"), "one film");
  assert.equal((await store.task(again.id)).done, 0);
});

test("what is there already is taken over; another file there is left alone", async (t) => {
  const { move, targets, store, ids, newDir, spoolDir, faults } = await open(t, { v1: "one film", v2: "two" });
  const put = async (key: string, content: string) => {
    const file = join(spoolDir, "test.part");
    await writeFile(file, content);
    const about = { contentType: "x/y", bytes: content.length, sha256: "", eventId: "", videoId: "" };
    await targets.present.put(key, file, { ...about, again: false, replace: false }, new AbortController().signal);
    await rm(file);
  };
  await put("v1/video.mp4", "one film");
  await put("v2/video.mp4", "of another");
  const puts: string[] = [];
  const { put: real } = targets.present;
  faults.present = {
    put: async (...given) => {
      const placed = await real(...given);
      puts.push(`${given[0]} ${placed}`);
      return placed;
    },
  };
  assert.equal(await move(), "done");
  assert.ok(puts.includes("v1/video.mp4 exists-same"), String(puts));
  assert.equal(await text(newDir, "v2/video.mp4"), "of another");
  const { key } = await store.medium(ids.v2!);
  assert.match(key!, /^v2\/video\.[0-9a-f]{8}\.mp4$/);
  assert.equal(await text(newDir, key!), "two");
  assert.equal((await store.mediumByKey("v2/video.mp4"))?.key, key, "its links stay");
});

test("a source that is gone or damaged is counted and named, and the others are moved", async (t) => {
  const { move, store, ids, oldDir, task, log } = await open(t, { v1: "gone", v2: "damaged", v3: "cut", v4: "good" });
  await rm(join(oldDir, "v1/video.mp4"));
  await writeFile(join(oldDir, "v2/video.mp4"), "Damaged");
  await writeFile(join(oldDir, "v3/video.mp4"), "c");
  const before = await Promise.all(["v1", "v2", "v3"].map((videoId) => store.medium(ids[videoId]!)));
  assert.equal(await move(), "done");
  const { done, failed, error } = await store.task(task.id);
  assert.deepEqual([done, failed], [1, 3]);
  assert.deepEqual(await store.failedMoves(task.id, 9), [
    { mediumId: ids.v1, error: "its copy is gone" },
    { mediumId: ids.v2, error: "its copy is not what was kept: it has another sha256" },
    { mediumId: ids.v3, error: "its copy has 1 bytes, not 3" },
  ]);
  assert.match(error!, /^med_\S+: its copy /);
  assert.deepEqual(await Promise.all(["v1", "v2", "v3"].map((videoId) => store.medium(ids[videoId]!))), before);
  assert.equal(log.facts.filter(({ fact }) => fact === "copy not moved").length, 3);
});

test("what an earlier task could not move is forgotten when another one begins", async (t) => {
  const { move, begin, store, ids, oldDir, task, clock } = await open(t, { v1: "gone", v2: "gone, too" });
  for (const videoId of ["v1", "v2"]) await rm(join(oldDir, videoId, "video.mp4"));
  assert.equal(await move(), "done");
  await store.endRun(task, { total: 2, done: 0, failed: 0, error: null }, clock.now());
  await store.forgetVideo("v1", clock.now());
  const next = await begin();
  assert.equal(await move({}, next), "done");
  assert.deepEqual(await store.failedMoves(task.id, 9), []);
  assert.deepEqual(await store.failedMoves(next.id, 9), [{ mediumId: ids.v2, error: "its copy is gone" }]);
});

test("a copy that is only in the new place any longer is found there: after a restore of an older database", async (t) => {
  const { move, store, ids, oldDir, newDir, targets, spoolDir } = await open(t, { v1: "one film" });
  const file = join(spoolDir, "test.part");
  await writeFile(file, "one film");
  const about = { contentType: "x/y", bytes: 8, sha256: "", eventId: "", videoId: "", again: false, replace: false };
  await targets.present.put("v1/video.mp4", file, about, new AbortController().signal);
  await rm(join(oldDir, "v1/video.mp4"));
  assert.equal(await move({ deleteSource: true }), "done");
  assert.equal((await store.medium(ids.v1!)).target, targets.presentId);
  assert.equal(await text(newDir, "v1/video.mp4"), "one film");
});

test("a source that is no file of this machine is read through the spool, proven, and leaves nothing there", async (t) => {
  const { move, store, ids, faults, newDir, spoolDir, at, targets } = await open(t, { v1: "one film" });
  faults.former = { file: async () => null };
  assert.equal(await move(), "done");
  assert.equal((await store.medium(ids.v1!)).target, targets.presentId);
  assert.equal(await text(newDir, "v1/video.mp4"), "one film");
  assert.deepEqual(await at.spooled(), [], spoolDir);
});

test("a target that is down is waited for, and nothing fails; the task says what it waits for", async (t) => {
  const { move, passing, store, faults, task, ids, clock, targets } = await open(t, { v1: "one film" });
  let isDown = true;
  const { put } = targets.present;
  faults.present = {
    put: async (...given) => (isDown ? Promise.reject(new Error("the bucket is away")) : put(...given)),
  };
  const moving = move();
  await waitFor(async () => {
    await clock.advance(1_000);
    return (await store.task(task.id)).error?.startsWith("waits: ") === true;
  });
  assert.match((await store.task(task.id)).error!, /the bucket is away/);
  await clock.advance(3_600_000);
  isDown = false;
  assert.equal(await passing(moving), "done");
  const { done, failed, error } = await store.task(task.id);
  assert.deepEqual([done, failed, error], [1, 0, null]);
  assert.equal((await store.medium(ids.v1!)).target, targets.presentId);
});

test("a former target that is away is waited for; a copy that cannot be read, while it answers, fails in the end", async (t) => {
  const { move, passing, store, faults, task, clock } = await open(t, { v1: "one film" });
  const broken = () => Promise.reject(Object.assign(new Error("i/o error"), { code: "EIO" }));
  faults.former = { file: broken, head: broken };
  const moving = move();
  await clock.advance(3_600_000);
  assert.equal((await store.task(task.id)).failed, 0);
  faults.former = { file: broken };
  assert.equal(await passing(moving), "done");
  assert.match((await store.task(task.id)).error!, /: its copy cannot be read: i\/o error/);
});

test("a spool without room is waited for, and fails nothing; no copy is opened for it", async (t) => {
  const { move, mover, store, faults, task, clock } = await open(t, { v1: "one film" }, { minFreeDisk: 2 ** 60 });
  let opened = 0;
  const read = async () => {
    opened++;
    return null;
  };
  faults.former = { file: async () => null, read };
  const moving = move();
  await waitFor(async () => {
    await clock.advance(60_000);
    return (await store.task(task.id)).error?.includes("too little room") === true;
  });
  await clock.advance(3_600_000);
  assert.equal((await store.task(task.id)).failed, 0);
  await mover.stop();
  assert.equal(await moving, "stopped");
  // What is opened and not read keeps its file, or its connection to a bucket.
  assert.equal(opened, 0);
});

test("a rate is kept", async (t) => {
  const { move, passing, clock } = await open(t, { v1: "x".repeat(1_000), v2: "y".repeat(2_000) });
  const began = clock.elapsed();
  assert.equal(await passing(move({ rate: 100 })), "done");
  const took = clock.elapsed() - began;
  // The clock goes on while the disk is at work.
  assert.ok(took >= 30_000 && took < 120_000, String(took));
});

test("new copies go first, but do not hold a move for ever", async (t) => {
  const { move, passing, clock, state, faults, store, task } = await open(t, { v1: "one film" });
  let begun = 0;
  faults.former = {
    async file() {
      begun = clock.elapsed();
      return null;
    },
  };
  state.isBusy = true;
  const from = clock.elapsed();
  assert.equal(await passing(move()), "done");
  assert.ok(begun - from >= 5_000 && begun - from < 60_000, String(begun - from));
  assert.equal((await store.task(task.id)).done, 1);
});

test("a mirror that stops ends the move, which goes on with its next start; a task that is canceled takes back what was put", async (t) => {
  const { move, mover, store, faults, task, targets, ending, clock, at, newDir } = await open(t, { v1: "one film" });
  const { put } = targets.present;
  let begun = 0;
  faults.present = {
    async put(...given) {
      begun++;
      const [, , , signal] = given;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      if (!(signal.reason instanceof LeaseLost)) throw signal.reason;
      return put(...(given.with(3, new AbortController().signal) as typeof given));
    },
  };
  const first = move();
  await waitFor(() => begun === 1);
  await mover.stop();
  assert.equal(await first, "stopped");
  assert.equal(await move(), "stopped");
  mover.start();
  const second = move();
  await waitFor(() => begun === 2);
  await store.cancelTask(task.id, "canceled by the operator", clock.now());
  ending.abort(new LeaseLost("the task was canceled"));
  assert.equal(await second, "lost");
  assert.equal(await text(newDir, "v1/video.mp4"), "one film");
  const old = at.deletions.claim({ limit: 9, now: clock.now(), leaseFor: 30_000 });
  assert.deepEqual(
    (await old).jobs.map(({ copy }) => copy),
    [{ target: targets.presentId, key: "v1/video.mp4", bytes: 8 }],
  );
});
