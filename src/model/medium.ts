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

/** One link of an event, judged: where it leads, and how long it is good for. */
export type PlannedMedium = AnnouncedLink & {
  host: string;
  deadline: number;
  /** Of a video, as its event tells it, in seconds; null: it told none. */
  duration: number | null;
  /** Fetch it again, conditionally, also when this very file is mirrored already (a draft's thumbnail changes in place). */
  refetch: boolean;
  /** Why it will never be downloaded: mirroring is off (`skipped`), or the link is none (`failed`). */
  refused: { state: "skipped" | "failed"; reason: string } | null;
};

/** A file that was downloaded, proven and made durable in the spool, and what is known of it. */
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

/** A file in a target, and what is known of it. `target` is the id that the store gave to the target's place. */
export type Copy = Omit<SpooledFile, "ext"> & { target: string; key: string };

export type Medium = {
  id: string;
  videoId: string;
  kind: MediaKind;
  eventId: string;
  state: MediaState;
  suspect: string | null;
  /** The target that holds the copy, and where in it; null while there is none. */
  target: string | null;
  key: string | null;
  /** As announced, with its signature: for the downloader only, never for a log or a page. */
  sourceUrl: string;
  bytes: number | null;
  sha256: string | null;
  contentType: string | null;
  deadline: number;
  lastError: string | null;
};

/** A link in an event; `identity` is the link without its signature parameters: what makes two links the same file. */
export type AnnouncedLink = { kind: MediaKind; url: string; identity: string };
