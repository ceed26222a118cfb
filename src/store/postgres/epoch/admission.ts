import { RelayError } from "../../../errors.ts";
import type { Clock, Log, Random } from "../../../ports.ts";
import { stateOf } from "../wire/errors.ts";
import type { Admit } from "../wire/pool.ts";
import { beginEpoch, readState, type State } from "./begin.ts";
import type { KnownLife } from "./life.ts";
import { holdAs, PROGRAM } from "./programs.ts";

type Options = { life: KnownLife; clock: Clock; random: Random; log: Log; program?: number };

/**
 * Looks at each new connection before its first use. Another server than the one that the epoch is of, by its identity or by
 * its timeline, may lack what was committed, and gives ids of transactions again: its first connection begins a new epoch,
 * before anything is read or written there. Asked of the connection itself, because a server's name may lead elsewhere by now;
 * a server that takes writes keeps its timeline for as long as the connection lasts.
 */
export function createAdmission({ life, clock, random, log, program = PROGRAM }: Options): Admit {
  const isOther = ({ server, here, number, epoch }: State) => {
    if (server !== here) return true;
    if (!life.isKnown()) return false;
    // The same server in the same timeline, put back to what it was before the epoch that is known.
    const known = life.now();
    return number < known.number || (number === known.number && epoch !== known.epoch);
  };

  return async ({ ask, transaction }) => {
    let state: State;
    try {
      // In this order: who raises the oldest ends those who hold less after that.
      [, state] = await Promise.all([ask(holdAs(program)), readState(ask)]);
    } catch (error) {
      if (!NO_SUCH.test(stateOf(error) ?? "")) throw error;
      // There are no tables of ours yet; who opens the store looks at that.
      if (!life.isKnown()) return;
      throw new RelayError("store_unavailable", "the database of store.url has no tables of wochit-relay any more");
    }
    if (state.oldest > program) throw tooOld(state, program, life.isKnown());
    if (isOther(state)) {
      const { server: from, here: to } = state;
      const seen = life.isKnown() ? life.now().number : 0;
      const now = clock.now();
      // A database that was away for long, and is back on another server, is no older one.
      const answeredAt = life.touchedAt() || now;
      const begin = { now, seen, answeredAt, random, isWanted: isOther, restoredBy: null };
      const number = await transaction((tx) => beginEpoch(tx, begin));
      if (number !== null)
        log.warn("PostgreSQL is another server, or in another life: a new epoch", { from, to, number });
    }
    if (!life.isKnown() || state.mark !== life.now().mark || isOther(state)) await life.read(ask);
  };
}

/** A table or a column that is not there. */
const NO_SUCH = /^42(P01|703)$/;

/** A relay that runs takes nothing then; it does not end. */
function tooOld({ oldest }: State, program: number, isRunning: boolean): RelayError {
  const line = `the database of store.url asks for a wochit-relay that knows schema ${oldest}, this one knows ${program}; run the newer one`;
  return new RelayError(isRunning ? "store_unavailable" : "conflict", line);
}
