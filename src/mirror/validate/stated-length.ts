import type { Buffer } from "node:buffer";
import type { FileHandle } from "node:fs/promises";
import { boxesLength } from "./isobmff.ts";
import { openWindow, type ReadAt, readAt } from "./read-window.ts";

/** The most parts of a file that are read before its length counts as unknown. */
const MAX_PARTS = 4_000_000;

/** Bytes before the end that are searched for a picture's end marker: some tools append data. */
const TAIL = 64 * 1024;

/**
 * The least length of the whole file, as its format states it; null: it does not. `head` is the file's start, `bytes` its
 * present length. The formats: RIFF (WebP, AVI, WAV), Matroska and WebM (RFC 8794, RFC 9559), GIF (GIF89a,
 * 15 to 27), FLV (Annex E), and pictures made of boxes (HEIC, AVIF: ISO/IEC 14496-12, 4.2).
 */
export async function statedLength(file: FileHandle, head: Buffer, bytes: number): Promise<number | null> {
  const mark = head.toString("latin1", 0, 4);
  const read = openWindow(file);
  if (mark === "RIFF") return riffLength(read, bytes);
  if (mark === "\x1a\x45\xdf\xa3") return matroskaLength(head);
  if (mark === "GIF8") return gifLength(read, bytes);
  if (mark.startsWith("FLV")) return flvLength(read, head, bytes);
  if (head.toString("latin1", 4, 8) === "ftyp") return boxesLength(read, bytes);
  return null;
}

/** Whether the end marker of a picture is missing (ITU-T T.81 B.1.1.3, PNG 11.2.5). False for other formats. */
export async function lacksEnd(file: FileHandle, ext: string, bytes: number): Promise<boolean> {
  const marker = ext === "jpg" ? "\xff\xd9" : ext === "png" || ext === "apng" ? "IEND" : null;
  if (marker === null) return false;
  return !(await readAt(file, Math.max(0, bytes - TAIL), TAIL)).includes(marker, 0, "latin1");
}

/** Films over a gigabyte are several consecutive chunks (OpenDML, "AVIX"). */
async function riffLength(read: ReadAt, bytes: number): Promise<number | null> {
  let end = 0;
  for (let at = 0, count = 0; at < bytes && count < MAX_PARTS; count++) {
    const header = await read(at, 8);
    if (header.length < 8 || header.toString("latin1", 0, 4) !== "RIFF") break;
    const size = header.readUInt32LE(4);
    // Writers that cannot seek back leave 0 or all ones.
    if (size === 0 || size === 2 ** 32 - 1) return null;
    end = at + 8 + size;
    at = end + (size % 2);
  }
  return end;
}

/** The Segment behind the EBML header is the rest of the file; a size of all ones, as in a live film, is unknown. */
function matroskaLength(head: Buffer): number | null {
  const header = elementSize(head, 4);
  if (header?.size == null) return null;
  const segment = header.end + header.size;
  if (head.readUIntBE(Math.min(segment, head.length - 4), 4) !== 0x18538067) return null;
  const found = elementSize(head, segment + 4);
  return found?.size == null ? null : found.end + found.size;
}

/** A size of one to eight bytes (RFC 8794 §4), by its first bits. `size` null: unknown. */
function elementSize(head: Buffer, at: number): { size: number | null; end: number } | null {
  const first = head[at];
  if (first === undefined || first === 0) return null;
  const length = Math.clz32(first) - 23;
  if (at + length > head.length) return null;
  const all = 2n ** BigInt(7 * length) - 1n;
  const size = BigInt(`0x${head.toString("hex", at, at + length)}`) & all;
  return { size: size === all ? null : Number(size), end: at + length };
}

/** Blocks up to the trailer; where the file ends before it, at least one more byte. */
async function gifLength(read: ReadAt, bytes: number): Promise<number | null> {
  const screen = await read(0, 13);
  if (screen.length < 13) return 13;
  const tableSize = (flags: number) => ((flags & 0x80) === 0 ? 0 : 3 * 2 ** ((flags & 7) + 1));
  let at = 13 + tableSize(screen[10]!);
  for (let count = 0; count < MAX_PARTS; ) {
    const [block] = await read(at, 1);
    if (block === 0x3b) return at + 1;
    if (block === undefined) return Math.max(at, bytes) + 1;
    if (block !== 0x21 && block !== 0x2c) return null;
    const image = block === 0x2c ? await read(at, 10) : null;
    if (image !== null && image.length < 10) return at + 11;
    at += image === null ? 2 : 11 + tableSize(image[9]!);
    for (; count < MAX_PARTS; count++) {
      const [size] = await read(at, 1);
      if (size === undefined) return Math.max(at, bytes) + 1;
      at += 1 + size;
      if (size === 0) break;
    }
    count++;
  }
  return null;
}

/** Types of sound, picture and script; the upper bits of a tag's type are flags. */
const FLV_TAGS = new Set([8, 9, 18]);

/** Tags have a head of 11 bytes and a body, followed by their size in 4 bytes, which the last tag may lack. */
async function flvLength(read: ReadAt, head: Buffer, bytes: number): Promise<number | null> {
  if (head.length < 9) return 9;
  let end = head.readUInt32BE(5);
  for (let at = end + 4, count = 0; at < bytes; count++) {
    if (count === MAX_PARTS) return null;
    const tag = await read(at, 11);
    if (!FLV_TAGS.has((tag[0] ?? 0) & 0x1f)) return end;
    if (tag.length < 11) return at + 11;
    end = at + 11 + tag.readUIntBE(1, 3);
    at = end + 4;
  }
  return end;
}
