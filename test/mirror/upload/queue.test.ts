import assert from "node:assert/strict";
import { mkdir, readFile, rm, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import { uploadQueue } from "../../../src/mirror/upload/queue.ts";
import { openSource } from "../../../src/targets/s3/source.ts";
import { sha256Of } from "../../support/bytes.ts";
import { nextDue } from "../../support/next-due.ts";
import { makePipe } from "../../support/pipe.ts";
import { waitFor } from "../../support/wait.ts";
import { DAY, openCopies } from "../copies.ts";

const text = (path: string) => readFile(path, "utf8");

test("a proven file goes into the target, its row says where, the spool lets it go, and the log says so once", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film", { suspect: "it is short" });
  assert.equal(await at.work("uploads"), 1);
  const { state, key, target, bytes, sha256: hash, suspect } = await at.medium("v1");
  assert.deepEqual([state, key, target, bytes], ["mirrored", "v1/video.mp4", at.targetId, 6]);
  assert.deepEqual([hash, suspect], [sha256Of("a film"), "it is short"]);
  assert.deepEqual([await at.kept(), await at.spooled()], [["v1/video.mp4"], []]);
  const [line, ...more] = at.log.facts;
  assert.deepEqual([line?.level, line?.fact, more], ["info", "media mirrored", []]);
  const { event: _, ms, ...fields } = line!.fields;
  assert.equal(typeof ms, "number");
  const facts = { bytes: 6, sha256: sha256Of("a film"), contentType: "video/mp4", suspect: "it is short" };
  assert.deepEqual(at.metrics.reported, [
    ["mediaMoved", "uploaded", 6],
    ["mediumSettled", "video", "mirrored"],
  ]);
  assert.deepEqual(fields, { medium, video: "v1", kind: "video", key: "v1/video.mp4", ...facts });
});

test("the target gets all that is known of the file", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "a film");
  const told: unknown[] = [];
  at.state.fault = async (_key, _file, about) => {
    told.push(about);
    if (told.length === 1) throw new Error("reset");
    return "stored";
  };
  await at.work("uploads");
  await at.clock.advance(10_000);
  await at.work("uploads");
  const { eventId } = await at.medium("v1");
  const about = {
    contentType: "video/mp4",
    bytes: 6,
    sha256: sha256Of("a film"),
    eventId,
    videoId: "v1",
    replace: false,
  };
  assert.deepEqual(
    told.filter((one) => (one as { videoId: string }).videoId === "v1"),
    [
      { ...about, again: false },
      { ...about, again: true },
    ],
  );
});

test("where several relays have the target, it is said with each put", async (t) => {
  const at = await openCopies(t, {}, { isShared: true });
  await at.bring("v1", "a film");
  const given: unknown[] = [];
  at.state.fault = async (_key, _file, { isShared }) => {
    given.push(isShared);
    return "stored";
  };
  await at.work("uploads");
  assert.deepEqual(given, [true]);
});

test("a different second video gets a name of its own, also where the first one's would be free", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  await at.work("uploads");
  await at.bring("v1", "two", {}, "https://h/other.mp4");
  await at.bring("v1", "three", { ext: ".mov" }, "https://h/third.mov");
  await at.bring("v1", "one", {}, "https://h/same.mp4");
  await at.work("uploads");
  const dir = join(at.config.dataDir, "media", "v1");
  const keys = ["video.mp4", `video.${sha256Of("three").slice(0, 8)}.mov`, `video.${sha256Of("two").slice(0, 8)}.mp4`];
  assert.deepEqual((await at.kept()).sort(), keys.map((key) => `v1/${key}`).sort());
  assert.equal(await text(join(dir, keys[0]!)), "one");
  assert.equal(await text(join(dir, keys[2]!)), "two");
});

