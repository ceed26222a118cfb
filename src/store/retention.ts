import { errorLine, RelayError } from "../errors.ts";
import {
  addPruned,
  type Expiry,
  nothingPruned,
  type Pruned,
  prunedRows,
  type StorageReading,
} from "../model/retention.ts";
import { nextSize, sleep } from "../platform/timing.ts";
import type { Clock } from "../ports.ts";
import type { ArchiveVerbs } from "./archive/verbs.ts";

/** The room that a store takes, in bytes. `free`: the part of it that is empty; `givesBack`: it can shrink while it is used. */
export type Space = { bytes: number; free: number; givesBack: boolean };

/** Retention (CONTRACT, "Retention"), in pieces that hold no other writer up. */
export type RetentionVerbs = ArchiveVerbs & {
  /**
   * Prunes some of what has ended before the times of `wish`: at most `limit` events, or attempts. One at a time is at it:
   * null while another than `by` is, who has called within `leaseFor` milliseconds; `takes`: then it is this one's from now on.
   */
  prune(
    wish: Expiry & { limit: number; by: string; leaseFor: number; takes?: boolean },
    now: number,
  ): Promise<(Pruned & { isMore: boolean }) | null>;
  /** Counts some of what `prune` would take; `archived`: events that it would leave to the archive first. `from`: null, or the `next` of the count before; null there: it was the last part. */
  countPrunable(expiry: Expiry, from: string | null): Promise<Pruned & { archived: number; next: string | null }>;
  /** When the oldest event was stored that `prune` has not looked at yet; null: there is none. */
  oldestBody(): Promise<number | null>;
  space(): Promise<Space>;
  /** Keeps a reading, whose `copies` the store knows. */
  noteReading(reading: Omit<StorageReading, "copies">): Promise<void>;
  /** The last one of each of the last days, the oldest first. */
  readings(): Promise<StorageReading[]>;
  /** Gives about this many free bytes back to the disk; nothing where the store cannot. */
  giveBack(bytes: number): Promise<void>;
};

/**
 * Milliseconds. A piece is made smaller when one has taken longer than this, and larger when it was shorter. On a database of several
 * relays (`shared`), where a piece holds only its own videos up, the way there and back takes most of it.
 */
const LONG = 3;
const SHORT = 1.5;

/** Rows of a piece: at first and at least, and at most. The fewest take half a millisecond; what is longer is the disk's. */
const FEWEST = 16;
const MOST = 256;

function sizeAfter(size: number, took: number, isShared: boolean): number {
  if (isShared) return nextSize(size, took, MOST);
  if (took > LONG) return Math.max(FEWEST, Math.floor(size / 2));
  return took < SHORT ? Math.min(MOST, size * 2) : size;
}

/**
 * The shortest pause between two pieces, in milliseconds, and the pause as a multiple of what the piece before took: a store
 * that is busy answers late, and so is asked less.
 */
const PAUSE = 10;
const PAUSE_PER_WORK = 8;

/** Milliseconds after which one that is silent has lost its turn. */
const LEASE = 30_000;

/** Bytes that are given back at once. */
const GIVEN_BACK = 2 ** 18;

type Pruner = Pick<RetentionVerbs, "prune"> & { readonly shared: unknown };
type Pace = { clock: Clock; signal: AbortSignal };

async function pause(took: number, { clock, signal }: Pace): Promise<void> {
  await sleep(Math.max(PAUSE, PAUSE_PER_WORK * took), clock, signal);
}

/**
 * Prunes until nothing is left, with pauses that leave the store to its other work. `isWhole` false: it was aborted, or
 * another is at it. `by`: a name that no other has.
 */
