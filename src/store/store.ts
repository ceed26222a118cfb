import type { Actor } from "../model/audit.ts";
import type {
  Delivery,
  DeliveryJob,
  DeliveryOutcome,
  DeliveryReason,
  DeliverySettled,
  EndpointState,
  LoggedAttempt,
} from "../model/delivery.ts";
import type { ProviderEvent, Quarantined, Refusal, StoredEvent } from "../model/event.ts";
import type {
  DeletionJob,
  DeletionOutcome,
  DownloadJob,
  DownloadOutcome,
  Job,
  UploadJob,
  UploadOutcome,
} from "../model/job.ts";
import type { Medium } from "../model/medium.ts";
import type { Plan } from "../model/plan.ts";
import type { Trace } from "../model/trace.ts";
import type { Video } from "../model/video.ts";
import type { Clock } from "../ports.ts";
import type { TargetPlace } from "../targets/table.ts";
import type { AuditVerbs } from "./access/audit.ts";
import type { LinkVerbs } from "./access/links.ts";
import type { RelayVerbs } from "./access/relays.ts";
import type { SessionVerbs } from "./access/sessions.ts";
import type { AlertVerbs } from "./alerts.ts";
import type { Forgotten } from "./archive/verbs.ts";
import type { AroundVerbs } from "./around.ts";
import type { Backups } from "./backups.ts";
import type { Commits, Counts, TallyVerbs } from "./counts.ts";
import type { FeedVerbs } from "./feed.ts";
import type { DeliveryFilter, EventFilter, MediaFilter, QuarantineFilter, VideoFilter } from "./filters.ts";
import type { RetentionVerbs } from "./retention.ts";
import type { StoreSettings } from "./settings.ts";
import type { TaskVerbs } from "./tasks.ts";

/** The bytes of an event, as they were received. */
export type Received = {
  receivedAt: number;
  sourceAddress: string;
  body: Uint8Array;
  /** It was received before, and kept in quarantine: what it says of its video counts as of then (CONTRACT, "Late"). */
  late?: boolean;
  /** Of its request. */
  trace?: Trace;
  /** Endpoints that have a slot free for a delivery of this event: where nothing is before it, it is claimed at once. */
  lease?: { endpoints: string[]; leaseFor: number };
};

/** An event on its way in: what was received, what it says and causes, and the context that it gets where it has none. */
export type Acceptance = Received & { event: ProviderEvent; plan: Plan; given: string | null };

export type Mapping = { videoId: string; context: string };

/** What became of an event that was received. */
export type Accepted = {
  id: string;
  status: "accepted" | "duplicate";
  type: string | null;
  /** It came in the older dialect. */
  legacy: boolean;
  videoId: string;
  /** The deliveries that were claimed with it, by `Received.lease`. */
  leased: DeliveryJob[];
  /** Who may have work now: queues of media, and (`endpoints`) deliveries, but for those that were leased; null: any endpoint. */
  feeds: { media: Job["queue"][]; endpoints: string[] | null };
};

/** Which jobs a worker wants: `limit` of them, each leased for `leaseFor` milliseconds. A limit of 0 asks only when the next is due. */
export type ClaimWish = { now: number; limit: number; leaseFor: number };

/**
 * `nextDue`: when a claim may next give something; null: never, as far as is known now. `isMore`: it ended before it had looked
 * at all that is due; the next one goes on from there.
 */
export type Claimed<J extends Job> = { jobs: J[]; nextDue: number | null; isMore?: true };

/** Lists are newest first; `before` is the id of the last row seen. Times bound the row's own time, `until` excluded. */
export type Page = { limit: number; before?: string; since?: number; until?: number };

/** What a check of the whole database found; nothing wrong: it is whole. */
export type IntegrityCheck = { at: number; wrong: string[] };

type AccessVerbs = AuditVerbs & SessionVerbs & LinkVerbs;
type WorkVerbs = TaskVerbs & FeedVerbs & RetentionVerbs & AroundVerbs & RelayVerbs;
type PartVerbs = AccessVerbs & AlertVerbs & TallyVerbs & WorkVerbs;

