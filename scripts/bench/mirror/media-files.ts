import { createCipheriv, createHash } from "node:crypto";
import { closeSync, createReadStream, fsyncSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { tinyJpeg, tinyMp4 } from "../../../src/simulator/media.ts";
import type { MediaSettings } from "../servers/media-server.ts";

/** The smallest real media, as files. */
export function writeTinyMedia(dir: string): MediaSettings {
  const video = join(dir, "video.mp4");
  const thumbnail = join(dir, "thumbnail.jpg");
  writeFileSync(video, tinyMp4());
  writeFileSync(thumbnail, tinyJpeg());
  return { video, thumbnail };
}

/**
 * A video that plays and has exactly this many bytes: the smallest one, and a `free` box of noise behind it
 * (ISO/IEC 14496-12, 8.1.2). It is written piece by piece and synced, so that the file is in no process's memory and no
 * measurement pays for its writing.
 */
export function writeLargeVideo(path: string, bytes: number): void {
  const film = tinyMp4();
  const head = Buffer.alloc(16);
  // Size 1: the real one follows in 64 bits (4.2).
  head.writeUInt32BE(1);
  head.write("free", 4, "latin1");
  head.writeBigUInt64BE(BigInt(bytes - film.length), 8);
  const noise = createCipheriv("aes-128-ctr", Buffer.alloc(16, 7), Buffer.alloc(16));
  const zeros = Buffer.alloc(2 ** 20);
  const file = openSync(path, "w");
  try {
    writeSync(file, film);
    writeSync(file, head);
    for (let left = bytes - film.length - head.length; left > 0; left -= zeros.length) {
      writeSync(file, noise.update(zeros.subarray(0, Math.min(left, zeros.length))));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Hexadecimal. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 20 }), hash);
  return hash.digest("hex");
}
