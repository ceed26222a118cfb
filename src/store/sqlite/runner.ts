import type Database from "better-sqlite3";
import type { Sums } from "../core/rows/tallies.ts";
import type { Job, Statement, Tx, Value } from "../core/tx.ts";
import type { Counted, TallyKind } from "../counts.ts";
import type { Sql } from "./rows/sql.ts";

/** What a transaction offers beside its statements. */
export type Surroundings = Omit<Tx, "get" | "all" | "changed" | "write" | "tally">;

type Prepared = Database.Statement<Value[], unknown>;

/**
 * How many characters of statements are kept that were made for one question, and may come again, as lists are asked with the
 * same filters: to prepare one takes longer than to run it. One with 1,501 places takes some hundred kB of memory.
 */
const KEPT = 100_000;

/**
 * Runs jobs on a connection. Every answer of `tx` is a promise that is resolved already: a batch of jobs takes turns of the
 * microtask queue only, and nothing else of the event loop comes between them. The transaction around is the caller's. `sums`
 * gets what jobs that succeed have counted.
 */
export function createRunner(
  db: Sql,
  surroundings: Surroundings,
  sums: Pick<Sums, "add">,
): <T>(job: Job<T>) => Promise<T> {
  const known = new WeakMap<Statement, Prepared>();
  /** By their text; the one that was used last is the last. */
  const kept = new Map<string, Prepared>();
  let characters = 0;

  function prepare(statement: Statement): Prepared {
    const found = known.get(statement);
    if (found !== undefined) return found;
    const { text } = statement;
    const prepared = kept.get(text) ?? db.prepare<Value[], unknown>(text);
    known.set(statement, prepared);
    if (!kept.delete(text)) characters += text.length;
    kept.set(text, prepared);
    for (const [oldest] of kept) {
      if (characters <= KEPT || oldest === text) break;
      kept.delete(oldest);
      characters -= oldest.length;
    }
    return prepared;
  }

  /** The `tx` of one job. */
  class JobTx {
    #isOver = false;
    readonly #counted: [TallyKind, string, Counted][] = [];

    // Async, so that an error rejects: a throw between the promises of one `Promise.all` would leave one without a handler.
    async get(statement: Statement, values: Value[]): Promise<unknown> {
      return this.#prepare(statement).get(...values);
    }

    async all(statement: Statement, values: Value[]): Promise<unknown[]> {
      return this.#prepare(statement).all(...values);
    }

    async changed(statement: Statement, values: Value[]): Promise<number> {
      return this.#prepare(statement).run(...values).changes;
    }

    write(statement: Statement, values: Value[]): void {
      this.#prepare(statement).run(...values);
    }

    tally(...counted: [TallyKind, string, Counted]): void {
      this.#counted.push(counted);
    }

    /** Its work was done. */
    addUp(): void {
      for (const [kind, label, counted] of this.#counted) sums.add(surroundings.now(), kind, label, counted);
    }

    end(): void {
      this.#isOver = true;
    }

    /** A promise that was not awaited must not reach the transaction of another job. */
    #prepare(statement: Statement): Prepared {
      if (this.#isOver) throw new Error(`a statement came after the end of its job: ${statement.text}`);
      return prepare(statement);
    }
  }
  Object.assign(JobTx.prototype, surroundings);

  return async (job) => {
    const tx = new JobTx();
    try {
      // The lock is the transaction itself: nothing else writes meanwhile.
      const row = job.lock === null ? undefined : prepare(job.lock as Statement).get(job.key);
      const result = await job.run(tx as unknown as Tx, row as never);
      tx.addUp();
      return result;
    } finally {
      tx.end();
    }
  };
}
