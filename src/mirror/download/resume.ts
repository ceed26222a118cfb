import { Buffer } from "node:buffer";
import type { Readable } from "node:stream";

/** Resuming a download: the range that is requested, and whether the rest belongs to the same file (RFC 9110 §13.1.5, §14). */

/** The beginning of a file that is there already, and what must match for the rest to belong to it. */
export type Resume = {
  from: number;
  total: number | null;
  /** For If-Range; or a weak ETag, which If-Range does not allow (RFC 9110 §13.1.5). */
  validator: string;
  lastModified: string | null;
  /** With a weak ETag: the last bytes of the beginning, which are requested again. */
  tail: Uint8Array | null;
};

/** A weak ETag cannot be compared by the host: the overlap is requested, and compared here. */
export function rangeHeaders({ from, tail, validator }: Resume): Record<string, string> {
  if (tail !== null) return { range: `bytes=${from - tail.length}-` };
  return { range: `bytes=${from}-`, "if-range": validator };
}

/** A range that goes on to the end of the file, as a 206 names it. */
type Rest = { start: number; total: number };

/** Null: the range ends earlier, or is not understood (RFC 9110 §14.4). */
export function restIn(contentRange: string | null): Rest | null {
  const [, start, end, length] = /^bytes (\d{1,16})-(\d{1,16})\/(\d{1,16})$/i.exec(contentRange?.trim() ?? "") ?? [];
  return start !== undefined && Number(end) === Number(length) - 1
    ? { start: Number(start), total: Number(length) }
    : null;
}

/**
 * The length of the whole file, where a 206 is the requested rest of the same file; else null (RFC 9110 §15.3.7: a server may
 * send another part).
 */
export function matchRest(resume: Resume, rest: Rest | null, tags: Tags): number | null {
  if (rest === null || rest.start !== resume.from - (resume.tail?.length ?? 0)) return null;
  const { total } = rest;
  if (resume.total !== null && total !== resume.total) return null;
  const { etag, lastModified } = tags;
  if (resume.tail !== null) {
    return resume.total !== null && etag === resume.validator && lastModified === resume.lastModified ? total : null;
  }
  // A 206 must have the ETag that a 200 would have, but need not repeat the date.
  const isSame = isTag(resume.validator)
    ? etag === resume.validator
    : (lastModified ?? resume.validator) === resume.validator;
  return isSame ? total : null;
}

type Tags = { etag: string | null; lastModified: string | null };

const isTag = (given: string) => /^"[^"]*"$/.test(given);

/** An ETag that identifies a file's meaning, not its bytes (RFC 9110 §8.8.1). */
export const isWeakTag = (given: string) => /^W\/"[^"]*"$/.test(given);

/** How much older than the answer a file must be for its date to identify it, in milliseconds. */
const SETTLED = 60_000;

/**
 * What identifies this version of the file: a strong ETag, else a Last-Modified clearly older than the answer (RFC 9110
 * §13.1.5, §8.8.2.2). A weak ETag excludes the date from If-Range; with such a date it allows a rest whose overlap is compared.
 */
export function resumeValidator({ etag, lastModified }: Tags, date: string | null): string | null {
  if (etag !== null && isTag(etag)) return etag;
  if (etag !== null && !isWeakTag(etag)) return null;
  if (lastModified === null || date === null) return null;
  return Date.parse(date) - Date.parse(lastModified) >= SETTLED ? (etag ?? lastModified) : null;
}

/** Bytes that are requested again where only comparing them shows that a rest belongs to the same file. */
export const OVERLAP = 64 * 1024;

/** Reads `expected.length` bytes from a body and compares them. Throws what the body throws. */
export async function beginsWith(body: Readable, expected: Uint8Array): Promise<boolean> {
  const chunks: Buffer[] = [];
  let length = 0;
  const iterator = body.iterator({ destroyOnReturn: false });
  while (length < expected.length) {
    const { done, value } = await iterator.next();
    if (done) return false;
    chunks.push(value);
    length += value.length;
  }
  await iterator.return?.();
  const start = Buffer.concat(chunks);
  // A copy, because `writeBody` releases the memory of its chunks.
  if (length > expected.length) body.unshift(Buffer.from(start.subarray(expected.length)));
  return start.subarray(0, expected.length).equals(expected);
}
