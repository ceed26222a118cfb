import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { unpack } from "../../../src/mirror/download/content-coding.ts";
import { LocalFailure } from "../../../src/mirror/errors.ts";
import { spoolPaths } from "../../../src/mirror/spool/spool.ts";
import type { DownloadOutcome } from "../../../src/model/job.ts";
import { noise, sha256Of } from "../../support/bytes.ts";
import { tempFolder } from "../../support/folder.ts";
import { film, jpeg, moov, mp4 } from "../../support/media-bytes.ts";
import { serve, serveRaw } from "../../support/media-server.ts";
import { ODD_HEADS } from "../../support/odd-heads.ts";
import { openDownloads } from "./downloads.ts";

const movie = film(moov(), noise(300_000));
const later = { attempts: 1 };

function spooled(outcome: DownloadOutcome | null) {
  assert.equal(outcome?.is, "spooled", JSON.stringify(outcome));
  return (outcome as Extract<DownloadOutcome, { is: "spooled" }>).file;
}

function retried(outcome: DownloadOutcome | null, words: RegExp): void {
  assert.equal(outcome?.is, "retry", JSON.stringify(outcome));
  assert.match((outcome as Extract<DownloadOutcome, { is: "retry" }>).error, words);
}

test("a head that only a strict parser refuses is named on the first try, and taken on the next", async (t) => {
  const { origin } = await serveRaw(t, (request, socket) =>
    ODD_HEADS[/ \/(\w+)/.exec(request)![1]!]!.answer(movie, socket),
  );
  const { run } = await openDownloads(t);
  for (const [name, { says }] of Object.entries(ODD_HEADS)) {
    const first = await run(`${origin}/${name}`);
    retried(first, /answered with a head that is refused: .*; the next try takes it/);
    retried(first, says);
    const { sha256: sum, suspect } = spooled(await run(`${origin}/${name}`, later));
    assert.deepEqual([sum, suspect], [sha256Of(movie), null], name);
  }
});

