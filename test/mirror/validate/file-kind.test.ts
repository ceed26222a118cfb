import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { InvalidContent } from "../../../src/mirror/errors.ts";
import { verifyMedia } from "../../../src/mirror/validate/validate.ts";
import type { MediaKind } from "../../../src/model/medium.ts";
import { box, film, jpeg, moov, mp4, mvhd, png, trak } from "../../support/media-bytes.ts";

const folder = await mkdtemp(join(tmpdir(), "relay-kind-"));
after(() => rm(folder, { recursive: true, force: true }));
let files = 0;

type Sent = { kind?: MediaKind; announced?: number | null; isFramed?: boolean };

/** What is made of a file: its type, and what is odd; of one that is not kept why. */
async function judge(content: Uint8Array, { kind = "video", announced, isFramed }: Sent = {}): Promise<string> {
  const path = join(folder, `${files++}.part`);
  await writeFile(path, content);
  const told = announced === undefined ? content.length : announced;
  const given = { path, kind, bytes: content.length, announced: told, duration: null, isFramed };
  const verdict = await verifyMedia(given);
  if (verdict instanceof InvalidContent) return verdict.message;
  const { contentType, ext, suspect } = verdict;
  return `${contentType} ${ext}${suspect === null ? "" : `, ${suspect}`}`;
}

/** Sent without a length, until the connection closes. */
const open = { announced: null };

const rest = [box("mdat", 500), moov()];

test("a film is a film whatever box it begins with, and a cut one is noticed", async () => {
  const mov = "video/quicktime .mov";
  const mp4 = "video/mp4 .mp4";
  const cases: [Buffer[], string][] = [
    [[box("skip", 200), ...rest], mov],
    [[box("pnot", 12), ...rest], mov],
    [[box("pnot", 12), box("pict", 100), ...rest], mov],
    [[box("uuid", 40), ...rest], mov],
    [[box("wide", 0), ...rest], mov],
    [[box("free", 9), ...rest], mov],
    [rest, mov],
    [[moov(), box("mdat", 500)], mov],
    [[box("styp", Buffer.from("msdh\0\0\0\0msdh")), moov(), box("moof", 50), box("mdat", 500)], mp4],
    [[box("sidx", Buffer.alloc(24)), moov(), box("moof", 50), box("mdat", 500)], mp4],
    [[box("moof", 50), box("mdat", 500), moov()], mp4],
    [[box("emsg", 50), moov(), box("moof", 50), box("mdat", 500)], mp4],
    [[box("skip", 200), box("ftyp", Buffer.from("isom\0\0\0\0mp42")), ...rest], mp4],
    [[box("uuid", 40), box("ftyp", Buffer.from("qt  \0\0\0\0qt  ")), ...rest], mov],
  ];
  for (const [boxes, kind] of cases) {
    const whole = Buffer.concat(boxes);
    assert.equal(await judge(whole), kind);
    assert.match(await judge(whole.subarray(0, -30)), /file is cut/, `${boxes[0]}`);
  }
});

test("a cut sound of the MP4 family is noticed, too", async () => {
  for (const brand of ["M4A ", "M4B ", "F4A "]) {
    const sound = film(moov(), Buffer.alloc(500), brand);
    assert.match(await judge(sound), /^audio\/\S+ \.\w+, announced as a video, but the content is audio/);
    assert.match(await judge(sound.subarray(0, -1)), /file is cut: a box of/);
  }
});

test("bytes before the first box make a suspect, never a loss", async () => {
  const tag = Buffer.concat([Buffer.from("ID3\x04\0\0\0\0\x01\x00", "latin1"), Buffer.alloc(128)]);
  const before = [
    Buffer.from([0xef, 0xbb, 0xbf]),
    Buffer.from([0xff, 0xfe]),
    Buffer.from("\r\n"),
    Buffer.from("\n\n"),
    tag,
    Buffer.alloc(1000, 0xa5),
  ];
  for (const bytes of before) {
    const line = `video/mp4 .mp4, ${bytes.length} bytes stand before the film`;
    assert.equal(await judge(Buffer.concat([bytes, mp4()])), line);
    assert.match(await judge(Buffer.concat([bytes, mp4()]).subarray(0, -1)), /file is cut/);
  }
  const classic = Buffer.concat([Buffer.from("\r\n"), box("skip", 10), ...rest]);
  assert.equal(await judge(classic), "video/quicktime .mov, 2 bytes stand before the film");
  const motionPhoto = Buffer.concat([jpeg(), mp4()]);
  assert.equal(
    await judge(motionPhoto, { kind: "thumbnail" }),
    "image/jpeg .jpg",
    "a film behind a picture is no film",
  );
});