test("what holds a video's names is never overwritten, but for damage under the name of its whole hash", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  await at.work("uploads");
  const dir = join(at.config.dataDir, "media", "v1");
  const [short, whole] = [`video.${sha256Of("two").slice(0, 8)}.mp4`, `video.${sha256Of("two")}.mp4`];
  await writeFile(join(dir, short), "an operator's");
  await at.bring("v1", "two", {}, "https://h/other.mp4");
  await at.work("uploads");
  assert.deepEqual([await text(join(dir, short)), await text(join(dir, whole))], ["an operator's", "two"]);

  await writeFile(join(dir, whole), "damaged");
  await at.bring("v1", "two", {}, "https://h/third.mp4");
  await at.work("uploads");
  assert.equal(await text(join(dir, whole)), "two");
  assert.equal(await text(join(dir, "video.mp4")), "one");
});

test("a video's own copy is mended in its place", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "one");
  await at.work("uploads");
  const path = join(at.config.dataDir, "media", "v1", "video.mp4");
  await writeFile(path, "rot");
  await at.store.mendMedium(medium, at.clock.now());
  const [job] = await at.downloads();
  await at.spool(job!, "one");
  await at.work("uploads");
  assert.deepEqual([await text(path), await at.kept()], ["one", ["v1/video.mp4"]]);

  await at.store.mendMedium(medium, at.clock.now());
  const [other] = await at.downloads();
  await at.spool(other!, "another film");
  await at.work("uploads");
  assert.equal(await text(path), "one", "other bytes are another film");
  const { key } = await at.medium("v1");
  assert.equal(key, `v1/video.${sha256Of("another film").slice(0, 8)}.mp4`);
});

test("a newer thumbnail replaces the older one", async (t) => {
  const at = await openCopies(t);
  for (const [content, ext] of [
    ["one", ".jpg"],
    ["two", ".jpg"],
    ["three", ".png"],
  ] as const) {
    await at.post({ wochitVideoId: "v1", thumbnailUrl: `https://h/${content}`, type: "draft.new" });
    const [job] = await at.downloads();
    await at.spool(job!, content, { ext });
    await at.work("uploads");
    const { key } = await at.medium("v1", "thumbnail");
    assert.equal(key, `v1/thumbnail${ext}`);
    assert.equal(await text(join(at.config.dataDir, "media", key!)), content);
    await at.work("deletions");
  }
  assert.deepEqual(await at.kept(), ["v1/thumbnail.png"]);
});

test("killed between put and settle: it is put again, and there is one copy", async (t) => {
  for (const spoolLost of [false, true]) {
    const at = await openCopies(t);
    const medium = await at.bring("v1", "one");
    const [job] = await at.claimUploads();
    await at.target.put(
      "v1/video.mp4",
      spoolPaths(at.spoolDir, medium).file,
      { ...job!.file, eventId: "e", videoId: "v1", replace: false, again: false },
      at.lease.signal,
    );
    if (spoolLost) await rm(spoolPaths(at.spoolDir, medium).file);
    await at.store.freeLeases(at.clock.now());
    await at.work("uploads");
    const { state, key } = await at.medium("v1");
    assert.deepEqual(
      [state, key, await at.kept(), await at.spooled()],
      ["mirrored", "v1/video.mp4", ["v1/video.mp4"], []],
    );
  }
});

test("a file that the spool has lost, that is cut, or in whose place a pipe is, is downloaded again", async (t) => {
  const at = await openCopies(t);
  for (const [videoId, harm] of [
    ["v1", (path: string) => rm(path)],
    ["v2", (path: string) => truncate(path, 3)],
    ["v4", (path: string) => makePipe(t, path)],
  ] as const) {
    const medium = await at.bring(videoId, "a film");
    await writeFile(spoolPaths(at.spoolDir, "other").file, "");
    await harm(spoolPaths(at.spoolDir, medium).file);
    await at.work("uploads");
    assert.deepEqual(await at.kept(), []);
    const { state, lastError } = await at.medium(videoId);
    assert.equal(state, "pending");
    assert.match(lastError!, videoId === "v1" ? /gone from the spool/ : /[03] bytes, not 6/);
    const [job] = await at.downloads();
    assert.equal(job?.mediumId, medium);
  }
  assert.equal(at.facts("spooled media lost, to be downloaded again").length, 3);
  // What is under the name in the target is no proof: only the same bytes are.
  await at.bring("v3", "a film");
  const { id } = await at.medium("v3");
  await at.target.put(
    "v3/video.mp4",
    spoolPaths(at.spoolDir, "other").file,
    { contentType: "", bytes: 0, sha256: "", eventId: "e", videoId: "v", replace: true, again: false },
    at.lease.signal,
  );
  await writeFile(join(at.config.dataDir, "media", "v3", "video.mp4"), "a fake");
  await rm(spoolPaths(at.spoolDir, id).file);
  await at.work("uploads");
  assert.equal((await at.medium("v3")).state, "pending");
});

