import { statSync } from "node:fs";
import { errorLine } from "../errors.ts";
import { runOwnProcess } from "../platform/own-process.ts";
import type { Ports } from "../ports.ts";
import type { Backups } from "../store/backups.ts";
import { RESTORE } from "../store/check-tables.ts";
import type { IntegrityCheck, Store } from "../store/store.ts";

/** Milliseconds: how old the last proof may become, how soon after a start, and how often it is looked whether one is due. */
const EVERY = 24 * 60 * 60_000;
const FIRST_AFTER = 60_000;
const LOOK_EVERY = 15 * 60_000;

/** A check reads a snapshot of a table, and the log grows meanwhile: not where it is this long already, in bytes. */
const LONG_LOG = 256 * 2 ** 20;

/** Checks a database: what is wrong with it; rejects where that could not be found out. */
export type CheckDatabase = (signal: AbortSignal) => Promise<string[]>;

/** By a process of its own (`wochit-relay doctor --database PATH`). */
export function checkProcess(database: string, self: { command: string; args: string[] }): CheckDatabase {
  return async (signal) => {
    const { stdout, lastLine, code, killedBy } = await runOwnProcess(self, ["doctor", "--database", database], signal);
    signal.throwIfAborted();
    if (stdout === "") throw new Error(lastLine || `the process ended with ${killedBy ?? code}`);
    return (JSON.parse(stdout) as { wrong: string[] }).wrong;
  };
}

export type Integrity = {
  /** What is wrong with the database, as far as is known; null: nothing. */
  damage(): string | null;
  stop(): Promise<void>;
};

/**
 * Looks once a day, after a start that no clean end came before, after one that followed a bad check, and where the store has
 * met damage, whether the database is whole. A verified backup that is younger is as good a proof: its copy was read whole. Damage is an error in the log, with
 * the way out; events are taken all the same.
 */
export function startIntegrityChecks(options: {
  store: Pick<Store, "damage" | "disproveDamage" | "wasUnclean" | "lastCheck" | "noteCheck"> & {
    backups: Pick<Backups, "last">;
  };
  database: string;
  ports: Pick<Ports, "clock" | "log">;
  check: CheckDatabase;
}): Integrity {
  const { store, database, check } = options;
  const { clock, log } = options.ports;
  const stopped = new AbortController();
  let last: IntegrityCheck | null = null;
  let isFirst = true;
  /** What the store had met when the last check began, which found damage too: that needs no other check. */
  let checked: string | null = null;
  let turn = Promise.resolve();
  let cancel = clock.after(FIRST_AFTER, look);

  async function isDue(): Promise<boolean> {
    const now = clock.now();
    last ??= await store.lastCheck();
    if (store.damage() !== checked) return true;
    if (isFirst && (store.wasUnclean() || (last !== null && last.wrong.length > 0))) return true;
    const backup = await store.backups.last();
    const proven = Math.max(last?.at ?? 0, backup?.at ?? 0);
    // A clock that was set back makes no proof of the future.
    return now - proven >= EVERY || proven > now;
  }

  async function run(): Promise<void> {
    if (!(await isDue()) || isLogLong(database)) return;
    isFirst = false;
    const began = clock.elapsed();
    const met = store.damage();
    const wrong = await check(stopped.signal);
    const ms = Math.round(clock.elapsed() - began);
    if (wrong.length === 0) log.info("database checked, it is whole", { database, ms });
    else log.error("the database is damaged", { database, wrong: wrong.slice(0, 3), ms, do: RESTORE });
    checked = wrong.length === 0 ? null : met;
    // As of a disk that failed for a while.
    if (wrong.length === 0 && store.damage() === met) store.disproveDamage();
    last = { at: clock.now(), wrong: wrong.slice(0, 10) };
    await store.noteCheck(last);
  }

  function look(): void {
    turn = run()
      .catch((error) => {
        if (!stopped.signal.aborted) log.warn("the database could not be checked", { error: errorLine(error) });
      })
      .then(() => {
        if (!stopped.signal.aborted) cancel = clock.after(LOOK_EVERY, look);
      });
  }

  return {
    damage: () => store.damage() ?? last?.wrong[0] ?? null,
    async stop() {
      stopped.abort(new Error("the relay stops"));
      cancel();
      await turn;
    },
  };
}

function isLogLong(database: string): boolean {
  return (statSync(`${database}-wal`, { throwIfNoEntry: false })?.size ?? 0) > LONG_LOG;
}
