import type { Job as ClaimedJob } from "../../model/job.ts";
import { createSums } from "../core/rows/tallies.ts";
import { type Job, job, Outdated, sql, type Tx } from "../core/tx.ts";
import type { Numbered } from "../counts.ts";
import { type Life, markOf, OtherLife, readMark } from "./epoch/life.ts";
import { type IdBlocks, MoreIds, noIds } from "./ids.ts";
import { JobTx, type Within } from "./job-tx.ts";
import { holdEndpoint, type Kind, laneOf, locksOf, lockVideos } from "./locks.ts";
import { createRounds, FIRST, type Rounds } from "./rounds.ts";
import { toQuery } from "./statements.ts";
import type { Answer } from "./wire/connection.ts";
import { stateOf } from "./wire/errors.ts";
import type { Transaction } from "./wire/transaction.ts";

/** What a transaction offers beside its statements. */
export type Surroundings = Omit<Tx, OfJob>;
type OfJob = "get" | "all" | "changed" | "write" | "tally" | "count" | "alone" | "horizon" | OfLife | Holding;
type OfLife = "ids" | "epoch" | "claimsFrom";
type Holding = "hold" | "holdEndpoint" | "holdAnswers";

/** What became of one job. */
export type Result = { value: unknown } | { error: unknown };

/** Jobs of one kind. `nth`: of the transactions of that kind that may be under way at once, which one this is. */
export type Batch = { kind: Kind; jobs: Job<unknown>[]; nth?: number };

/** What the jobs of a batch have claimed. */
export function claimedBy({ jobs }: Batch, results: Result[]): ClaimedJob[] {
  return jobs.flatMap((job, index) => {
    const result = results[index]!;
    return "value" in result ? (job.gives?.(result.value) ?? []) : [];
  });
}

/**
 * `token`: the transaction's receipt; `ids`: how many each job has; `life`: what its jobs are run for (epoch/life.ts).
 */
export type Begun = { token: string; ids: number; at: number; node: string; life: Life };

export type Runner = {
  /** Runs jobs inside of a transaction, and sends all that they write. Rejects where it has to be undone. */
  run(transaction: Transaction, batch: Batch, begun: Begun): Promise<Result[]>;
  /** Runs a job that only reads, for this life; rejects with OtherLife where that is another one by now. */
  read<T>(transaction: Transaction, job: Job<T>, life: Life): Promise<T>;
};

const BEGIN = sql<[string, number, string, number, number, number, number], { first: number; names: Uint8Array }>(
  `WITH receipt AS (INSERT INTO receipts (token, at, is_commit) VALUES (?, ?, 1))
   SELECT first, names, set_config('relay.node', ?, true), count_rows('commits', 1) FROM take_ids(?, ?, ?, ?)`,
);

/** A statement before it has failed, a lock's: it was not begun. */
const BEHIND_FAILURE = "25P02";

/** Each session counts in rows of its own (schema/numbers.ts). */
const COUNT = sql<[number, Numbered]>("SELECT count_rows(by => ?, of => ?)");

/**
 * Runs the jobs of a batch, those of different lanes side by side. All locks that are waited for are taken in the first round
 * (locks.ts); what a job reads it reads after that, in statements of their own, and so sees what was committed before it got
 * its lock. Ids are drawn behind the locks, too (schema/numbers.ts).
 */