test("a file that has rotted in the spool is found out on its way, and downloaded again", async (t) => {
  const at = await openCopies(t);
  const medium = await at.bring("v1", "a film");
  await writeFile(spoolPaths(at.spoolDir, medium).file, "a fi1m");
  // It has waited for long: what is fresh from its proof is not proven again.
  await utimes(spoolPaths(at.spoolDir, medium).file, 0, 0);
  at.state.fault = async (_key, file, about) => {
    const source = await openSource(file, about);
    try {
      await source.fill(Buffer.alloc(about.bytes));
      source.prove();
      return "stored";
    } finally {
      await source.close();
    }
  };
  await at.work("uploads");
  const [job] = await at.downloads();
  assert.equal(job?.mediumId, medium);
  assert.match((await at.medium("v1")).lastError!, /is not what was downloaded/);
});

test("a video that is forgotten while its file is on its way leaves no copy behind; one that is wanted stays", async (t) => {
  for (const shared of [false, true]) {
    const at = await openCopies(t);
    await at.bring("v1", "a film");
    if (shared) {
      await at.work("uploads");
      await at.bring("v1", "a film", {}, "https://h/again.mp4");
    }
    const [job] = await at.claimUploads();
    at.state.fault = async (...given) => {
      // Its claim is lost in the middle of the put.
      at.clock.set(at.clock.now() + 31_000);
      if (shared) await at.claimUploads();
      else await at.store.forgetVideo("v1", at.clock.now());
      return at.real(...given);
    };
    await at.uploads.run(job!, at.lease);
    while ((await at.work("deletions")) > 0);
    assert.deepEqual(await at.kept(), shared ? ["v1/video.mp4"] : []);
    assert.equal(at.facts("media mirrored").length, shared ? 1 : 0);
  }
});

test("a video that is forgotten after a crash between put and settle leaves no copy behind, and no other's file goes", async (t) => {
  for (const foreign of [false, true]) {
    const at = await openCopies(t);
    await at.bring("v1", "a film");
    const [job] = await at.claimUploads();
    await at.store.placeUpload(job!, { target: at.targetId, key: "v1/video.mp4" });
    const folder = join(at.config.dataDir, "media", "v1");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "video.mp4"), foreign ? "somebody else's" : "a film");
    await at.store.forgetVideo("v1", at.clock.now());
    while ((await at.work("deletions")) > 0);
    assert.deepEqual(await at.kept(), foreign ? ["v1/video.mp4"] : []);
  }
});

test("two videos of one id that are uploaded at once get keys of their own, whatever their containers", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  await at.bring("v1", "two", { ext: ".mov" }, "https://h/other.mov");
  await at.work("uploads");
  assert.equal((await at.kept()).filter((key) => /^v1\/video\.[a-z0-9]+$/.test(key)).length, 1);
  assert.equal((await at.kept()).length, 2);
});

test("a thumbnail whose claim is lost is not put over a newer one", async (t) => {
  const at = await openCopies(t);
  await at.post({ wochitVideoId: "v1", thumbnailUrl: "https://h/a.jpg", type: "draft.new" });
  await at.spool((await at.downloads())[0]!, "one");
  const [job] = await at.claimUploads();
  at.clock.set(at.clock.now() + 31_000);
  await at.work("uploads");
  await writeFile(spoolPaths(at.spoolDir, job!.mediumId).file, "one");
  await at.uploads.run(job!, at.lease);
  assert.deepEqual(at.state.puts, ["v1/thumbnail.jpg"]);
});

