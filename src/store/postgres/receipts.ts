import { errorLine, RelayError } from "../../errors.ts";
import { sleep } from "../../platform/timing.ts";
import type { Clock, Random } from "../../ports.ts";
import { apart, type Job, sql } from "../core/tx.ts";
import { toQuery } from "./statements.ts";
import type { Wire } from "./wire/open.ts";

// What became of a transaction whose COMMIT was not answered. Each writes its receipt, under a token of its own: it is there
// where the transaction was committed. Who asks writes the same row: so it waits for a transaction that has not ended, and one
// that has not come so far can no longer be committed.

/** Before it is asked again, in milliseconds. */
const PAUSE = 100;

/** A receipt is kept this long, in milliseconds: much longer than its transaction is asked for. */
const KEPT = 3_600_000;

/** The update is written, so that its commit waits for the standby as the asked one had to. */
const ASK = sql<[string, number], { is_commit: number }>(
  `INSERT INTO receipts (token, at, is_commit) VALUES (?, ?, 0)
   ON CONFLICT (token) DO UPDATE SET at = receipts.at RETURNING is_commit`,
);

/** How many are removed at once: some milliseconds. */
const PIECE = 1_000;

const DROP_OLD = sql<[number, number]>(
  `DELETE FROM receipts WHERE token IN
     (SELECT token FROM receipts WHERE at < ? ORDER BY at LIMIT ? FOR UPDATE SKIP LOCKED)`,
);

/** Removes a piece of those that are old by now, and gives whether there may be more; several stores may do so at once. */
export const dropOld = (now: number): Job<boolean> =>
  apart("audit", async (tx) => (await tx.changed(DROP_OLD, [now - KEPT, PIECE])) === PIECE);

/** How often old ones are removed, in milliseconds. */
export const DROP_EVERY = 600_000;

export const newToken = (random: Random) => Buffer.from(random.bytes(16)).toString("hex");

/** It could not be known for as long as callers wait: what may have been done is not done again. */
export class NotKnown extends RelayError {
  constructor(cause: unknown) {
    super("store_unavailable", `it is not known whether it was committed: ${errorLine(cause)}`, { cause });
  }
}

/** Who has just lost an answer asks for this long at least, and one question takes no longer than the other; milliseconds. */
const LEAST = 500;
const LONGEST = 2_000;

/**
 * Whether the transaction with this receipt was committed; if it was not it never will be. It is asked until there is an answer,
 * or until then (`clock.elapsed`): NotKnown.
 */
export async function wasCommitted(
  wire: Pick<Wire, "transaction">,
  token: string,
  { clock, until }: { clock: Clock; until(): number },
): Promise<boolean> {
  const least = clock.elapsed() + LEAST;
  const left = () => Math.max(until(), least) - clock.elapsed();
  for (;;) {
    try {
      const ask = toQuery(ASK, [token, clock.now()]);
      const within = Math.min(Math.max(1, left()), LONGEST);
      const { rows } = await wire.transaction((transaction) => transaction.query(ask), { within });
      return (rows[0] as { is_commit: number }).is_commit === 1;
    } catch (error) {
      if (left() <= 0) throw new NotKnown(error);
      await sleep(PAUSE, clock);
    }
  }
}
