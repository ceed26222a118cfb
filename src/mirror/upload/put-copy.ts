import type { Config } from "../../config/schema.ts";
import type { UploadJob } from "../../model/job.ts";
import { sha256Of } from "../../platform/files/sha256.ts";
import type { About } from "../../targets/place.ts";
import type { MirrorTarget } from "../../targets/target.ts";
import { keyOf } from "./object-keys.ts";

/** A proven file of the spool, and the target that shall keep it. */
export type Keeping = {
  target: Pick<MirrorTarget, "put" | "head" | "read">;
  /** The target's own. */
  targetId: string;
  template: Config["mirror"]["key"];
  job: Pick<UploadJob, "videoId" | "kind" | "eventId" | "file" | "isSecond" | "own">;
  signal: AbortSignal;
};

/**
 * How a file is put: `again` as for the target (target.ts). `place` gets each key before the target does, with the keys
 * that were found to hold another file.
 */
export type Putting = { file: string; again: boolean; place(key: string, passed: string[]): Promise<void> };

type Place = {
  key: string;
  /** What is there may be replaced: `always`, or only where it is `damaged`, because nothing else can have this name. */
  replace: "always" | "damaged" | "never";
  /** It is any video's of this id: a second one is told apart, also where the place is free. */
  isShared?: boolean;
};

/**
 * Puts a file into the target and returns its key. Nothing ever overwrites a video: a different second one of the same id
 * goes to a key of its own (CONTRACT, "Media"), named by the hash of its bytes. A thumbnail replaces the one before; a
 * video's own copy is mended in its place, and what is only part of it gives its place to the whole. Throws what the target throws, and what `place` does.
 */
export async function keepCopy(kept: Keeping, { file, again, place }: Putting): Promise<string> {
  const { target, job, signal } = kept;
  const { contentType, bytes, sha256 } = job.file;
  const { eventId, videoId } = job;
  const about: Omit<About, "replace"> = { contentType, bytes, sha256, eventId, videoId, again };
  const passed: string[] = [];
  const put = async (key: string, replace: boolean) => {
    await place(key, passed);
    return target.put(key, file, { ...about, replace }, signal);
  };
  for (const { key, replace, isShared } of placesFor(kept)) {
    if (passed.includes(key)) continue;
    // A second video may be of another container, for which the first one's place would be free: it is told apart all the same.
    if (isShared && job.isSecond && (await target.head(key)) === null) continue;
    if ((await put(key, replace === "always")) !== "exists-different") return key;
    if (replace === "damaged") {
      await put(key, true);
      return key;
    }
    passed.push(key);
  }
  throw new Error("the target replaces nothing, although it was told to");
}

/** The key under which the target holds this very file already; null: it does not. Throws what the target throws. */
export async function findCopy(kept: Keeping): Promise<string | null> {
  const { target, job, signal } = kept;
  for (const { key } of placesFor(kept)) {
    if ((await target.head(key))?.bytes !== job.file.bytes) continue;
    const bytes = await target.read(key, signal);
    if (bytes !== null && (await sha256Of(bytes)) === job.file.sha256) return key;
  }
  return null;
}

/**
 * Where the medium's copy has been: links to it stay good. In its own target the same file is mended there, and the whole
 * replaces the part; in another target the place may be somebody else's.
 */
function ownPlace(own: UploadJob["own"], targetId: string, file: UploadJob["file"]): Place[] {
  if (own === null) return [];
  const isSame = own.sha256 === file.sha256;
  if (own.target !== targetId) return isSame || own.key.endsWith(file.ext) ? [{ key: own.key, replace: "never" }] : [];
  return isSame || (!own.isWhole && own.key.endsWith(file.ext)) ? [{ key: own.key, replace: "always" }] : [];
}

/** Where a file may be kept, the best place first. */
function placesFor({ template, targetId, job }: Keeping): Place[] {
  const { videoId, kind, own, file } = job;
  const key = (variant?: string) => keyOf(template, videoId, kind, file.ext, variant);
  if (kind === "thumbnail") return [{ key: key(), replace: "always" }];
  return [
    ...ownPlace(own, targetId, file),
    { key: key(), replace: "never", isShared: true },
    { key: key(file.sha256.slice(0, 8)), replace: "never" },
    { key: key(file.sha256), replace: "damaged" },
  ];
}