export function createRunner(surroundings: Surroundings, blocks: IdBlocks): Runner {
  const { relay } = surroundings;
  class OwnTx extends JobTx {}
  // With what they say at the time that they are asked.
  Object.defineProperties(OwnTx.prototype, Object.getOwnPropertyDescriptors(surroundings));

  async function runOne(tx: JobTx, job: Job<unknown>, row: unknown): Promise<unknown> {
    try {
      return await job.run(tx as unknown as Tx, row as never);
    } finally {
      tx.end();
    }
  }

  /** Of the videos that these jobs are about. */
  async function namesOf(jobs: Job<unknown>[], shared: Omit<Within, "lane" | "isHeld">): Promise<string[]> {
    const names = jobs.map(async ({ videos }) => {
      const tx = new OwnTx({ ...shared, lane: 0, isHeld: null });
      return [...(await videos!(tx as unknown as Tx))];
    });
    return (await Promise.all(names)).flat();
  }

  return {
    async run(transaction, { kind, jobs, nth = 0 }, { token, ids: each, at, node, life }) {
      const rounds = createRounds(transaction);
      const lanes = lanesOf(jobs);
      const shared = { rounds, life, ids: noIds(life.names), kind, turns: new Map() };
      const locked = locksOf(kind, jobs).map((query) => rounds.ask(FIRST, query));
      if (kind === "several") locked.push(rounds.ask(FIRST, lockVideos(await namesOf(jobs, shared))));
      const firsts = lanes.map(([first], lane) => askFirst(rounds, lane, kind, first!.job));
      const drawing = blocks.draw(each * jobs.length);
      const begin = rounds.ask(lanes.length, toQuery(BEGIN, [token, at, node, ...drawing.asked]));
      // Ids are drawn under a lock of the session: one that was left within would keep it from all stores.
      begin.catch((error) => stateOf(error) !== BEHIND_FAILURE && transaction.cut(error));
      const [answers, { rows: drawn }] = await Promise.all([Promise.all(firsts), begin, ...locked]);
      const { first, names } = drawn[0] as { first: number; names: Uint8Array };
      if (markOf(names) !== life.mark) throw new OtherLife();
      const ids = drawing.open(first, each, life.names);

      const sums = createSums(COUNT);
      const results: Result[] = [];
      async function runLane(lane: number): Promise<void> {
        for (const [place, { job, index }] of lanes[lane]!.entries()) {
          const first = answers[lane]?.rows[0];
          const isHeld = kind === "claims" || kind === "media" ? first!.isHeld === 1 : null;
          const tx = new OwnTx({ ...shared, lane, ids: ids.of(index), isHeld });
          try {
            // The job before it may have changed the row.
            const row = place > 0 && job.lock !== null ? (await askRow(rounds, lane, job))!.rows[0] : first;
            results[index] = { value: await runOne(tx, job, job.lock === null ? undefined : row) };
            tx.addUp(sums, surroundings.now());
          } catch (error) {
            results[index] = { error };
            // What it refused before it changed anything is an answer.
            const isToRunAnew = error instanceof MoreIds || error instanceof Outdated;
            if (tx.hasWritten || rounds.hasFailed() || isToRunAnew) return rounds.fail(error);
          }
        }
      }

      try {
        await Promise.all(lanes.map((_, lane) => runLane(lane)));
        if (!sums.isEmpty() && !rounds.hasFailed()) {
          const tx = new OwnTx({ ...shared, lane: 0, isHeld: null });
          // Several transactions may add to one sum at one time.
          const writer = `${relay.writer}/${kind}${nth || ""}`;
          await runOne(Object.assign(tx, { relay: { ...relay, writer } }), job(sums.write), undefined);
        }
        rounds.end();
      } finally {
        ids.end();
      }
      return results;
    },

    async read(transaction, job, life) {
      const rounds = createRounds(transaction);
      const ids = noIds(life.names);
      const tx = new OwnTx({ rounds, life, lane: 0, ids, kind: "all", isHeld: null, turns: new Map() });
      const look = async () => {
        const { rows } = await rounds.ask(0, readMark);
        if (markOf(rows[0]?.value) !== life.mark) throw new OtherLife();
      };
      // One that sees each moment may have seen a name that came to be while it ran; the others see one moment only.
      const looked = job.isLive ? null : look();
      looked?.catch(() => {});
      try {
        return (await runOne(tx, job as Job<unknown>, undefined)) as never;
      } finally {
        await (looked ?? look());
      }
    },
  };
}

/** What the first job of a lane begins with: the row of its video, or whether its claims are held. */
function askFirst(rounds: Rounds, lane: number, kind: Kind, job: Job<unknown>): Promise<Answer> | undefined {
  return kind === "claims" || kind === "media"
    ? rounds.ask(lane, holdEndpoint(laneOf(job)))
    : askRow(rounds, lane, job);
}

function askRow(rounds: Rounds, lane: number, { lock, key }: Job<unknown>): Promise<Answer> | undefined {
  return lock === null ? undefined : rounds.ask(lane, toQuery(lock, [key!]));
}

/** The jobs of each lane, in the order of the lanes' names; `index`: which one of all it is. */
function lanesOf(jobs: Job<unknown>[]): { job: Job<unknown>; index: number }[][] {
  const numbered = jobs.map((job, index) => ({ job, index }));
  return [...Map.groupBy(numbered, ({ job }) => laneOf(job))]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([, lane]) => lane);
}
