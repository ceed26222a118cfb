import { sql, type Tx } from "../tx.ts";

/** What has to be looked at again: the body of an event, or the attempts of a delivery; or what is to be archived: an event. */
export type What = "body" | "attempts" | "archive";

/** `since`: when it ended, or was seen not to have ended, in milliseconds since 1970; of `archive` the day of its receipt. */
export type Row = { what: What; since: number; id: number };

const DUE = sql<[What, number, number], Row>(
  "SELECT what, since, id FROM retained WHERE what = ? AND since < ? ORDER BY since, id LIMIT ?",
);
const BEHIND = sql<[What, number, number, number, number, number], Row>(
  `SELECT what, since, id FROM retained WHERE what = ? AND since < ? AND since >= ? AND (since > ? OR id > ?)
   ORDER BY since, id LIMIT ?`,
);
const KEEP = sql<[What, number, number]>(
  "INSERT INTO retained (what, since, id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
);
const DROP = sql<[What, number, number]>("DELETE FROM retained WHERE what = ? AND since = ? AND id = ?");

/** Those that may have expired: since before this time, the oldest first. */
export const due = (tx: Tx, what: What, before: number, limit: number) => tx.all(DUE, [what, before, limit]);

export const keep = (tx: Tx, what: What, since: number, id: number) => tx.write(KEEP, [what, since, id]);

export const drop = (tx: Tx, { what, since, id }: Row) => tx.write(DROP, [what, since, id]);

/** The same behind a row, for reading all of them in parts. */
export const dueBehind = (tx: Tx, what: What, before: number, row: { since: number; id: number }, limit: number) =>
  tx.all(BEHIND, [what, before, row.since, row.since, row.id, limit]);
