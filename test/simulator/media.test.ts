import assert from "node:assert/strict";
import { test } from "node:test";
import { fileTypeFromBuffer } from "file-type";
import { tinyJpeg, tinyMp4 } from "../../src/simulator/media.ts";
import { sha256Of } from "../support/bytes.ts";

/** The boxes of one level: type, and where the content begins and ends. Throws when they do not fill the space exactly. */
function boxes(file: Buffer, from = 0, to = file.length): { type: string; start: number; end: number }[] {
  const found = [];
  let at = from;
  while (at < to) {
    const size = file.readUInt32BE(at);
    assert.ok(size >= 8 && at + size <= to, `a box of ${size} bytes at ${at} leaves its space`);
    found.push({ type: file.toString("latin1", at + 4, at + 8), start: at + 8, end: at + size });
    at += size;
  }
  assert.equal(at, to);
  return found;
}

function box(file: Buffer, path: string): { start: number; end: number } {
  let [start, end] = [0, file.length];
  for (const type of path.split("/")) {
    const found = boxes(file, start, end).find((one) => one.type === type);
    assert.ok(found, `${type} of ${path}`);
    [start, end] = [found.start, found.end];
  }
  return { start, end };
}

test("a video is whole boxes from its first byte to its last, moov before mdat", () => {
  for (const bytes of [undefined, 5_000, 100_001]) {
    const file = Buffer.from(tinyMp4({ bytes, seed: "a" }));
    assert.deepEqual(
      boxes(file).map((one) => one.type),
      ["ftyp", "moov", "free", "mdat", "free"],
    );
    if (bytes !== undefined) assert.equal(file.length, bytes);
  }
});

test("a video lasts as long as it was asked to, in every box that says so", () => {
  for (const asked of [1, 35.9, 600, undefined]) {
    const file = Buffer.from(tinyMp4({ seconds: asked }));
    const seconds = asked ?? 35.9;
    const movie = box(file, "moov/mvhd").start;
    assert.equal(file.readUInt32BE(movie + 16) / file.readUInt32BE(movie + 12), seconds);
    assert.equal(file.readUInt32BE(box(file, "moov/trak/tkhd").start + 20), seconds * 1000);
    const track = box(file, "moov/trak/mdia/mdhd").start;
    assert.equal(file.readUInt32BE(track + 16) / file.readUInt32BE(track + 12), seconds);
    const times = box(file, "moov/trak/mdia/minf/stbl/stts").start;
    assert.equal(file.readUInt32BE(times + 4), 1);
    assert.equal(file.readUInt32BE(times + 8) * file.readUInt32BE(times + 12), file.readUInt32BE(track + 16));
  }
});

test("the frames of a video lie where its sample table says, inside mdat", () => {
  const file = Buffer.from(tinyMp4({ seed: "x", bytes: 9_000 }));
  const sizes = box(file, "moov/trak/mdia/minf/stbl/stsz").start;
  const frames = file.readUInt32BE(sizes + 8);
  let at = file.readUInt32BE(box(file, "moov/trak/mdia/minf/stbl/stco").start + 8);
  const mdat = box(file, "mdat");
  assert.equal(at, mdat.start);
  for (let frame = 0; frame < frames; frame++) {
    const size = file.readUInt32BE(sizes + 12 + frame * 4);
    assert.equal(file.readUInt32BE(at), size - 4, "each frame is one NAL unit behind its length");
    assert.equal(file[at + 4]! & 0x1f, frame === 0 ? 5 : 1, "a key frame, then frames that build on it");
    at += size;
  }
  assert.equal(at, mdat.end);
});

test("each seed has bytes of its own, and the same wish gives the same bytes", () => {
  const wishes = [
    {},
    { seed: 1 },
    { seed: "1 " },
    { seed: 1, bytes: 70_000 },
    { seed: 2, bytes: 70_000 },
    { seconds: 2 },
  ];
  assert.equal(new Set(wishes.map((wish) => sha256Of(tinyMp4(wish)))).size, wishes.length);
  for (const wish of wishes) assert.deepEqual(tinyMp4(wish), tinyMp4(wish));
  assert.notEqual(sha256Of(tinyJpeg("a")), sha256Of(tinyJpeg("b")));
});

test("a size that no video can have is refused", () => {
  assert.throws(() => tinyMp4({ bytes: 100 }), /a simulated video has at least \d+ bytes, not 100/);
});

test("a content sniffer takes each for what it is", async () => {
  const type = async (bytes: Uint8Array) => (await fileTypeFromBuffer(bytes))?.mime;
  assert.equal(await type(tinyMp4()), "video/mp4");
  assert.equal(await type(tinyJpeg("a")), "image/jpeg");
});

test("a JPEG's segments lead from its beginning over the seed and the frame to the picture and its end", () => {
  const file = Buffer.from(tinyJpeg("Zwölf 🗞️"));
  assert.equal(file.readUInt16BE(0), 0xffd8);
  const markers = [];
  let at = 2;
  while (file.readUInt16BE(at) !== 0xffda) {
    const marker = file.readUInt16BE(at);
    const length = file.readUInt16BE(at + 2);
    markers.push(marker.toString(16));
    if (marker === 0xfffe) assert.equal(file.toString("utf8", at + 4, at + 2 + length), "seed Zwölf 🗞️");
    if (marker === 0xffc0) assert.deepEqual([file.readUInt16BE(at + 5), file.readUInt16BE(at + 7)], [36, 64]);
    at += 2 + length;
  }
  assert.deepEqual(markers.slice(0, 2), ["ffe0", "fffe"]);
  for (const needed of ["ffdb", "ffc0", "ffc4"]) assert.ok(markers.includes(needed), needed);
  assert.equal(file.readUInt16BE(file.length - 2), 0xffd9);
});
