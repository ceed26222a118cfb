import { setImmediate } from "node:timers";
import { errorLine, RelayError } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { createTrouble, pauseAfter } from "../core/trouble.ts";
import type { Job } from "../core/tx.ts";
import type { Batch, Result } from "./batch.ts";
import { type Kind, kindOf } from "./locks.ts";

/** How long a write that fails is tried again before its caller fails (CONTRACT, "Public listener"), in milliseconds. */
const PATIENCE = 10_000;

/** How long one try may take, in milliseconds: another one may find another server. */
const LONGEST_TRY = 5_000;

/** Writes of one transaction, by their kind, and their bytes: of those that stop all others, fewer. */
const MOST: Record<Kind, number> = { videos: 256, claims: 64, media: 16, apart: 64, all: 16 };
const MOST_BYTES = 4 * 2 ** 20;

/** Writes that may wait; more are refused at once, so that waiting holds no memory. */
const MAX_WAITING = 10_000;

/** A transaction that other stores are in the way of is tried at once, this many times at most: of one job, and of several. */
const MOST_TRIES = 20;
const MOST_TRIES_TOGETHER = 3;

/**
 * How a write is run. `bytes`: about how many it writes. `patience`: how long it is tried, in milliseconds; 0: once. `longest`:
 * how long one try may take, where that is more than usual; then it is tried for as long.
 */
export type How = { bytes?: number; patience?: number; longest?: number };

type Write = Required<How> & {
  job: Job<unknown>;
  since: number;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
};

/** What waits for a transaction of one kind; it is tried again later where that is planned. */
type Line = { kind: Kind; writes: Write[]; isRunning: boolean; isPlanned: boolean; failures: number; cancel(): void };

export type Queue = {
  /** Runs a job inside of the next transaction, and resolves with its result once that is committed. It may run several times. */
  write<T>(job: Job<T>, how?: How): Promise<T>;
  /** What is wrong while transactions fail; null when the last one was committed. */
  trouble(): string | null;
  /** Gives up, and resolves when nothing is waiting any more. */
  close(): Promise<void>;
};

type Options = {
  clock: Clock;
  /** Commits a batch, until then (`clock.elapsed`); rejects with all of it undone. */
  commit(batch: Batch, until: number): Promise<Result[]>;
  /** Whether the database is in trouble, as opposed to one bad row. */
  isTrouble(error: unknown): boolean;
  /** Whether it is tried again at once. */
  isPassing(error: unknown): boolean;
  /** Of each commit: how long it took, in seconds, and how many writes it had. */
  committed(commit: { seconds: number; writes: number }): void;
  /** Trouble begins, or has another cause; null: it is over. */
  onTrouble(error: string | null): void;
  probe: Job<unknown>;
};

/**
 * Gathers the writes of a kind that come while a transaction of it is under way into the next one: they share one commit. A
 * transaction that fails for one bad job is done again with each alone; one that meets trouble is tried again. Kinds do not wait
 * for each other: what another store is at holds up only those that are about the same.
 */