test("uploads of one video take turns, those of others go on", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  await at.bring("v1", "two", {}, "https://h/other.mp4");
  await at.bring("v2", "three");
  const under: string[] = [];
  const seen: string[][] = [];
  at.state.fault = async (...given) => {
    under.push(given[0].split("/")[0]!);
    seen.push(under.toSorted());
    await new Promise((resolve) => setTimeout(resolve, 20));
    const placed = await at.real(...given);
    under.splice(under.indexOf(given[0].split("/")[0]!), 1);
    return placed;
  };
  await at.work("uploads");
  assert.equal((await at.kept()).length, 3);
  assert.ok(seen.some((videos) => videos.join() === "v1,v2"));
  assert.ok(!seen.some((videos) => videos.join().includes("v1,v1")), JSON.stringify(seen));
});

test("a target that is down for days: one probe in ten seconds for all, and everything goes on the moment it is back", async (t) => {
  const at = await openCopies(t);
  const videos = Array.from({ length: 50 }, (_, index) => `v${index}`);
  for (const video of videos) await at.bring(video, `film ${video}`);
  const before = at.clock.now();
  at.state.fault = () => Promise.reject(Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" }));
  const later = (ms: number) => {
    const until = at.clock.now() + ms;
    return () => at.clock.now() >= until;
  };
  await at.until(later(600_000), { step: 5_000 });
  const attempts = at.state.puts.filter((key) => key !== "~probe").length;
  assert.ok(attempts <= 2 * at.uploads.concurrency, `${attempts} tries in ten minutes`);
  assert.ok(at.state.puts.length - attempts <= 61, `${at.state.puts.length - attempts} probes in ten minutes`);
  assert.match(at.health.trouble()!, /ECONNREFUSED/);
  at.clock.set(at.clock.now() + 3 * DAY);
  await at.until(later(60_000), { step: 5_000 });

  const lines = [...at.facts("the mirror target is down: uploads wait"), ...at.facts("media not uploaded yet")];
  assert.equal(lines.filter(({ level }) => level !== "debug").length, 1);
  at.state.fault = null;
  const repaired = at.clock.now();
  const mirrored = async () => (await at.store.counts()).media.mirrored ?? 0;
  const first = await at.until(async () => (await mirrored()) > 0);
  assert.ok(first <= 30_000, `the first one after ${first} ms`);
  const rest = await at.until(async () => (await mirrored()) === videos.length, { step: 20 });
  assert.ok(rest <= 60_000, `the rest after ${rest} ms`);
  const back = at.facts("the mirror target works again");
  assert.equal(back.length, 1);
  assert.ok((back[0]!.fields.ms as number) >= repaired - before - 5_000, "counted from the first failure");
  assert.equal(at.health.trouble(), null);
  await waitFor(async () => (await at.spooled()).length === 0);
  assert.equal((await at.kept()).length, videos.length);
  assert.deepEqual(await at.downloads(), [], "nothing is downloaded again");
});

test("a target that is full for large files takes small ones, and the large one is retried after longer and longer waits", async (t) => {
  const at = await openCopies(t);
  await at.bring("large", "x".repeat(1_000));
  let tries = 0;
  at.state.fault = async (...given) => {
    if (given[2].bytes < 1_000) return at.real(...given);
    tries++;
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  };
  const waits: number[] = [];
  for (let round = 0; round < 8; round++) {
    assert.equal(await at.work("uploads"), 1);
    const due = (await nextDue(at.store, "upload"))!;
    waits.push((due - at.clock.now()) / 1_000);
    at.clock.set(due);
  }
  assert.deepEqual(waits, [10, 20, 40, 80, 160, 300, 300, 300]);
  assert.equal(at.health.trouble(), null, "the target keeps others");
  assert.equal(at.health.mayTry(), true, "it is not down");
  await at.bring("small", "y");
  await at.work("uploads");
  assert.equal((await at.medium("small")).state, "mirrored");
  at.clock.set(at.clock.now() + 10 * DAY);
  assert.deepEqual([await at.work("uploads"), tries], [1, 10]);
  at.state.fault = null;
  at.clock.set(at.clock.now() + 300_000);
  await at.work("uploads");
  assert.equal((await at.medium("large")).state, "mirrored");
  await waitFor(async () => (await at.spooled()).length === 0);
});

test("a slow target is not taken for one that is down", async (t) => {
  const at = await openCopies(t);
  at.state.fault = async (...given) => {
    await new Promise<void>((resolve) => at.clock.after(20_000, resolve));
    return at.real(...given);
  };
  for (const video of ["v1", "v2", "v3"]) await at.bring(video, video);
  at.health.failed(new Error("one reset"));
  assert.equal(at.health.mayTry(), false);
  await at.until(async () => (await at.store.counts()).media.mirrored === 3);
  assert.deepEqual(
    [at.health.trouble(), at.facts("the mirror target is down: uploads wait"), at.facts("media not uploaded yet")],
    [null, [], []],
  );
});

test("a spool that takes nothing more does not keep its own files from leaving", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  // No probe can be written there.
  const health = (await import("../../../src/mirror/upload/target-health.ts")).createTargetHealth({
    target: at.target,
    ports: { clock: at.clock, log: at.log },
    spoolDir: join(at.dir, "config.json", "none"),
  });
  const { store, config, targetId, target, spoolDir, locks } = at;
  const queue = uploadQueue({
    ...{ store, targetId, target, spoolDir, locks },
    config: config.mirror,
    ports: { clock: at.clock, log: at.log },
    targetHealth: health,
  });
  at.state.fault = () => Promise.reject(new Error("reset"));
  const [job] = (await queue.claim({ limit: 1, now: at.clock.now(), leaseFor: 30_000 })).jobs;
  await queue.run(job!, at.lease);
  at.state.fault = null;
  await at.clock.advance(10_000);
  const [again] = (await queue.claim({ limit: 1, now: at.clock.now(), leaseFor: 30_000 })).jobs;
  await queue.run(again!, at.lease);
  assert.equal((await at.medium("v1")).state, "mirrored");
});

