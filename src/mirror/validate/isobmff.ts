import type { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { openWindow, type ReadAt, readAt } from "./read-window.ts";

/** The most boxes that are read at one level (an hour of one-frame fragments has half a million). */
const MAX_BOXES = 4_000_000;

/** The most tracks of an index that are read, and boxes of one type inside another. */
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
  const seconds = about?.seconds ?? null;
  const facts = { cut: null, odd: null, end: null, seconds };
  if (stop !== null && "cut" in stop) {
    // Behind a whole index and media comes no part of the film; of a fragmented film more may be missing.
    const isWhole = about !== null && !about.isEmpty && found.has("mdat") && !found.has("moof");
    return isWhole ? { ...facts, odd: `something follows the film: ${stop.cut}` } : { ...facts, cut: stop.cut };
  }
  const odd = stop?.odd ?? null;
  if (about === null) return odd === null ? { ...facts, cut: "it has no index (moov)" } : { ...facts, odd };
  if (about.isEmpty) return { ...facts, cut: "its index (moov) is empty" };
  if (odd === null && (last as Box | null)?.type === "moof") {
    return { ...facts, cut: "it ends behind the head of a fragment (moof)" };
  }
  const missing = found.has("mdat") ? null : "it has an index, but no media data (mdat)";
  const indexes = [found.get("sidx"), lastSegments].filter((box) => box != null);
  const ends = (await Promise.all(indexes.map((box) => readSegments(file, box)))).filter((end) => end !== null);
  return { ...facts, odd: odd ?? missing, end: ends.length === 0 ? null : Math.max(...ends) };
}

/** The least length of a file of boxes, as the sizes of its boxes state it; null: they do not. */
export async function boxesLength(read: ReadAt, bytes: number): Promise<number | null> {
  const stop = await walk(read, [0, bytes], () => {});
  if (stop === null) return bytes;
  return "atLeast" in stop ? stop.atLeast : null;
}

/** The boxes inside a box, by type; of each type the first ones. */
async function childrenOf(read: ReadAt, parent: Box): Promise<Map<string, Box[]>> {
  const found = new Map<string, Box[]>();
  await walk(read, [parent.from, parent.to], (box) => {
    const same = found.get(box.type);
    if (same === undefined) found.set(box.type, [box]);
    else if (same.length < MAX_TRACKS) same.push(box);
  });
  return found;
}

/**
 * Reads the index. It is empty without the movie's header or a track of media (8.2.1, 8.3.1); QuickTime has compressed ones
 * (`cmov`) and references to other films (`rmra`).
 */
async function readIndex(read: ReadAt, index: Box): Promise<{ isEmpty: boolean; seconds: number | null }> {
  const found = await childrenOf(read, index);
  if (found.has("cmov") || found.has("rmra")) return { isEmpty: false, seconds: null };
  const header = found.get("mvhd")?.[0];
  let hasMedia = false;
  for (const track of found.get("trak") ?? []) hasMedia ||= (await childrenOf(read, track)).has("mdia");
  if (header === undefined || !hasMedia) return { isEmpty: true, seconds: null };
  return { isEmpty: false, seconds: await readDuration(read, header, found.get("mvex")?.[0]) };
}

/** The duration of the movie (mvhd, 8.2.2), of a fragmented one that with all fragments (mehd, 8.8.2); null: unknown. */
async function readDuration(read: ReadAt, header: Box, extended: Box | undefined): Promise<number | null> {
  const movie = await read(header.from, Math.min(32, header.to - header.from));
  const scaleAt = movie[0] === 1 ? 20 : 12;
  const timescale = movie.length < scaleAt + 4 ? 0 : movie.readUInt32BE(scaleAt);
  let duration = durationAt(movie, [16, 24]);
  if (extended !== undefined) {
    const fragments = (await childrenOf(read, extended)).get("mehd")?.[0];
    duration = fragments
      ? durationAt(await read(fragments.from, Math.min(12, fragments.to - fragments.from)), [4, 4])
      : null;
  }
  return duration === null || timescale === 0 ? null : duration / timescale;
}

/** A duration, by its places in version 0 of its box, where it has 32 bits, and in version 1, where it has 64; null: unknown. */
function durationAt(content: Buffer, places: [number, number]): number | null {
  const version = content[0];
  if (version !== 0 && version !== 1) return null;
  const [at, bytes] = [places[version], version === 0 ? 4 : 8];
  if (content.length < at + bytes) return null;
  const duration = version === 0 ? BigInt(content.readUInt32BE(at)) : content.readBigUInt64BE(at);
  // Zero and all ones: unknown.
  return duration === 0n || duration === BigInt.asUintN(8 * bytes, -1n) ? null : Number(duration);
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
