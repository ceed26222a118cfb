import { Buffer } from "node:buffer";
import { tinyJpeg, tinyMp4 } from "../../../src/simulator/media.ts";

/** Of films by their letter: one that comes in one piece, one in several, one whose proof is noted in the spool. Bytes. */
const SIZES: Record<string, number> = { a: 3_000, b: 150_000, c: 1_300_000 };

const made = new Map<string, Buffer>();

/** The file `v/a.mp4`, `v/x` (a JPEG) or `v/z` (a GIF) in one of its versions. Versions of a film are equally long. */
export function fileOf(name: string, version: number): Buffer {
  const is = `${name} ${version}`;
  let file = made.get(is);
  if (file === undefined) {
    file = make(name, is);
    made.set(is, file);
  }
  return file;
}

function make(name: string, seed: string): Buffer {
  if (name.endsWith(".mp4")) return Buffer.from(tinyMp4({ seed, bytes: SIZES[name.at(-5)!]! }));
  return name.endsWith("z") ? gif(seed) : Buffer.from(tinyJpeg(seed));
}

/** One pixel, and a comment that holds the seed (GIF89a, 24). */
function gif(seed: string): Buffer {
  const head = Buffer.from("47494638396101000100800000000000ffffff21fe", "hex");
  const rest = Buffer.from("002c00000000010001000002024401003b", "hex");
  return Buffer.concat([head, Buffer.from([seed.length]), Buffer.from(seed), rest]);
}
