import type { Acceptance } from "../../store.ts";
import { sql, type Tx } from "../tx.ts";

// Duplicates (CONTRACT, "Duplicate").

// What repeats an event that was erased brings its body back no more than the event does.
const INSERT_DUPLICATE = sql<[number, number, string, Uint8Array, number]>(
  `INSERT INTO duplicates (id, event, received_at, source, body)
     SELECT ?, id, ?, ?, CASE WHEN body IS NULL THEN body ELSE ? END FROM events WHERE id = ?`,
);
const COUNT_DUPLICATE = sql<[number]>("UPDATE events SET duplicates = duplicates + 1 WHERE id = ?");
const RECEIVED_AT = sql<[number], { received_at: number }>("SELECT received_at FROM events WHERE id = ?", ["int8"]);

/** The first of two equal events with nothing of their video in between, if it is recent enough. */
export async function firstOf(
  tx: Tx,
  { event, receivedAt: now }: Acceptance,
  video: { last_event: number | null; last_fingerprint: string | null },
): Promise<number | null> {
  const { dedupeWindow } = tx.settings;
  if (dedupeWindow === 0 || event.fingerprint === null || video.last_event === null) return null;
  if (video.last_fingerprint !== event.fingerprint) return null;
  const first = await tx.get(RECEIVED_AT, [video.last_event]);
  return first && Math.abs(now - first.received_at) <= dedupeWindow ? video.last_event : null;
}

/** Counts one on the first. */
export function count(tx: Tx, first: number, { receivedAt, sourceAddress, body }: Acceptance): void {
  tx.write(COUNT_DUPLICATE, [first]);
  tx.write(INSERT_DUPLICATE, [tx.ids.next(), receivedAt, sourceAddress, body, first]);
}
