import { setImmediate } from "node:timers";
import type Database from "better-sqlite3";
import type { Clock } from "../../domain.ts";
import { errorLine, RelayError } from "../../errors.ts";

/** How long a commit that fails is tried again before its callers are told (CONTRACT, 503). */
const PATIENCE = 10_000;

/** At most this many writes share one transaction, so that one commit never holds the event loop for long. */
const PER_COMMIT = 256;
const BYTES_PER_COMMIT = 4 * 2 ** 20;

/** Shorter trouble (another process's commit) is waited out without a word. */
const WORTH_TELLING = 1_000;

/** Writes that may wait for a store in trouble; more are refused at once, so that waiting holds no memory. */
const MAX_WAITING = 10_000;

const PAUSES = [2, 5, 10, 25, 50, 100, 250];

export type CommitGroup = {
  /**
   * Runs `work` inside the next commit and resolves with its result once that commit is on disk. `work` may run more than
   * once, each time on a clean slate. With `forgettable` the commit itself may be lost with the machine's power, never
   * with the process, and costs no fsync: for what a restart does anyway, like freeing a lease. `bytes`: about how many it
   * writes, where that is much.
   */
  write<T>(work: () => T, how?: How): Promise<T>;
  /** What is wrong while commits fail; null when the last one went through. */
  trouble(): string | null;
  /** Resolves when nothing is waiting any more. */
  idle(): Promise<void>;
};

type How = { isForgettable?: boolean; bytes?: number };

type Write = {
  work: () => unknown;
  how: How;
  since: number;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
};
type Result = { value: unknown } | { error: unknown };

/**
 * Gathers the writes of an event loop tick into one transaction: hundreds of requests share one fsync, and one bad row
 * takes no neighbour along. A commit that fails is tried again without blocking the
 * loop; `onFull` may free space when the disk is full.
 */
export function createCommitGroup(
  db: Database.Database,
  options: { clock: Clock; begun(): void; undone(): void; onFull(): void; onTrouble(error: string | null): void },
): CommitGroup {
  const { clock } = options;
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const savepoint = db.prepare("SAVEPOINT one");
  const release = db.prepare("RELEASE one");
  const undo = db.prepare("ROLLBACK TO one");

  let isSynced = true;
  let waiting: Write[] = [];
  let scheduled = false;
  let failures = 0;
  let failingSince: number | null = null;
  let trouble: string | null = null;
  let idlers: (() => void)[] = [];

  function flush(): void {
    scheduled = false;
    const batch = waiting.slice(0, batchSize());
    let results: Result[];
    try {
      results = commitAll(batch);
    } catch (error) {
      failed(error);
      return;
    }
    waiting = waiting.slice(batch.length);
    failures = 0;
    failingSince = null;
    if (trouble !== null) {
      trouble = null;
      options.onTrouble(null);
    }
    for (const [index, { resolve, reject }] of batch.entries()) {
      const result = results[index]!;
      if ("error" in result) reject(result.error);
      else resolve(result.value as never);
    }
    next();
  }

  function batchSize(): number {
    let bytes = 0;
    let size = 0;
    while (size < waiting.length && size < PER_COMMIT && (size === 0 || bytes < BYTES_PER_COMMIT)) {
      bytes += waiting[size++]!.how.bytes ?? 0;
    }
    return size;
  }

  function next(): void {
    if (waiting.length > 0) schedule();
    else {
      for (const idler of idlers) idler();
      idlers = [];
    }
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    setImmediate(flush);
  }

  /**
   * One transaction; throws, with everything rolled back, when the engine itself is in trouble. A savepoint copies every
   * page that it is the first to touch: there are none until a row turns out to be bad, and then the whole batch is done
   * again with one for each.
   */
  function commitAll(batch: Write[]): Result[] {
    syncCommits(batch.some((write) => !write.how.isForgettable));
    try {
      return inTransaction(() => batch.map(({ work }) => ({ value: work() })));
    } catch (error) {
      if (isEngineTrouble(error)) throw error;
      return inTransaction(() => batch.map(inSavepoint));
    }
  }

  /** In WAL mode NORMAL leaves the fsync to the next FULL commit, or to the checkpoint (sqlite.org/pragma.html#pragma_synchronous). */
  function syncCommits(synced: boolean): void {
    if (synced !== isSynced) db.pragma(`synchronous = ${synced ? "FULL" : "NORMAL"}`);
    isSynced = synced;
  }

  function inTransaction(run: () => Result[]): Result[] {
    begin.run();
    try {
      options.begun();
      const results = run();
      commit.run();
      return results;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      options.undone();
      throw error;
    }
  }

  function inSavepoint({ work }: Write): Result {
    savepoint.run();
    try {
      const value = work();
      release.run();
      return { value };
    } catch (error) {
      if (isEngineTrouble(error)) throw error;
      undo.run();
      release.run();
      options.undone();
      return { error };
    }
  }

  function failed(error: unknown): void {
    const line = errorLine(error);
    const now = clock.elapsed();
    failingSince ??= now;
    if (trouble !== line && now - failingSince >= WORTH_TELLING) {
      trouble = line;
      options.onTrouble(line);
    }
    if (isFull(error)) options.onFull();
    const isLate = ({ since }: Write) => now - since >= PATIENCE || now < since;
    for (const write of waiting.filter(isLate)) {
      write.reject(new RelayError("store_unavailable", `could not commit for ${PATIENCE / 1000} s: ${line}`));
    }
    waiting = waiting.filter((write) => !isLate(write));
    if (waiting.length === 0) {
      next();
      return;
    }
    scheduled = true;
    clock.after(PAUSES[Math.min(failures++, PAUSES.length - 1)]!, flush);
  }

  return {
    write<T>(work: () => T, how: How = {}): Promise<T> {
      return new Promise<T>((resolve, reject) => {
        if (waiting.length >= MAX_WAITING) {
          reject(new RelayError("store_unavailable", `too many writes are waiting: ${trouble ?? "the store is busy"}`));
          return;
        }
        waiting.push({ work, how, since: clock.elapsed(), resolve: resolve as (value: never) => void, reject });
        schedule();
      });
    },
    trouble: () => trouble,
    idle: () =>
      waiting.length === 0
        ? Promise.resolve()
        : new Promise((resolve) => {
            idlers.push(resolve);
          }),
  };
}

/** Trouble of the engine or the disk, as opposed to one bad row: SQLITE_FULL, IOERR, BUSY and their kin. */
function isEngineTrouble(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR|BUSY|LOCKED|READONLY|CANTOPEN|NOMEM|CORRUPT|NOTADB|PROTOCOL|PERM|AUTH|INTERRUPT)/.test(
    codeOf(error),
  );
}

function isFull(error: unknown): boolean {
  return /^SQLITE_(FULL|IOERR)/.test(codeOf(error));
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}
