import type { RefusalReason, StoredEvent } from "./event.ts";
import type { JobState } from "./job.ts";

/** What is done to many: `deliveries retry` and `cancel`, `events replay`, `quarantine reprocess`. */
export type TaskVerb = "retry" | "cancel" | "replay" | "reprocess";

/**
 * What the relay does for long, as a whole: `media verify`, `media move`, `backup`, `prune`, `archive verify`, `archive restore`.
 * After a restart it is begun again; what was moved by then stays moved.
 */
export const RUN_VERBS = ["verify", "move", "backup", "prune", "verifyArchive", "restoreArchive"] as const;
export type RunVerb = (typeof RUN_VERBS)[number];

export const isRun = (verb: TaskVerb | RunVerb): verb is RunVerb => RUN_VERBS.some((one) => one === verb);

/** What one is asked for. Times are milliseconds since 1970; `rate` is in bytes a second. */
export type RunOptions = {
  videoId?: string | undefined;
  kind?: string | undefined;
  since?: number | undefined;
  until?: number | undefined;
  /** Of `verify`: downloads again what is missing or damaged. */
  mend?: boolean | undefined;
  /** Of `move`: deletes what was moved where it was. */
  deleteSource?: boolean | undefined;
  rate?: number | undefined;
};

/** What one came to, beside what it counted on its way. `error`: what is wrong with those that failed. */
export type RunOutcome = { total: number; done: number; failed: number; error: string | null };

/** "counting": what it takes is counted, and nothing is done before that was confirmed. */
export type TaskState = "counting" | "queued" | "running" | "done" | "canceled" | "failed";

/** Which rows are meant. Times are milliseconds since 1970; `until` is excluded. */
export type TaskFilter = {
  since?: number | undefined;
  until?: number | undefined;
  /** Of a replay: where it goes. */
  endpoint?: string | undefined;
  /** Of deliveries; without it a retry takes dead ones, a cancel all that have not ended. */
  state?: JobState | undefined;
  /** In place of `state`: of these. */
  states?: JobState[] | undefined;
  eventId?: string | undefined;
  /** Deliveries that were named; without `state`, in any in which the verb can be done to them. */
  ids?: string[] | undefined;
  videoId?: string | undefined;
  /** Of deliveries: exactly what the last attempt failed with. */
  error?: string | undefined;
  /** Of deliveries: only those that failed, with their last attempt since then. */
  failedSince?: number | undefined;
  /** Of events, or those that are delivered: types, or patterns ("draft.*"). Of events, notices are only taken by name. */
  types?: string[] | undefined;
  /** Of events; with `endpoint`, by the deliveries to it. */
  status?: StoredEvent["status"] | undefined;
  context?: string | undefined;
  /** Of events: a part of their video's title. */
  q?: string | undefined;
  contextMissing?: boolean | undefined;
  reason?: RefusalReason | undefined;
  /** Of refused bodies: the address that they came from. */
  source?: string | undefined;
};

export type TaskWish = {
  verb: TaskVerb;
  filter: TaskFilter;
  /** Of a replay: only where the newest delivery of the event to the endpoint is dead. */
  onlyDead?: boolean;
  /** Of a replay: under a new `webhook-id`, made from task and event. */
  newId?: boolean;
};

export type Task = Omit<TaskWish, "verb" | "filter"> & {
  id: string;
  verb: TaskVerb | RunVerb;
  filter: TaskFilter & RunOptions;
  /** Who asked for it: "cli". */
  by: string;
  /** At most this many a second; null: no limit. */
  rate: number | null;
  state: TaskState;
  /** How many matched; null while they are counted. */
  total: number | null;
  done: number;
  /** Those that could not be done, and why the last of them could not (`error`). */
  failed: number;
  /** Of one that is done: those that had changed meanwhile. */
  skipped: number;
  createdAt: number;
  endedAt: number | null;
  error: string | null;
  /** While it is counted: when it is given up where that was cut off. */
  countingUntil: number | null;
};

/** A claimed task. `claim` is never given twice with the same id. */
export type TaskJob = Pick<Task, "id" | "verb" | "rate"> & { claim: string };

/** One of what a task takes: a delivery, an event and where it goes, or a refused body. */
export type TaskItem = {
  id: string;
  endpoint: string | null;
  /** The number of the video that it is about; 0: of none, or that is not known. */
  video: number;
  /** Of a refused body: the bytes that are taken in as an event. */
  body?: Uint8Array;
  /** Why it cannot be done. */
  error?: string;
};

/** The next items of a task, in order. `from` and `to`: its places before and after them. */
export type TaskPiece = { items: TaskItem[]; from: string | null; to: string; isLast: boolean };

/**
 * How many match, of how many videos, when the first and the last of their events were received (milliseconds since 1970), and
 * the ids of the first of them.
 */
export type Matching = {
  count: number;
  videos: number;
  sample: string[];
  oldest: number | null;
  newest: number | null;
  byEndpoint: Record<string, number>;
};
