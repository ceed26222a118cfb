import type {
  ArchivedEvent,
  ArchivedRest,
  ArchiveFile,
  ArchivePart,
  ArchivePlace,
  Restored,
  RestPlace,
} from "../../model/archive.ts";

/** Who works on the archive: one at a time does, which is also the one that prunes. It is lost after `leaseFor` milliseconds. */
export type Archivist = { by: string; leaseFor: number };

/** A place in the queue of what is to be archived: behind this event of a day; null: before its first. */
export type QueuePlace = { day: number; after: string | null };

/** A part whose file is being written. */
export type OpenPart = Pick<ArchivePart, "id" | "day" | "number" | "place" | "key">;

/** A file that is in no part: it may be there, and is to be removed. `part`: it was to become this one. */
export type StrayFile = { key: string; place: ArchivePlace; part: string | null };

/**
 * What was erased of a video: events and media, bodies of it in quarantine (`refused`), and the parts that have something of it,
 * which are to be written anew.
 */
export type Forgotten = Record<"events" | "media" | "refused" | "parts", number>;

/** How the archive stands. Times are milliseconds since 1970. */
export type ArchiveState = {
  parts: number;
  events: number;
  bytes: number;
  lastAt: number | null;
  /** Since when, and why, what is to be pruned cannot be archived; null: it can. */
  failing: { since: number; error: string } | null;
  /** Whether something waits to be archived. */
  isBehind: boolean;
  /** Files that are still to be rewritten without what was erased. */
  toRewrite: number;
};

/**
 * The archive (CONTRACT, "Archive"): with `Expiry.archives` `prune` queues what is not archived, and leaves it. A queued event is
 * read, written into a part's file, marked, and, once the part is kept, released: then it is pruned. RelayError("conflict")
 * where another is at it.
 */
export type ArchiveVerbs = {
  /** Begins a part with the next queued events of a day, in a file of its own; null: there are none behind `from`. */
  beginPart(
    wish: { from: QueuePlace | null; place: ArchivePlace; folder: string | null; tag: string } & Archivist,
    now: number,
  ): Promise<OpenPart | null>;
  /**
   * The next queued events of a day, about `bytes` of them, and of what comes to each. `done`: ids of those that need no archive any longer. `next`: null
   * when the day has no more.
   */
  archivePiece(
    from: QueuePlace,
    bytes: number,
  ): Promise<{ events: ArchivedEvent[]; done: string[]; next: QueuePlace | null }>;
  /** What comes next to an event, about `bytes` of it; nothing of one that is erased meanwhile. */
  archiveRest(from: RestPlace, bytes: number): Promise<ArchivedRest>;
  /** Marks what was written into a part. It counts once the part is kept. */
  markArchived(
    part: string,
    events: { id: string; revision: number }[],
    archivist: Archivist,
    now: number,
  ): Promise<void>;
  /** Its file is in its place, and was read back. */
  keepPart(part: string, file: ArchiveFile, archivist: Archivist, now: number): Promise<void>;
  /** What is archived, or need not be, can be pruned. */
  releaseArchived(ids: string[], now: number): Promise<void>;
  /** The archivist goes on; `leaseFor` 0: it is done. */
  holdArchive(archivist: Archivist, now: number): Promise<void>;
  /** Files that were left behind, but for those that `by` is writing. */
  strayFiles(by: string): Promise<StrayFile[]>;
  /** The file is gone, and so is its part, where it was to become one; `isMore`: call it again. */
  dropFile(file: StrayFile): Promise<{ isMore: boolean }>;

  /** The newest day first; `before` is an id. With `videoId` those that have events of it. */
  archiveParts(page: {
    limit: number;
    before?: string | undefined;
    since?: number | undefined;
    until?: number | undefined;
    videoId?: string | undefined;
  }): Promise<ArchivePart[]>;
  archiveState(): Promise<ArchiveState>;
  /** Keeps why it could not be archived; null: it was. True: that is news. */
  noteArchive(error: string | null, now: number): Promise<boolean>;

  /** The next part, behind `after`, that has events of videos that were erased; null: there is none. */
  partToRewrite(after: string | null): Promise<{ part: ArchivePart; videoIds: string[] } | null>;
  /** Begins the file that takes the place of this part's. */
  beginRewrite(
    part: string,
    wish: { place: ArchivePlace; folder: string | null; tag: string } & Archivist,
    now: number,
  ): Promise<OpenPart>;
  /** The new file takes the part's place; the old one is to be removed. */
  keepRewritten(
    part: string,
    to: Pick<OpenPart, "key" | "place">,
    file: ArchiveFile,
    archivist: Archivist,
    now: number,
  ): Promise<void>;
  /** Nothing of these videos is in the part, or in a file that was it. The audit says so with the last of a video. */
  endErasures(part: string, videoIds: string[]): Promise<void>;

  /** Gives events of a part their bodies back, for `keepFor` milliseconds at least; `bodies`: how long retention keeps one. */
  restoreBodies(
    part: string,
    events: { id: string; body: Uint8Array }[],
    kept: { keepFor: number; bodies: number },
    now: number,
  ): Promise<Restored>;
};
