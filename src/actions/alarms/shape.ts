import type { AlarmWords, Severity } from "../../model/alert.ts";
import type { Medium } from "../../model/medium.ts";
import type { EndpointJson } from "../endpoints.ts";
import type { Stranger } from "./strangers.ts";

/** What is known of the relay. Times are milliseconds since 1970; null: it is not known, or there is none. */
export type Facts = {
  now: number;
  /** Whether a relay works on the database. */
  isRunning: boolean;
  /** Why events cannot be committed, and why copies cannot be made. */
  storeTrouble: string | null;
  targetTrouble: string | null;
  endpoints: Pick<
    EndpointJson,
    | "id"
    | "url"
    | "state"
    | "reason"
    | "failingSince"
    | "pausedAt"
    | "waiting"
    | "pending"
    | "running"
    | "dead"
    | "oldest"
  >[];
  /** The next link to die of those that are not saved. */
  nextMedium: Pick<Medium, "id" | "kind" | "videoId" | "deadline" | "lastError"> | null;
  /** Media whose link died unsaved within a day, and whether there are more than were counted. */
  expired: { count: number; isCut: boolean };
  /** Media that were given up within a day while their links may live, and why the newest was. */
  failed: { count: number; isCut: boolean; lastError: string | null };
  /** Refused requests of a day that a wrong setting may have refused, by reason. */
  refused: { reason: "source" | "token" | "size"; count: number; isCut: boolean; lastFrom: string }[];
  /** Addresses that are not allowed, and sent events within a day; the most frequent first. */
  unknownSenders: Pick<Stranger, "address" | "count" | "isPrivate">[];
  lastEventAt: number | null;
  /** Bytes. `downloads`: below so much free none is begun; 0: none ever is. */
  disk: { free: number; needed: number; downloads: number } | null;
  /** `every`: how often one is to be made, milliseconds; null: none is planned. */
  backup: { every: number | null; lastAt: number | null; failure: string | null; bornAt: number | null };
  /** Since when, and why, what is to be pruned cannot be archived; null: it can. */
  archive: { since: number; error: string } | null;
};

/** What is said of one that stands. `page`: a path of the dashboard. */
export type Standing = Pick<AlarmWords, "what" | "means" | "commands"> & { page: string };

/** `subject`: which it is, where several of a name may stand: each has its own course (store/core/alerts). */
export type Judged = Standing & { subject?: string };

export type Rule = {
  severity: Severity;
  /** For how long it must stand before it begins, milliseconds. */
  holds: number;
  /** `judge` sees to that itself: it knows since when. */
  isHeld?: true;
  /** It begins only in these hours of UTC, from and below. */
  beginsBetween?: readonly [number, number];
  judge(facts: Facts): Judged[];
};
