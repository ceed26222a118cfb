import type { FileHandle } from "node:fs/promises";
import { openWindow, type ReadAt, readAt } from "./read-window.ts";

/** More boxes at one level than any real film has (an hour of one-frame fragments has half a million). */
const MAX_BOXES = 4_000_000;

/** Tracks of an index that are looked into. */
const MAX_TRACKS = 64;

/** Bytes of the largest `sidx`: 65,535 references of 12 bytes (ISO/IEC 14496-12, 8.16.3). */
const MAX_SIDX = 2 ** 20;

/** A box (ISO/IEC 14496-12, 4.2): its type, and where its content begins and ends in the file. */
type Box = { type: string; from: number; to: number };

/** What stopped a walk before the end: a cut, or what makes no sense; null: nothing. */
type Stop = { cut: string } | { odd: string } | null;

/** Calls `each` for every box between two places of a file, in order. At most `most` headers are read. */
async function walk(
  read: ReadAt,
  [from, to]: [number, number],
  each: (box: Box) => void,
  most = MAX_BOXES,
): Promise<Stop> {
  for (let at = from, count = 0; at < to; count++) {
    if (count === most) return { odd: `it has more than ${most} boxes` };
    const header = await read(at, Math.min(16, to - at));
    if (header.length < 8) return { cut: `it ends inside the header of a box, at ${at}` };
    const short = header.readUInt32BE(0);
    // 1: the size follows in 64 bits; 0: the box goes on to the end of the file.
    if (short === 1 && header.length < 16) return { cut: `it ends inside the header of a box, at ${at}` };
    const size = short === 1 ? Number(header.readBigUInt64BE(8)) : short === 0 ? to - at : short;
    const head = short === 1 ? 16 : 8;
    if (size < head) return { odd: `there is no box at ${at}` };
    if (size > to - at) return { cut: `a box of ${size} bytes at ${at} runs past its end, at ${to}` };
    each({ type: header.toString("latin1", 4, 8), from: at + head, to: at + size });
    at += size;
  }
  return null;
}

/**
 * What an MP4 or QuickTime file says of itself: whether it is cut, or all there but odd (both are null for a good one),
 * where it ends by its own index of segments (null: it has none), and how many seconds it plays (null: it does not say).
 */
export type BoxReport = { cut: string | null; odd: string | null; end: number | null; seconds: number | null };

const NOTHING_ODD: BoxReport = { cut: null, odd: null, end: null, seconds: null };

/**
 * Walks the top-level boxes of a file of `bytes` bytes whose first box begins at `start`. It is cut where a box runs past
 * the end, or the index (`moov`) is missing or empty: encoders write it last, so what lacks it is not finished.
 */
export async function readBoxes(file: FileHandle, start: number, bytes: number): Promise<BoxReport> {
  const found = new Map<string, Box>();
  let last: Box | null = null;
  let lastSegments: Box | null = null;
  const read = openWindow(file);
  const stop = await walk(read, [start, bytes], (box) => {
    if (!found.has(box.type)) found.set(box.type, box);
    if (box.type === "sidx") lastSegments = box;
    last = box;
  });
  const index = found.get("moov");
  const about = index === undefined ? null : await readIndex(read, index);
  const cut = (line: string) => ({ ...NOTHING_ODD, cut: line });
  if (stop !== null && "cut" in stop) {
    // Where index and media are whole, what follows is no part of the film; in fragments more of the film may be missing.
    const isWhole = about !== null && !about.isEmpty && found.has("mdat") && !found.has("moof");
    if (!isWhole) return cut(stop.cut);
    return { ...NOTHING_ODD, odd: `something follows the film: ${stop.cut}`, seconds: about.seconds };
  }
  const odd = stop?.odd ?? null;
  if (about === null) return odd === null ? cut("it has no index (moov)") : { ...NOTHING_ODD, odd };
  if (about.isEmpty) return cut("its index (moov) is empty");
  if (odd === null && (last as Box | null)?.type === "moof") return cut("it ends behind the head of a fragment (moof)");
  const missing = found.has("mdat") ? null : "it has an index, but no media data (mdat)";
  const ends = await Promise.all(
    [found.get("sidx"), lastSegments].map((box) => (box ? readSegments(file, box) : null)),
  );
  const end = ends.reduce((one, other) => (one === null || (other !== null && other > one) ? other : one), null);
  return { cut: null, odd: odd ?? missing, end, seconds: about.seconds };
}