test("chunks that only a strict parser refuses are taken on a later try", async (t) => {
  const { origin, asked } = await serveRaw(t, (_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${movie.length.toString(16)}  \r\n`);
    socket.write(movie);
    socket.end("\r\n0\r\n\r\n");
  });
  const { run } = await openDownloads(t);
  retried(await run(origin), /chunk size/);
  assert.equal(spooled(await run(origin, later)).sha256, sha256Of(movie));
  assert.equal(asked.length, 3);
});

test("a lenient try goes nowhere that a strict one may not go", async (t) => {
  const target = await serveRaw(t, (_, socket) => ODD_HEADS.twice!.answer(movie, socket));
  const hidden = target.origin.replace("127.0.0.1", "127.0.0.2");
  const { origin } = await serveRaw(t, (_, socket) =>
    socket.end(`HTTP/1.1 302 Found\nX-A: a\x01b\r\nLocation: ${hidden}/\r\nContent-Length: 0\r\n\r\n`),
  );
  const { run } = await openDownloads(t);
  const outcome = await run(origin, later);
  assert.equal(outcome?.is, "failed", JSON.stringify(outcome));
  assert.equal(target.asked.length, 0);
});

test("a connection that breaks is called that, and not a length that does not fit", async (t) => {
  const origin = await serve(t, (request, response) => {
    if (request.url === "/length") response.setHeader("content-length", movie.length);
    response.write(movie.subarray(0, 100_000), () => setTimeout(() => response.socket?.end(), 20));
  });
  const { run } = await openDownloads(t);
  retried(await run(`${origin}/length`), new RegExp(`the connection broke: \\d+ of ${movie.length} bytes came`));
  retried(await run(`${origin}/chunked`), /the connection broke: \d+ bytes came/);
});

const PACKED: Record<string, (content: Buffer) => Buffer> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  "Deflate, identity": deflateRawSync,
  br: (content) => brotliCompressSync(content),
  zstd: (content) => zstdCompressSync(content),
  "deflate, gzip": (content) => gzipSync(deflateSync(content)),
  "gzip, aws-chunked": gzipSync,
};

test("a file that comes packed though that was not asked for is unpacked on a later try; bytes and sha256 are of the film", async (t) => {
  const origin = await serve(t, (request, response) => {
    const coding = decodeURIComponent(request.url!.slice(1));
    const content = PACKED[coding]!(movie);
    response
      .writeHead(200, { "content-encoding": coding, etag: '"one"', "content-length": content.length })
      .end(content);
  });
  const { run, spoolDir, files } = await openDownloads(t);
  for (const [nth, coding] of Object.keys(PACKED).entries()) {
    const url = `${origin}/${encodeURIComponent(coding)}`;
    const mediumId = `med_${nth}`;
    retried(await run(url, { mediumId }), /with content-encoding .* though identity was asked/);
    const file = spooled(await run(url, { ...later, mediumId }));
    assert.deepEqual(
      [file.bytes, file.sha256, file.contentType, file.suspect],
      [movie.length, sha256Of(movie), "video/mp4", null],
      coding,
    );
    assert.deepEqual(await readFile(spoolPaths(spoolDir, mediumId).file), movie);
    assert.equal((await files()).length, nth + 1, "nothing else is left");
  }
});

test("a file that is only called packed is kept as it came", async (t) => {
  const origin = await serve(t, (request, response) => {
    const coding = decodeURIComponent(request.url!.slice(1));
    response.writeHead(200, { "content-encoding": coding, "content-length": movie.length }).end(movie);
  });
  const { run, files } = await openDownloads(t);
  for (const coding of [...Object.keys(PACKED), "compress", "gzip, compress"]) {
    const file = spooled(await run(`${origin}/${encodeURIComponent(coding)}`, later));
    assert.deepEqual([file.sha256, file.suspect], [sha256Of(movie), null], coding);
  }
  const longer = spooled(await run(`${origin}/gzip`, { ...later, duration: 60 }));
  assert.equal(longer.suspect, null, "this film has no duration");
  assert.ok((await files()).every((name) => name.endsWith(".file")));
});

test("what was packed for the way (Transfer-Encoding) is unpacked, too", async (t) => {
  const packed = gzipSync(movie);
  const { origin } = await serveRaw(t, (_, socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n${packed.length.toString(16)}\r\n`);
    socket.write(packed);
    socket.end("\r\n0\r\n\r\n");
  });
  const { run } = await openDownloads(t);
  retried(await run(origin), /content-encoding gzip though/);
  assert.equal(spooled(await run(origin, later)).sha256, sha256Of(movie));
});

test("what cannot be unpacked for want of room, size, a disk or time leaves nothing behind", async (t) => {
  const folder = tempFolder(t);
  const [from, to] = [join(folder, "packed"), join(folder, "unpacked")];
  await writeFile(from, gzipSync(Buffer.alloc(40_000_000)));
  const stop = new AbortController();
  const given = { from, to, coding: "gzip", maxSize: 2 ** 30, checkSpace: async () => {}, signal: stop.signal };
  const noRoom = () => Promise.reject(new LocalFailure("disk space", "too little room"));
  await assert.rejects(unpack({ ...given, checkSpace: noRoom }), { name: "LocalFailure", resource: "disk space" });
  await assert.rejects(unpack({ ...given, maxSize: 1_000_000 }), { name: "PermanentFailure" });
  await assert.rejects(unpack({ ...given, from: join(folder, "none") }), { name: "LocalFailure", resource: "spool" });
  const stopping = async () => stop.abort(new Error("the relay stops"));
  await assert.rejects(unpack({ ...given, checkSpace: stopping }), /the relay stops/);
  assert.deepEqual(await readdir(folder), ["packed"]);
});

test("a large film is unpacked whole, and its sum is of what is kept", async (t) => {
  const large = film(moov(), Buffer.concat(Array<Buffer>(5).fill(noise(5_000_000))));
  const packed = gzipSync(large, { level: 1 });
  const origin = await serve(
    t,
    (_, response) => void response.writeHead(200, { "content-encoding": "gzip" }).end(packed),
  );
  const { run } = await openDownloads(t);
  const file = spooled(await run(origin, later));
  assert.deepEqual([file.bytes, file.sha256], [large.length, sha256Of(large)]);
});

