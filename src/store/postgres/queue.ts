import { setImmediate } from "node:timers";
import { errorLine, RelayError } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import type { Job } from "../core/tx.ts";
import type { Batch, Result } from "./batch.ts";
import { type Kind, kindOf } from "./locks.ts";

/** How long a write that fails is tried again before its caller fails (CONTRACT, "Public listener"), in milliseconds. */
export const PATIENCE = 10_000;

/** Writes of one transaction, by their kind, and their bytes: of those that stop all others, fewer. */
const MOST: Record<Kind, number> = { videos: 256, claims: 64, media: 16, apart: 64, all: 16 };
const MOST_BYTES = 4 * 2 ** 20;

/** Shorter trouble is not reported: a failover, another store's deadlock. */
const WORTH_TELLING = 1_000;

/** While there is trouble a probe is made this often. */
const PROBE_EVERY = 5_000;

/** Writes that may wait; more are refused at once, so that waiting holds no memory. */
const MAX_WAITING = 10_000;

/** A job that other stores are in the way of is tried at once, this many times at most. */
const MOST_TRIES = 20;

/** Before a transaction is tried again, in milliseconds. */
const PAUSES = [2, 5, 10, 25, 50, 100, 250];

/** How a write is run. `bytes`: about how many it writes; `patience`: how long it is tried, in milliseconds; 0: once. */
export type How = { bytes?: number; patience?: number };

type Write = {
  job: Job<unknown>;
  bytes: number;
  patience: number;
  since: number;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
};

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
  /** Commits a batch; rejects with all of it undone. */
  commit(batch: Batch): Promise<Result[]>;
  /** Whether the database is in trouble, as opposed to one bad row. */
  isTrouble(error: unknown): boolean;
  /** Whether it is tried again at once, each job alone. */
  isPassing(error: unknown): boolean;
  /** Of each commit: how long it took, in seconds, and how many writes it had. */
  committed(commit: { seconds: number; writes: number }): void;
  /** Trouble begins, or has another cause; null: it is over. */
  onTrouble(error: string | null): void;
  probe: Job<unknown>;
};

/**
 * Gathers the writes that come while a transaction is under way into the next one: they share one commit. A transaction that
 * fails for one bad job is done again with each alone; one that meets trouble is tried again.
 */
