import * as meta from "../../core/rows/meta.ts";
import { bringForward } from "../../core/rules.ts";
import { type Job, job, sql, type Tx } from "../../core/tx.ts";

// The database's clock was set back: each relay notices it, within seconds, and the first one moves what is due. How far it was
// set back in all is written down with that, and each relay knows how far it was by what it has seen itself.

/** Relays measure it a little differently, in milliseconds. */
const SAME = 500;

const NAME = "set-back";

const SET_SEEN = sql<[number, number]>("UPDATE nodes SET seen_at = ? WHERE seen_at > ?");

const read = async (tx: Tx) => Number((await meta.readText(tx, NAME)) ?? 0);

/** How far it was set back, as far as what is due was moved; milliseconds. */
export const setBack = (): Job<number> => job(read);

/** The same, after what is due was moved by what is lacking up to `seen`, by this relay or by another one. */
export const follow = (seen: number, now: number): Job<number> =>
  job(async (tx) => {
    const moved = await read(tx);
    if (seen - moved < SAME) {
      meta.setSeenTime(tx, now);
      return moved;
    }
    await bringForward(tx, seen - moved, now);
    // A relay that has ended is not seen in the future.
    tx.write(SET_SEEN, [now, now]);
    meta.writeText(tx, NAME, String(seen));
    return seen;
  });
