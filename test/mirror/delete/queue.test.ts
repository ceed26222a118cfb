import assert from "node:assert/strict";
import { rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { deletionQueue } from "../../../src/mirror/delete/queue.ts";
import { openTargets, type Targets } from "../../../src/mirror/open-targets.ts";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import type { MirrorTarget } from "../../../src/targets/target.ts";
import { nextDue } from "../../support/next-due.ts";
import { waitFor } from "../../support/wait.ts";
import { DAY, openCopies } from "../copies.ts";

test("a forgotten video's copies are removed from target and spool, with one log line each", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film");
  await at.bring("v2", "another");
  await at.work("uploads");
  const waiting = await at.bring("v1", "a second film", {}, "https://h/other.mp4");
  await writeFile(spoolPaths(at.spoolDir, waiting).part, "a piece");
  const other = await at.bring("v3", "a third film");
  await at.store.forgetVideo("v1", at.clock.now());
  assert.equal(await at.work("deletions"), 2);
  assert.deepEqual(await at.kept(), ["v2/video.mp4"]);
  assert.deepEqual(await at.spooled(), [spoolPaths("", other).file]);
  const told = at.facts("media deleted");
  assert.deepEqual(
    told.map(({ level, fields }) => [level, fields]),
    [["info", { medium, video: "v1", key: "v1/video.mp4" }]],
  );
});

test("a copy that another row shares stays", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  const second = await at.bring("v1", "a film", {}, "https://h/again.mp4");
  await at.work("uploads");
  const keys = (await at.store.media({ limit: 9, videoId: "v1" })).map(({ key }) => key);
  assert.deepEqual(keys, ["v1/video.mp4", "v1/video.mp4"]);
  // Mended with other bytes: its row lets go of a copy that the other one still refers to.
  await at.store.mendMedium(second, at.clock.now());
  await at.spool((await at.downloads())[0]!, "another film");
  await at.work("uploads");
  await at.work("deletions");
  const left = await at.kept();
  assert.equal(left.length, 2);
  assert.ok(left.includes("v1/video.mp4"));
});

test("a deletion leaves the spool what its medium needs for an upload", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film");
  for (const content of ["another film", "a third film"]) {
    await at.work("uploads");
    await at.store.mendMedium(medium, at.clock.now());
    await at.spool((await at.downloads())[0]!, content);
  }
  assert.equal(await at.work("deletions"), 1);
  assert.deepEqual(await at.spooled(), [spoolPaths("", medium).file]);
  await at.work("uploads");
  await at.work("deletions");
  assert.equal((await at.kept()).length, 1);
});

test("a copy that a row refers to again by the time of its deletion stays, and the job is done", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  await at.bring("v1", "a film", {}, "https://h/again.mp4");
  await at.work("uploads");
  await at.work("deletions");
  assert.deepEqual(await at.kept(), ["v1/video.mp4"]);
  await at.clock.advance(DAY);
  assert.equal(await at.work("deletions"), 0);
});

test("a deletion that fails is retried without end, every five minutes at last, and logged as a warning at first", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  const real = at.target.delete;
  at.target.delete = () => Promise.reject(new Error("access denied"));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    assert.equal(await at.work("deletions"), 1);
    const due = (await nextDue(at.store, "delete"))!;
    waits.push((due - at.clock.now()) / 1_000);
    at.clock.set(due);
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
  assert.deepEqual(
    at
      .facts("media not deleted yet")
      .map(({ level }) => level)
      .slice(0, 2),
    ["warn", "debug"],
  );
  at.target.delete = real;
  await at.work("deletions");
  assert.deepEqual([await at.kept(), at.facts("media deleted").length], [[], 1]);
});

test("a copy in a former target is deleted there; while that is gone, it is not taken for deleted", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.bring("v2", "another film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  const dir = join(at.config.dataDir, "media");
  await rename(dir, `${dir}.away`);
  const config = { target: { type: "local" as const, dir: join(at.dir, "new") } };
  const targets = await openTargets({ config, dataDir: at.config.dataDir, store: at.store });
  const { store, spoolDir, locks, clock, log } = at;
  const queue = deletionQueue({ store, targets, ports: { clock, log }, spoolDir, locks });
  const work = async () => {
    for (const job of (await queue.claim({ limit: 9, now: clock.now(), leaseFor: 30_000 })).jobs)
      await queue.run(job, at.lease);
  };
  await work();
  assert.match(
    String(at.facts("media not deleted yet")[0]?.fields.error),
    /media, where copies were kept before, is gone/,
  );
  await rename(`${dir}.away`, dir);
  await clock.advance(10_000);
  await work();
  assert.deepEqual(await at.kept(), ["v2/video.mp4"]);
});

