import assert from "node:assert/strict";
import { rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { createDeletions } from "../../src/mirror/remove.ts";
import { fileOf, partOf } from "../../src/mirror/spool.ts";
import { openTargets } from "../../src/mirror/targets.ts";
import { DAY, openCopies } from "./copies.ts";

test("a forgotten video's copies leave the target, and what the spool still held of it; each is told of once", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film");
  await at.bring("v2", "another");
  await at.work("uploads");
  const waiting = await at.bring("v1", "a second film", {}, "https://h/other.mp4");
  await writeFile(partOf(at.spoolDir, waiting), "a piece");
  const other = await at.bring("v3", "a third film");
  await at.store.forgetVideo("v1", at.clock.now());
  assert.equal(await at.work("deletions"), 2);
  assert.deepEqual(await at.kept(), ["v2/video.mp4"]);
  assert.deepEqual(await at.spooled(), [fileOf("", other)]);
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
  assert.deepEqual(await at.spooled(), [fileOf("", medium)]);
  await at.work("uploads");
  await at.work("deletions");
  assert.equal((await at.kept()).length, 1);
});

test("a copy that somebody wants again by the time of its deletion stays, and the deletion is done", async (t) => {
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

test("a deletion that fails is tried again for ever, at most every five minutes, and the log says so at first", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  await at.work("uploads");
  await at.store.forgetVideo("v1", at.clock.now());
  const real = at.target.delete;
  at.target.delete = () => Promise.reject(new Error("access denied"));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    assert.equal(await at.work("deletions"), 1);
    const due = (await at.store.nextDue("delete"))!;
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
  const { store, spoolDir, inTurn, clock, log } = at;
  const queue = createDeletions({ store, targets, ports: { clock, log }, spoolDir, inTurn });
  const work = async () => {
    for (const job of await queue.claim(9, clock.now(), clock.now() + 30_000)) await queue.run(job, at.lease);
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
  assert.deepEqual((await targets.namesOf(targets.presentId)).length, 2);
  await at.store.mendMedium(medium, at.clock.now());
  await at.spool((await at.downloads())[0]!, "a film");
  const [job] = await at.claimUploads();
  const { store, spoolDir, inTurn, clock, log } = at;
  await targets.present.put(
    "v1/video.mp4",
    fileOf(spoolDir, medium),
    { ...job!.file, eventId: "e", videoId: "v1", replace: true, again: false },
    at.lease.signal,
  );
  await store.settleUpload(job!, { is: "mirrored", target: targets.presentId, key: "v1/video.mp4" }, clock.now());
  const queue = createDeletions({ store, targets, ports: { clock, log }, spoolDir, inTurn });
  const jobs = await queue.claim(9, clock.now(), clock.now() + 30_000);
  assert.equal(jobs.length, 1);
  await queue.run(jobs[0]!, at.lease);
  assert.deepEqual(await at.targets.present.head("v1/video.mp4"), { bytes: 6 });
});
