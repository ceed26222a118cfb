import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import test, { type TestContext } from "node:test";
import { gzipSync } from "node:zlib";
import { newResumeState, readResumeState, writeResumeState } from "../../../src/mirror/spool/resume-state.ts";
import { spoolPaths, sweepSpool } from "../../../src/mirror/spool/spool.ts";
import type { DownloadOutcome } from "../../../src/model/job.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { box, film, jpeg, moov, mp4 } from "../../support/media-bytes.ts";
import { type Handler, serve } from "../../support/media-server.ts";
import { openCopies } from "../copies.ts";
import { openDownloads } from "./downloads.ts";

const MIB = 2 ** 20;
const movie = film(moov(), noise(3 * MIB));
const mediumId = "med_1";
const kind = "thumbnail";

/** Sends a number of bytes of the film, and breaks off. */
const cutAfter =
  (bytes: number, headers: Record<string, string> = {}): Handler =>
  (_, response) => {
    response.writeHead(200, { "content-length": movie.length, ...headers });
    response.write(movie.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };

const refuse: Handler = (_, response) => void response.writeHead(403).end("<Error/>");

const give =
  (content: Uint8Array | string): Handler =>
  (_, response) =>
    void response.writeHead(200, { "content-length": content.length }).end(content);

/** One medium, and a host that answers its attempts one after the other. */
async function open(t: TestContext, more: Parameters<typeof openDownloads>[1] = {}) {
  let next: Handler = refuse;
  const origin = await serve(t, (request, response) => next(request, response));
  const subject = await openDownloads(t, more);
  const attempt = (handler: Handler, job = {}) => {
    next = handler;
    return subject.run(origin, { mediumId, attempts: 5, ...job });
  };
  /** The one that is past the deadline. */
  const last = (handler: Handler, job = {}) => attempt(handler, { deadline: Date.now() - 1, ...job });
  return { ...subject, attempt, last };
}

function spooled(outcome: DownloadOutcome | null) {
  assert.equal(outcome?.is, "spooled", JSON.stringify(outcome));
  return (outcome as Extract<DownloadOutcome, { is: "spooled" }>).file;
}

test("of what several tries brought the largest is kept when the link gives nothing any longer, and marked", async (t) => {
  const { attempt, last, files, spoolDir, log } = await open(t);
  for (const bytes of [MIB, 2 * MIB, MIB + 1]) {
    assert.equal((await attempt(cutAfter(bytes)))?.is, "retry");
    assert.deepEqual(await files(), ["med_1.best", "med_1.part.json"]);
  }
  const file = spooled(await last(refuse));
  assert.deepEqual([file.bytes, file.sha256], [2 * MIB, sha256Of(movie.subarray(0, 2 * MIB))]);
  assert.deepEqual([file.contentType, file.ext, file.etag], ["video/mp4", ".mp4", null]);
  assert.match(file.suspect!, new RegExp(`^not whole: the connection broke: ${2 * MIB} of ${movie.length} bytes came`));
  assert.deepEqual(await files(), ["med_1.file"]);
  assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), movie.subarray(0, 2 * MIB));
  assert.equal(log.facts.at(-1)?.fact, "media downloaded");
});

test("what the last try brought is kept, too: cut by its connection, or by its own structure", async (t) => {
  const { last } = await open(t);
  assert.match(spooled(await last(cutAfter(MIB))).suspect!, /not whole: the connection broke/);
  const half = Buffer.concat([mp4().subarray(0, 20), box("mdat", 900)]);
  assert.equal(
    spooled(await last(give(half), { mediumId: "med_2" })).suspect,
    "not whole: the mp4 file is cut: it has no index (moov)",
  );
  const empty = film(box("moov", 0), Buffer.alloc(900));
  assert.match(spooled(await last(give(empty), { mediumId: "med_3" })).suspect!, /its index \(moov\) is empty/);
  const unframed: Handler = (_, response) => {
    response.socket?.end(Buffer.concat([Buffer.from("HTTP/1.0 200 OK\r\n\r\n"), jpeg().subarray(0, 60)]));
  };
  const picture = spooled(await last(unframed, { mediumId: "med_4", kind: "thumbnail" }));
  assert.equal(picture.suspect, "not whole: the jpg file is cut: its end is missing");
  assert.equal(picture.ext, ".jpg");
});