test("a film of an hour in fragments of one frame is no suspect", async () => {
  const fragment = Buffer.concat([box("moof", 16), box("mdat", 24)]);
  const hour = Buffer.concat([
    mp4().subarray(0, -108),
    Buffer.alloc(fragment.length * 60 * 3600, fragment),
    box("mfra", 8),
  ]);
  assert.equal(await judge(hour), "video/mp4 .mp4");
  assert.match(await judge(hour.subarray(0, hour.length - 20)), /file is cut/);
});

test("an index with nothing in it is no index", async () => {
  const indexes = [
    box("moov", 0),
    box("moov", Buffer.alloc(3000)),
    box("moov", mvhd(35.5)),
    box("moov", trak()),
    box("moov", Buffer.concat([mvhd(35.5), box("trak", 0)])),
    box("moov", Buffer.concat([mvhd(35.5), box("trak", Buffer.alloc(200))])),
    box("moov", Buffer.concat([box("mvhd", 0).subarray(0, 4), Buffer.alloc(200)])),
  ];
  for (const index of indexes) {
    assert.equal(await judge(film(index, Buffer.alloc(500))), "the mp4 file is cut: its index (moov) is empty");
    assert.match(await judge(Buffer.concat([film(index, Buffer.alloc(500)), Buffer.alloc(3)])), /file is cut/);
  }
  for (const other of ["cmov", "rmra"]) {
    assert.equal(await judge(film(box("moov", box(other, 50)), Buffer.alloc(500))), "video/mp4 .mp4", other);
  }
});

/** ISO/IEC 14496-12, 8.16.3. */
function sidx(version: 0 | 1, offset: number, sizes: number[]): Buffer {
  const content = Buffer.alloc((version === 0 ? 24 : 32) + 12 * sizes.length);
  content[0] = version;
  if (version === 0) content.writeUInt32BE(offset, 16);
  else content.writeBigUInt64BE(BigInt(offset), 20);
  content.writeUInt16BE(sizes.length, content.length - 12 * sizes.length - 2);
  for (const [nth, size] of sizes.entries()) {
    content.writeUInt32BE(size, content.length - 12 * (sizes.length - nth));
  }
  return box("sidx", content);
}

const ftyp = mp4().subarray(0, 20);
const ebml = Buffer.from("1a45dfa39f4286810142f7810142f2810442f381084282847765626d4287810442858102", "hex");

/** A WebM whose segment states `size`, written in `width` bytes. */
function webm(size: number | "unknown", width: number, content: number): Buffer {
  const bytes = Buffer.alloc(width);
  if (size === "unknown") bytes.fill(0xff).writeUInt8((0x1ff >> width) & 0xff, 0);
  else {
    let left = size;
    for (let at = width - 1; at >= 0; at--, left = Math.floor(left / 256)) bytes[at] = left % 256;
    bytes[0]! |= 0x80 >> (width - 1);
  }
  return Buffer.concat([ebml, Buffer.from("18538067", "hex"), bytes, Buffer.alloc(content, 0x80)]);
}

function riff(form: string, content: number): Buffer {
  const head = Buffer.from(`RIFF\0\0\0\0${form}`);
  head.writeUInt32LE(form.length + content, 4);
  return Buffer.concat([head, Buffer.alloc(content, 7)]);
}

/** GIF89a of one frame behind an extension; its data are full of what could be taken for a trailer. */
function gif(): Buffer {
  const screen = Buffer.from("GIF89a\x01\x00\x01\x00\x80\x00\x00", "latin1");
  const blocks = Buffer.concat(Array<Buffer>(600).fill(Buffer.concat([Buffer.from([255]), Buffer.alloc(255, 0x3b)])));
  const extension = Buffer.from([0x21, 0xf9, 4, 0, 0, 0, 0, 0]);
  const image = Buffer.from([0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0x80, 1, 2, 3, 4, 5, 6, 2]);
  return Buffer.concat([screen, Buffer.alloc(6), extension, image, blocks, Buffer.from([0, 0x3b])]);
}

