import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { constants, open } from "node:fs/promises";
import * as v from "valibot";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { identityOf } from "../../wochit/link-identity.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.nullable(v.string());

const noteSchema = v.strictObject({
  /** `markOf` the link: the link itself may tell what a person wants forgotten. */
  link: v.string(),
  /** What tells it from another file, as `fetch.ts` has it; null: it cannot be gone on from. */
  validator: text,
  etag: text,
  lastModified: text,
  /** The codings that it came packed in; null: none. */
  coding: v.optional(text, null),
  /** The length of the whole; null: nobody told. */
  total: v.nullable(count),
  /** It is at least that long. */
  atLeast: count,
  /** So much of it is on the disk for good. */
  synced: count,
  /** So much of it once was: what does not come further makes no progress. */
  furthest: count,
  /**
   * The best of what earlier attempts brought, in a file of its own, and how it is packed: the largest remainder, and why it
   * is none but a remainder; or a picture that is asked for again though all of it came, `why` is null.
   */
  best: v.optional(v.nullable(v.strictObject({ bytes: count, coding: text, why: text })), null),
  /** The whole, proven, and about to be settled. */
  file: v.nullable(
    v.strictObject({
      bytes: count,
      sha256: v.string(),
      contentType: v.string(),
      ext: v.string(),
      suspect: text,
      etag: text,
      lastModified: text,
    }),
  ),
});

/** What is remembered of a download beside its part, so that it goes on after a break, a restart or a crash. */
export type Note = v.InferOutput<typeof noteSchema>;

/** Every note is filled up to this length, so that none leaves anything of the one before; the longest has 6 KiB. */
const LENGTH = 8192;

/** No link is followed, and no pipe is waited for. */
const AS_IT_IS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Equal for links that lead to the same file. */
export function markOf(url: string): string {
  return createHash("sha256").update(identityOf(url)).digest("hex");
}

/** A note of a download that has not begun. */
export function blankNote(link: string): Note {
  const nothing = {
    ...{ validator: null, etag: null, lastModified: null, coding: null, total: null, best: null, file: null },
  };
  return { link, ...nothing, atLeast: 0, synced: 0, furthest: 0 };
}

/** Whether it is a whole picture, which gives way to no remainder; of what came packed that is not known. */
export function isWhole(best: Note["best"]): boolean {
  return best !== null && best.why === null && best.coding === null;
}

/** The note in a file; null where there is none, or none that can be read: a power cut may leave it damaged. */
export async function readNote(path: string): Promise<Note | null> {
  const file = await open(path, constants.O_RDONLY | AS_IT_IS).catch(nullWhereMissing);
  if (file === null) return null;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(LENGTH), 0, LENGTH, null);
    const parsed = v.safeParse(noteSchema, JSON.parse(buffer.toString("utf8", 0, bytesRead)));
    return parsed.success ? parsed.output : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Writes a note over the one before, in one call: whoever is killed meanwhile leaves the old one or the new one. It is not
 * synced, and need not be where what it says was true before it was written, and bytes without it are of use, too.
 */
export async function writeNote(path: string, note: Note): Promise<void> {
  const padded = Buffer.alloc(LENGTH, " ");
  padded.write(JSON.stringify(note));
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | AS_IT_IS, 0o640);
  try {
    await file.write(padded, 0, LENGTH, 0);
  } finally {
    await file.close();
  }
}
