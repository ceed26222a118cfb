import assert from "node:assert/strict";
import { readFile, rename, writeFile } from "node:fs/promises";
import test, { type TestContext } from "node:test";
import type { DownloadOutcome } from "../../src/domain.ts";
import { bestOf, fileOf, sweepSpool } from "../../src/mirror/spool.ts";
import { box, film, jpeg, moov, mp4 } from "./bytes.ts";
import { openCopies } from "./copies.ts";
import { type Handler, noise, openDownloads, serve, sha256 } from "./downloads.ts";

const MIB = 2 ** 20;
const movie = film(moov(), noise(3 * MIB));
const mediumId = "med_1";

/** Gives so many bytes of the film, and breaks. */
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
  assert.deepEqual([file.bytes, file.sha256], [2 * MIB, sha256(movie.subarray(0, 2 * MIB))]);
  assert.deepEqual([file.contentType, file.ext, file.etag], ["video/mp4", ".mp4", null]);
  assert.match(file.suspect!, new RegExp(`^not whole: the connection broke: ${2 * MIB} of ${movie.length} bytes came`));
  assert.deepEqual(await files(), ["med_1.file"]);
  assert.deepEqual(await readFile(fileOf(spoolDir, mediumId)), movie.subarray(0, 2 * MIB));
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
  assert.deepEqual([file.sha256, file.suspect], [sha256(movie), null]);
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
  await rename(fileOf(spoolDir, mediumId), bestOf(spoolDir, mediumId));
  assert.equal(await sweepSpool(spoolDir, []), 1);
  assert.deepEqual(await files(), []);
});

test("another link's remainder is not this one's, and none takes the place of a copy that is there", async (t) => {
  const { attempt, last } = await open(t);
  const kind = "thumbnail";
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
  const small = await open(t, { config: { maxSize: 2 * MIB } });
  await small.attempt(give(film(box("moov", 0), noise(MIB))));
  assert.equal((await small.attempt(cutAfter(MIB)))?.is, "failed");
  assert.deepEqual(await small.files(), []);
});

test("where the disk is low the largest remainder makes room first", async (t) => {
  const { attempt, files, spoolDir } = await open(t);
  await attempt(cutAfter(MIB));
  await attempt(cutAfter(2 * MIB), { mediumId: "med_2" });
  const low = await openDownloads(t, { config: { minFreeDisk: 2 ** 60 }, spoolDir });
  for (const left of ["med_1.best", undefined]) {
    assert.deepEqual(await low.queue.claim(1, Date.now(), Date.now()), []);
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
