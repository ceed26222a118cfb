import type Database from "better-sqlite3";
import { sleep } from "../../../platform/timing.ts";
import type { Ports } from "../../../ports.ts";

/** How long one try holds writers up at most, the pause before the next, and how long it is tried; milliseconds. */
const HOLD = 20;
const PAUSE = 50;
const PATIENCE = 5_000;

/**
 * Moves all that is in the write-ahead log into the database, and makes the log empty: it holds pages as they were, and what was
 * erased from them. It waits for other connections that read or write; where that takes too long it says so in the log.
 */
export async function emptyLog(
  db: Database.Database,
  clock: Ports["clock"],
  log: Pick<Ports["log"], "warn">,
): Promise<void> {
  for (const began = clock.elapsed(); !isEmptied(db); await sleep(PAUSE, clock)) {
    if (clock.elapsed() - began < PATIENCE) continue;
    const fact = "what was erased is still in the write-ahead log: another process reads the database";
    return log.warn(fact, { file: `${db.name}-wal` });
  }
}

function isEmptied(db: Database.Database): boolean {
  const patience = Number(db.pragma("busy_timeout", { simple: true }));
  db.pragma(`busy_timeout = ${HOLD}`);
  try {
    // The first blocks no writer, and leaves next to nothing for the second, which does.
    db.pragma("wal_checkpoint(PASSIVE)");
    const [done] = db.pragma("wal_checkpoint(TRUNCATE)") as { busy: number }[];
    return done?.busy === 0;
  } finally {
    db.pragma(`busy_timeout = ${patience}`);
  }
}
