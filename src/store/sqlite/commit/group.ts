import { setImmediate } from "node:timers";
import type Database from "better-sqlite3";
import { codeOf, errorLine, RelayError } from "../../../errors.ts";
import type { Clock } from "../../../ports.ts";
import { createTrouble, pauseAfter } from "../../core/trouble.ts";
import { createBatchSize } from "./batch-size.ts";
import { isLocked, isMoved, mayPass } from "./engine-errors.ts";
import { createLines, type Line } from "./lines.ts";
import { type Committed, createTransaction } from "./transaction.ts";

/** How long a commit that fails is tried again before its callers fail (CONTRACT, "Public listener"), in milliseconds. */
const PATIENCE = 10_000;

/** A commit takes no more writes once they have this many bytes. */
const BYTES_PER_COMMIT = 4 * 2 ** 20;

/** While there is trouble a probe writes at least about as much as a large event, in bytes. */
const PROBE = 64 * 2 ** 10;

/** Writes that may wait for a store in trouble; more are refused at once, so that waiting holds no memory. */
const MAX_WAITING = 10_000;

/** Another process's lock is over sooner than a disk's trouble: the longest pause before a commit is tried again, in milliseconds. */
const LONGEST_FOR_LOCK = 25;

export type CommitGroup = {
  /**
   * Runs `work` inside the next commit and resolves with its result once that commit is on disk. `work` may run more than
   * once, each time on a clean slate; it waits for nothing but what is resolved already. `line`: which it waits in (default:
   * work). `bytes`: about how many it writes, where that is much.
   */
  write<T>(work: Work<T>, how?: How): Promise<T>;
  /** Runs `work` between commits: what a commit under way has written is not seen. It waits for as little. */
  read<T>(work: () => Promise<T>): Promise<T>;
  /**
   * What is wrong while commits fail; null when the last one went through, and was as large as those that had failed: on a
   * disk that is nearly full small commits still succeed.
   */
  trouble(): string | null;
  /** Commits a probe, to find out whether it can; while there is trouble one as large as what failed. */
  probe(): Promise<void>;
  /** From now on what fails is not tried again: only a store that is opened anew can help. */
  giveUp(): void;
  /** Gives up, and resolves when nothing is waiting any more. */
  close(): Promise<void>;
};

/** `patience`: how long it is tried, in milliseconds; 0: it fails with the first commit that fails. */
type How = { line?: Line; bytes?: number; patience?: number };

/** `isAlone`: nothing else of its commit goes with it: what it writes has to be written when it ends. */
type Work<T> = (how: { isAlone: boolean }) => T | Promise<T>;

type Write = {
  work: Work<unknown>;
  line: Line;
  bytes: number;
  patience: number;
  since: number;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
};

/**
 * Gathers the writes of an event loop tick into one transaction: hundreds of requests share one fsync, and one bad row
 * takes no neighbour along. A commit that fails is tried again without blocking the loop.
 *
 * Every commit is synced. A commit without a sync would be cheaper for what a restart repeats anyway (a lease, a logged
 * attempt), but after a failed fsync the kernel forgets the pages that it could not write (lwn.net/Articles/752063): frames
 * of an unsynced commit could be missing from the log below a later, acknowledged one, and SQLite's recovery stops at the
 * first frame that is missing.
 */