function flv(): Buffer {
  const head = Buffer.from([0x46, 0x4c, 0x56, 1, 5, 0, 0, 0, 9, 0, 0, 0, 0]);
  const tag = Buffer.concat([
    Buffer.from([9, 0, 3, 232, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.alloc(1000, 7),
    Buffer.from([0, 0, 3, 243]),
  ]);
  return Buffer.concat([head, tag, tag, tag]);
}

const avif = Buffer.concat([box("ftyp", Buffer.from("avif\0\0\0\0avif")), box("meta", 300), box("mdat", 900)]);

test("a stated length decides where HTTP has none; where HTTP proved the whole, a difference is marked", async () => {
  const fragments = [
    moov(),
    sidx(0, 0, [208, 208]),
    box("moof", 0),
    box("mdat", 192),
    box("moof", 0),
    box("mdat", 192),
  ];
  const formats: [string, Buffer, number, RegExp][] = [
    ["WebP", riff("WEBPVP8 ", 3980), 2000, /image\/webp/],
    ["AVI", riff("AVI LIST", 3980), 2000, /video\/vnd.avi/],
    ["AVI of two pieces", Buffer.concat([riff("AVI LIST", 3980), riff("AVIXLIST", 3980)]), 1, /video\/vnd.avi/],
    ["WAV", riff("WAVEfmt ", 3980), 1, /audio\/wav/],
    ["WebM", webm(5000, 8, 5000), 1, /video\/webm/],
    ["WebM, short size", webm(5000, 2, 5000), 2500, /video\/webm/],
    ["WebM, four bytes", webm(5000, 4, 5000), 4999, /video\/webm/],
    ["GIF", gif(), 1, /image\/gif/],
    ["GIF, cut in its data", gif(), 1000, /image\/gif/],
    ["FLV", flv(), 10, /video\/x-flv/],
    ["AVIF", avif, 5, /image\/avif/],
    ["fragments", Buffer.concat([ftyp, ...fragments]), 208, /video\/mp4/],
    [
      "fragments, 64 bits",
      Buffer.concat([ftyp, moov(), sidx(1, 8, [208]), box("free", 0), ...fragments.slice(2, 4)]),
      208,
      /video\/mp4/,
    ],
  ];
  for (const [name, whole, lacks, type] of formats) {
    const kind = name === "WebP" || /GIF|AVIF/.test(name) ? "thumbnail" : "video";
    const good = await judge(whole, { kind, ...open });
    assert.match(good, type, name);
    assert.doesNotMatch(good, /states at least/, name);
    const cut = whole.subarray(0, -lacks);
    const isBox = name.startsWith("fragments");
    if (!isBox)
      assert.match(await judge(cut, { kind, ...open }), /file is cut: it has \d+ bytes, and states at least \d+/, name);
    else assert.match(await judge(cut, open), /file is cut/, name);
    if (name === "WAV" || isBox) continue;
    const marked = await judge(cut, { kind });
    assert.match(marked, type, name);
    assert.match(marked, /it has \d+ bytes, and states at least \d+/, name);
    assert.equal(await judge(cut, { kind, ...open, isFramed: true }), marked, name);
    assert.doesNotMatch(
      await judge(Buffer.concat([whole, Buffer.alloc(50)]), { kind, ...open }),
      /cut/,
      `${name}, and more behind`,
    );
  }
});

test("fragments that end where one ends are cut by their index of segments, or by the head of one without data", async () => {
  const whole = [
    ftyp,
    moov(),
    sidx(0, 0, [208, 208]),
    box("moof", 0),
    box("mdat", 192),
    box("moof", 0),
    box("mdat", 192),
  ];
  const half = Buffer.concat(whole.slice(0, 5));
  assert.match(await judge(half, open), /the mp4 file is cut: it has \d+ bytes, and states at least \d+/);
  assert.match(await judge(half), /video\/mp4 .mp4, it has \d+ bytes, and states at least/);
  assert.match(await judge(Buffer.concat(whole.slice(0, 6)), open), /cut: it ends behind the head of a fragment/);
});

test("a file that states no length is not cut by it", async () => {
  const live = Buffer.from(riff("WEBPVP8 ", 100));
  live.writeUInt32LE(0xffffffff, 4);
  assert.equal(await judge(live, { kind: "thumbnail", ...open }), "image/webp .webp");
  for (const width of [1, 8]) assert.equal(await judge(webm("unknown", width, 900), open), "video/webm .webm");
});

test("a picture whose last chunk came needs no end marker, and may have anything behind it", async () => {
  const kind = "thumbnail";
  const chunked = { kind, announced: null, isFramed: true } as const;
  for (const [picture, type] of [
    [jpeg(), "image/jpeg .jpg"],
    [png(), "image/png .png"],
  ] as const) {
    for (const content of [picture, Buffer.concat([picture, Buffer.alloc(200_000)]), picture.subarray(0, -9)]) {
      assert.equal(await judge(content, chunked), type);
    }
    assert.match(await judge(picture.subarray(0, -9), { kind, ...open }), /its end is missing/);
  }
});