/**
 * The verbs of the store, each one transaction of the engine's own. A promise settles when the engine has committed.
 * Ids are opaque strings. A verb that names an id which is not there rejects with RelayError("not_found").
 * Verbs that write reject with RelayError("store_unavailable") when the engine could not commit for ten seconds.
 * `verbs.ts` says of each how it is run.
 */
export type StoreVerbs = PartVerbs & {
  /**
   * Reads an event, and stores it, its mapping, media and jobs in one transaction, or counts it on the event it repeats.
   * RelayError("invalid_json" or "invalid_event"): it is none, and nothing was stored.
   */
  accept(received: Received): Promise<Accepted>;
  /**
   * Keeps the bytes of a refused request; of what is no event equal ones once. A full ring gives up what does not read as an
   * event, then the oldest of the address that holds most.
   */
  quarantine(refusal: Refusal): Promise<{ id: string }>;

  /** Downloads that are due: first tries by deadline, then repeated ones. `busyHosts` are left out. */
  claimDownloads(wish: ClaimWish & { busyHosts: string[] }): Promise<Claimed<DownloadJob>>;
  /**
   * Deliveries to one endpoint that are due, heads of their lanes only; none while the endpoint is paused, and one at a time,
   * now and then, while its breaker is open. Here gates open whose time has come.
   */
  claimDeliveries(wish: ClaimWish & { endpoint: string }): Promise<Claimed<DeliveryJob>>;
  /**
   * Leases a job for `leaseFor` milliseconds from now; 0 gives it back (a delivery may end as canceled). False: the claim is
   * lost, stop working on it.
   */
  renew(job: Job, leaseFor: number): Promise<boolean>;
  /**
   * Ends or reschedules a claimed download and writes what follows: the upload of what was spooled, released deliveries,
   * notices. False when the claim was lost.
   */
  settleDownload(job: DownloadJob, outcome: DownloadOutcome, now: number): Promise<{ settled: boolean }>;
  /** Uploads that are due, the oldest first. */
  claimUploads(wish: ClaimWish): Promise<Claimed<UploadJob>>;
  /** The upload as it is now, with its lease renewed; null: the claim is no longer ours. */
  refreshUpload(job: UploadJob, leaseFor: number): Promise<UploadJob | null>;
  /**
   * Writes down where the file is about to be put, so that it can be removed from there whatever happens to the upload, and
   * whichever target it ends up in. `passed`: keys of this target, written down before, that hold another file.
   * False: the claim is no longer ours, put nothing.
   */
  placeUpload(job: UploadJob, copy: { target: string; key: string; passed?: string[] }): Promise<boolean>;
  /**
   * Ends or reschedules a claimed upload and writes what follows: released deliveries, notices, a superseded thumbnail, the
   * deletion of copies that no row refers to any longer. False when the claim was lost.
   */
  settleUpload(job: UploadJob, outcome: UploadOutcome, now: number): Promise<{ settled: boolean }>;
  /** Deletions that are due. Here the copies of deleted videos become deletions, whose time has come. */
  claimDeletions(wish: ClaimWish): Promise<Claimed<DeletionJob>>;
  settleDeletion(job: DeletionJob, outcome: DeletionOutcome, now: number): Promise<{ settled: boolean }>;
  /** Whether a media row refers to this copy: then it must not be deleted. */
  isCopyWanted(copy: { target: string; key: string }): Promise<boolean>;
  /** Media (their ids) whose file the spool must keep: a download that goes on, or an upload that is due. */
  spooledMedia(): Promise<{ mediumId: string; uploads: boolean }[]>;
  /**
   * Of these media, whose file is in the spool, those that came to nothing for want of it are downloaded again, which takes
   * that file: a spool that was not there for a while loses nothing.
   */
  reviveSpooled(mediumIds: string[], now: number): Promise<void>;
  /** Whether this medium is one of them. */
  isSpooled(mediumId: string): Promise<boolean>;
  /** Tells of media whose link has used up half of its life, 75 % and 90 %, each once; returns them, for the log. */
  raiseRisks(now: number): Promise<{ mediumId: string; videoId: string; kind: string; share: number }[]>;
  /** When the next medium is at risk; null: none is. */
  nextRisk(): Promise<number | null>;
  /** The id of a target's place, the same at each call; copies of a database without targets are taken to be in `before`. */
  targetId(place: TargetPlace, before?: TargetPlace): Promise<string>;
  targets(): Promise<{ id: string; place: TargetPlace }[]>;
  /**
   * Ends or reschedules a delivery by what its attempt came to, logs that, and moves its lane on. The answer may open or close
   * the endpoint's breaker, and 410s for two videos in a row pause it.
   */
  settleDelivery(job: Job, outcome: DeliveryOutcome, now: number): Promise<DeliverySettled>;
  /** Mirroring is off: some unsettled media are skipped, and what waited for them is released; resolves with whether there are more. */
  skipMedia(now: number): Promise<{ isMore: boolean }>;
  /**
   * The clock went back by `by` milliseconds, to `now`: due times that were set before are moved along, and so is the life
   * of links that came while it was ahead. Where several relays notice that, the first moves them, and all of them call this.
   */
  bringForward(by: number, now: number): Promise<void>;
  /**
   * Remembers that a relay runs at `now`; resolves with how far the time remembered before is ahead of it (0: it is not).
   * What is due at a time that cannot be (a command ran while the machine's clock was wrong) is due now.
   */
  seenAt(now: number): Promise<number>;
  /** Frees the leases of this relay, at its start: it has the data folder for itself, so no job of it runs. */
  freeLeases(now: number): Promise<number>;
  /** Changes whenever another process has committed: the cheap question behind "noticed within a second". */
  changeMark(): Promise<number>;
  /** `changeMark` and `nextRisk`, as one question: a relay asks it every second. */
  look(): Promise<{ mark: number; nextRisk: number | null }>;

  event(id: string): Promise<StoredEvent>;
  /** The bytes as received; RelayError("body_expired") once they have been pruned. */
  eventBody(id: string): Promise<Uint8Array>;
  eventMedia(id: string): Promise<Medium[]>;
  events(page: Page & EventFilter): Promise<StoredEvent[]>;
  /** The types of all events and notices that are stored, up to a few hundred. */
  eventTypes(): Promise<string[]>;
  /** A new delivery of a stored event at the end of its lane. */
  replay(
    eventId: string,
    to: { endpoint: string; ordered: boolean; newId: boolean },
    now: number,
  ): Promise<{ id: string }>;

  /** With the newest `limit` of its attempts (default: all), the first one first. */
  delivery(id: string, limit?: number): Promise<Delivery & { attemptLog: LoggedAttempt[] }>;
  deliveries(page: Page & DeliveryFilter): Promise<Delivery[]>;
  /** Those that failed (the dead ones unless `state` says otherwise) by endpoint and error, the most frequent first. */
  deliveryReasons(wish: DeliveryFilter & Pick<Page, "since" | "until">): Promise<DeliveryReason[]>;
  /** The same delivery, due now, from attempt 0; lane and gate hold it. Conflict when delivered or running. */
  retryDelivery(id: string, now: number): Promise<void>;
  cancelDelivery(id: string, now: number): Promise<void>; // What runs: when its attempt ends, unless that succeeds.

  endpoints(): Promise<EndpointState[]>;
  pauseEndpoint(endpoint: string, reason: string, now: number): Promise<void>;
  resumeEndpoint(endpoint: string): Promise<void>;

  /** With the newest `limit` of its contexts and of its media (default: all). */
  video(videoId: string, limit?: number): Promise<Video>;
  /** Each with the newest fifty of its contexts and of its media. `before` is a `videoId`. */
  videos(page: Page & VideoFilter): Promise<Video[]>;
  /** The videos that have, or once had, this context, in the same way. */
  videosOfContext(context: string, page: Pick<Page, "limit" | "before">): Promise<Video[]>;
  /**
   * Writes mappings that were made elsewhere. They count as older than all that events said, or, by `override`, as the
   * newest. `imported`: how many changed the context of their video.
   */
  importContexts(rows: Mapping[], how: { override: boolean }, now: number): Promise<{ imported: number }>;

  /** Makes titles that have changed quick to find, some at once, or that of one video; `isMore`: there are more. */
  indexTitles(videoId?: string): Promise<{ isMore: boolean }>;

  medium(id: string): Promise<Medium>;
  media(page: Page & MediaFilter): Promise<Medium[]>;
  /** The mirrored medium that owns this key, or null. */
  mediumByKey(key: string): Promise<Medium | null>;
  /** Downloads a failed, expired or skipped medium again, from attempt 0. */
  retryMedium(id: string, now: number): Promise<void>;
  /** Downloads a mirrored medium again, whose copy is missing or rotten; the new one takes its place. */
  mendMedium(id: string, now: number): Promise<void>;
  /**
   * Erases a person's video: bodies, titles, contexts, links, what endpoints answered. Its deliveries are canceled, copies are
   * deletions that are due; ids, types and times stay, and that it was erased. RelayError("conflict") where nothing came since
   * then. It is done in pieces that hold no other writer up: after the first nothing of it is sent; the next call goes on after
   * a cut-off. The last enters it in the audit, as this one's.
   */
  forgetVideo(videoId: string, now: number, actor?: Actor): Promise<Forgotten>;

  quarantined(page: Page & QuarantineFilter): Promise<Quarantined[]>;
  quarantinedBody(id: string): Promise<Quarantined & { body: Uint8Array }>;
  /** `event`: what it was taken in as. */
  dropQuarantined(id: string, event?: string): Promise<void>;

  /** Which life of the store this is: another one after it was restored from a backup, else always the same. */
  epoch(): Promise<string>;

  counts(): Promise<Counts>;
  /** Of the commits since the store was opened. */
  commits(): Promise<Commits>;
  /** How apps reach the relay, as it noted at its last start or reload; null: none has run on this store. */
  publicUrl(): Promise<string | null>;
  notePublicUrl(url: string): Promise<void>;
  /** The last check of the whole database; null: there was none. */
  lastCheck(): Promise<IntegrityCheck | null>;
  noteCheck(check: IntegrityCheck): Promise<void>;
  /** Commits next to nothing, to find out whether it can; rejects like any write. */
  probe(): Promise<void>;
  /** Moves what the log of commits holds into the database, except what is being read. Commits do so too, now and then. */
  checkpoint(): Promise<void>;
};