test("no page, no text and nothing are ever kept; a page that is longer takes no film's place", async (t) => {
  const page = `<!doctype html>${"<p>Please wait".repeat(200_000)}`;
  const brokenPage: Handler = (_, response) => {
    response.writeHead(200, { "content-length": page.length + 1 });
    response.write(page, () => setTimeout(() => response.destroy(), 20));
  };
  const { attempt, last, files } = await open(t);
  for (const handler of [give(page), brokenPage, give(""), give("Forbidden")]) {
    await attempt(handler);
    assert.ok(!(await files()).includes("med_1.best"));
    assert.equal((await last(handler))?.is, "expired");
  }
  await attempt(cutAfter(MIB));
  await attempt(brokenPage);
  await attempt(give(page));
  assert.equal(spooled(await last(brokenPage)).bytes, MIB);
});

test("a whole film that comes after all is no suspect, and leaves nothing else behind", async (t) => {
  const { attempt, files } = await open(t);
  await attempt(cutAfter(MIB));
  const file = spooled(await attempt(give(movie)));
  assert.deepEqual([file.sha256, file.suspect], [sha256Of(movie), null]);
  assert.deepEqual(await files(), ["med_1.file"]);
});

test("what a download could go on from is kept, too, where it is the largest", async (t) => {
  const { attempt, last, files } = await open(t);
  await attempt(cutAfter(MIB));
  await attempt(cutAfter(2 * MIB, { etag: '"one"' }));
  assert.deepEqual(await files(), ["med_1.best", "med_1.part", "med_1.part.json"]);
  const file = spooled(await last(refuse));
  assert.ok(file.bytes > MIB && file.bytes <= 2 * MIB, String(file.bytes));
  assert.equal(file.suspect, `not whole: ${file.bytes} of ${movie.length} bytes came`);
  assert.deepEqual(await files(), ["med_1.file"]);
});

test("it outlives a restart, and a crash between its keeping and its settling", async (t) => {
  const { attempt, last, files, store, spoolDir } = await open(t);
  await attempt(cutAfter(2 * MIB));
  const kept = [{ mediumId, uploads: false }];
  store.spooled = kept;
  assert.equal(await sweepSpool(spoolDir, kept), 0);
  await writeFile(`${spoolDir}/med_9.best`, "of nobody");
  await writeFile(`${spoolDir}/med_1.unpacked`, "on its way");
  assert.equal(await sweepSpool(spoolDir, kept), 2);
  store.lost = true;
  assert.equal(await last(refuse), null);
  store.lost = false;
  assert.equal(spooled(await last(refuse)).bytes, 2 * MIB);
  await rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).best);
  assert.equal(await sweepSpool(spoolDir, []), 1);
  assert.deepEqual(await files(), []);
});

test("another link's remainder is not this one's, and none takes the place of a copy that is there", async (t) => {
  const { attempt, last } = await open(t);
  await attempt(cutAfter(MIB), { kind });
  const previous = { target: "1", key: "k", bytes: 1, sha256: "0", contentType: "image/jpeg" };
  const copy = { ...previous, suspect: null, etag: null, lastModified: null };
  assert.equal((await last(cutAfter(MIB), { kind, previous: copy }))?.is, "expired");
  await attempt(cutAfter(MIB));
  const origin = await serve(t, refuse);
  assert.equal((await last(refuse, { url: `${origin}/other` }))?.is, "expired");
});

test("a link that leads where it must not is refused, and what it gave before is kept; what is too large is not", async (t) => {
  const hidden: Handler = (_, response) => void response.writeHead(302, { location: "http://127.0.0.2/" }).end();
  const { attempt } = await open(t);
  await attempt(cutAfter(MIB));
  assert.equal(spooled(await attempt(hidden)).bytes, MIB);
  const limited = await open(t, { config: { maxSize: 2 * MIB } });
  await limited.attempt(give(film(box("moov", 0), noise(MIB))));
  assert.equal((await limited.attempt(cutAfter(MIB)))?.is, "failed");
  assert.deepEqual(await limited.files(), []);
});