export function createQueue(options: Options): Queue {
  const { clock } = options;
  const lines: Record<Kind, Write[]> = { videos: [], claims: [], media: [], apart: [], all: [] };
  /** The kinds, the one that has waited longest first. */
  const turns: Kind[] = ["videos", "claims", "media", "apart", "all"];
  let isRunning = false;
  let isScheduled = false;
  let failures = 0;
  let failingSince: number | null = null;
  let trouble: string | null = null;
  let isGivenUp = false;
  const idlers: (() => void)[] = [];
  let cancelRetry = () => {};
  let cancelProbe = () => {};

  const count = () => turns.reduce((sum, kind) => sum + lines[kind].length, 0);

  /** The next of some kind; of those that wait each has its turn. */
  function take(): { kind: Kind; writes: Write[] } {
    const kind = turns.find((one) => lines[one].length > 0)!;
    turns.push(...turns.splice(turns.indexOf(kind), 1));
    const line = lines[kind];
    let most = 0;
    for (let bytes = 0; most < line.length && most < MOST[kind]; most++) {
      bytes += line[most]!.bytes;
      if (most > 0 && bytes > MOST_BYTES) break;
    }
    return { kind, writes: line.splice(0, most) };
  }

  async function run(): Promise<void> {
    isScheduled = false;
    if (isRunning) return;
    isRunning = true;
    while (count() > 0 && !isScheduled) {
      const { kind, writes } = take();
      await commitAll(kind, writes);
    }
    isRunning = false;
    if (count() > 0) return;
    for (const idler of idlers.splice(0)) idler();
  }

  /** What meets trouble is put back; a bad one takes no other along. */
  async function commitAll(kind: Kind, writes: Write[]): Promise<void> {
    try {
      return await commit(kind, writes);
    } catch (error) {
      if (options.isTrouble(error)) return failed(error, kind, writes);
      if (writes.length === 1) return writes[0]!.reject(error);
    }
    for (const [index, write] of writes.entries()) {
      try {
        await commit(kind, [write]);
      } catch (error) {
        // In their order: events of one video are numbered as they came.
        if (options.isTrouble(error)) return failed(error, kind, writes.slice(index));
        write.reject(error);
      }
    }
  }

  async function commit(kind: Kind, writes: Write[]): Promise<void> {
    const begun = clock.elapsed();
    const results = await commitOnce(kind, writes, 1);
    options.committed({ seconds: (clock.elapsed() - begun) / 1_000, writes: writes.length });
    recovered();
    for (const [index, { resolve, reject }] of writes.entries()) {
      const result = results[index]!;
      if ("error" in result) reject(result.error);
      else resolve(result.value as never);
    }
  }

  async function commitOnce(kind: Kind, writes: Write[], nth: number): Promise<Result[]> {
    try {
      return await options.commit({ kind, jobs: writes.map(({ job }) => job) });
    } catch (error) {
      const isRepeated = writes.length === 1 && options.isPassing(error) && nth < MOST_TRIES;
      if (!isRepeated) throw error;
      return commitOnce(kind, writes, nth + 1);
    }
  }

  function failed(error: unknown, kind: Kind, writes: Write[]): void {
    const line = errorLine(error);
    const now = clock.elapsed();
    failingSince ??= now;
    lines[kind].unshift(...writes);
    if (now - failingSince >= WORTH_TELLING) say(line);
    const isLate = ({ since, patience }: Write) => isGivenUp || now - since >= patience || now < since;
    for (const each of turns) {
      for (const { reject } of lines[each].filter(isLate)) {
        reject(new RelayError("store_unavailable", `could not commit: ${line}`));
      }
      lines[each] = lines[each].filter((write) => !isLate(write));
    }
    if (count() === 0) return;
    isScheduled = true;
    cancelRetry = clock.after(PAUSES[Math.min(failures++, PAUSES.length - 1)]!, run);
  }

  function recovered(): void {
    failures = 0;
    failingSince = null;
    cancelProbe();
    if (trouble === null) return;
    trouble = null;
    options.onTrouble(null);
  }

  function say(line: string): void {
    if (trouble === line) return;
    trouble = line;
    options.onTrouble(line);
    probeLater();
  }

  /** With no event and no job on its way, nothing else would find out that the trouble is over. */
  function probeLater(): void {
    cancelProbe();
    if (isGivenUp) return;
    cancelProbe = clock.after(PROBE_EVERY, () => {
      write(options.probe, { patience: 0 })
        .catch(() => {})
        .finally(() => trouble !== null && probeLater());
    });
  }

  function write<T>(job: Job<T>, { bytes = 0, patience = PATIENCE }: How = {}): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (count() >= MAX_WAITING) {
        reject(new RelayError("store_unavailable", `too many writes are waiting: ${trouble ?? "the store is busy"}`));
        return;
      }
      const one = { job, bytes, patience, since: clock.elapsed(), resolve: resolve as (value: never) => void, reject };
      lines[kindOf(job)].push(one);
      schedule();
    });
  }

  function schedule(): void {
    if (isScheduled || isRunning) return;
    isScheduled = true;
    setImmediate(run);
  }

  return {
    write,
    trouble: () => trouble,
    async close() {
      isGivenUp = true;
      cancelProbe();
      if (count() === 0 && !isRunning) return;
      const idle = new Promise<void>((resolve) => {
        idlers.push(resolve);
      });
      cancelRetry();
      setImmediate(run);
      await idle;
    },
  };
}