export async function pruneInPieces(
  store: Pruner,
  { expiry, by, takes = false }: { expiry: Expiry; by: string; takes?: boolean },
  { onPiece, ...pace }: Pace & { onPiece?(pruned: Pruned): void },
): Promise<{ pruned: Pruned; isWhole: boolean }> {
  const { clock, signal } = pace;
  const pruned = nothingPruned();
  let limit = FEWEST;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const began = clock.elapsed();
    const piece = await store.prune({ ...expiry, limit, by, leaseFor: LEASE, takes: takes && isFirst }, clock.now());
    if (piece === null) break;
    addPruned(pruned, piece);
    onPiece?.(pruned);
    if (!piece.isMore) return { pruned, isWhole: true };
    const took = clock.elapsed() - began;
    limit = sizeAfter(limit, took, store.shared !== null);
    await pause(took, pace);
  }
  return { pruned, isWhole: false };
}

/**
 * Archives what is queued for it (src/archive). `released`: how many events can then be pruned. `by` as for pruning.
 * RelayError("conflict"): another took over.
 */
export type ArchiveQueued = (by: string, signal: AbortSignal) => Promise<{ archived: number; released: number }>;

/**
 * The same where what goes is archived first, by `archive`: what `prune` left for that, until nothing is left. `archiveError`: why
 * it could not be, in one line; then the rest was pruned, and the store keeps it. `onPiece`: with all that was pruned so far.
 */
export async function pruneArchived(
  store: Pruner & Pick<RetentionVerbs, "noteArchive">,
  wish: { expiry: Expiry; by: string; takes?: boolean; archive: ArchiveQueued | null },
  pace: Pace & { onPiece?(pruned: Pruned): void },
): Promise<{ pruned: Pruned; isWhole: boolean; archived: number; archiveError: string | null }> {
  const { clock, signal } = pace;
  const { archive, ...rest } = wish;
  const pruned = nothingPruned();
  const onPiece = (part: Pruned) => {
    const all = structuredClone(pruned);
    addPruned(all, part);
    pace.onPiece?.(all);
  };
  for (let archived = 0; ; ) {
    const part = await pruneInPieces(store, rest, { ...pace, onPiece });
    addPruned(pruned, part.pruned);
    const so = { pruned, isWhole: part.isWhole, archived };
    if (!part.isWhole || !wish.expiry.archives || archive === null) return { ...so, archiveError: null };
    try {
      const done = await archive(wish.by, signal);
      archived += done.archived;
      if (done.released > 0) continue;
      await store.noteArchive(null, clock.now());
      return { ...so, archived, archiveError: null };
    } catch (error) {
      const isLost = error instanceof RelayError && error.code === "conflict";
      if (isLost || signal.aborted) return { ...so, isWhole: false, archiveError: null };
      await store.noteArchive(errorLine(error), clock.now());
      return { ...so, archiveError: errorLine(error) };
    }
  }
}

/** Gives free room back to the disk, down to `leave` bytes of it; resolves with the bytes given. */
export async function giveBackInPieces(
  store: Pick<RetentionVerbs, "space" | "giveBack">,
  leave: number,
  pace: Pace,
): Promise<number> {
  const { clock, signal } = pace;
  const before = await store.space();
  if (!before.givesBack) return 0;
  let now = before;
  while (now.free > leave && !signal.aborted) {
    const began = clock.elapsed();
    const last = now.bytes;
    await store.giveBack(Math.min(GIVEN_BACK, now.free - leave));
    now = await store.space();
    if (now.bytes >= last) break;
    await pause(clock.elapsed() - began, pace);
  }
  return Math.max(0, before.bytes - now.bytes);
}

/** Keeps a reading of the store, after all that had expired was pruned. */
export async function noteStorage(
  store: Pick<RetentionVerbs, "space" | "noteReading">,
  pruned: Pruned,
  now: number,
): Promise<void> {
  const { bytes, free } = await store.space();
  await store.noteReading({ at: now, pruned: prunedRows(pruned), database: bytes - free });
}

/** The free room that a store of this size is left, in bytes: what comes next takes it, without the disk being asked. */
export function roomToLeave({ bytes, free }: Pick<Space, "bytes" | "free">): number {
  return Math.max(LEAST_ROOM, ROOM_SHARE * (bytes - free));
}

const LEAST_ROOM = 2 ** 24;
const ROOM_SHARE = 0.05;
