import type { Buffer } from "node:buffer";
import { UNKNOWN_TYPE } from "../../rules/media-types.ts";

/** The type of a file, by its content alone. */
export type FileKind = {
  /** Without a dot. */
  ext: string;
  mime: string;
  /** Where the first box of a film or sound made of boxes (ISO/IEC 14496-12) begins; null: it has none. */
  boxesFrom: number | null;
};

const UNKNOWN = { ext: "bin", mime: UNKNOWN_TYPE };

/** Extensions of films and sounds made of boxes. Pictures made of boxes (HEIC, AVIF) have no index, and are not here. */
const BOXED = /^(?:mp4|m4v|mov|m4p|m4a|m4b|f4v|f4p|f4a|f4b|3gp|3g2)$/;

/**
 * Types of a film's first box. `ftyp` should come first (4.3), but cameras write `skip`, `pnot` or `uuid` before it, and
 * QuickTime before 2001 has none.
 */
const FIRST_OF_MOVIE = new Set(["ftyp", "moov", "mdat", "free", "skip", "wide", "pnot", "pict", "uuid", "junk"]);

/** Types of the first box of a streamed, fragmented MP4 (8.16; ISO/IEC 23009-1). */
const FIRST_OF_FRAGMENTS = new Set(["styp", "sidx", "ssix", "moof", "emsg", "prft"]);

/** Bytes of the head that are searched for boxes behind other data. */
const BEHIND = 32 * 1024;

/** The largest plausible `ftyp`, in bytes: each brand has four. */
const MAX_FTYP = 4096;

/** The type of a file that begins with these bytes (64 KiB are enough). */
export async function fileKindOf(head: Buffer): Promise<FileKind> {
  const known = await signatureOf(head);
  // A sound's tag (ID3) may precede a film. Any other signature decides.
  const isOpen = known === null || known.mime === "audio/mpeg";
  const isFilm = known !== null && BOXED.test(known.ext);
  const start = isFilm || isOpen ? (beginsWithBox(head, 0) ? 0 : (findBoxes(head) ?? (isFilm ? 0 : null))) : null;
  const kind = start === null ? (known ?? UNKNOWN) : await brandOf(head, start);
  return { ...kind, boxesFrom: BOXED.test(kind.ext) ? start : null };
}

/** From a buffer: file-type's reading of files imports at run time, which a bundle cannot do. */
async function signatureOf(head: Buffer): Promise<{ ext: string; mime: string } | null> {
  // Loaded with the first download.
  const { fileTypeFromBuffer } = await import("file-type");
  return (await fileTypeFromBuffer(head).catch(() => undefined)) ?? null;
}

/** The type of a film: by its `ftyp` among the first boxes, else by the first box. */
async function brandOf(head: Buffer, start: number): Promise<{ ext: string; mime: string }> {
  for (let at = start; at + 8 <= head.length; ) {
    const size = head.readUInt32BE(at);
    if (typeAt(head, at) === "ftyp") {
      const named = await signatureOf(head.subarray(at));
      return named ?? { ext: "mp4", mime: "video/mp4" };
    }
    if (size < 8) break;
    at += size;
  }
  return FIRST_OF_FRAGMENTS.has(typeAt(head, start))
    ? { ext: "mp4", mime: "video/mp4" }
    : { ext: "mov", mime: "video/quicktime" };
}

const typeAt = (head: Buffer, at: number) => head.toString("latin1", at + 4, at + 8);

/** Whether the header of a first box is at `at`, and behind that box, as far as the head reaches, another header. */
function beginsWithBox(head: Buffer, at: number): boolean {
  if (at + 8 > head.length) return false;
  const type = typeAt(head, at);
  if (!FIRST_OF_MOVIE.has(type) && !FIRST_OF_FRAGMENTS.has(type)) return false;
  const size = head.readUInt32BE(at);
  // 0: to the end of the file; 1: the size has 64 bits.
  if (size < 8) return size < 2;
  return at + size + 8 > head.length || /^[\x20-\x7e\xa9]{4}$/.test(typeAt(head, at + size));
}

/** Where boxes begin behind a byte order mark, empty lines, a tag (ID3v2.4 §3.1), or other data before an `ftyp`. */
function findBoxes(head: Buffer): number | null {
  const before = /^(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[\r\n\t ]*/.exec(head.toString("latin1", 0, 64))![0].length;
  const tag = head.toString("latin1", 0, 3) === "ID3" && head.length >= 10 ? 10 + syncSafe(head, 6) : 0;
  for (const at of [before, tag]) if (at > 0 && beginsWithBox(head, at)) return at;
  const at = head.subarray(0, BEHIND).indexOf("ftyp") - 4;
  const isBox = at > 0 && head.readUInt32BE(at) <= MAX_FTYP && beginsWithBox(head, at);
  return isBox ? at : null;
}

/** An ID3 size: four bytes of seven bits. */
function syncSafe(head: Buffer, at: number): number {
  return [0, 1, 2, 3].reduce((sum, nth) => sum * 128 + (head[at + nth]! & 0x7f), 0);
}
