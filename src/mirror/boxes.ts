import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";

/** More boxes than any real film has at one level; a file of tiny ones must not keep us busy. */
const MAX_BOXES = 50_000;

/** A box (ISO/IEC 14496-12, 4.2): its type, and where its content begins and ends in the file. */
type Box = { type: string; from: number; to: number };

/** What stopped a walk before the end: a cut, or what makes no sense; null: nothing. */
type Stop = { cut: string } | { odd: string } | null;

/** Calls `each` for every box between two places of a file, in order. At most MAX_BOXES headers are read. */
async function walk(file: FileHandle, from: number, to: number, each: (box: Box) => void): Promise<Stop> {
  const header = Buffer.alloc(16);
  for (let at = from, count = 0; at < to; count++) {
    if (count === MAX_BOXES) return { odd: `it has more than ${MAX_BOXES} boxes` };
    const { bytesRead } = await file.read(header, 0, Math.min(16, to - at), at);
    if (bytesRead < 8) return { cut: `it ends inside the header of a box, at ${at}` };
    const short = header.readUInt32BE(0);
    // 1: the size follows in 64 bits; 0: the box goes on to the end of the file.
    if (short === 1 && bytesRead < 16) return { cut: `it ends inside the header of a box, at ${at}` };
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
 * What an MP4 or QuickTime file tells: whether it is cut, or all there but odd (both are null for a good one), and how many
 * seconds it says that it plays (null: it does not say).
 */
export type BoxReport = { cut: string | null; odd: string | null; seconds: number | null };

/**
 * Walks the top-level boxes of a file of `bytes` bytes. It is cut where a box runs past the end or the index (`moov`) is
 * missing: encoders write it last, so what lacks it is not finished.
 */
export async function readBoxes(file: FileHandle, bytes: number): Promise<BoxReport> {
  const found = new Map<string, Box>();
  const stop = await walk(file, 0, bytes, (box) => {
    if (!found.has(box.type)) found.set(box.type, box);
  });
  const index = found.get("moov");
  // Where index and media are whole, what follows is no part of the film; in fragments more of the film may be missing.
  const isWhole = index !== undefined && found.has("mdat") && !found.has("moof");
  if (stop !== null && "cut" in stop) {
    if (!isWhole) return { cut: stop.cut, odd: null, seconds: null };
    return { cut: null, odd: `something follows the film: ${stop.cut}`, seconds: await readDuration(file, index) };
  }
  if (index === undefined) {
    return stop === null
      ? { cut: "it has no index (moov)", odd: null, seconds: null }
      : { cut: null, ...stop, seconds: null };
  }
  const missing = found.has("mdat") ? null : "it has an index, but no media data (mdat)";
  return { cut: null, odd: stop?.odd ?? missing, seconds: await readDuration(file, index) };
}

/**
 * The duration in the index: of the movie (mvhd, 8.2.2), or where it comes in fragments of the movie with all of them
 * (mehd, 8.8.2). Zero and all ones mean that it is not known.
 */
async function readDuration(file: FileHandle, index: Box): Promise<number | null> {
  const found = new Map<string, Box>();
  await walk(file, index.from, index.to, (box) => found.set(box.type, box));
  const header = found.get("mvhd");
  if (header === undefined) return null;
  const movie = await readTimes(file, header, { 0: [12, 16], 1: [20, 24] });
  const extended = found.get("mvex");
  if (movie === null || extended === undefined) return movie && toSeconds(movie.duration, movie.timescale);
  await walk(file, extended.from, extended.to, (box) => found.set(box.type, box));
  const fragments = found.get("mehd");
  const whole = fragments && (await readTimes(file, fragments, { 0: [null, 4], 1: [null, 4] }));
  return whole ? toSeconds(whole.duration, movie.timescale) : null;
}

type Times = { timescale: number; duration: number | null };

/** Reads a box by its version: where its timescale (32 bits) stands, and its duration (32 bits in version 0, 64 in 1). */
async function readTimes(
  file: FileHandle,
  box: Box,
  places: Record<0 | 1, [timescale: number | null, duration: number]>,
): Promise<Times | null> {
  const content = Buffer.alloc(Math.min(32, box.to - box.from));
  await file.read(content, 0, content.length, box.from);
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
