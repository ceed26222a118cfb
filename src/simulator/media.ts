import { Buffer } from "node:buffer";
import { createCipheriv } from "node:crypto";
import { seededRandom } from "./random.ts";
import { SAMPLE_JPEG, SAMPLE_MP4 } from "./samples.ts";

export type VideoWish = {
  /** How long it plays; 1 unless told. */
  seconds?: number;
  /** The exact size of the file; unless told, it is as small as it gets (about 1.5 KB). */
  bytes?: number;
  /** Videos of different seeds have different bytes; equal wishes give equal bytes. */
  seed?: string | number;
  /** "mov" is the same film in QuickTime's dress. */
  container?: "mp4" | "mov";
};

/**
 * A video that plays: ten frames spread over `seconds`, and a `free` box at the end that carries the seed and fills the
 * file up to `bytes` with noise (ISO/IEC 14496-12: 8.1.2, "the contents of a free-space box are irrelevant and may be
 * ignored"). Throws RangeError where `bytes` is too small for a video, or too large for one box.
 */
export function tinyMp4({ seconds = 1, bytes, seed = 0, container = "mp4" }: VideoWish = {}): Uint8Array {
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
  const total = bytes ?? smallest;
  if (total < smallest || total - film.length >= 2 ** 32) {
    throw new RangeError(`a simulated video has ${smallest} to ${film.length + 2 ** 32 - 1} bytes, not ${total}`);
  }
  const file = new Uint8Array(total);
  file.set(film);
  new DataView(file.buffer).setUint32(film.length, total - film.length);
  file.set(Buffer.from("free"), film.length + 4);
  file.set(mark, film.length + 8);
  // Noise, so that a piece that was resumed at the wrong place never looks right.
  fillWithNoise(file.subarray(smallest), seed);
  return file;
}

/** Key stream of AES in counter mode: a gigabyte of it takes a second. */
function fillWithNoise(space: Uint8Array, seed: string | number): void {
  const noise = createCipheriv("aes-128-ctr", seededRandom(seed).bytes(16), new Uint8Array(16));
  const zeros = new Uint8Array(Math.min(space.length, 2 ** 20));
  for (let at = 0; at < space.length; at += zeros.length) {
    space.set(noise.update(zeros.subarray(0, space.length - at)), at);
  }
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
