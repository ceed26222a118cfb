import type { Config } from "../../config/schema.ts";
import type { UploadJob } from "../../model/job.ts";
import { sha256Of } from "../../platform/files/sha256.ts";
import type { About, MirrorTarget } from "../../targets/target.ts";
import { keyOf } from "./object-keys.ts";

/** A validated file of the spool, and the target to put it into. */
export type Wanted = {
  target: Pick<MirrorTarget, "put" | "head" | "read">;
  targetId: string;
  template: Config["mirror"]["key"];
  job: Pick<UploadJob, "videoId" | "kind" | "eventId" | "file" | "isSecond" | "own">;
  /** It is moved from where its own copy is: it keeps its key, and replaces no other file, whatever its kind. */
  isMoved?: boolean;
  /** Other relays put copies into the target, too. */
  isShared?: boolean;
  pace?: About["pace"];
  signal: AbortSignal;
};

/** `again` as in `About`. `place` is called before each put, with the keys that were found to hold another file. */
type Put = { file: string; again: boolean; place(key: string, passed: string[]): Promise<void> };

type Candidate = {
  key: string;
  /** Whether the file at this key may be replaced. `damaged`: what differs is damaged, because the key has the whole hash. */
  replace: "always" | "damaged" | "never";
  /** The first video of the id gets this key; a different second one never does, even where the key is free. */
  isShared?: boolean;
};

/**
 * Puts a file into the target and returns its key. A video is never overwritten: a different second one of the same id gets
 * a key with the hash of its bytes (CONTRACT, "Media"). A thumbnail replaces the former one. A video's own copy is repaired
 * under its key, and a partial copy is replaced by the whole. Throws what the target and `place` throw.
 */
export async function putCopy(wanted: Wanted, { file, again, place }: Put): Promise<string> {
  const { target, job, pace, isShared, signal } = wanted;
  const { eventId, videoId } = job;
  const { contentType, bytes, sha256 } = job.file;
  const passed: string[] = [];
  const put = async (key: string, replace: boolean) => {
    await place(key, passed);
    const about = { contentType, bytes, sha256, eventId, videoId, again, replace };
    return target.put(key, file, { ...about, ...(isShared && { isShared }), ...(pace && { pace }) }, signal);
  };
  for (const { key, replace, isShared } of candidatesFor(wanted)) {
    if (passed.includes(key)) continue;
    // A second video of another container has another extension, for which this key is free.
    if (isShared && job.isSecond && (await target.head(key)) === null) continue;
    if ((await put(key, replace === "always")) !== "exists-different") return key;
    if (replace === "damaged") {
      await put(key, true);
      return key;
    }
    passed.push(key);
  }
  throw new Error("the target did not replace a file, although it was asked to");
}

/** The key under which the target already holds this file; null: none. Throws what the target throws. */
export async function findCopy(wanted: Wanted): Promise<string | null> {
  const { target, job, signal } = wanted;
  for (const { key } of candidatesFor(wanted)) {
    if ((await target.head(key))?.bytes !== job.file.bytes) continue;
    const bytes = await target.read(key, signal);
    if (bytes !== null && (await sha256Of(bytes)) === job.file.sha256) return key;
  }
  return null;
}

/**
 * The key that the medium's copy has had: links to it stay valid. In the same target the copy is repaired or completed under
 * it; in another target the key may hold another file.
 */
function ownKey(own: UploadJob["own"], targetId: string, file: UploadJob["file"]): Candidate[] {
  if (own === null) return [];
  const isSame = own.sha256 === file.sha256;
  if (own.target !== targetId) return isSame || own.key.endsWith(file.ext) ? [{ key: own.key, replace: "never" }] : [];
  return isSame || (!own.isWhole && own.key.endsWith(file.ext)) ? [{ key: own.key, replace: "always" }] : [];
}

/** The keys that a file may have, the preferred one first. */
function candidatesFor({ template, targetId, job, isMoved = false }: Wanted): Candidate[] {
  const { videoId, kind, own, file } = job;
  const key = (variant?: string) => keyOf(template, videoId, kind, file.ext, variant);
  if (kind === "thumbnail" && !isMoved) return [{ key: key(), replace: "always" }];
  return [
    ...ownKey(own, targetId, file),
    ...(isMoved ? [] : [{ key: key(), replace: "never", isShared: true } as const]),
    { key: key(file.sha256.slice(0, 8)), replace: "never" },
    { key: key(file.sha256), replace: "damaged" },
  ];
}
