import type { FileHandle } from "node:fs/promises";
import { openWindow, type ReadAt, readAt } from "./read-window.ts";

/** The most boxes that are read at one level (an hour of one-frame fragments has half a million). */
const MAX_BOXES = 4_000_000;

/** The most tracks of an index that are read. */
const MAX_TRACKS = 64;

/** Bytes of the largest `sidx` that is read: it has 65,535 references of 12 bytes (ISO/IEC 14496-12, 8.16.3). */
const MAX_SIDX = 2 ** 20;

/** A box (ISO/IEC 14496-12, 4.2): its type, and where in the file its content begins and ends. */
type Box = { type: string; from: number; to: number };

/** Why a walk ended early: the file is cut, or is no sequence of boxes; null: it did not. */
type Stop = { cut: string; atLeast: number } | { odd: string } | null;

/** Calls `each` for every box between two positions of a file, in order. */
async function walk(read: ReadAt, [from, to]: [number, number], each: (box: Box) => void): Promise<Stop> {
  for (let at = from, count = 0; at < to; count++) {
    if (count === MAX_BOXES) return { odd: `it has more than ${MAX_BOXES} boxes` };
    const header = await read(at, Math.min(16, to - at));
    const short = header.length < 8 ? null : header.readUInt32BE(0);
    // 1: the size follows in 64 bits; 0: the box goes on to the end of the file.
    const head = short === 1 ? 16 : 8;
    if (short === null || header.length < head) {
      return { cut: `it ends inside the header of a box, at ${at}`, atLeast: at + head };
    }
    const size = short === 1 ? Number(header.readBigUInt64BE(8)) : short === 0 ? to - at : short;
    if (size < head) return { odd: `there is no box at ${at}` };
    if (size > to - at) {
      return { cut: `a box of ${size} bytes at ${at} runs past its end, at ${to}`, atLeast: at + size };
    }
    each({ type: header.toString("latin1", 4, 8), from: at + head, to: at + size });
    at += size;
  }
  return null;
}

/**
 * The facts of an MP4 or QuickTime file: why it is cut or odd (null: it is not), where its index of segments ends (null: it
 * has none), and its duration (null: unknown).
 */
export type BoxReport = { cut: string | null; odd: string | null; end: number | null; seconds: number | null };

const NOTHING_ODD: BoxReport = { cut: null, odd: null, end: null, seconds: null };

/**
 * Walks the top-level boxes of a file of `bytes` bytes whose first box begins at `start`. The file is cut where a box runs past
 * the end, or the index (`moov`) is missing or empty: encoders write it last.
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
    // Behind a whole index and media comes no part of the film; of a fragmented film more may be missing.
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

/** The least length of a file of boxes, as the sizes of its boxes state it; null: they do not. */
export async function boxesLength(read: ReadAt, bytes: number): Promise<number | null> {
  const stop = await walk(read, [0, bytes], () => {});
  if (stop === null) return bytes;
  return "atLeast" in stop ? stop.atLeast : null;
}

/**
 * Reads the index. It is empty without the movie's header or a track of media (8.2.1, 8.3.1); QuickTime has compressed ones
 * (`cmov`) and references to other films (`rmra`). The duration is the movie's (mvhd, 8.2.2), of a fragmented one that with
 * all fragments (mehd, 8.8.2).
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

/** Reads a box by the offsets of its version: the timescale has 32 bits, the duration 32 in version 0 and 64 in 1. */
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
  // Zero and all ones: unknown.
  const unknown = version === 0 ? 2n ** 32n - 1n : 2n ** 64n - 1n;
  return {
    timescale: scaleAt === null ? 0 : content.readUInt32BE(scaleAt),
    duration: duration === 0n || duration === unknown ? null : Number(duration),
  };
}

function toSeconds(duration: number | null, timescale: number): number | null {
  return duration === null || timescale === 0 ? null : duration / timescale;
}

/** Where the segments behind a `sidx` end in the file (8.16.3); null: it cannot be read. */
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
