import type { Copy, MediaKind, SpooledFile } from "./medium.ts";

/** Claimed work on media, and how it ends. */

export type JobState = "waiting" | "pending" | "running" | "delivered" | "dead" | "canceled";

/** Names of queues: downloads, uploads, deletions of copies, and the deliveries to each endpoint. */
export type QueueName = "download" | "upload" | "delete" | `deliver/${string}`;

/** A running job is leased this long, in milliseconds, and its lease is renewed three times in that span. */
export const LEASE = 30_000;

/** What a claimed job says of itself; `claim`, which with the id is never given twice, fences its settling. */
export type Job = {
  id: string;
  queue: QueueName;
  /** Attempts begun before this one. */
  attempts: number;
  claim: string;
  eventId: string;
  videoId: string;
};

/** A claimed download: the job and the medium it fetches. */
export type DownloadJob = Job & {
  mediumId: string;
  kind: MediaKind;
  url: string;
  host: string;
  deadline: number;
  receivedAt: number;
  /** Of a video, as announced, in seconds; null: unknown. */
  duration: number | null;
  /** The mirrored copy of the very same link that this download would replace, if there is one. */
  previous: Copy | null;
  hasCopy: boolean;
};

export type DownloadOutcome =
  /** The file is in the spool, and its upload is the next job. */
  | { is: "spooled"; file: SpooledFile }
  /** The link still leads to the copy that there is: `DownloadJob.previous`. */
  | { is: "unchanged"; copy: Copy }
  /**
   * `own`: trouble of this machine, which uses up no attempt. `progressed`: bytes came that the next attempt goes on from,
   * so that the attempts are counted from 1 again.
   */
  | { is: "retry"; error: string; at: number; own?: boolean; progressed?: boolean }
  | { is: "failed" | "expired"; error: string };

/** A claimed upload: a file of the spool on its way into the present target. */
export type UploadJob = Job & {
  mediumId: string;
  kind: MediaKind;
  file: SpooledFile;
  isRepeated: boolean; // claimed before: the target may have the file
  /** A video of this id is kept already, under another link: this one is a different second one, or the same again. */
  isSecond: boolean;
  /** The copy that this medium has already: of a thumbnail the one to be replaced, of a video one that is to be mended. */
  own: { target: string; key: string; sha256: string; isWhole: boolean } | null;
};

export type UploadOutcome =
  | { is: "mirrored"; target: string; key: string }
  | { is: "retry"; error: string; at: number }
  /** The spool holds the file no longer, or it is not what it was: it has to be downloaded again. */
  | { is: "lost"; error: string };

/** A claimed deletion: what the spool may still hold of a medium, and a copy that no row refers to any longer. */
export type DeletionJob = Job & {
  mediumId: string;
  /**
   * `bytes` is null for a copy that a row had; else it is where an upload was to put so many bytes, and may have: only what
   * has that size is deleted.
   */
  copy: { target: string; key: string; bytes: number | null } | null;
};

export type DeletionOutcome = { is: "deleted" } | { is: "retry"; error: string; at: number };
