import type Database from "better-sqlite3";
import { isEngineTrouble } from "./engine-errors.ts";

export type Result = { value: unknown } | { error: unknown };

type Work = () => unknown;

/**
 * Runs pieces of work, one after the other, as one transaction; rejects, with everything rolled back, when the engine itself
 * is in trouble. A savepoint copies every page that it is the first to touch: there are none until a row turns out to be
 * bad, and then the whole batch is done again with one for each.
 */
export function createTransaction(
  db: Database.Database,
  { begun, undone }: { begun(): void; undone(): void },
): (batch: Work[]) => Promise<Result[]> {
  const begin = db.prepare("BEGIN IMMEDIATE");
  const commit = db.prepare("COMMIT");
  const rollback = db.prepare("ROLLBACK");
  const savepoint = db.prepare("SAVEPOINT one");
  const release = db.prepare("RELEASE one");
  const undo = db.prepare("ROLLBACK TO one");

  async function inTransaction(batch: Work[], isEachAlone: boolean): Promise<Result[]> {
    begin.run();
    try {
      begun();
      const results: Result[] = [];
      for (const work of batch) results.push(isEachAlone ? await alone(work) : { value: await work() });
      commit.run();
      return results;
    } catch (error) {
      if (db.inTransaction) rollback.run();
      undone();
      throw error;
    }
  }

  async function alone(work: Work): Promise<Result> {
    savepoint.run();
    try {
      const value = await work();
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