test("where the disk is low the largest remainder makes room first", async (t) => {
  const { attempt, files, spoolDir } = await open(t);
  await attempt(cutAfter(MIB));
  await attempt(cutAfter(2 * MIB), { mediumId: "med_2" });
  const low = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 }, spoolDir });
  for (const left of ["med_1.best", undefined]) {
    assert.deepEqual((await low.queue.claim({ limit: 1, now: Date.now(), leaseFor: 0 })).jobs, []);
    assert.equal(
      (await files()).find((name) => name.endsWith(".best")),
      left,
    );
  }
});

test("a medium of which only part was kept is fetched again by a fresher link, and the whole takes the part's place", async (t) => {
  const at = await openCopies(t);
  const part = { suspect: "not whole: 4 of 8 bytes came" };
  const id = await at.bring("v1", "half", part, "https://h/v1.mp4?X-Amz-Signature=1");
  await at.work("uploads");
  assert.deepEqual([(await at.medium("v1")).state, (await at.medium("v1")).key], ["mirrored", "v1/video.mp4"]);
  assert.deepEqual(await at.downloads(), []);

  // A duplicate; an event of its own; an operator.
  const again = [
    () => at.post({ wochitVideoId: "v1", videoUrl: "https://h/v1.mp4?X-Amz-Signature=2" }),
    () => at.post({ wochitVideoId: "v1", videoUrl: "https://h/v1.mp4?X-Amz-Signature=3", videoTitle: "new" }),
    () => at.store.retryMedium(id, at.clock.now()),
  ];
  for (const [nth, ask] of again.entries()) {
    await ask();
    const [job] = await at.downloads();
    assert.deepEqual([job?.mediumId, job?.hasCopy, (await at.kept()).length], [id, true, 1], String(nth));
    await at.store.settleDownload(job!, { is: "expired", error: "403" }, at.clock.now());
    const { state, suspect } = await at.medium("v1");
    assert.deepEqual([state, suspect], ["mirrored", part.suspect], "what was kept stays");
  }
  await at.post({ wochitVideoId: "v1", videoUrl: "https://h/v1.mp4?X-Amz-Signature=4", videoTitle: "newer" });
  await at.spool((await at.downloads())[0]!, "the film");
  await at.work("uploads");
  const { state, suspect, key } = await at.medium("v1");
  assert.deepEqual([state, suspect, key], ["mirrored", null, "v1/video.mp4"]);
  assert.deepEqual(await at.kept(), ["v1/video.mp4"]);
  assert.equal(await readFile(`${at.dir}/data/media/v1/video.mp4`, "utf8"), "the film");
  await at.post({ wochitVideoId: "v1", videoUrl: "https://h/v1.mp4?X-Amz-Signature=5", videoTitle: "newest" });
  assert.deepEqual(await at.downloads(), [], "the whole is fetched once");
  await assert.rejects(at.store.retryMedium(id, at.clock.now()), { code: "conflict" });
});

test("a copy that is there already is not given up for what came of its file", async (t) => {
  const { attempt, last, files } = await open(t);
  await attempt(cutAfter(2 * MIB), { hasCopy: true });
  assert.equal((await last(refuse, { hasCopy: true }))?.is, "expired");
  assert.deepEqual(await files(), []);
});

const small = jpeg(1);
const large = Buffer.concat([small.subarray(0, -2), noise(2 * MIB), small.subarray(-2)]);
const newer = Buffer.concat([jpeg(2).subarray(0, -2), noise(3 * MIB), small.subarray(-2)]);

/** All of a picture came, and its relay crashed before that was settled; the next start has swept the spool. */
async function crashed(t: TestContext, picture: Buffer, job = {}) {
  const at = await open(t);
  at.store.spooled = [{ mediumId, uploads: false }];
  at.store.lost = true;
  assert.equal(await at.attempt(give(picture), { kind, ...job }), null);
  at.store.lost = false;
  const start = async () => assert.equal(await sweepSpool(at.spoolDir, at.store.spooled), 0);
  return { ...at, start };
}