test("a stop in the middle of a put leaves nothing half done and settles nothing; one after it writes down what is kept", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  await at.bring("v2", "two");
  const stop = new AbortController();
  at.state.fault = async (key, file, about, signal) => {
    if (key.startsWith("v2")) {
      const placed = await at.real(key, file, about, signal);
      stop.abort(new Error("the relay is stopping"));
      return placed;
    }
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  };
  const jobs = await at.claimUploads();
  await Promise.all(jobs.map((job) => at.uploads.run(job, { ...at.lease, signal: stop.signal })));
  assert.deepEqual([await at.kept(), (await at.medium("v2")).state], [["v2/video.mp4"], "mirrored"]);
  const { state, lastError, id } = await at.medium("v1");
  assert.deepEqual([state, lastError], ["pending", null]);
  assert.equal((await stat(spoolPaths(at.spoolDir, id).file)).size, 3);
  assert.deepEqual([at.facts("the mirror target is down: uploads wait"), at.facts("media not uploaded yet")], [[], []]);
});

test("a stop while it is found out whose trouble a failed put was settles nothing", async (t) => {
  const at = await openCopies(t);
  await at.bring("v1", "one");
  const stop = new AbortController();
  at.state.fault = () => Promise.reject(new Error("reset"));
  at.health.failed = async () => {
    stop.abort(new Error("the relay is stopping"));
    return true;
  };
  const [job] = await at.claimUploads();
  await at.uploads.run(job!, { ...at.lease, signal: stop.signal });
  assert.equal((await at.medium("v1")).lastError, null);
});