/** An open store: its verbs, and what is answered at once, from memory. */
export type Store = StoreVerbs & {
  backups: Backups;
  /**
   * Other relays may work on it: then a job whose lease has run out is another's, and all go by this clock, which the times that
   * verbs are given are of. `onJump` calls back, one, when it was set by that many milliseconds (negative: back). Null: one relay
   * has it for itself, and goes by its machine's.
   */
  readonly shared: { clock: Clock; onJump(listener: (ms: number) => void): void } | null;
  /** From the next write on these hold. */
  configure(settings: StoreSettings): void;
  /** Whether an event could be committed right now (null), or why not. */
  trouble(): string | null;
  /** What SQLite said when it met damage in the database since it was opened; null: it met none. */
  damage(): string | null;
  /** A check has found the database whole since: `damage` is null until SQLite meets some again. */
  disproveDamage(): void;
  /** Whether the process before this one ended without closing the database. */
  wasUnclean(): boolean;
  /** Waits for what was begun, then closes; a second call does nothing. */
  close(): Promise<void>;
};

/** The relay owns the data folder, alone; an operator's command works beside it, on a database that must exist. */
export type StoreRole = "relay" | "operator";

/**
 * `onLost`: the store has lost a file; it takes nothing until it is closed and opened anew. `onThread`: it works on threads of
 * its own, so that this event loop waits for no disk; for a clock and randomness of the machine.
 */
export type StoreOptions = { role: StoreRole; onLost?(): void; onThread?: boolean };