/** Where a crash may leave the file of a medium: how the spool is then. */
const crashes: [string, (spoolDir: string) => Promise<unknown>][] = [
  ["before its settling", async () => {}],
  [
    "before its final name",
    (spoolDir) => rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).part),
  ],
  ["before it is put aside", (spoolDir) => noteBest(spoolDir)],
  [
    "once it is put aside",
    async (spoolDir) => {
      await noteBest(spoolDir);
      await rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).best);
    },
  ],
];

async function noteBest(spoolDir: string): Promise<void> {
  const note = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
  await writeResumeState(spoolPaths(spoolDir, mediumId).state, {
    ...note,
    best: { bytes: note.file!.bytes, coding: null, why: null },
  });
}

test("a whole picture outlives a crash before its settling: it is asked for again, and kept where the link is dead", async (t) => {
  for (const picture of [small, large]) {
    for (const [when, crash] of crashes) {
      const { attempt, last, files, start, spoolDir } = await crashed(t, picture);
      await crash(spoolDir);
      await start();
      assert.equal((await attempt(refuse, { kind }))?.is, "retry", when);
      assert.deepEqual(await files(), ["med_1.best", "med_1.part.json"], when);
      await start();
      const file = spooled(await last(refuse, { kind }));
      assert.deepEqual([file.sha256, file.suspect, file.ext], [sha256Of(picture), null, ".jpg"], when);
      assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), picture);
      assert.deepEqual(await files(), ["med_1.file"], when);
    }
  }
});

test("a whole picture that is kept outlives a crash before that is settled, too", async (t) => {
  const { last, store, start, files } = await crashed(t, small);
  store.lost = true;
  for (let round = 1; round <= 2; round++) {
    assert.equal(await last(refuse, { kind }), null);
    await start();
  }
  store.lost = false;
  const file = spooled(await last(refuse, { kind }));
  assert.deepEqual([file.sha256, file.suspect], [sha256Of(small), null]);
  assert.deepEqual(await files(), ["med_1.file"]);
});

test("a new picture takes the place of the one before the crash; part of one, a page and a changed file do not", async (t) => {
  for (const [when, crash] of crashes) {
    const { attempt, files, start, spoolDir } = await crashed(t, large);
    await crash(spoolDir);
    await start();
    assert.equal(spooled(await attempt(give(newer), { kind })).sha256, sha256Of(newer), when);
    assert.deepEqual(await files(), ["med_1.file"], when);
  }
  const { attempt, last } = await crashed(t, small);
  const cut: Handler = (_, response) => {
    response.writeHead(200, { "content-length": newer.length });
    response.write(newer.subarray(0, 2 * MIB), () => setTimeout(() => response.destroy(), 20));
  };
  for (const handler of [cut, give("<html>")]) assert.equal((await attempt(handler, { kind }))?.is, "retry");
  const file = spooled(await last(cut, { kind }));
  assert.deepEqual([file.sha256, file.suspect], [sha256Of(small), null]);

  const changed = await crashed(t, small);
  await writeFile(spoolPaths(changed.spoolDir, mediumId).file, jpeg(3));
  assert.equal((await changed.last(refuse, { kind }))?.is, "expired", "what is not what it was is not kept");
});

test("what is odd about a whole picture is said of the kept one, and it takes the place of an older copy", async (t) => {
  const odd = await crashed(t, movie);
  assert.equal(
    spooled(await odd.last(refuse, { kind })).suspect,
    "announced as a thumbnail, but the content is video/mp4",
  );
  const copy = { target: "1", key: "k", bytes: 1, sha256: "0", contentType: "image/jpeg" };
  const previous = { ...copy, suspect: null, etag: null, lastModified: null };
  const { last } = await crashed(t, small, { previous, hasCopy: true });
  assert.equal(spooled(await last(refuse, { kind, previous, hasCopy: true })).sha256, sha256Of(small));
});

