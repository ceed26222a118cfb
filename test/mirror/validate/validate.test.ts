import assert from "node:assert/strict";
import { mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { InvalidContent } from "../../../src/mirror/errors.ts";
import { nameRemainder, verifyMedia } from "../../../src/mirror/validate/validate.ts";
import type { MediaKind } from "../../../src/model/medium.ts";
import { computedMs } from "../../support/computing.ts";
import { box, film, jpeg, moov, mp4, mp4IndexLast, mvhd, png, trak } from "../../support/media-bytes.ts";
import { wholeOnly } from "../../support/whole.ts";

const folder = await mkdtemp(join(tmpdir(), "relay-verify-"));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;

async function verify(
  content: Uint8Array | string,
  {
    kind = "video" as MediaKind,
    announced = undefined as number | null | undefined,
    duration = null as number | null,
    isFramed = false,
  } = {},
) {
  const path = join(folder, `${files++}.part`);
  await writeFile(path, content);
  const bytes = Buffer.byteLength(content);
  const told = announced === undefined ? bytes : announced;
  const verdict = await verifyMedia({ path, kind, bytes, announced: told, duration, isFramed });
  if (verdict instanceof InvalidContent) throw verdict;
  return verdict;
}

const notYet = (words: RegExp) => (error: unknown) => error instanceof InvalidContent && words.test(error.message);

test("videos are known by their content", async () => {
  assert.deepEqual(await verify(mp4()), { contentType: "video/mp4", ext: ".mp4", suspect: null });
  assert.deepEqual(await verify(mp4IndexLast()), { contentType: "video/mp4", ext: ".mp4", suspect: null });
  assert.deepEqual(await verify(mp4({ brand: "qt  " })), {
    contentType: "video/quicktime",
    ext: ".mov",
    suspect: null,
  });
  const classicMov = Buffer.concat([moov(), box("mdat", 50)]);
  assert.deepEqual(await verify(classicMov), { contentType: "video/quicktime", ext: ".mov", suspect: null });
});

test("pictures are known by their content", async () => {
  const kind = "thumbnail";
  assert.deepEqual(await verify(jpeg(), { kind }), { contentType: "image/jpeg", ext: ".jpg", suspect: null });
  assert.deepEqual(await verify(png(), { kind }), { contentType: "image/png", ext: ".png", suspect: null });
  assert.deepEqual(await verify(png(), { kind, announced: null }), {
    contentType: "image/png",
    ext: ".png",
    suspect: null,
  });
});

test("an empty answer, and one of the wrong length, are no media yet", async () => {
  await assert.rejects(verify(""), notYet(/empty/));
  await assert.rejects(verify("", { announced: null }), notYet(/empty/));
  await assert.rejects(verify(mp4(), { announced: mp4().length + 1 }), notYet(/\d+ of \d+ bytes/));
});

test("what follows a whole film is odd, and the film is kept", async () => {
  for (const tail of [Buffer.alloc(4), Buffer.from("\n"), Buffer.from("twenty bytes of text")]) {
    for (const film of [mp4(), mp4IndexLast()]) {
      const { contentType, suspect } = await verify(Buffer.concat([film, tail]));
      assert.deepEqual([contentType, suspect === null], ["video/mp4", false]);
    }
  }
  const fragments = Buffer.concat([mp4(), box("moof", 50), Buffer.alloc(4)]);
  await assert.rejects(verify(fragments), notYet(/cut/), "more of the film may be missing");
});

test("what is not whole is a remainder of media, unless it is text, or nothing", async () => {
  const isPartial = (error: unknown) => error instanceof InvalidContent && error.isPartial;
  await assert.rejects(verify(mp4IndexLast().subarray(0, -100)), isPartial);
  await assert.rejects(verify(mp4(), { announced: 1_000_000 }), isPartial);
  for (const nothing of ["", "<html>"]) await assert.rejects(verify(nothing), (error) => !isPartial(error));
  const name = async (content: Uint8Array | string, kind: MediaKind = "video") => {
    const path = join(folder, `${files++}.part`);
    await writeFile(path, content);
    return nameRemainder({ path, kind, bytes: Buffer.byteLength(content) });
  };
  assert.deepEqual(await name(mp4().subarray(0, 60)), { contentType: "video/mp4", ext: ".mp4", suspect: null });
  assert.match((await name(jpeg().subarray(0, 60)))?.suspect ?? "", /content is image\/jpeg/);
  for (const nothing of ["", "<html>", "Forbidden"]) assert.equal(await name(nothing), null);
});

test("text of any sort is no media yet", async () => {
  const texts = [
    "<!DOCTYPE html><html><body>Not found</body></html>",
    '\n  <?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>',
    '\ufeff<?xml version="1.0"?><Error/>',
    '{"error":"expired"}',
    "Forbidden",
    "#EXTM3U\n#EXT-X-VERSION:3\n",
    "日本語".repeat(3_000),
    Buffer.from("<html>caf\xe9</html>", "latin1"),
    Buffer.from("\ufeff<html>", "utf16le"),
    '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "%!PS-Adobe-3.0\n",
  ];
  for (const text of texts) {
    for (const kind of ["video", "thumbnail"] as const)
      await assert.rejects(verify(text, { kind }), notYet(/text|xml/), String(text).slice(0, 30));
  }
});

test("a cut film is invalid, also without a length from HTTP", async () => {
  const whole = mp4({ bytes: 1_000 });
  for (const length of [whole.length - 1, whole.length - 900, 60, 30, 12]) {
    await assert.rejects(verify(whole.subarray(0, length), { announced: null }), notYet(/cut/), String(length));
  }
  const indexLast = mp4IndexLast(1_000);
  const beforeIndex = indexLast.length - moov().length;
  await assert.rejects(verify(indexLast.subarray(0, beforeIndex), { announced: null }), notYet(/no index/));
  await assert.rejects(verify(indexLast.subarray(0, beforeIndex + 4), { announced: null }), notYet(/cut/));
});

test("the 64-bit size of a box, and a box that goes on to the end, are understood", async () => {
  const long = Buffer.concat([Buffer.from([0, 0, 0, 1]), Buffer.from("mdat"), Buffer.alloc(8), Buffer.alloc(100)]);
  long.writeBigUInt64BE(116n, 8);
  const start = mp4().subarray(0, mp4().length - 108);
  assert.equal((await verify(Buffer.concat([start, long]))).suspect, null);
  long.writeBigUInt64BE(117n, 8);
  await assert.rejects(verify(Buffer.concat([start, long])), notYet(/runs past/));
  long.writeBigUInt64BE(2n ** 63n, 8);
  await assert.rejects(verify(Buffer.concat([start, long])), notYet(/runs past/));
  const open = Buffer.concat([Buffer.alloc(4), Buffer.from("mdat"), Buffer.alloc(100)]);
  assert.equal((await verify(Buffer.concat([start, open]))).suspect, null);
});

test("a film of two gigabytes, and one beyond the reach of 32 bits, are whole by their boxes", async () => {
  const film = mp4();
  for (const bytes of [2 ** 31, 2 ** 33 + 7]) {
    const head = Buffer.from([0, 0, 0, 1, ...Buffer.from("free"), ...Buffer.alloc(8)]);
    head.writeBigUInt64BE(BigInt(bytes - film.length), 8);
    const path = join(folder, `${bytes}.part`);
    await writeFile(path, Buffer.concat([film, head]));
    // Sparse, so that it costs no disk.
    await truncate(path, bytes);
    const verdict = await verifyMedia({ path, kind: "video", bytes, announced: bytes, duration: null });
    assert.deepEqual(verdict, { contentType: "video/mp4", ext: ".mp4", suspect: null });
  }
});

test("a film that is all there but strange is kept, and suspect", async () => {
  const strange = Buffer.concat([mp4(), Buffer.from([0, 0, 0, 3]), Buffer.alloc(20)]);
  assert.match((await verify(strange)).suspect ?? "", /no box at/);
  assert.match((await verify(mp4().subarray(0, mp4().length - 108))).suspect ?? "", /no media data/);
});

test("a film of millions of boxes is kept, and suspect", { skip: wholeOnly }, async () => {
  const many = Buffer.concat([mp4(), Buffer.alloc(8 * 4_000_001, box("free", 0))]);
  assert.match((await verify(many)).suspect ?? "", /more than/);
});

test("a cut picture is invalid without a length from HTTP", async () => {
  const kind = "thumbnail";
  await assert.rejects(verify(jpeg().subarray(0, 60), { kind, announced: null }), notYet(/cut/));
  await assert.rejects(verify(png().subarray(0, 150_000), { kind, announced: null }), notYet(/cut/));
  assert.equal((await verify(jpeg().subarray(0, 60), { kind })).suspect, null);
});

test("what is known but not what was announced is kept, and suspect", async () => {
  const picture = await verify(jpeg());
  assert.deepEqual(picture, {
    contentType: "image/jpeg",
    ext: ".jpg",
    suspect: "announced as a video, but the content is image/jpeg",
  });
  const film = await verify(mp4(), { kind: "thumbnail" });
  assert.equal(film.ext, ".mp4");
  assert.match(film.suspect ?? "", /announced as a thumbnail/);
  const zip = await verify(Buffer.from("504b0506000000000000000000000000000000000000", "hex"));
  assert.match(zip.suspect ?? "", /application\/zip/);
  assert.equal(zip.ext, ".zip");
});

test("an unknown format is kept as octets, and suspect", async () => {
  for (const bytes of [Buffer.from([0xde, 0xad, 0xbe, 0xef]), Buffer.alloc(10_000, 1), Buffer.alloc(1)]) {
    assert.deepEqual(await verify(bytes), {
      contentType: "application/octet-stream",
      ext: ".bin",
      suspect: "announced as a video, but the content is unknown",
    });
  }
});

/** A box with version and flags, then fields: numbers are 32 bits, bigints 64. */
function fullBox(type: string, version: number, ...fields: (number | bigint)[]): Buffer {
  const parts = fields.map((field) => {
    const bytes = Buffer.alloc(typeof field === "bigint" ? 8 : 4);
    if (typeof field === "bigint") bytes.writeBigUInt64BE(field);
    else bytes.writeUInt32BE(field);
    return bytes;
  });
  return box(type, Buffer.concat([Buffer.from([version, 0, 0, 0]), ...parts, Buffer.alloc(80)]));
}

test("a film must play about as long as was announced: two seconds or five per cent either way", async () => {
  const suspect = async (seconds: number, duration: number | null) =>
    (await verify(mp4({ seconds }), { duration })).suspect;
  for (const [seconds, duration] of [
    [10, 12],
    [14, 12],
    [95, 100],
    [105, 100],
    [0.04, 1],
    [600, null],
    [600, 0],
    [0, 600],
  ] as const)
    assert.equal(await suspect(seconds, duration), null, `${seconds} of ${duration}`);
  for (const [seconds, duration] of [
    [9.9, 12],
    [14.1, 12],
    [94.9, 100],
    [105.1, 100],
    [1, 3600],
  ] as const)
    assert.equal(await suspect(seconds, duration), `it plays ${seconds} s, but ${duration} s were announced`);
});

test("the duration is read from every form of the index, and not guessed where none is", async () => {
  const data = Buffer.alloc(10);
  const plays = async (...children: Uint8Array[]) =>
    (await verify(film(box("moov", Buffer.concat([...children, trak()])), data), { duration: 1000 })).suspect?.match(
      /plays (\S+) s/,
    )?.[1] ?? null;
  const unknown32 = 2 ** 32 - 1;
  assert.equal(await plays(mvhd(90)), "90");
  assert.equal(await plays(box("trak", 500), mvhd(90)), "90");
  assert.equal(await plays(fullBox("mvhd", 1, 0n, 0n, 600, 54_000n)), "90");
  assert.equal(await plays(fullBox("mvhd", 1, 0n, 0n, 600, 2n ** 63n)), "15372300000000000");
  assert.equal(await plays(fullBox("mvhd", 0, 0, 0, 600, unknown32)), null);
  assert.equal(await plays(fullBox("mvhd", 1, 0n, 0n, 600, 2n ** 64n - 1n)), null);
  assert.equal(await plays(fullBox("mvhd", 0, 0, 0, 0, 54_000)), null, "no timescale");
  assert.equal(await plays(fullBox("mvhd", 2, 0, 0, 600, 54_000)), null, "a version that is none");
  assert.equal(await plays(box("mvhd", 10)), null);
  const fragmented = (...children: Uint8Array[]) => box("mvex", Buffer.concat([box("trex", 24), ...children]));
  assert.equal(await plays(mvhd(0), fragmented(fullBox("mehd", 0, 45_000))), "45");
  assert.equal(await plays(mvhd(0), fragmented(fullBox("mehd", 1, 45_000n))), "45");
  assert.equal(await plays(mvhd(5), fragmented()), null, "what mvhd says is without the fragments");
  assert.equal(await plays(mvhd(0), fragmented(fullBox("mehd", 0, 0))), null);
});

test("an index full of tiny boxes, or one that runs past its end, takes little time", async () => {
  const started = process.cpuUsage();
  const tiny = Buffer.alloc(8 * 300_000, box("free", 0));
  const full = box("moov", Buffer.concat([mvhd(9), trak(), tiny]));
  assert.equal((await verify(film(full, Buffer.alloc(10)), { duration: 9 })).suspect, null);
  const wild = Buffer.concat([Buffer.from([0x7f, 0xff, 0xff, 0xff]), Buffer.from("trak")]);
  const runsOut = box("moov", Buffer.concat([mvhd(9), trak(), wild]));
  assert.equal((await verify(film(runsOut, Buffer.alloc(10)), { duration: 9 })).suspect, null);
  assert.ok(computedMs(started) < 20_000);
});