export function createCommitGroup(
  db: Database.Database,
  options: {
    clock: Clock;
    begun(): void;
    /** Writes what belongs to all of a commit, before it. */
    ending?(): Promise<void> | undefined;
    undone(): void;
    /** Of each commit: how long it took, and how many writes it had. */
    committed?(commit: { seconds: number; writes: number }): void;
    /** After a commit: why what it holds is not safe all the same; null: it is. Its callers fail, and it is not repeated. */
    lost?(): string | null;
    /** Writes about this many bytes; 0: next to nothing. */
    probe(bytes: number): void;
    /** At each commit that fails; it may make room. */
    onFailure(error: unknown): void;
    /** Trouble begins, or has another cause; null: it is over. */
    onTrouble(error: string | null): void;
  },
): CommitGroup {
  const { clock } = options;
  const trouble = createTrouble({ clock, onTrouble: options.onTrouble, probe });
  const commitAll = createTransaction(db, options);

  const waiting = createLines<Write>();
  const batchSize = createBatchSize();
  let scheduled = false;
  /** Resolves when the commit under way has ended; null: there is none. */
  let committing: Promise<void> | null = null;
  let reading = 0;
  let failures = 0;
  /** The largest write of those that failed since the trouble began, in bytes. */
  let needed = 0;
  /** On a full disk a large write fails, and takes no small one along: each is a commit of its own, and who fails comes last. */
  let isAlone = false;
  let idlers: (() => void)[] = [];
  let givenUp = false;
  let cancelRetry = () => {};

  async function flush(): Promise<void> {
    // A commit under way goes on with the next one by itself.
    if (committing !== null) return;
    scheduled = false;
    if (waiting.count() === 0) return next();
    // Reads end in the turn of the event loop in which they began.
    if (reading > 0) return schedule();
    const batch = waiting.take(isAlone ? 1 : batchSize.now(waiting.count()), BYTES_PER_COMMIT);
    let ended = () => {};
    committing = new Promise((resolve) => {
      ended = resolve;
    });
    let committed: Committed;
    try {
      committed = await commitAll(batch.map(({ work }) => work));
    } catch (error) {
      failed(error, batch);
      return;
    } finally {
      committing = null;
      ended();
    }
    const { results } = committed;
    batchSize.learn({ ...committed, writes: batch.length });
    options.committed?.({ seconds: (committed.worked + committed.synced) / 1_000, writes: batch.length });
    const lost = options.lost?.() ?? null;
    if (lost !== null) {
      trouble.say(lost);
      for (const { reject } of batch) reject(new RelayError("store_unavailable", lost));
      next();
      return;
    }
    failures = 0;
    trouble.committed();
    if (largest(batch) >= needed) recovered();
    for (const [index, { resolve, reject }] of batch.entries()) {
      const result = results[index]!;
      if ("error" in result) reject(result.error);
      else resolve(result.value as never);
    }
    next();
  }

  function recovered(): void {
    needed = 0;
    isAlone = false;
    trouble.recovered();
  }

  function next(): void {
    if (waiting.count() > 0) schedule();
    else {
      isAlone = false;
      for (const idler of idlers) idler();
      idlers = [];
    }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  }

  function failed(error: unknown, batch: Write[]): void {
    const line = errorLine(error);
    const now = clock.elapsed();
    needed = Math.max(needed, largest(batch));
    waiting.putBack(batch, isAlone ? "last" : "first");
    isAlone = codeOf(error) === "SQLITE_FULL";
    trouble.failed(line, !mayPass(error));
    options.onFailure(error);
    const isLate = ({ since, patience }: Write) => givenUp || isMoved(error) || now - since >= patience || now < since;
    for (const { reject } of waiting.drop(isLate)) {
      reject(new RelayError("store_unavailable", `could not commit: ${line}`));
    }
    if (waiting.count() === 0) {
      next();
      return;
    }
    scheduled = true;
    const pause = pauseAfter(failures++);
    cancelRetry = clock.after(isLocked(error) ? Math.min(pause, LONGEST_FOR_LOCK) : pause, flush);
  }

  async function read<T>(work: () => Promise<T>): Promise<T> {
    while (committing !== null) await committing;
    reading++;
    try {
      return await work();
    } finally {
      reading--;
    }
  }

  function write<T>(work: Work<T>, { line = "work", bytes = 0, patience = PATIENCE }: How = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (waiting.count() >= MAX_WAITING) {
        reject(
          new RelayError("store_unavailable", `too many writes are waiting: ${trouble.now() ?? "the store is busy"}`),
        );
        return;
      }
      const since = clock.elapsed();
      waiting.add({ work, line, bytes, patience, since, resolve: resolve as (value: never) => void, reject });
      schedule();
    });
  }

  function probe(): Promise<void> {
    const bytes = trouble.now() === null ? 0 : Math.max(needed, PROBE);
    return write(() => options.probe(bytes), { bytes, patience: 0 });
  }

  function giveUp(): void {
    givenUp = true;
    trouble.giveUp();
  }

  return {
    write,
    read,
    probe,
    trouble: trouble.now,
    giveUp,
    async close() {
      giveUp();
      if (waiting.count() === 0 && committing === null) return;
      const idle = new Promise<void>((resolve) => {
        idlers.push(resolve);
      });
      cancelRetry();
      setImmediate(flush);
      await idle;
    },
  };
}

function largest(batch: Write[]): number {
  return Math.max(...batch.map(({ bytes }) => bytes));
}
