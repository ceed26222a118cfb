import { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";

/** More top-level boxes than any real film has; a file of tiny ones must not keep us busy. */
const MAX_BOXES = 50_000;

/** What the top level of an MP4 or QuickTime file tells: whether it is cut, or all there but odd. Both are null for a good one. */
export type BoxReport = { cut: string | null; odd: string | null };

/**
 * Walks the top-level boxes (ISO/IEC 14496-12, 4.2) of a file of `bytes` bytes. It is cut where a box runs past the end
 * or the index (`moov`) is missing: encoders write it last, so what lacks it is not finished.
 */
export async function readBoxes(file: FileHandle, bytes: number): Promise<BoxReport> {
  const header = Buffer.alloc(16);
  const seen = new Set<string>();
  let odd: string | null = null;
  let at = 0;
  for (let count = 0; at < bytes; count++) {
    if (count === MAX_BOXES) {
      odd = `it has more than ${MAX_BOXES} boxes`;
      break;
    }
    const { bytesRead } = await file.read(header, 0, 16, at);
    if (bytesRead < 8) return { cut: `it ends inside the header of a box, at ${at}`, odd: null };
    const type = header.toString("latin1", 4, 8);
    const short = header.readUInt32BE(0);
    // 1: the size follows in 64 bits; 0: the box goes on to the end of the file.
    if (short === 1 && bytesRead < 16) return { cut: `it ends inside the header of a box, at ${at}`, odd: null };
    const size = short === 1 ? Number(header.readBigUInt64BE(8)) : short === 0 ? bytes - at : short;
    if (size < (short === 1 ? 16 : 8)) {
      odd = `there is no box at ${at}`;
      break;
    }
    if (size > bytes - at) return { cut: `a box of ${size} bytes at ${at} runs past its end, at ${bytes}`, odd: null };
    seen.add(type);
    at += size;
  }
  if (!seen.has("moov")) return { cut: "it has no index (moov)", odd: null };
  return { cut: null, odd: odd ?? (seen.has("mdat") ? null : "it has an index, but no media data (mdat)") };
}
