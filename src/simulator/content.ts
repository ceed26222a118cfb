import { createHash } from "node:crypto";

/** The bytes of a file, which need not all be in memory at once. */
export type Content = {
  readonly length: number;
  /** Bytes `start` to `end`, `end` not included. Not to be written to. */
  read(start: number, end: number): Uint8Array;
};

/** Bytes that are read at a time when all are read. */
const PIECE = 2 ** 20;

/** Content that is in memory. */
export function heldContent(bytes: Uint8Array): Content {
  return { length: bytes.length, read: (start, end) => bytes.subarray(start, end) };
}

/** All of it, piece by piece, from `start` up to `end`. */
export function* piecesOf(content: Content, start = 0, end = content.length, size = PIECE): Generator<Uint8Array> {
  for (let at = start; at < end; at += size) yield content.read(at, Math.min(at + size, end));
}

/** SHA-256, hexadecimal; a few seconds for a gigabyte, and no more memory than a piece. */
export function sha256Of(content: Content): string {
  const hash = createHash("sha256");
  for (const piece of piecesOf(content)) hash.update(piece);
  return hash.digest("hex");
}
