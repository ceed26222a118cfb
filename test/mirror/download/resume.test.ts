import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { link, mkdir, readFile, rename, stat, truncate, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import test, { type TestContext } from "node:test";
import { linkHash, newResumeState, readResumeState, writeResumeState } from "../../../src/mirror/spool/resume-state.ts";
import { spoolPaths, sweepSpool } from "../../../src/mirror/spool/spool.ts";
import type { DownloadOutcome } from "../../../src/model/job.ts";
import { tinyJpeg } from "../../../src/simulator/media.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { film, moov } from "../../support/media-bytes.ts";
import { serve } from "../../support/media-server.ts";
import { waitFor } from "../../support/wait.ts";
import { openDownloads } from "./downloads.ts";

const MIB = 2 ** 20;
const movie = film(moov(), noise(5 * MIB));
const other = film(moov(), Buffer.alloc(5 * MIB, 7));
const mediumId = "med_1";

type Told = { range: string | undefined; ifRange: string | undefined };
type Origin = {
  content: Buffer;
  headers: Record<string, string>;
  /** An answer breaks off after this many bytes of body. */
  breakAfter: number;
  /** Answers in its place. */
  instead: ((request: IncomingMessage, response: ServerResponse) => void) | null;
  asked: Told[];
  /** Bytes of body handed to the network. */
  sent: number;
};

/** A server of one file that knows ranges (RFC 9110 §14), and whose connection breaks as it is told. */
async function openOrigin(t: TestContext, more: Partial<Origin> = {}) {
  const origin: Origin = {
    content: movie,
    headers: { etag: '"one"' },
    breakAfter: Number.POSITIVE_INFINITY,
    instead: null,
    asked: [],
    sent: 0,
    ...more,
  };
  const url = await serve(t, (request, response) => {
    const { range, "if-range": ifRange } = request.headers;
    origin.asked.push({ range, ifRange: ifRange as string | undefined });
    if (origin.instead !== null) return origin.instead(request, response);
    const { content, headers } = origin;
    const matches = ifRange === headers.etag || ifRange === headers["last-modified"];
    const start = range && matches ? Number(/^bytes=(\d+)-$/.exec(range)?.[1]) : 0;
    if (start >= content.length) {
      response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
      return;
    }
    const rest = content.subarray(start);
    const part = start > 0 ? { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` } : {};
    response.writeHead(start > 0 ? 206 : 200, { ...headers, ...part, "content-length": rest.length });
    const piece = rest.subarray(0, origin.breakAfter);
    origin.sent += piece.length;
    if (piece.length === rest.length) response.end(piece);
    else response.write(piece, () => setTimeout(() => response.destroy(), 50));
  });
  return Object.assign(origin, { url: `${url}/film.mp4` });
}

function expectSpooled(outcome: DownloadOutcome | null, content = movie): void {
  assert.equal(outcome?.is, "spooled", JSON.stringify(outcome));
  const { file } = outcome as Extract<DownloadOutcome, { is: "spooled" }>;
  assert.deepEqual([file.bytes, file.sha256], [content.length, sha256Of(content)]);
}

function expectRetry(outcome: DownloadOutcome | null, progressed: boolean): number {
  assert.equal(outcome?.is, "retry", JSON.stringify(outcome));
  const retry = outcome as Extract<DownloadOutcome, { is: "retry" }>;
  assert.equal(retry.progressed ?? false, progressed, retry.error);
  return retry.at;
}

/** A download of two MiB and a bit, which broke. */
async function broken(t: TestContext, more: Partial<Origin> = {}) {
  const origin = await openOrigin(t, { breakAfter: 2 * MIB + 5, ...more });
  const subject = await openDownloads(t);
  const first = await subject.run(origin.url, { mediumId });
  origin.breakAfter = Number.POSITIVE_INFINITY;
  origin.asked.length = 0;
  const again = (more = {}) => subject.run(origin.url, { mediumId, ...more });
  return { ...subject, origin, first, again };
}

test("a broken download goes on from what is there; the sha256 covers the whole", async (t) => {
  const { origin, first, again, files, spoolDir, ports } = await broken(t);
  const at = expectRetry(first, true);
  assert.ok(at - ports.clock.now() <= 1_000, "soon");
  assert.deepEqual(await files(), ["med_1.part", "med_1.part.json"]);
  const { synced } = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
  assert.ok(synced > MIB && synced <= 2 * MIB + 5, String(synced));
  expectSpooled(await again());
  assert.deepEqual(origin.asked, [{ range: `bytes=${synced}-`, ifRange: '"one"' }]);
  assert.ok(origin.sent <= movie.length + 256 * 1024, `${origin.sent} bytes for ${movie.length}`);
  assert.deepEqual(await files(), ["med_1.file"]);
  assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), movie);
});

test("over a link that breaks again and again it costs hardly more bytes than the file has, and no attempts", async (t) => {
  const { again, origin, ports } = await broken(t, { breakAfter: 1.5 * MIB });
  origin.breakAfter = 1.5 * MIB;
  const deadline = Date.now() - 1_000;
  for (let round = 1; round <= 2; round++) {
    const at = expectRetry(await again({ attempts: 20, deadline }), true);
    assert.ok(at - ports.clock.now() <= 1_000, "its attempts are counted from 1, also past its deadline");
  }
  expectSpooled(await again());
  assert.ok(origin.sent <= movie.length * 1.1, `${origin.sent} bytes for ${movie.length}`);
});

test("a break that brings less than a MiB is no progress, but what came is kept", async (t) => {
  const { again, origin, first } = await broken(t, { breakAfter: 100_000 });
  expectRetry(first, false);
  assert.equal((await again())?.is, "spooled");
  assert.match(origin.asked[0]?.range ?? "", /^bytes=[1-9]\d+-$/);
});

test("only what is known to be on the disk is gone on from, also after a crash", async (t) => {
  const { origin, again, spoolDir } = await broken(t);
  const note = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
  await writeResumeState(spoolPaths(spoolDir, mediumId).state, { ...note, synced: MIB });
  const sure = movie.subarray(0, MIB);
  await writeFile(spoolPaths(spoolDir, mediumId).part, Buffer.concat([sure, Buffer.alloc(movie.length)]));
  assert.equal(await sweepSpool(spoolDir, [{ mediumId, uploads: false }]), 0, "the next start leaves it");
  expectSpooled(await again());
  assert.deepEqual(origin.asked, [{ range: `bytes=${MIB}-`, ifRange: '"one"' }]);
  assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), movie);
});

test("a start from nothing: a damaged note, a part that is too short, another link", async (t) => {
  const spoil: ((spoolDir: string) => Promise<unknown>)[] = [
    (spoolDir) => writeFile(spoolPaths(spoolDir, mediumId).state, "{"),
    (spoolDir) => truncate(spoolPaths(spoolDir, mediumId).state, 0),
    (spoolDir) => truncate(spoolPaths(spoolDir, mediumId).part, 1000),
  ];
  for (const [index, damage] of spoil.entries()) {
    const { origin, again, spoolDir, files } = await broken(t);
    await damage(spoolDir);
    expectSpooled(await again());
    assert.deepEqual(origin.asked, [{ range: undefined, ifRange: undefined }], String(index));
    assert.deepEqual(await files(), ["med_1.file"]);
  }
  const { origin, again } = await broken(t);
  expectSpooled(await again({ url: `${origin.url}?X-Amz-Signature=2` }));
  assert.ok(origin.asked[0]?.range, "a new signature is the same link");
  const moved = await broken(t);
  expectSpooled(await moved.again({ url: `${moved.origin.url}?v=2` }));
  assert.equal(moved.origin.asked[0]?.range, undefined);
});

test("a file that has changed is taken anew, whole", async (t) => {
  const { origin, again, spoolDir } = await broken(t);
  Object.assign(origin, { content: other, headers: { etag: '"two"' } });
  expectSpooled(await again(), other);
  assert.equal(origin.asked.length, 1, "the host answers an If-Range that fails with all of it");
  assert.equal((await stat(spoolPaths(spoolDir, mediumId).file)).size, other.length);
});

test("a server that ignores ranges is taken at its word, and its bytes are no progress twice", async (t) => {
  const { origin, again } = await broken(t);
  origin.instead = (_, response) => {
    response.writeHead(200, { etag: '"one"', "content-length": movie.length });
    response.write(movie.subarray(0, 2 * MIB), () => setTimeout(() => response.destroy(), 50));
  };
  expectRetry(await again(), false);
  expectRetry(await again(), false);
  const last = await again({ deadline: Date.now() });
  assert.equal(last?.is, "spooled", "what only goes round in circles ends at its deadline, with what came");
  const { bytes, suspect } = (last as Extract<DownloadOutcome, { is: "spooled" }>).file;
  assert.ok(bytes > MIB && bytes <= 2 * MIB + 5, String(bytes));
  assert.match(suspect!, /not whole/);
});

test("a rest that does not fit, or a 416, is followed by a request for the whole at once", async (t) => {
  const range = (request: IncomingMessage) => Number(/\d+/.exec(request.headers.range!)![0]);
  const end = movie.length - 1;
  const wrong: Record<string, (from: number) => [number, Record<string, string>]> = {
    "another start": (from) => [206, { "content-range": `bytes ${from + 1}-${end}/${movie.length}`, etag: '"one"' }],
    "another end": (from) => [206, { "content-range": `bytes ${from}-${end - 1}/${movie.length}`, etag: '"one"' }],
    "another length": (from) => [206, { "content-range": `bytes ${from}-${end + 1}/${end + 2}`, etag: '"one"' }],
    "no length": (from) => [206, { "content-range": `bytes ${from}-${end}/*`, etag: '"one"' }],
    "no range": () => [206, { etag: '"one"' }],
    "another ETag": (from) => [206, { "content-range": `bytes ${from}-${end}/${movie.length}`, etag: '"two"' }],
    "no ETag": (from) => [206, { "content-range": `bytes ${from}-${end}/${movie.length}` }],
    "a weak ETag": (from) => [206, { "content-range": `bytes ${from}-${end}/${movie.length}`, etag: 'W/"one"' }],
    "several parts": () => [206, { "content-type": "multipart/byteranges; boundary=x", etag: '"one"' }],
    "416": () => [416, { "content-range": `bytes */${movie.length}` }],
  };
  for (const [name, answer] of Object.entries(wrong)) {
    const { origin, again } = await broken(t);
    origin.instead = (request, response) => {
      origin.instead = null;
      const [status, headers] = answer(range(request));
      response.writeHead(status, headers).end(movie.subarray(0, 100_000));
    };
    expectSpooled(await again());
    assert.deepEqual(
      origin.asked.map((asked) => asked.range !== undefined),
      [true, false],
      name,
    );
  }
});

test("an error in place of the rest keeps what is there; what it came to is no media", async (t) => {
  const { origin, again } = await broken(t);
  origin.instead = (_, response) => void response.writeHead(503).end();
  expectRetry(await again(), false);
  origin.instead = null;
  expectSpooled(await again());
  assert.ok(origin.asked.every(({ range }) => range !== undefined));

  const text = await broken(t, { content: Buffer.alloc(4 * MIB, "text ") });
  for (let round = 1; round <= 2; round++) {
    const outcome = await text.again();
    assert.match((outcome as { error: string }).error, /text, not media/);
    assert.deepEqual(await text.files(), ["med_1.part.json"], "the next attempt begins anew");
    text.origin.breakAfter = 2 * MIB;
    expectRetry(await text.again(), false);
    text.origin.breakAfter = Number.POSITIVE_INFINITY;
  }
});

test("only a strong validator is gone on with: ETag, or a date that is clearly older than the answer", async (t) => {
  const date = (ago: number) => new Date(Date.now() - ago).toUTCString();
  const cases: [Record<string, string>, boolean][] = [
    [{ etag: '"one"' }, true],
    [{ etag: 'W/"one"' }, false],
    [{ etag: 'W/"one"', "last-modified": date(30_000) }, false],
    [{ etag: "one" }, false],
    [{ etag: '"one"', "accept-ranges": "none" }, false],
    [{ "last-modified": date(3_600_000) }, true],
    [{ "last-modified": date(30_000) }, false],
    [{ "last-modified": "yesterday" }, false],
    [{}, false],
  ];
  for (const [headers, goesOn] of cases) {
    const { origin, again, first, files } = await broken(t, { headers });
    const name = JSON.stringify(headers);
    expectRetry(first, goesOn);
    const left = goesOn ? ["med_1.part", "med_1.part.json"] : ["med_1.best", "med_1.part.json"];
    assert.deepEqual(await files(), left, name);
    expectSpooled(await again());
    const [asked] = origin.asked;
    assert.equal(asked?.range !== undefined, goesOn, name);
    assert.equal(asked?.ifRange, goesOn ? (headers.etag ?? headers["last-modified"]) : undefined, name);
  }
});

const LAST = "Thu, 01 Jan 2026 00:00:00 GMT";
const weak = { etag: 'W/"one"', "last-modified": LAST, "accept-ranges": "bytes" };

/** As Express answers: a range whether or not it still fits, because If-Range says nothing of a weak tag. */
function giveRange(content: Buffer, headers: Record<string, string>) {
  return (request: IncomingMessage, response: ServerResponse) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    const range = { "content-range": `bytes ${start}-${content.length - 1}/${content.length}` };
    response.writeHead(start > 0 ? 206 : 200, { ...headers, ...(start > 0 ? range : {}) });
    response.end(content.subarray(start));
  };
}

test("behind a weak ETag a download goes on where total, tag, date and the last 64 KiB are the same", async (t) => {
  const { origin, first, again, spoolDir } = await broken(t, { headers: weak });
  expectRetry(first, true);
  const { synced } = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
  origin.instead = giveRange(movie, weak);
  expectSpooled(await again());
  assert.deepEqual(origin.asked, [{ range: `bytes=${synced - 65_536}-`, ifRange: undefined }]);
  assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), movie);
});

test("behind a weak ETag a download begins anew where anything is not the same", async (t) => {
  const longer = film(moov(), noise(5 * MIB + 1));
  const changed: [string, Buffer, Record<string, string>][] = [
    ["other bytes", other, weak],
    ["another tag", movie, { ...weak, etag: 'W/"two"' }],
    ["a strong tag", movie, { ...weak, etag: '"one"' }],
    ["another date", movie, { ...weak, "last-modified": "Thu, 01 Jan 2026 00:00:01 GMT" }],
    ["another length", longer, weak],
  ];
  for (const [name, content, headers] of changed) {
    const { origin, again } = await broken(t, { headers: weak });
    origin.instead = giveRange(content, headers);
    expectSpooled(await again(), content);
    const ranges = origin.asked.map(({ range }) => range !== undefined);
    assert.deepEqual(ranges, [true, false], name);
  }
});

test("a rest behind a weak ETag that breaks within the bytes asked for again keeps what is there", async (t) => {
  const { origin, again } = await broken(t, { headers: weak });
  origin.instead = (request, response) => {
    const start = Number(/\d+/.exec(request.headers.range!)![0]);
    const range = { "content-range": `bytes ${start}-${movie.length - 1}/${movie.length}` };
    response.writeHead(206, { ...weak, ...range, "content-length": movie.length - start });
    response.write(movie.subarray(start, start + 1000), () => setTimeout(() => response.destroy(), 20));
  };
  expectRetry(await again(), false);
  origin.instead = giveRange(movie, weak);
  expectSpooled(await again());
  assert.ok(origin.asked.every(({ range }) => range !== undefined));
});

test("a stop of the relay keeps what came; the next start goes on", async (t) => {
  const origin = await openOrigin(t);
  origin.instead = (_, response) => {
    response.writeHead(200, { ...origin.headers, "content-length": movie.length });
    response.write(movie.subarray(0, 2 * MIB));
  };
  const { run, store, files, spoolDir } = await openDownloads(t);
  store.spooled = [{ mediumId, uploads: false }];
  const stop = new AbortController();
  const running = run(origin.url, { mediumId }, stop.signal);
  await waitFor(() => (statSync(spoolPaths(spoolDir, mediumId).part, { throwIfNoEntry: false })?.size ?? 0) > MIB);
  stop.abort(new Error("the relay is stopping"));
  assert.equal(await running, null);
  assert.deepEqual(await files(), ["med_1.part", "med_1.part.json"]);
  origin.instead = null;
  expectSpooled(await run(origin.url, { mediumId }));
  assert.match(origin.asked[1]?.range ?? "", /^bytes=\d{7}-$/);
});

test("a slow download that was preempted or stopped keeps its bytes", async (t) => {
  const origin = await openOrigin(t);
  origin.instead = (_, response) => {
    response.writeHead(200, { ...origin.headers, "content-length": movie.length });
    response.write(movie.subarray(0, 2 * MIB));
  };
  const { run } = await openDownloads(t, { limits: { yieldAfter: 50, slowAfter: 2_000, slowRate: 2 ** 40 } });
  const outcome = await run(origin.url, { mediumId });
  assert.match((outcome as { error: string }).error, /too slow/);
  expectRetry(outcome, true);
  origin.instead = null;
  expectSpooled(await run(origin.url, { mediumId }));
  assert.match(origin.asked[1]?.range ?? "", /^bytes=\d{7}-$/);
});

test("all bytes, but no end of the attempt: the next one proves them without a request", async (t) => {
  const { again, origin, spoolDir } = await broken(t);
  const note = (await readResumeState(spoolPaths(spoolDir, mediumId).state))!;
  await writeFile(spoolPaths(spoolDir, mediumId).part, movie);
  await writeResumeState(spoolPaths(spoolDir, mediumId).state, { ...note, synced: movie.length });
  expectSpooled(await again());
  assert.deepEqual(origin.asked, []);
});

test("a crash between the proof and its settling wastes no second download", async (t) => {
  const origin = await openOrigin(t);
  const { run, store, files, spoolDir } = await openDownloads(t);
  store.lost = true;
  store.spooled = [{ mediumId, uploads: false }];
  assert.equal(await run(origin.url, { mediumId }), null);
  assert.equal(await sweepSpool(spoolDir, store.spooled), 0);
  store.lost = false;
  expectSpooled(await run(origin.url, { mediumId }));
  assert.equal(origin.asked.length, 1);
  assert.deepEqual(await files(), ["med_1.file"]);

  store.lost = true;
  await run(origin.url, { mediumId });
  store.lost = false;
  await truncate(spoolPaths(spoolDir, mediumId).file, 1000);
  expectSpooled(await run(origin.url, { mediumId }));
  assert.equal(origin.asked.length, 2, "what is not what it was is fetched again");
  assert.equal((await stat(spoolPaths(spoolDir, mediumId).file)).size, movie.length);
});

test("a spool that was not there for a while: a video's file that turns up is taken without a request, proven anew", async (t) => {
  const origin = await openOrigin(t);
  const { run, files, spoolDir } = await openDownloads(t);
  await mkdir(spoolDir, { recursive: true });
  await writeFile(spoolPaths(spoolDir, mediumId).file, movie);
  expectSpooled(await run(origin.url, { mediumId }));
  assert.deepEqual([origin.asked.length, await files()], [0, ["med_1.file"]]);
  await writeFile(spoolPaths(spoolDir, mediumId).file, "an error page");
  assert.equal((await run(origin.url, { mediumId }))?.is, "retry");
  expectSpooled(await run(origin.url, { mediumId }));
  await writeFile(spoolPaths(spoolDir, mediumId).file, movie);
  await run(origin.url, { mediumId, kind: "thumbnail" });
  assert.equal(origin.asked.length, 2, "a thumbnail's link may lead to another file by now");
});

test("a crash between validation and final name loses no bytes, with or without a length from the host", async (t) => {
  for (const headers of [{ etag: '"one"' }, {}] as Record<string, string>[]) {
    const origin = await openOrigin(t, { headers });
    const { run, store, spoolDir } = await openDownloads(t);
    store.lost = true;
    store.spooled = [{ mediumId, uploads: false }];
    await run(origin.url, { mediumId });
    store.lost = false;
    await rename(spoolPaths(spoolDir, mediumId).file, spoolPaths(spoolDir, mediumId).part);
    assert.equal(await sweepSpool(spoolDir, store.spooled), 0);
    expectSpooled(await run(origin.url, { mediumId }));
    assert.equal(origin.asked.length, 1);
  }
});

test("a part that others share by a link is not written over", async (t) => {
  const { again, spoolDir, origin } = await broken(t);
  await mkdir(`${spoolDir}/../target`);
  const copy = `${spoolDir}/../target/copy`;
  await link(spoolPaths(spoolDir, mediumId).part, copy);
  const before = await readFile(copy);
  expectSpooled(await again());
  assert.equal(origin.asked[0]?.range, undefined);
  assert.deepEqual(await readFile(copy), before);
});

test("a picture of which all is there, but not settled, is asked for again: it may be another one under the same link", async (t) => {
  const [before, now] = [tinyJpeg("before"), tinyJpeg("now")].map((picture) => Buffer.from(picture)) as [
    Buffer,
    Buffer,
  ];
  const origin = await openOrigin(t, { content: now, headers: { etag: '"two"' } });
  const { run, spoolDir } = await openDownloads(t);
  await mkdir(spoolDir);
  await writeFile(spoolPaths(spoolDir, mediumId).part, before);
  const { length } = before;
  const all = { etag: '"one"', validator: '"one"', total: length, synced: length, furthest: length };
  await writeResumeState(spoolPaths(spoolDir, mediumId).state, { ...newResumeState(linkHash(origin.url)), ...all });
  const outcome = await run(origin.url, { kind: "thumbnail" });
  assert.equal(outcome?.is === "spooled" && outcome.file.sha256, sha256Of(now));
  assert.deepEqual(origin.asked, [{ range: undefined, ifRange: undefined }]);
});