test("what is packed is bounded by maxSize once it is unpacked, and no page is kept, packed or not", async (t) => {
  const bomb = gzipSync(film(moov(), Buffer.alloc(5_000_000)));
  const page = gzipSync("<!doctype html><p>Please wait");
  const origin = await serve(t, (request, response) => {
    const content = request.url === "/bomb" ? bomb : request.url === "/page" ? page : Buffer.from("<html>plain");
    response.writeHead(200, { "content-encoding": "gzip", "content-length": content.length }).end(content);
  });
  const { run, files } = await openDownloads(t, { config: { maxSize: 4_000_000 } });
  const outcome = await run(`${origin}/bomb`, later);
  assert.equal(outcome?.is, "failed");
  assert.match((outcome as { error: string }).error, /unpacked it is larger than mirror\.maxSize, 4000000 bytes/);
  for (const path of ["page", "plain"]) {
    retried(await run(`${origin}/${path}`, later), /text/);
    assert.equal((await run(`${origin}/${path}`, { ...later, deadline: Date.now() - 1 }))?.is, "expired");
  }
  assert.deepEqual(await files(), []);
});

test("what does not unpack is tried again, and at the deadline as much as came out is kept", async (t) => {
  const content = gzipSync(film(moov(), noise(3_000_000)));
  const cut = content.subarray(0, content.length / 2);
  const origin = await serve(t, (request, response) => {
    const [coding, bytes] = request.url === "/cut" ? ["gzip", cut] : ["compress", gzipSync(jpeg())];
    response.writeHead(200, { "content-encoding": coding, "content-length": bytes.length }).end(bytes);
  });
  const { run, files } = await openDownloads(t);
  const mediumId = "med_1";
  retried(await run(`${origin}/cut`, { ...later, mediumId }), /it does not unpack \(gzip\): unexpected end of file/);
  assert.deepEqual(await files(), ["med_1.best", "med_1.part.json"]);
  const file = spooled(await run(`${origin}/cut`, { ...later, mediumId, deadline: Date.now() - 1 }));
  assert.ok(file.bytes > 500_000, String(file.bytes));
  assert.equal(file.contentType, "video/mp4");
  assert.match(file.suspect!, /^not whole: it does not unpack/);
  assert.deepEqual(await files(), ["med_1.file"]);
  retried(await run(`${origin}/compress`, { ...later, mediumId: "med_2" }), /no decoder for compress/);
  const raw = spooled(await run(`${origin}/compress`, { ...later, mediumId: "med_2", deadline: Date.now() - 1 }));
  assert.match(
    raw.suspect!,
    /not whole: it does not unpack \(compress\).*; announced as a video, but the content is application\/gzip/,
  );
});

test("a packed file that breaks off is begun anew, whatever its validator", async (t) => {
  const content = gzipSync(film(moov(), noise(3_000_000)));
  const ranges: (string | undefined)[] = [];
  const origin = await serve(t, (request, response) => {
    ranges.push(request.headers.range);
    response.writeHead(200, { "content-encoding": "gzip", etag: '"one"', "content-length": content.length });
    if (ranges.length > 1) return void response.end(content);
    response.write(content.subarray(0, 2_000_000), () => setTimeout(() => response.destroy(), 20));
  });
  const { run } = await openDownloads(t);
  retried(await run(origin, { ...later, mediumId: "med_1" }), /connection broke|other side|terminated|aborted/);
  spooled(await run(origin, { ...later, mediumId: "med_1" }));
  assert.deepEqual(ranges, [undefined, undefined]);
});

test("a plain film under a wrong label whose length is odd is suspect for that alone", async (t) => {
  const short = mp4({ seconds: 5 });
  const origin = await serve(t, (_, response) => void response.writeHead(200, { "content-encoding": "br" }).end(short));
  const { run } = await openDownloads(t);
  const file = spooled(await run(origin, { ...later, duration: 60 }));
  assert.equal(file.suspect, "it plays 5 s, but 60 s were announced");
});
