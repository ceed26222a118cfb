import { setImmediate } from "node:timers";
import { errorLine, RelayError } from "../../errors.ts";
import type { Clock } from "../../ports.ts";
import { createTrouble, pauseAfter } from "../core/trouble.ts";
import type { Job } from "../core/tx.ts";
import type { Batch, Result } from "./batch.ts";
import { type Kind, kindOf } from "./locks.ts";
import { NotKnown } from "./receipts.ts";

/** How long a write that fails is tried again before its caller fails (CONTRACT, "Public listener"), in milliseconds. */
const PATIENCE = 10_000;

/** How long one try may take, in milliseconds: another one may find another server. */
const LONGEST_TRY = 5_000;

/**
 * How long one has at least, also where a caller's time ends sooner, in milliseconds: else one write that has waited long would fail
 * all that are with it, and so would the next one, for as long as others come. One that fails after that is followed by one of fewer writes.
 */
const SHORTEST_TRY = 2_000;

/** Writes of one transaction, by their kind, and their bytes: of those that stop others, or are long, fewer. */
const MOST: Record<Kind, number> = { videos: 128, several: 8, claims: 64, media: 16, apart: 64, all: 16 };
const MOST_BYTES = 4 * 2 ** 20;

/**
 * Transactions of a kind that are under way at once: while the server works on one, the next one is made ready. It is begun once
 * this many wait for it: of small ones each costs as much as a large one.
 */
const AT_ONCE: Record<Kind, number> = { videos: 2, several: 1, claims: 1, media: 1, apart: 1, all: 1 };
const WORTH_ANOTHER = 16;

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

/**
 * What waits for a transaction of one kind; it is tried again later where that is planned. `most`: how many writes that takes;
 * `free`: which ones may begin; `busy`: the videos of those under way, whose next writes wait for them.
 */
type Line = {
  kind: Kind;
  writes: Write[];
  most: number;
  free: number[];
  busy: Set<string>;
  isPlanned: boolean;
  failures: number;
  cancel(): void;
};

export type Queue = {
  /** Runs a job inside of the next transaction, and resolves with its result once that is committed. It may run several times. */
  write<T>(job: Job<T>, how?: How): Promise<T>;
  /** What is wrong while transactions fail; null when the last one was committed. */
  trouble(): string | null;
  /** Gives up, and resolves when nothing is waiting any more. */
  close(): Promise<void>;
};

/** By `clock.elapsed`: how long a try may go on, and until when it is asked for where its end was not heard. */
export type Time = { until: number; asked(): number };

