import type { Clock } from "../../domain.ts";
import { RelayError } from "../../errors.ts";
import { LATEST_TIME } from "../../plausible-time.ts";
import type { Sql } from "./sql.ts";

/** Ids made in one millisecond; more than that run ahead of the clock, which harms nothing. */
export const PER_MS = 1024;

/**
 * Ids beyond this are not counted as taken. Up to here a number is exact (2^53 is the year 2248), and counting up
 * from an id of any plausible time never reaches it. Databases of version 0.2.0 may hold ids beyond it, of a clock
 * that was wrong; new ones go on below those.
 */
const LIMIT = Number.MAX_SAFE_INTEGER - 2 ** 40;

/** Names by which ids leave the store. */
export type Prefix = "evt" | "med" | "dlv" | "qrn" | "msg" | "job" | "tgt" | "bak";

export type Ids = {
  /** A number greater than all before (up to LIMIT): by time (so a restored database repeats none), by commit order within it. */
  next(): number;
  /** The first of `size` numbers without a gap. */
  block(size: number): number;
  /** Ids up to here are taken (by another process, or before this one began). */
  taken(id: number): void;
};

export function createIds(clock: Clock): Ids {
  let last = 0;
  function block(size: number): number {
    const now = clock.now();
    const first = Math.max(last + 1, now < LATEST_TIME ? Math.floor(now) * PER_MS : 0);
    last = first + size - 1;
    return first;
  }
  return {
    next: () => block(1),
    block,
    taken(id) {
      if (id > last) last = id;
    },
  };
}

const TABLES = [
  "deliveries",
  "events",
  "media",
  "videos",
  "duplicates",
  "past_contexts",
  "imports",
  "transfers",
  "targets",
  "backups",
  "quarantine",
];

/** Returns a read of the newest id of all tables, up to LIMIT; 0: there is none. */
export function newestId(db: Sql): () => number {
  const each = TABLES.map((table) => `coalesce((SELECT max(id) FROM ${table} WHERE id <= ${LIMIT}), 0)`);
  const newest = db.prepare<[], { id: number }>(`SELECT max(${each.join(", ")}) AS id`);
  return () => newest.get()!.id;
}

/** `evt_` and eleven base-32 digits; texts sort as their numbers do. */
export function showId(prefix: Prefix, id: number): string {
  return `${prefix}_${id.toString(32).padStart(11, "0")}`;
}

/** The number behind a shown id; RelayError("not_found") for anything that is none. */
export function readId(prefix: Prefix, text: string): number {
  if (text.length !== 15 || !text.startsWith(`${prefix}_`) || !/^[0-9a-v]{11}$/.test(text.slice(4))) {
    throw new RelayError("not_found", `no ${NOUN[prefix]} ${JSON.stringify(text.slice(0, 80))}`);
  }
  return Number.parseInt(text.slice(4), 32);
}

const NOUN: Record<Prefix, string> = {
  evt: "event",
  med: "medium",
  dlv: "delivery",
  qrn: "quarantined body",
  msg: "message",
  job: "job",
  tgt: "target",
  bak: "backup",
};
