import { Buffer } from "node:buffer";
import { createCipheriv, hash } from "node:crypto";
// Base64 in JSON, because the program is bundled into one file and has no folder to read from.
import samples from "./samples.json" with { type: "json" };

// The samples are two small media of our own, made once from ffmpeg's test pattern (`testsrc2`, 64x36).
//
// mp4 (one H.264 track, ten frames, one second; moov before mdat; movie timescale 1000, track timescale 10000):
// ffmpeg -f lavfi -i testsrc2=size=64x36:rate=10:duration=1 -c:v libx264 -profile:v baseline -level 1.0
//   -pix_fmt yuv420p -preset veryslow -crf 34 -x264-params keyint=10:scenecut=0 -bsf:v filter_units=remove_types=6
//   -bf 0 -video_track_timescale 10000 -use_editlist 0 -movflags +faststart -map_metadata -1 -fflags +bitexact
// jpeg (with a JFIF header):
// ffmpeg -f lavfi -i testsrc2=size=64x36:rate=1:duration=1 -frames:v 1 -q:v 12 -pix_fmt yuvj420p -huffman optimal

/** How long a film plays unless given: as long as in the events (PROVIDER, "Events"). */
export const FILM_SECONDS = 35.9;

export type VideoOptions = {
  /** How long it plays, in its `mvhd`; 35.9 unless given, as in the events. */
  seconds?: number;
  /** The exact size of the file, below 4 GiB; the smallest possible unless given (about 1.5 KB). */
  bytes?: number;
  /** Videos of different seeds have different bytes; equal options give equal bytes. */
  seed?: string | number;
};

/**
 * A video that plays: ten frames spread over `seconds`, and a `free` box at the end that carries the seed and fills the
 * file up to `bytes` with noise (ISO/IEC 14496-12: 8.1.2, "the contents of a free-space box are irrelevant and may be
 * ignored"). Throws RangeError where `bytes` is too small for a video.
 */
export function tinyMp4({ seconds = FILM_SECONDS, bytes, seed = 0 }: VideoOptions = {}): Uint8Array {
  const film = Buffer.from(samples.mp4, "base64");
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
  if (length < smallest) throw new RangeError(`a simulated video has at least ${smallest} bytes, not ${length}`);
  const box = Buffer.alloc(8);
  box.writeUInt32BE(length - film.length);
  box.write("free", 4, "latin1");
  // Noise, so that a piece that was resumed at the wrong place never looks right.
  const noise = createCipheriv("aes-128-ctr", hash("md5", `${seed}`, "buffer"), Buffer.alloc(16));
  return new Uint8Array(Buffer.concat([film, box, mark, noise.update(Buffer.alloc(length - smallest))]));
}

/** A JPEG that decodes to a 64x36 picture; the seed sits in a comment segment behind the JFIF header (ITU-T T.81, B.2.4.5). */
export function tinyJpeg(seed: string | number = 0): Uint8Array {
  const picture = Buffer.from(samples.jpeg, "base64");
  const behindHeader = 4 + picture.readUInt16BE(4);
  const comment = Buffer.from(`seed ${seed}`);
  const head = Buffer.from([0xff, 0xfe, 0, 0]);
  head.writeUInt16BE(comment.length + 2, 2);
  const parts = [picture.subarray(0, behindHeader), head, comment, picture.subarray(behindHeader)];
  return new Uint8Array(Buffer.concat(parts));
}
