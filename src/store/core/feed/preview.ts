import type { Preview } from "../../feed.ts";
import { bodyGone } from "../archive/hint.ts";
import { messageIdOf } from "../deliveries/claims.ts";
import type { DeliveryRow } from "../deliveries/lanes.ts";
import * as events from "../events/events.ts";
import { sql, type Tx } from "../tx.ts";
import { partsOf } from "./feed.ts";

// What would be sent now.

const OWN = sql<[string, number], DeliveryRow>(
  `SELECT d.* FROM events e CROSS JOIN deliveries d
   WHERE d.id BETWEEN e.id + 1 AND e.id + e.deliveries AND d.endpoint || '' = ? AND e.id = ?`,
);
const REPLAYED = sql<[string, number], DeliveryRow>(
  "SELECT * FROM deliveries WHERE endpoint = ? AND event = ? AND replay > 0 ORDER BY id DESC LIMIT 1",
);

export async function read(tx: Tx, eventId: string, endpoint: string): Promise<Preview> {
  const event = await events.show(tx, eventId);
  const id = tx.ids.read("evt", event.id);
  const [parts, replayed, own] = await Promise.all([
    partsOf(tx, id),
    tx.get(REPLAYED, [endpoint, id]),
    tx.get(OWN, [endpoint, id]),
  ]);
  if (parts.body === null) throw await bodyGone(tx, id);
  const row = replayed ?? own;
  if (row === undefined) return { event, parts, delivery: null };
  const delivery = {
    ...{ id: tx.ids.show("dlv", row.id), messageId: messageIdOf(tx, row), replay: row.replay > 0 },
    ...{ attempts: row.attempts, hasEnded: row.settled_at !== null },
  };
  return { event, parts, delivery };
}
