import { statSync } from "node:fs";
import { errorLine } from "../errors.ts";
import { runOwnProcess } from "../platform/processes/own-process.ts";
import { every } from "../platform/timing.ts";
import type { Ports } from "../ports.ts";
import type { Backups } from "../store/backups.ts";
import { LONG_LOG, RESTORE } from "../store/check-tables.ts";
import type { IntegrityCheck, Store } from "../store/store.ts";

/** Milliseconds: the age at which a proof is renewed, the wait after a start, and the interval at which this is judged. */
const PROOF_LASTS = 24 * 60 * 60_000;
const FIRST_AFTER = 60_000;
const LOOK_EVERY = 15 * 60_000;

/** Resolves with what is wrong with a database; rejects where it could not be checked. */
export type CheckDatabase = (signal: AbortSignal) => Promise<string[]>;

/** A check in a process of its own (`wochit-relay doctor --database PATH`). */
export function checkProcess(database: string, self: { command: string; args: string[] }): CheckDatabase {
  return async (signal) =>
    (await runOwnProcess<{ wrong: string[] }>(self, ["doctor", "--database", database], signal)).wrong;
}

export type Integrity = {
  /** What is known to be wrong with the database; null: nothing. */
  damage(): string | null;
  stop(): Promise<void>;
};

/**
 * Checks whether the database is whole: once a day, after a start that follows an unclean end or a bad check, and where the store
 * has met damage. A younger verified backup is as good a proof, since its copy was read whole. Damage is an error in the log,
 * with the remedy; the relay keeps taking events.
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
  /** The damage that the store had met before the last check, which confirmed it: no other check is needed for it. */
  let checked: string | null = null;
  let turn = Promise.resolve();
  const cancel = every(LOOK_EVERY, clock, look, { first: FIRST_AFTER });

  async function isDue(): Promise<boolean> {
    const now = clock.now();
    last ??= await store.lastCheck();
    if (store.damage() !== checked) return true;
    if (isFirst && (store.wasUnclean() || (last !== null && last.wrong.length > 0))) return true;
    const backup = await store.backups.last();
    const proven = Math.max(last?.at ?? 0, backup?.at ?? 0);
    // A proof in the future comes from before the clock was set back.
    return now - proven >= PROOF_LASTS || proven > now;
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
    // The disk failed for a while only.
    if (wrong.length === 0 && store.damage() === met) store.disproveDamage();
    last = { at: clock.now(), wrong: wrong.slice(0, 10) };
    await store.noteCheck(last);
  }

  function look(): Promise<void> {
    turn = run().catch((error) => {
      if (!stopped.signal.aborted) log.warn("the database could not be checked", { error: errorLine(error) });
    });
    return turn;
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
