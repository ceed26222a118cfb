import type { MediaKind } from "../model/medium.ts";
import { createTurns } from "../platform/keyed-mutex.ts";

/** Serialises work on the copies of one video's media, per kind. */
export function createCopyLocks() {
  const inTurn = createTurns();
  const withLock = <Result>(videoId: string, kind: MediaKind, work: () => Promise<Result>) =>
    inTurn(`${kind}/${videoId}`, work);
  return {
    withLock,
    /** Holds the locks of both kinds. Always in this order, so that no two wait for each other. */
    withBothLocks: <Result>(videoId: string, work: () => Promise<Result>) =>
      withLock(videoId, "video", () => withLock(videoId, "thumbnail", work)),
  };
}

export type CopyLocks = ReturnType<typeof createCopyLocks>;