export function createQueue(options: Options): Queue {
  const { clock } = options;
  const lineOf = (kind: Kind): Line => ({
    ...{ kind, writes: [], isRunning: false, isPlanned: false, failures: 0, cancel: () => {} },
  });
  const lines = (Object.keys(MOST) as Kind[]).map(lineOf);
  const trouble = createTrouble({
    clock,
    onTrouble: options.onTrouble,
    probe: () => write(options.probe, { patience: 0 }),
  });
  let isGivenUp = false;
  const idlers: (() => void)[] = [];

  const count = () => lines.reduce((sum, { writes }) => sum + writes.length, 0);
  const isIdle = () => lines.every(({ writes, isRunning }) => writes.length === 0 && !isRunning);

  function take({ kind, writes }: Line): Write[] {
    let most = 0;
    for (let bytes = 0; most < writes.length && most < MOST[kind]; most++) {
      bytes += writes[most]!.bytes;
      if (most > 0 && bytes > MOST_BYTES) break;
    }
    return writes.splice(0, most);
  }

  async function run(line: Line): Promise<void> {
    line.isPlanned = false;
    if (line.isRunning) return;
    line.isRunning = true;
    while (line.writes.length > 0 && !line.isPlanned) await commitAll(line, take(line));
    line.isRunning = false;
    if (isIdle()) for (const idler of idlers.splice(0)) idler();
  }

  /** What meets trouble is put back; a bad one takes no other along. */
  async function commitAll(line: Line, writes: Write[]): Promise<void> {
    try {
      return await commit(line, writes);
    } catch (error) {
      if (options.isTrouble(error)) return failed(error, line, writes);
      if (writes.length === 1) return writes[0]!.reject(error);
    }
    for (const [index, write] of writes.entries()) {
      try {
        await commit(line, [write]);
      } catch (error) {
        // In their order: events of one video are numbered as they came.
        if (options.isTrouble(error)) return failed(error, line, writes.slice(index));
        write.reject(error);
      }
    }
  }

  async function commit(line: Line, writes: Write[]): Promise<void> {
    const begun = clock.elapsed();
    const results = await tryCommit(line, writes, 1);
    options.committed({ seconds: (clock.elapsed() - begun) / 1_000, writes: writes.length });
    line.failures = 0;
    trouble.committed();
    trouble.recovered();
    for (const [index, { resolve, reject }] of writes.entries()) {
      const result = results[index]!;
      if ("error" in result) reject(result.error);
      else resolve(result.value as never);
    }
  }

  async function tryCommit(line: Line, writes: Write[], nth: number): Promise<Result[]> {
    try {
      return await options.commit({ kind: line.kind, jobs: writes.map(({ job }) => job) }, untilOf(writes));
    } catch (error) {
      const most = writes.length === 1 ? MOST_TRIES : MOST_TRIES_TOGETHER;
      if (!options.isPassing(error) || nth >= most) throw error;
      return tryCommit(line, writes, nth + 1);
    }
  }

  /** No try takes longer than its callers wait. */
  function untilOf(writes: Write[]): number {
    const now = clock.elapsed();
    const longest = Math.max(LONGEST_TRY, ...writes.map((write) => write.longest));
    const ends = writes.map(({ since, patience }) => (patience === 0 ? Number.POSITIVE_INFINITY : since + patience));
    return Math.max(now, Math.min(now + longest, ...ends));
  }

  function failed(error: unknown, line: Line, writes: Write[]): void {
    const text = errorLine(error);
    const now = clock.elapsed();
    trouble.failed(text, false);
    const all = [...writes, ...line.writes];
    const isLate = ({ since, patience }: Write) => isGivenUp || now - since >= patience || now < since;
    for (const { reject } of all.filter(isLate)) {
      reject(new RelayError("store_unavailable", `could not commit: ${text}`));
    }
    line.writes = all.filter((write) => !isLate(write));
    if (line.writes.length === 0) return;
    line.isPlanned = true;
    line.cancel = clock.after(pauseAfter(line.failures++), () => run(line));
  }

  function write<T>(job: Job<T>, { bytes = 0, patience = PATIENCE, longest = 0 }: How = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (count() >= MAX_WAITING) {
        const why = trouble.now() ?? "the store is busy";
        reject(new RelayError("store_unavailable", `too many writes are waiting: ${why}`));
        return;
      }
      const how = { bytes, patience: patience === 0 ? 0 : Math.max(patience, longest), longest };
      const line = lines.find(({ kind }) => kind === kindOf(job))!;
      line.writes.push({ ...how, job, since: clock.elapsed(), resolve: resolve as (value: never) => void, reject });
      if (line.isPlanned || line.isRunning) return;
      line.isPlanned = true;
      setImmediate(run, line);
    });
  }

  return {
    write,
    trouble: trouble.now,
    async close() {
      isGivenUp = true;
      trouble.giveUp();
      if (isIdle()) return;
      const idle = new Promise<void>((resolve) => {
        idlers.push(resolve);
      });
      for (const line of lines) {
        line.cancel();
        if (line.writes.length > 0) setImmediate(run, line);
      }
      await idle;
    },
  };
}
