import type Database from "better-sqlite3";
import type { Sums } from "../core/rows/tallies.ts";
import type { Job, Statement, Tx, Value } from "../core/tx.ts";
import type { Counted, Numbered, TallyKind } from "../counts.ts";
import type { Sql } from "./rows/sql.ts";

/** What a transaction offers beside its statements. */
export type Surroundings = Omit<Tx, "get" | "all" | "changed" | "write" | "tally" | "count">;

/** `meets`: for each table of which rows waited when it was run, whether it may see, or change, what is there. */
type Prepared = Database.Statement<Value[], unknown> & { meets: Map<string, boolean> };

/** How many rows one statement adds, the most first. */
const AT_ONCE = [32, 8, 2, 1];

/**
 * How many characters of statements are kept that were made for one question, and may come again, as lists are asked with the
 * same filters: to prepare one takes longer than to run it. One with 1,501 places takes some hundred kB of memory.
 */
const KEPT = 100_000;

export type Runner = {
  /** `isAlone`: all that it writes is written when it ends; else rows that it adds may wait for those of other jobs, until `flush`. */
  run<T>(job: Job<T>, how?: { isAlone: boolean }): Promise<T>;
  /** Writes the rows that wait. */
  flush(): void;
  /** What waits is no longer wanted: its transaction was undone. */
  forget(): void;
};

/**
 * Runs jobs on a connection. Every answer of `tx` is a promise that is resolved already: a batch of jobs takes turns of the
 * microtask queue only, and nothing else of the event loop comes between them. The transaction around is the caller's. `sums`
 * gets what jobs that succeed have counted.
 *
 * Rows that several jobs add to a table are written by one statement: to begin a statement, and to find the place of a row in
 * each index, takes longer than to write it. They wait until something may see them: until a statement names their table.
 * The row of a job's own video is none of them, where no job about that video has added anything.
 */
export function createRunner(db: Sql, surroundings: Surroundings, sums: Pick<Sums, "add" | "count">): Runner {
  const known = new WeakMap<Statement, Prepared>();
  /** By their text; the one that was used last is the last. */
  const kept = new Map<string, Prepared>();
  let characters = 0;
  const adding = new Map<Statement, Value[][]>();
  const adders = new WeakMap<Statement, Map<number, Database.Statement>>();
  /** The videos whose jobs have added the rows that wait. */
  const keys = new Set<string>();

  function prepare(statement: Statement): Prepared {
    const found = known.get(statement);
    if (found !== undefined) return found;
    const { text } = statement;
    const prepared = kept.get(text) ?? Object.assign(db.prepare<Value[], unknown>(text), { meets: new Map() });
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

  function adder(statement: Statement, count: number): Database.Statement {
    const sizes = adders.get(statement) ?? new Map<number, Database.Statement>();
    adders.set(statement, sizes);
    const { into, row, rest } = statement.adds!;
    const prepared = sizes.get(count) ?? db.prepare(`${into} ${Array(count).fill(row).join(", ")} ${rest}`);
    sizes.set(count, prepared);
    return prepared;
  }

  function flush(): void {
    if (adding.size === 0) return;
    const waiting = [...adding];
    forget();
    for (const [statement, rows] of waiting) write(statement, rows);
  }

  /** Writes those that wait for a table that the statement meets. */
  function flushFor({ source, meets }: Prepared): void {
    for (const [statement, rows] of adding) {
      const { table } = statement.adds!;
      let isMet = meets.get(table);
      if (isMet === undefined) {
        isMet = names(source, table);
        meets.set(table, isMet);
      }
      if (!isMet) continue;
      adding.delete(statement);
      write(statement, rows);
    }
  }

  function write(statement: Statement, rows: Value[][]): void {
    for (let at = 0; at < rows.length; ) {
      const size = AT_ONCE.find((most) => most <= rows.length - at)!;
      adder(statement, size).run(...rows.slice(at, at + size).flat());
      at += size;
    }
  }

  function forget(): void {
    adding.clear();
    keys.clear();
  }

  /** The `tx` of one job. */
  class JobTx {
    #isOver = false;
    readonly #counted: [TallyKind, string, Counted][] = [];
    readonly #numbers: [Numbered, number][] = [];

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
      if (statement.adds === undefined) this.#prepare(statement).run(...values);
      else {
        this.#check(statement);
        const rows = adding.get(statement);
        if (rows === undefined) adding.set(statement, [values]);
        else rows.push(values);
      }
    }

    tally(...counted: [TallyKind, string, Counted]): void {
      this.#counted.push(counted);
    }

    count(of: Numbered, by: number): void {
      this.#numbers.push([of, by]);
    }

    /** Its work was done. */
    addUp(): void {
      for (const [kind, label, counted] of this.#counted) sums.add(surroundings.now(), kind, label, counted);
      for (const [of, by] of this.#numbers) sums.count(of, by);
    }

    end(): void {
      this.#isOver = true;
    }

    #prepare(statement: Statement): Prepared {
      this.#check(statement);
      const prepared = prepare(statement);
      if (adding.size > 0) flushFor(prepared);
      return prepared;
    }

    /** A promise that was not awaited must not reach the transaction of another job. */
    #check({ text }: Statement): void {
      if (this.#isOver) throw new Error(`a statement came after the end of its job: ${text}`);
    }
  }
  Object.assign(JobTx.prototype, surroundings);

  async function run<T>({ key, lock, run }: Job<T>, { isAlone } = { isAlone: true }): Promise<T> {
    const tx = new JobTx();
    try {
      // The lock is the transaction itself: nothing else writes meanwhile.
      const locking = lock === null ? null : prepare(lock as Statement);
      if (locking !== null && keys.has(key!)) flushFor(locking);
      const row = locking?.get(key);
      const result = await run(tx as unknown as Tx, row as never);
      if (isAlone || key === null) flush();
      else if (adding.size > 0) keys.add(key);
      tx.addUp();
      return result;
    } catch (error) {
      // Where only this job is undone, no other's rows wait.
      forget();
      throw error;
    } finally {
      tx.end();
    }
  }

  return { run, flush, forget };
}

/** Whether a statement names a table, as the statements of the rules do: after one of these words, or in a list after FROM. */
function names(text: string, table: string): boolean {
  return new RegExp(`\\b(?:FROM|JOIN|INTO|UPDATE)\\s+(?:[\\w ]+,\\s*)*${table}\\b`).test(text);
}
