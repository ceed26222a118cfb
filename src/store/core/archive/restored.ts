import type { Restored } from "../../../model/archive.ts";
import * as erasures from "../events/erasures.ts";
import * as retained from "../retention/retained.ts";
import { inLanes } from "../rows/named.ts";
import { idAt } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import * as forgetting from "./forgetting.ts";
import { mark, revisionOf } from "./marks.ts";

// Bodies come back from the archive.

type Row = { video: number; isEmpty: number; forgotten_at: number | null };

const ROW = sql<[number], Row>(
  `SELECT e.video, CASE WHEN e.body IS NULL THEN 1 ELSE 0 END AS "isEmpty", v.forgotten_at
   FROM events e LEFT JOIN videos v ON v.id = e.video WHERE e.id = ?`,
);
const RESTORE = sql<[Uint8Array, number]>("UPDATE events SET body = ? WHERE id = ?");

type Wish = { part: number; since: number };

/**
 * Gives events their bodies. `since`: as if it had been seen then that they have ended. They are marked as archived as they are:
 * only what comes to them from now on is archived once more.
 */
export async function restore(
  tx: Tx,
  events: { id: string; body: Uint8Array }[],
  { part, since }: Wish,
): Promise<Restored> {
  const counts: Restored = { restored: 0, present: 0, unknown: 0, erased: 0 };
  const restoreIt = ({ id, body }: (typeof events)[number]) =>
    restoreOne(tx, tx.ids.find("evt", id), body, { part, since });
  const each = await inLanes(tx, events, ({ id }) => id, restoreIt);
  for (const what of each) counts[what]++;
  return counts;
}

async function restoreOne(tx: Tx, event: number, body: Uint8Array, { part, since }: Wish): Promise<keyof Restored> {
  const row = await tx.get(ROW, [event]);
  if (row === undefined) return "unknown";
  if (row.isEmpty === 0) return "present";
  if (await isErased(tx, event, row, part)) return "erased";
  tx.write(RESTORE, [body, event]);
  mark(tx, event, part, (await revisionOf(tx, event))!);
  retained.keep(tx, "body", since, event);
  return "restored";
}

/** Its video was erased after it came, or that is under way. */
async function isErased(tx: Tx, event: number, { video, forgotten_at }: Row, part: number): Promise<boolean> {
  if (forgotten_at !== null && event < idAt(forgotten_at)) return true;
  return (await forgetting.isPlanned(tx, video, part)) || erasures.covers(tx, { video, event });
}
