import type { EndpointState } from "../../../model/delivery.ts";
import { countGone, GONE } from "../../../rules/gone.ts";
import { sql, type Tx } from "../tx.ts";
import type { DeliveryRow } from "./lanes.ts";

/** `gone`: the video for which it last answered 410; 0: its last answer was another one. */
type EndpointRow = { id: string; paused_at: number | null; reason: string | null; gone: number };

// The state of endpoints. One of which nothing is known has no row.

const BY_ID = sql<[string], EndpointRow>("SELECT * FROM endpoints WHERE id = ?");
const ALL = sql<[], EndpointRow>("SELECT * FROM endpoints ORDER BY id");
const SET_GONE = sql<[string, number]>(
  "INSERT INTO endpoints (id, gone) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET gone = excluded.gone",
);
const SET_PAUSED = sql<[string, number | null, string | null]>(
  `INSERT INTO endpoints (id, paused_at, reason) VALUES (?, ?, ?)
   ON CONFLICT (id) DO UPDATE SET paused_at = excluded.paused_at, reason = excluded.reason, gone = 0`,
);

export const isPaused = async (tx: Tx, endpoint: string) => (await tx.get(BY_ID, [endpoint]))?.paused_at != null;

/** Pauses an endpoint that is gone (rules/gone.ts). True when this answer does. */
export async function pauseGone(
  tx: Tx,
  { endpoint, video }: DeliveryRow,
  status: number | null,
  now: number,
): Promise<boolean> {
  const { gone: before, paused_at } = (await tx.get(BY_ID, [endpoint])) ?? { gone: 0, paused_at: null };
  // Attempts that were under way when it was paused: their answers leave the pause as it is.
  if (paused_at !== null) return false;
  const { gone, pauses } = countGone(before, video, status);
  if (pauses) tx.write(SET_PAUSED, [endpoint, now, GONE]);
  else if (gone !== before) tx.write(SET_GONE, [endpoint, gone]);
  return pauses;
}

export async function list(tx: Tx): Promise<EndpointState[]> {
  return (await tx.all(ALL, [])).map((row) => ({ endpoint: row.id, pausedAt: row.paused_at, reason: row.reason }));
}

export const pause = (tx: Tx, endpoint: string, reason: string, now: number) =>
  tx.write(SET_PAUSED, [endpoint, now, reason]);

export const resume = (tx: Tx, endpoint: string) => tx.write(SET_PAUSED, [endpoint, null, null]);
