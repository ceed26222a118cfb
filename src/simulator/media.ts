import { Buffer } from "node:buffer";
import type { Content } from "./content.ts";
import { createNoise } from "./noise.ts";
import { SAMPLE_JPEG, SAMPLE_MP4 } from "./samples.ts";

/** How long a film plays unless given: as long as in the events (PROVIDER, "Events"). */
export const FILM_SECONDS = 35.9;

export type VideoOptions = {
  /** How long it plays, in its `mvhd`; 35.9 unless given, as in the events. */
  seconds?: number;
  /** The exact size of the file; the smallest possible unless given (about 1.5 KB). */
  bytes?: number;
  /** Videos of different seeds have different bytes; equal options give equal bytes. */
  seed?: string | number;
  /** "mov" is the same film as QuickTime. */
  container?: "mp4" | "mov";
};

/**
 * A video that plays: ten frames spread over `seconds`, and a `free` box at the end that carries the seed and fills the
 * file up to `bytes` with noise (ISO/IEC 14496-12: 8.1.2, "the contents of a free-space box are irrelevant and may be
 * ignored"). The noise is made where it is read, so that a film of many gigabytes needs no memory. Throws RangeError
 * where `bytes` is too small for a video.
 */
export function filmContent({
  seconds = FILM_SECONDS,
  bytes,
  seed = 0,
  container = "mp4",
}: VideoOptions = {}): Content {
  const film = Buffer.from(SAMPLE_MP4, "base64");
  if (container === "mov") film.write("qt  ", 8, "latin1");
  const milliseconds = Math.round(seconds * 1000);
  // Version 0 boxes: 32-bit fields, behind the type (4) and version and flags (4). The movie counts milliseconds, the
  // track ten times as many units, so that its ten frames of `milliseconds` units each last exactly as long.
  film.writeUInt32BE(milliseconds, film.indexOf("mvhd") + 20);
  film.writeUInt32BE(milliseconds, film.indexOf("tkhd") + 24);
  film.writeUInt32BE(milliseconds * 10, film.indexOf("mdhd") + 20);
  film.writeUInt32BE(milliseconds, film.indexOf("stts") + 16);

  const mark = Buffer.from(`seed ${seed};`);
  const smallest = film.length + 8 + mark.length;
  const length = bytes ?? smallest;
  const box = boxHeader("free", length - film.length);
  const head = Buffer.concat([film, box, mark]);
  if (length < head.length) {
    throw new RangeError(`a simulated video has at least ${smallest} bytes, not ${length}`);
  }
  // Noise, so that a piece that was resumed at the wrong place never looks right.
  const noise = createNoise(seed);
  return {
    length,
    read(start, end) {
      if (end <= head.length) return head.subarray(start, end);
      const from = Math.max(start, head.length);
      const rest = noise(from - head.length, end - from);
      return start >= head.length ? rest : Buffer.concat([head.subarray(start), rest]);
    },
  };
}

/** The same film, all of it in memory. */
export function tinyMp4(options: VideoOptions = {}): Uint8Array {
  const content = filmContent(options);
  return new Uint8Array(content.read(0, content.length));
}

/** The header of a box of `size` bytes in all (ISO/IEC 14496-12, 4.2: a size of 1 means that 64 bits of size follow). */
function boxHeader(type: string, size: number): Buffer {
  const header = Buffer.alloc(size < 2 ** 32 ? 8 : 16);
  header.write(type, 4, "latin1");
  if (header.length === 8) header.writeUInt32BE(Math.max(size, 8));
  else {
    header.writeUInt32BE(1);
    header.writeBigUInt64BE(BigInt(size), 8);
  }
  return header;
}

/** A JPEG that decodes to a 64x36 picture; the seed sits in a comment segment behind the JFIF header (ITU-T T.81, B.2.4.5). */
export function tinyJpeg(seed: string | number = 0): Uint8Array {
  const picture = Buffer.from(SAMPLE_JPEG, "base64");
  const behindHeader = 4 + picture.readUInt16BE(4);
  const comment = Buffer.from(`seed ${seed}`);
  const head = Buffer.from([0xff, 0xfe, 0, 0]);
  head.writeUInt16BE(comment.length + 2, 2);
  const parts = [picture.subarray(0, behindHeader), head, comment, picture.subarray(behindHeader)];
  return new Uint8Array(Buffer.concat(parts));
}
