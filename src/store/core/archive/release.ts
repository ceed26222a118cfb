import * as reaches from "../retention/reached.ts";
import * as retained from "../retention/retained.ts";
import { ALL } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import { queueRow } from "./marks.ts";

// Events leave the queue: retention looks at them again, and at their deliveries.

type Settled = { id: number; settled_at: number | null };

const EVENT = sql<[number], { deliveries: number }>("SELECT deliveries FROM events WHERE id = ?");
const COLUMNS = "d.id, d.settled_at FROM deliveries d";
const OWN = sql<[number, number], Settled>(`SELECT ${COLUMNS} WHERE d.id > ? AND d.id <= ? ORDER BY d.id`);
const REPLAYS = sql<[number], Settled>(`SELECT ${COLUMNS} WHERE d.event = ? AND d.replay > 0 ORDER BY d.id`);

/** An event's own deliveries, then its replays. */
export async function deliveriesOf(tx: Tx, event: number): Promise<Settled[]> {
  const [row, replays] = await Promise.all([tx.get(EVENT, [event]), tx.all(REPLAYS, [event])]);
  const own = row === undefined || row.deliveries === 0 ? [] : await tx.all(OWN, [event, event + row.deliveries]);
  return [...own, ...replays];
}

export async function release(tx: Tx, events: number[], now: number): Promise<void> {
  const reached = await reaches.read(tx);
  await Promise.all(
    events.map(async (event) => {
      const [queued, sent] = await Promise.all([queueRow(tx, event), deliveriesOf(tx, event)]);
      if (queued === null) return;
      retained.drop(tx, queued);
      // At 0: it was due once, and what is not due after all is put off then.
      if (event <= reached.bodies) retained.keep(tx, "body", 0, event);
      for (const { id, settled_at } of sent)
        if (id <= reached.attempts) retained.keep(tx, "attempts", settled_at ?? now, id);
    }),
  );
}

/** The same for the first of the queue, where nothing is archived any longer; returns whether there may be more. */
export async function releaseSome(tx: Tx, limit: number, now: number): Promise<boolean> {
  const rows = await retained.due(tx, "archive", ALL, limit);
  for (const row of rows) retained.drop(tx, row);
  await release(
    tx,
    rows.map(({ id }) => id),
    now,
  );
  return rows.length === limit;
}