test("a copy that is wanted under another name of the same folder is not deleted", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film");
  await at.work("uploads");
  // The folder moves, and its old path leads to it still.
  const [dir, moved] = [join(at.config.dataDir, "media"), join(at.dir, "moved")];
  await rename(dir, moved);
  await symlink(moved, dir);
  const config = { target: { type: "local" as const, dir: moved } };
  const targets = await openTargets({ config, dataDir: at.config.dataDir, store: at.store });
  assert.deepEqual((await targets.namesOf({ target: targets.presentId, key: "v1/video.mp4" })).length, 2);
  await at.store.mendMedium(medium, at.clock.now());
  await at.spool((await at.downloads())[0]!, "a film");
  const [job] = await at.claimUploads();
  const { store, spoolDir, locks, clock, log } = at;
  await targets.present.put(
    "v1/video.mp4",
    spoolPaths(spoolDir, medium).file,
    { ...job!.file, eventId: "e", videoId: "v1", replace: true, again: false },
    at.lease.signal,
  );
  await store.settleUpload(job!, { is: "mirrored", target: targets.presentId, key: "v1/video.mp4" }, clock.now());
  const queue = deletionQueue({ store, targets, ports: { clock, log }, spoolDir, locks });
  const jobs = (await queue.claim({ limit: 9, now: clock.now(), leaseFor: 30_000 })).jobs;
  assert.equal(jobs.length, 1);
  await queue.run(jobs[0]!, at.lease);
  assert.deepEqual(await at.targets.present.head("v1/video.mp4"), { bytes: 6 });
});

/** Deletions of media whose copies are in a former target, `former`, which is what the test makes of it. */
async function openFormer(t: TestContext, videos: string[], former: Partial<MirrorTarget>) {
  const at = await openCopies(t);
  for (const video of videos) await at.bring(video, "a film");
  await at.work("uploads");
  const config = { target: { type: "local" as const, dir: join(at.dir, "new") } };
  const real = await openTargets({ config, dataDir: at.config.dataDir, store: at.store });
  const open: Targets["at"] = async (id) => (id === at.targetId ? { ...(await real.at(id))!, ...former } : real.at(id));
  const targets = { ...real, at: open };
  const { store, spoolDir, locks, clock, log } = at;
  const queue = deletionQueue({ store, targets, ports: { clock, log }, spoolDir, locks });
  const claim = (limit = 9) => queue.claim({ limit, now: clock.now(), leaseFor: 30_000 }).then(({ jobs }) => jobs);
  const work = async () => {
    for (const job of await claim()) await queue.run(job, at.lease);
  };
  return { ...at, queue, claim, work };
}

const never = () => new Promise<never>(() => {});

test("a target that failed is left alone for a while, and then asked by one at a time; once it answers all is done", async (t) => {
  let asked = 0;
  let answer: MirrorTarget["delete"] | null = () => Promise.reject(new Error("it is dead"));
  const videos = ["v1", "v2", "v3", "v4"];
  const at = await openFormer(t, videos, {
    delete: (...given) => {
      asked++;
      return answer === null ? at.target.delete(...given) : answer(...given);
    },
  });
  for (const video of videos) await at.store.forgetVideo(video, at.clock.now());
  await at.work();
  assert.equal(asked, 1, "what comes up while it rests is put off without asking");
  assert.equal((await at.store.counts()).deletions, 4);
  assert.deepEqual(
    at.facts("media not deleted yet").map(({ level }) => level),
    ["warn", "debug", "debug", "debug"],
  );
  await at.clock.advance(10_000);
  await at.work();
  assert.equal(asked, 2);
  await at.clock.advance(300_000);
  answer = never;
  const jobs = await at.claim();
  let ended = 0;
  const running = jobs.map((job) => at.queue.run(job, at.lease).then(() => ended++));
  // One asks, for all.
  await waitFor(() => asked === 3 && ended === 3);
  await at.clock.advance(30_000);
  await Promise.all(running);
  answer = null;
  for (let tries = 0; tries < 4; tries++) {
    await at.clock.advance(300_000);
    await at.work();
  }
  assert.deepEqual([await at.kept(), (await at.store.counts()).deletions], [[], 0]);
});

