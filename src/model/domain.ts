/** The words of the relay, types only. Times are milliseconds since 1970; sizes are bytes. */

/** `notice`: an event of the relay's own, like `relay.media.failed`; the other two are the provider's. */
export type Dialect = "typed" | "legacy" | "notice";
export type MediaKind = "video" | "thumbnail";
export type VideoState = "draft" | "ready" | "deleted" | "failed" | "unknown";
export type MediaState =
  | "pending"
  | "running"
  | "mirrored"
  | "failed"
  | "expired"
  | "skipped"
  | "superseded"
  | "deleted";
export type JobState = "waiting" | "pending" | "running" | "delivered" | "dead" | "canceled";

/** A link in an event; `identity` is the link without its signature parameters: what makes two links the same file. */
export type AnnouncedLink = { kind: MediaKind; url: string; identity: string };

/** One webhook of the provider, read but not changed (wochit.ts makes it from the bytes). */
export type ProviderEvent = {
  videoId: string;
  /** What the event means: a legacy event means "video.ready". Null where the provider did not say it in words. */
  type: string | null;
  /** What endpoint patterns are matched against; the same as `type`, but never null. */
  topic: string;
  dialect: Dialect;
  context: string | null;
  title: string | null;
  /** Seconds. */
  duration: number | null;
  /** It carries a non-empty `errorMessage`. */
  failure: boolean;
  links: AnnouncedLink[];
  /** Equal for equal events (links compared without signature parameters); null for a type that is never a duplicate. */
  fingerprint: string | null;
};

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

export type PlannedDelivery = {
  endpoint: string;
  /** One lane per endpoint and video, or none. */
  ordered: boolean;
  /** Wait for the event's media, at most until this time; null sends at once. */
  gateUntil: number | null;
};

/** All that follows from an event; the store commits it together with the event. */
export type Plan = {
  media: PlannedMedium[];
  deliveries: PlannedDelivery[];
  /** A delete: nothing of this video waits for media any longer. */
  opensGates: boolean;
  /** A delete that takes the copies along: all of the video's, or only its drafts' thumbnails; at this time. */
  deletes: { what: "video" | "draft"; at: number } | null;
};

/** What a claimed job says of itself; `claim`, which with the id is never given twice, fences its settling. */
export type Job = {
  id: string;
  queue: string;
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

/** Where copies are kept, remembered so that they are found when the config names another target. Never a secret. */
export type TargetPlace =
  | { type: "local"; dir: string }
  | {
      type: "s3";
      bucket: string;
      /** Null: what the environment or the shared files say. */
      region: string | null;
      /** Null: Amazon's. */
      endpoint: string | null;
      /** Empty, or without a slash at either end: keys go below it. */
      prefix: string;
      pathStyle: boolean;
    };

/** A file in a target, and what is known of it. `target` is the id that the store gave to the target's place. */
export type Copy = Omit<SpooledFile, "ext"> & { target: string; key: string };

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

/** A claimed delivery: the job and what its body is built from, as of now; the received bytes are the store's `eventBody`. */
export type DeliveryJob = Job & {
  endpoint: string;
  replay: boolean;
  /** The Standard Webhooks message id: the event's id, or a new one for a replay that asked for it. */
  messageId: string;
  event: StoredEvent;
  /** The length of the received body; null once retention has taken it. */
  bytes: number | null;
  media: Medium[];
};

export type Attempt = {
  startedAt: number;
  /** Milliseconds. */
  duration: number;
  status: number | null;
  /** The first 16 KiB of the answer. */
  response: Uint8Array | null;
  error: string | null;
};

/** What an endpoint was told of a medium other than that it is mirrored. */
export type SaidOfMedium = { mediumId: string; status: "pending" | "failed" | "expired" | "skipped" };

export type DeliveryOutcome =
  /** `pending`: what the body said of media that are not mirrored; the endpoint is told how they end. */
  | { is: "delivered"; attempt: Attempt; pending?: SaidOfMedium[] }
  /** `heldLong`: the waits of its schedule that it has been through are `laneHold` or more. */
  | { is: "retry"; attempt: Attempt; at: number; heldLong: boolean }
  | { is: "dead"; attempt: Attempt };

export type StoredEvent = {
  id: string;
  receivedAt: number;
  type: string | null;
  dialect: Dialect;
  failure: boolean;
  videoId: string;
  /** Its own; else the one that its video had when it was accepted; else the first that became known of its video. */
  context: string | null;
  contextFrom: "event" | "mapping" | null;
  late: boolean; // taken in from quarantine, after events that were received later
  /** Null for a notice, which has no place among the provider's events. */
  sequence: number | null;
  sourceAddress: string;
  duplicates: number;
  status: "settled" | "waiting" | "dead";
};

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

export type Delivery = {
  id: string;
  eventId: string;
  videoId: string;
  endpoint: string;
  state: JobState;
  attempts: number;
  nextAttemptAt: number | null;
  lastError: string | null;
  replay: boolean;
};

export type Video = {
  videoId: string;
  context: string | null;
  contextHistory: { context: string; since: number }[];
  state: VideoState;
  title: string | null;
  duration: number | null;
  media: Medium[];
  firstSeenAt: number;
  lastEventAt: number;
  /** When it was erased on request; null: it was not. */
  forgottenAt: number | null;
};

type InVain = "path" | "method" | "broken" | "request"; // from an allowed sender: cut short, or sent to no avail
export type RefusalReason = "invalid_json" | "invalid_event" | "source" | "token" | "size" | InVain;

export type Quarantined = {
  id: string;
  receivedAt: number;
  sourceAddress: string;
  reason: RefusalReason;
  bytes: number;
};

export type EndpointState = { endpoint: string; pausedAt: number | null; reason: string | null };

// Ports: what the program touches outside itself, passed once at the composition root.

export type Clock = {
  now(): number;
  /** Monotonic milliseconds, for measuring how long a thing took. */
  elapsed(): number;
  /** Calls back once after `ms`, however long that is; the returned function calls it off. */
  after(ms: number, run: () => void): () => void;
};

export type Random = {
  float(): number; // in [0, 1)
  bytes(length: number): Uint8Array;
};

export type Log = {
  debug(fact: string, fields?: Record<string, unknown>): void;
  info(fact: string, fields?: Record<string, unknown>): void;
  warn(fact: string, fields?: Record<string, unknown>): void;
  error(fact: string, fields?: Record<string, unknown>): void;
};

export type Ports = { clock: Clock; random: Random; log: Log };