type Options = {
  clock: Clock;
  /** Commits a batch; rejects with all of it undone, or with NotKnown. */
  commit(batch: Batch, time: Time): Promise<Result[]>;
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
    ...{
      kind,
      writes: [],
      most: MOST[kind],
      free: Array.from({ length: AT_ONCE[kind] }, (_, nth) => nth),
      busy: new Set(),
    },
    ...{ isPlanned: false, failures: 0, cancel: () => {} },
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
  const isRunning = ({ kind, free }: Line) => free.length < AT_ONCE[kind];
  const isIdle = () => lines.every((line) => line.writes.length === 0 && !isRunning(line));
  const mayBegin = (line: Line) => !isRunning(line) || (line.free.length > 0 && line.writes.length >= WORTH_ANOTHER);

  function take(line: Line): Write[] {
    const { writes, most, busy } = line;
    const taken: Write[] = [];
    const left: Write[] = [];
    let at = 0;
    for (let bytes = 0; at < writes.length && taken.length < most; at++) {
      const write = writes[at]!;
      const { key } = write.job;
      if (key !== null && busy.has(key)) {
        left.push(write);
        continue;
      }
      bytes += write.bytes;
      if (taken.length > 0 && bytes > MOST_BYTES) break;
      taken.push(write);
    }
    line.writes = left.concat(writes.slice(at));
    return taken;
  }

  /** Their callers are answered, or gone; what is tried once is left. */
  function dropLate(line: Line): void {
    const now = clock.elapsed();
    const isLate = ({ since, patience }: Write) => patience > 0 && now - since >= patience;
    const [late = [], rest = []] = [true, false].map((is) => line.writes.filter((write) => isLate(write) === is));
    line.writes = rest;
    for (const { reject } of late)
      reject(new RelayError("store_unavailable", "could not commit: too many writes come before it"));
  }

  function run(line: Line): void {
    line.isPlanned = false;
    while (mayBegin(line) && !line.isPlanned) {
      dropLate(line);
      const writes = take(line);
      if (writes.length === 0) break;
      void runOne(line, writes);
    }
    if (isIdle()) for (const idler of idlers.splice(0)) idler();
  }

  async function runOne(line: Line, writes: Write[]): Promise<void> {
    const nth = line.free.shift()!;
    const keys = writes.flatMap(({ job }) => job.key ?? []);
    for (const key of keys) line.busy.add(key);
    await commitAll(line, writes, nth);
    for (const key of keys) line.busy.delete(key);
    line.free.unshift(nth);
    if (!line.isPlanned) run(line);
  }

  /** What meets trouble is put back; a bad one takes no other along. */
  async function commitAll(line: Line, writes: Write[], nth: number): Promise<void> {
    const begun = clock.elapsed();
    try {
      await commit(line, writes, nth);
      line.most = Math.min(2 * line.most, MOST[line.kind]);
      return;
    } catch (error) {
      if (clock.elapsed() - begun >= SHORTEST_TRY) line.most = Math.ceil(writes.length / 4);
      if (options.isTrouble(error)) return failed(error, line, writes, writes);
      if (writes.length === 1) return writes[0]!.reject(error);
    }
    for (const [index, write] of writes.entries()) {
      try {
        await commit(line, [write], nth);
      } catch (error) {
        // In their order: events of one video are numbered as they came.
        if (options.isTrouble(error)) return failed(error, line, [write], writes.slice(index));
        write.reject(error);
      }
    }
  }

  async function commit(line: Line, writes: Write[], nth: number): Promise<void> {
    const begun = clock.elapsed();
    const results = await tryCommit({ kind: line.kind, jobs: writes.map(({ job }) => job), nth }, writes);
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

  async function tryCommit(batch: Batch, writes: Write[], tries = 1): Promise<Result[]> {
    try {
      return await options.commit(batch, timeOf(writes));
    } catch (error) {
      const most = writes.length === 1 ? MOST_TRIES : MOST_TRIES_TOGETHER;
      if (!options.isPassing(error) || tries >= most) throw error;
      return tryCommit(batch, writes, tries + 1);
    }
  }

  /** No try takes much longer than its callers wait. */
  function timeOf(writes: Write[]): Time {
    const now = clock.elapsed();
    const longest = Math.max(LONGEST_TRY, ...writes.map((write) => write.longest));
    const ends = writes.flatMap(({ since, patience }) => (patience === 0 ? [] : since + patience));
    const until = Math.max(now + SHORTEST_TRY, Math.min(now + longest, ...ends));
    const asked = ends.length === 0 ? until : Math.max(until, Math.min(...ends));
    return { until, asked: () => (isGivenUp ? until : asked) };
  }

  /** `writes`: what is put back; `tried`: those of them that the transaction was of. */
  function failed(error: unknown, line: Line, tried: Write[], writes: Write[]): void {
    const text = errorLine(error);
    const now = clock.elapsed();
    trouble.failed(text, false);
    const all = [...writes, ...line.writes];
    const mayBeDone = (write: Write) => error instanceof NotKnown && tried.includes(write);
    const isLate = ({ since, patience }: Write) => isGivenUp || now - since >= patience || now < since;
    const isOver = (write: Write) => mayBeDone(write) || isLate(write);
    for (const { reject } of all.filter(isOver)) {
      reject(new RelayError("store_unavailable", `could not commit: ${text}`));
    }
    line.writes = all.filter((write) => !isOver(write));
    if (line.writes.length === 0 || line.isPlanned) return;
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
      if (line.isPlanned || !mayBegin(line)) return;
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
