import type { Copy, MediaKind, SpooledFile } from "./medium.ts";

/** Claimed work on media, and its outcomes. */

export type JobState = "waiting" | "pending" | "running" | "delivered" | "dead" | "canceled" | "superseded";

/** Names of queues: downloads, uploads, deletions of copies, and the deliveries to each endpoint. */
export type QueueName = "download" | "upload" | "delete" | `deliver/${string}`;

/** A running job is leased this long, in milliseconds, and its lease is renewed three times in that span. */
export const LEASE = 20_000;

/** A claimed job. `claim` is never given twice with the same id; it fences the settling. */
export type Job = {
  id: string;
  queue: QueueName;
  /** Attempts begun before this one. */
  attempts: number;
  claim: string;
  eventId: string;
  /** "": of a notice that is about no video. */
  videoId: string;
};

/** What the store knows a job by. The rest of it, a body for example, is not sent to the store again. */
export function bareJob({ id, queue, attempts, claim, eventId, videoId }: Job): Job {
  return { id, queue, attempts, claim, eventId, videoId };
}

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
  /** The mirrored copy of the same link, which this download replaces; or null. */
  previous: Copy | null;
  hasCopy: boolean;
};

export type DownloadOutcome =
  /** The file is in the spool, and its upload is the next job. */
  | { is: "spooled"; file: SpooledFile }
  /** The link still leads to the file of `DownloadJob.previous`. */
  | { is: "unchanged"; copy: Copy }
  /**
   * `own`: a failure of this machine, which uses up no attempt. `progressed`: the next attempt continues after the bytes that
   * came, and the attempts are counted from 1 again.
   */
  | { is: "retry"; error: string; at: number; own?: boolean; progressed?: boolean }
  | { is: "failed" | "expired"; error: string };

/** A claimed upload: a file of the spool on its way into the present target. */
export type UploadJob = Job & {
  mediumId: string;
  kind: MediaKind;
  file: SpooledFile;
  isRepeated: boolean; // It was claimed before, so the target may have the file.
  /** There is a copy of this id from another link: this is a second video, or the same again. */
  isSecond: boolean;
  /** The medium's present copy: a thumbnail to be replaced, or a video to be mended. */
  own: { target: string; key: string; sha256: string; isWhole: boolean } | null;
};

export type UploadOutcome =
  | { is: "mirrored"; target: string; key: string }
  | { is: "retry"; error: string; at: number }
  /** The file in the spool is missing or changed: it is downloaded again. */
  | { is: "lost"; error: string };

/** A claimed deletion: of a medium's files in the spool, and of a copy without a row. */
export type DeletionJob = Job & {
  mediumId: string;
  /**
   * `bytes` is null for a former copy. Else an upload may have put that many bytes there: only a file of that size is deleted.
   */
  copy: { target: string; key: string; bytes: number | null } | null;
};

export type DeletionOutcome = { is: "deleted" } | { is: "retry"; error: string; at: number };