test("a former target that does not answer keeps no upload of its video waiting, and is given up after half a minute", async (t) => {
  let signal: AbortSignal | undefined;
  const at = await openFormer(t, ["v1"], {
    delete: (_, given) => {
      signal = given;
      return never();
    },
  });
  await at.store.forgetVideo("v1", at.clock.now());
  const [job] = await at.claim();
  const running = at.queue.run(job!, at.lease);
  await waitFor(() => signal !== undefined);
  let isFree = false;
  void at.locks.withBothLocks("v1", async () => {
    isFree = true;
  });
  await waitFor(() => isFree);
  await at.clock.advance(29_999);
  assert.equal(signal?.aborted, false);
  await at.clock.advance(1);
  await running;
  assert.equal(signal?.aborted, true);
  assert.equal(at.facts("media not deleted yet")[0]?.fields.error, "no answer within 30 s");
});

test("a copy in the present target is deleted under its video's locks only", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  for (const kind of ["video", "thumbnail"] as const) {
    let leave = () => {};
    const busy = at.locks.withLock(
      "v1",
      kind,
      () =>
        new Promise<void>((resolve) => {
          leave = resolve;
        }),
    );
    const [job] = (await at.deletions.claim({ limit: 1, now: at.clock.now(), leaseFor: 30_000 })).jobs;
    const abort = new AbortController();
    const running = at.deletions.run(job!, { ...at.lease, signal: abort.signal });
    await sleep(30);
    assert.deepEqual(await at.kept(), ["v1/video.mp4"]);
    if (kind === "video") abort.abort();
    leave();
    await Promise.all([busy, running]);
    await at.store.freeLeases(at.clock.now());
  }
  assert.deepEqual(await at.kept(), []);
});

test("where an upload may have put its file, only what has its size is deleted; of nothing the pieces are", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  const [job] = (await at.deletions.claim({ limit: 1, now: at.clock.now(), leaseFor: 30_000 })).jobs;
  const deleted: string[] = [];
  at.target.delete = async (key) => void deleted.push(key);
  const run = async (key: string, bytes: number) => {
    await at.deletions.run({ ...job!, copy: { ...job!.copy!, key, bytes } }, at.lease);
    await at.clock.advance(1);
  };
  await run("v1/video.mp4", 7);
  assert.deepEqual(deleted, []);
  assert.deepEqual(
    at.facts("media not deleted: its place holds another file").map(({ level, fields }) => [level, fields.key]),
    [["info", "v1/video.mp4"]],
  );
  assert.equal((await at.store.counts()).deletions, 0, "it is done");
  await run("v1/video.mp4", 6);
  await run("v2/none.mp4", 6);
  assert.deepEqual(deleted, ["v1/video.mp4", "v2/none.mp4"]);
});

test("a copy that may be in use by another name is kept until that is over", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.bring("v2", "another film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  const { store, spoolDir, locks, clock, log } = at;
  let isCertain = false;
  const targets: Targets = {
    ...at.targets,
    namesOf: async ({ target, key }) => [
      { target, key, isCertain: true },
      { target, key: "v2/video.mp4", isCertain },
    ],
  };
  const queue = deletionQueue({ store, targets, ports: { clock, log }, spoolDir, locks });
  const work = async () => {
    for (const job of (await queue.claim({ limit: 9, now: clock.now(), leaseFor: 30_000 })).jobs)
      await queue.run(job, at.lease);
  };
  await work();
  assert.equal((await nextDue(store, "delete"))! - clock.now(), 3_600_000);
  assert.deepEqual(
    at.facts("media kept for now").map(({ level }) => level),
    ["info"],
  );
  await clock.advance(3_600_000);
  await work();
  assert.equal((await at.kept()).length, 2);
  await store.forgetVideo("v2", clock.now());
  await clock.advance(3_600_000);
  isCertain = true;
  await work();
  assert.deepEqual(await at.kept(), []);
});
