import { errorLine } from "../../../errors.ts";
import type { Log } from "../../../ports.ts";
import { isDamage } from "./engine-errors.ts";

/** Remembers, and logs once until it is disproved, that SQLite met damage in the database. */
export function createDamage(log: Pick<Log, "error">) {
  let line: string | null = null;
  function note(error: unknown): void {
    if (line !== null || !isDamage(error)) return;
    line = errorLine(error);
    log.error("the database is damaged: doctor says what to do", { error: line });
  }
  return {
    note,
    seen: () => line,
    /** A check has found the database whole: what is met from now on is damage anew. */
    disprove(): void {
      line = null;
    },
    /** Runs a read, whose error passes through. */
    async heed<T>(work: () => Promise<T>): Promise<T> {
      try {
        return await work();
      } catch (error) {
        note(error);
        throw error;
      }
    },
  };
}
