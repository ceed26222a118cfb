/** Media: the links of events, and the copies that are made of them. Sizes are bytes. */

export type MediaKind = "video" | "thumbnail";

export type MediaState =
  | "pending"
  | "running"
  | "mirrored"
  | "failed"
  | "expired"
  | "skipped"
  | "superseded"
  | "deleted";

/** One link of an event, with its host and deadline. */
export type PlannedMedium = AnnouncedLink & {
  host: string;
  deadline: number;
  /** Of a video, from its event, in seconds; null: unknown. */
  duration: number | null;
  /** Download it again, conditionally, also when this file is mirrored (a draft's thumbnail changes in place). */
  refetch: boolean;
  /** Why it is not downloaded: mirroring is off (`skipped`), or the link is no URL (`failed`). */
  refused: { state: "skipped" | "failed"; reason: string } | null;
};

/** A file in the spool: downloaded, validated and durable. */
export type SpooledFile = {
  bytes: number;
  /** Hexadecimal, of the whole file. */
  sha256: string;
  contentType: string;
  /** With its dot. */
  ext: string;
  suspect: string | null;
  etag: string | null;
  lastModified: string | null;
};

/** A file in a target. `target` is the store's id of its place. */
export type Copy = Omit<SpooledFile, "ext"> & { target: string; key: string };

export type Medium = {
  id: string;
  videoId: string;
  kind: MediaKind;
  eventId: string;
  state: MediaState;
  suspect: string | null;
  /** The target of the copy, and its key there; null without a copy. */
  target: string | null;
  key: string | null;
  /** As announced, with its signature: never for a log or a page. */
  sourceUrl: string;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  deadline: number;
  /** Downloads that were begun; and when the next one begins by its schedule, null: at once, or none is to come. */
  attempts: number;
  nextAttemptAt: number | null;
  lastError: string | null;
  /** When it was first tried; when its bytes were in the spool, and safe; when it came to its end. */
  firstTriedAt: number | null;
  securedAt: number | null;
  settledAt: number | null;
};

/** A link in an event; `identity` is the link without its signature parameters, equal for links of the same file. */
export type AnnouncedLink = { kind: MediaKind; url: string; identity: string };
