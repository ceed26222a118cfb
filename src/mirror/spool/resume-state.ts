import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { constants, open } from "node:fs/promises";
import * as v from "valibot";
import { nullWhereMissing } from "../../platform/files/file-system.ts";
import { identityOf } from "../../wochit/link-identity.ts";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const text = v.nullable(v.string());

const schema = v.strictObject({
  /** `linkHash` of the link: a link itself may hold what a person wants erased. */
  link: v.string(),
  /** Identifies this version of the file (`fetch.ts`); null: the download cannot be resumed. */
  validator: text,
  etag: text,
  lastModified: text,
  /** The content codings of the part; null: none. */
  coding: v.optional(text, null),
  /** The length of the whole; null: unknown. */
  total: v.nullable(count),
  /** The whole has at least this many bytes. */
  atLeast: count,
  /** Bytes that are durable. */
  synced: count,
  /** The most bytes that were ever durable: an attempt that ends earlier has made no progress. */
  furthest: count,
  /**
   * The best that earlier attempts brought, in a file of its own, with its codings: the largest remainder, and why it is not
   * whole; or a whole picture (`why` is null) that is fetched again.
   */
  best: v.optional(v.nullable(v.strictObject({ bytes: count, coding: text, why: text })), null),
  /** The whole, validated, and about to be settled. */
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

/** What is kept beside a download's part, so that it resumes after a lost connection, a restart or a crash. */
export type ResumeState = v.InferOutput<typeof schema>;

/** Every state is padded to this length, so that it overwrites the former one; the longest has 6 KiB. */
const LENGTH = 8192;

/** No symbolic link is followed, and no pipe is waited for. */
const AS_IT_IS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/** Equal for links to the same file. */
export function linkHash(url: string): string {
  return createHash("sha256").update(identityOf(url)).digest("hex");
}

/** The state of a download that has not begun. */
export function newResumeState(link: string): ResumeState {
  const none = { validator: null, etag: null, lastModified: null, coding: null, total: null, best: null, file: null };
  return { link, ...none, atLeast: 0, synced: 0, furthest: 0 };
}

/** Whether it is a whole picture, which no remainder replaces; false while it is encoded, for then that is unknown. */
export function isWhole(best: ResumeState["best"]): boolean {
  return best !== null && best.why === null && best.coding === null;
}

/** Null where there is no state, or a damaged one: a power cut may leave that. */
export async function readResumeState(path: string): Promise<ResumeState | null> {
  const file = await open(path, constants.O_RDONLY | AS_IT_IS).catch(nullWhereMissing);
  if (file === null) return null;
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(LENGTH), 0, LENGTH, null);
    const parsed = v.safeParse(schema, JSON.parse(buffer.toString("utf8", 0, bytesRead)));
    return parsed.success ? parsed.output : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  } finally {
    await file.close();
  }
}

/**
 * Overwrites the state in one call, so that a process killed meanwhile leaves the old or the new one. It is rarely synced: a
 * state says only what was durable before it was written, so an older one stays true.
 */
export async function writeResumeState(path: string, state: ResumeState, { sync = false } = {}): Promise<void> {
  const padded = Buffer.alloc(LENGTH, " ");
  padded.write(JSON.stringify(state));
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | AS_IT_IS, 0o640);
  try {
    await file.write(padded, 0, LENGTH, 0);
    if (sync) await file.sync();
  } finally {
    await file.close();
  }
}
