import type { HeldUp } from "../../../model/delivery.ts";
import { sql, type Tx } from "../tx.ts";

/** Deliveries of an endpoint that have failed and are looked at, and those behind one that are counted. */
const LOOKED_AT = 200;
const COUNTED = 1_000;

type Row = {
  id: number;
  event: number;
  error: string;
  failed_by: string | null;
  leads: number;
  behind: number;
};

// What stands behind a delivery that has failed and holds its lane: its endpoint takes all else, and looks healthy.

const OF_LANE =
  "o.video = d.video AND o.endpoint = d.endpoint AND o.settled_at IS NULL AND o.ordered = 1 AND o.aside = 0";

const FAILED = sql<[string, number], Row>(
  `SELECT d.id, d.event, d.last_error AS error, d.failed_by,
     CASE WHEN d.ordered = 1 AND d.aside = 0 AND NOT EXISTS (
       SELECT 1 FROM deliveries o WHERE ${OF_LANE} AND (o.event < d.event OR o.event = d.event AND o.id < d.id)
     ) THEN 1 ELSE 0 END AS leads,
     (SELECT count(*) FROM (SELECT 1 FROM deliveries o WHERE ${OF_LANE} AND o.event >= d.event AND o.id <> d.id
       LIMIT ${COUNTED}) b) AS behind
   FROM (SELECT * FROM deliveries WHERE state IN ('pending', 'running') AND endpoint = ? AND last_error IS NOT NULL
     AND attempts > 0 LIMIT ?) d`,
);

export async function heldUp(tx: Tx, endpoints: string[]): Promise<HeldUp[]> {
  return Promise.all(
    endpoints.map(async (endpoint) => {
      const failed = await tx.all(FAILED, [endpoint, LOOKED_AT]);
      const heads = failed
        .filter(({ leads, behind }) => leads === 1 && behind > 0)
        .sort((a, b) => a.event - b.event || a.id - b.id);
      const [first] = heads;
      return {
        endpoint,
        videos: heads.length,
        behind: heads.reduce((sum, { behind }) => sum + behind, 0),
        failed: failed.length,
        isMore: failed.length === LOOKED_AT,
        first:
          first === undefined
            ? null
            : {
                deliveryId: tx.ids.show("dlv", first.id),
                eventId: tx.ids.show("evt", first.event),
                error: first.error,
                isRefused: first.failed_by === "event",
              },
      };
    }),
  );
}
