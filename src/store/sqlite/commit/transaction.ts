import type Database from "better-sqlite3";
import type { Clock } from "../../../ports.ts";
import { isEngineTrouble } from "./engine-errors.ts";

export type Result = { value: unknown } | { error: unknown };

/** What a transaction came to, and how long its statements and its commit took, in milliseconds. */
export type Committed = { results: Result[]; worked: number; synced: number };

/** `isAlone`: what it writes is undone alone where it fails. */
type Work = (how: { isAlone: boolean }) => unknown;

/**
 * Runs pieces of work, one after the other, as one transaction; rejects, with everything rolled back, when the engine itself
 * is in trouble. A savepoint copies every page that it is the first to touch: there are none until a row turns out to be
 * bad, and then the whole batch is done again with one for each.
 */
export function createTransaction(
  db: Database.Database,
  {
    begun,
    ending,
    undone,
    clock,
  }: {
    begun(): void;
    /** Writes what is left to be written, before the commit. */
    ending?(): Promise<void> | undefined;
    undone(): void;
    clock: Pick<Clock, "elapsed">;
  },
): (batch: Work[]) => Promise<Committed> {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const savepoint = db.prepare("SAVEPOINT one");
  const release = db.prepare("RELEASE one");
  const undo = db.prepare("ROLLBACK TO one");

  async function inTransaction(batch: Work[], isEachAlone: boolean): Promise<Committed> {
    const at = clock.elapsed();
    begin.run();
    try {
      begun();
      const results: Result[] = [];
      for (const work of batch) {
        results.push(isEachAlone ? await alone(work) : { value: await work({ isAlone: false }) });
      }
      await ending?.();
      const done = clock.elapsed();
      commit.run();
      return { results, worked: done - at, synced: clock.elapsed() - done };
    } catch (error) {
      if (db.inTransaction) rollback.run();
      undone();
      throw error;
    }
  }

  async function alone(work: Work): Promise<Result> {
    savepoint.run();
    try {
      const value = await work({ isAlone: true });
      release.run();
      return { value };
    } catch (error) {
      if (isEngineTrouble(error)) throw error;
      undo.run();
      release.run();
      undone();
      return { error };
    }
  }

  return async (batch) => {
    try {
      return await inTransaction(batch, false);
    } catch (error) {
      if (isEngineTrouble(error)) throw error;
      return inTransaction(batch, true);
    }
  };
}