test("a picture of which all came before a stop, unproven, is kept where the link is dead; marked where it is cut", async (t) => {
  const cutFilm = Buffer.concat([mp4().subarray(0, 20), box("mdat", 900)]);
  const packed = gzipSync(large);
  const cases: [Buffer, string | null, Buffer, RegExp | null][] = [
    [small, null, small, null],
    [packed, "gzip", large, null],
    [packed.subarray(0, -9), "gzip", large, /^not whole: it does not unpack \(gzip\)/],
    [cutFilm, null, cutFilm, /^not whole: the mp4 file is cut: .*; announced as a thumbnail/],
  ];
  for (const [nth, [came, coding, kept, suspect]] of [...cases, ...cases].entries()) {
    const { attempt, last, spoolDir, files } = await crashed(t, small);
    const { link } = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
    await rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).part);
    await writeFile(spoolPaths(spoolDir, mediumId).part, came);
    const all = { validator: '"one"', etag: '"one"', total: came.length, synced: came.length, furthest: came.length };
    // The second time a crash comes while it is put aside.
    const best = nth < cases.length ? null : { bytes: came.length, coding, why: null };
    await writeResumeState(spoolPaths(spoolDir, mediumId).state, { ...newResumeState(link), ...all, coding, best });
    assert.equal((await attempt(refuse, { kind }))?.is, "retry");
    const file = spooled(await last(refuse, { kind }));
    if (suspect === null) assert.deepEqual([file.sha256, file.suspect], [sha256Of(kept), null]);
    else assert.match(file.suspect!, suspect);
    assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), kept.subarray(0, file.bytes));
    assert.deepEqual(await files(), ["med_1.file"]);
  }
});

test("a page of which all came before a stop takes no remainder's place", async (t) => {
  const page = Buffer.from(`<html>${"<p>Please wait".repeat(200_000)}`);
  for (const [came, coding] of [[page, null] as const, [gzipSync(page), "gzip"] as const]) {
    const { attempt, last, spoolDir } = await open(t);
    await attempt(cutAfter(MIB), { kind });
    const note = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
    await writeFile(spoolPaths(spoolDir, mediumId).part, came);
    const all = { validator: '"one"', etag: '"one"', total: came.length, synced: came.length, furthest: came.length };
    await writeResumeState(spoolPaths(spoolDir, mediumId).state, { ...note, ...all, coding });
    assert.equal(spooled(await last(refuse, { kind })).bytes, MIB);
  }
});

test("a kept remainder stays marked after a crash before its settling: of a picture, and before its final name", async (t) => {
  const etag = { etag: '"one"' };
  for (const job of [{ kind }, {}]) {
    const { attempt, last, store, spoolDir } = await open(t);
    await attempt(cutAfter(2 * MIB, etag), job);
    store.spooled = [{ mediumId, uploads: false }];
    store.lost = true;
    assert.equal(await last(refuse, job), null);
    store.lost = false;
    if (!("kind" in job)) await rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).part);
    assert.equal(await sweepSpool(spoolDir, store.spooled), 0);
    const { bytes, suspect } = spooled(await last(refuse, job));
    assert.ok(bytes > MIB && bytes <= 2 * MIB, String(bytes));
    const odd = "kind" in job ? "; announced as a thumbnail, but the content is video/mp4" : "";
    assert.equal(suspect, `not whole: ${bytes} of ${movie.length} bytes came${odd}`);
  }
});

test("a whole picture makes no room where the disk is low", async (t) => {
  const { attempt, files, spoolDir } = await crashed(t, large);
  await attempt(refuse, { kind });
  const low = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 }, spoolDir });
  assert.deepEqual((await low.queue.claim({ limit: 1, now: Date.now(), leaseFor: 0 })).jobs, []);
  assert.deepEqual(await files(), ["med_1.best", "med_1.part.json"]);
});

test("a small video outlives a crash before its settling, also where an earlier attempt has left a note", async (t) => {
  const { attempt, last, store, spoolDir } = await open(t);
  const whole = mp4();
  await attempt(give(whole.subarray(0, -1)));
  store.spooled = [{ mediumId, uploads: false }];
  store.lost = true;
  assert.equal(await attempt(give(whole)), null);
  store.lost = false;
  assert.equal(await sweepSpool(spoolDir, store.spooled), 0);
  const file = spooled(await last(refuse));
  assert.deepEqual([file.sha256, file.suspect], [sha256Of(whole), null]);
});