/**
 * What the index holds. It is empty without the movie's header or without a track of media (8.2.1, 8.3.1); a compressed
 * one (`cmov`), and one that leads to other films (`rmra`), are QuickTime's. The duration is that of the movie (mvhd, 8.2.2), or
 * where it comes in fragments of the movie with all of them (mehd, 8.8.2).
 */
async function readIndex(read: ReadAt, index: Box): Promise<{ isEmpty: boolean; seconds: number | null }> {
  const found = new Map<string, Box>();
  const tracks: Box[] = [];
  await walk(read, [index.from, index.to], (box) => {
    found.set(box.type, box);
    if (box.type === "trak" && tracks.length < MAX_TRACKS) tracks.push(box);
  });
  if (found.has("cmov") || found.has("rmra")) return { isEmpty: false, seconds: null };
  const header = found.get("mvhd");
  let hasMedia = false;
  for (const track of tracks) {
    await walk(read, [track.from, track.to], ({ type }) => {
      if (type === "mdia") hasMedia = true;
    });
  }
  if (header === undefined || !hasMedia) return { isEmpty: true, seconds: null };
  return { isEmpty: false, seconds: await readDuration(read, header, found.get("mvex")) };
}

/** Zero and all ones mean that the duration is not known. */
async function readDuration(read: ReadAt, header: Box, extended: Box | undefined): Promise<number | null> {
  const movie = await readTimes(read, header, { 0: [12, 16], 1: [20, 24] });
  if (movie === null || extended === undefined) return movie && toSeconds(movie.duration, movie.timescale);
  let fragments: Box | undefined;
  await walk(read, [extended.from, extended.to], (box) => {
    if (box.type === "mehd") fragments = box;
  });
  const whole = fragments && (await readTimes(read, fragments, { 0: [null, 4], 1: [null, 4] }));
  return whole ? toSeconds(whole.duration, movie.timescale) : null;
}

type Times = { timescale: number; duration: number | null };

/** Reads a box by its version: where its timescale (32 bits) stands, and its duration (32 bits in version 0, 64 in 1). */
async function readTimes(
  read: ReadAt,
  box: Box,
  places: Record<0 | 1, [timescale: number | null, duration: number]>,
): Promise<Times | null> {
  const content = await read(box.from, Math.min(32, box.to - box.from));
  const version = content[0];
  if (version !== 0 && version !== 1) return null;
  const [scaleAt, durationAt] = places[version];
  if (content.length < durationAt + (version === 0 ? 4 : 8)) return null;
  const duration = version === 0 ? BigInt(content.readUInt32BE(durationAt)) : content.readBigUInt64BE(durationAt);
  const unknown = version === 0 ? 2n ** 32n - 1n : 2n ** 64n - 1n;
  return {
    timescale: scaleAt === null ? 0 : content.readUInt32BE(scaleAt),
    duration: duration === 0n || duration === unknown ? null : Number(duration),
  };
}

function toSeconds(duration: number | null, timescale: number): number | null {
  return duration === null || timescale === 0 ? null : duration / timescale;
}

/** Where the segments of a `sidx` end in the file: they lie behind it, one after the other (8.16.3). Null: it cannot be read. */
async function readSegments(file: FileHandle, box: Box): Promise<number | null> {
  const content = await readAt(file, box.from, Math.min(MAX_SIDX, box.to - box.from));
  const references = content[0] === 0 ? 24 : 32;
  if (content.length < references) return null;
  const offset = content[0] === 0 ? content.readUInt32BE(16) : Number(content.readBigUInt64BE(20));
  const count = content.readUInt16BE(references - 2);
  if (content.length < references + 12 * count) return null;
  let end = box.to + offset;
  for (let nth = 0; nth < count; nth++) end += content.readUInt32BE(references + 12 * nth) & 0x7fffffff;
  return end;
}
