import * as linkSecrets from "../media/link-secrets.ts";
import { idAt } from "../rows/paging.ts";
import * as tallies from "../rows/tallies.ts";
import { sql, type Tx } from "../tx.ts";

// What is kept for an age of its own, whatever the config says: who changed what, what happened within each hour, and secrets
// of links until they end.

/** A year and a month, in milliseconds. */
const KEPT = 400 * 86_400_000;

const FIRST = sql<[number], unknown>("SELECT 1 FROM audit WHERE id < ? LIMIT 1");
const DROP = sql<[number, number]>(
  "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE id < ? ORDER BY id LIMIT ?)",
);

/** Whether something is older than that, or has ended. */
export async function isAny(tx: Tx, now: number): Promise<boolean> {
  const [entry, tally, secret] = await Promise.all([
    tx.get(FIRST, [idAt(now - KEPT)]),
    tallies.isAnyBefore(tx, now - KEPT),
    linkSecrets.isAnyEnded(tx, now),
  ]);
  return entry !== undefined || tally || secret;
}

/** Removes some of it; returns whether there may be more. */
export async function prune(tx: Tx, { now, limit }: { now: number; limit: number }): Promise<boolean> {
  linkSecrets.dropEnded(tx, now);
  if ((await tx.changed(DROP, [idAt(now - KEPT), limit])) === limit) return true;
  return tallies.dropBefore(tx, now - KEPT, limit);
}
