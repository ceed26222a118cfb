import type { Dialect, StoredEvent } from "../../../model/event.ts";
import { unpackTrace } from "../../../model/trace.ts";
import type { Ids } from "../rows/ids.ts";

export type EventRow = {
  id: number;
  received_at: number;
  video: number;
  sequence: number;
  type: string | null;
  dialect: Dialect;
  failure: number;
  context: string | null;
  source: string;
  duplicates: number;
  video_medium: number | null;
  thumbnail_medium: number | null;
  /** Null: of a notice that is about no video. */
  video_id: string | null;
  /** Of one that came without a context: the one that it was given. */
  given: string | null;
  late: number | null;
  trace: string | null;
};

/** Everything but the body, which may be large. */
export const COLUMNS = `e.id, e.received_at, e.video, e.sequence, e.type, e.dialect, e.failure, e.context, e.source, e.duplicates,
  e.video_medium, e.thumbnail_medium, e.deliveries, v.video_id, a.context AS given, a.late, a.trace`;
export const FROM = "events e LEFT JOIN videos v ON v.id = e.video LEFT JOIN annotations a ON a.event = e.id";

/** The deliveries of an event: its own, whose ids follow the event's, and its replays. */
const DELIVERIES =
  "(d.id BETWEEN e.id + 1 AND e.id + e.deliveries) OR d.id IN (SELECT r.id FROM deliveries r WHERE r.event = e.id AND r.replay > 0)";

/** Whether some delivery of the event is dead; has not ended; whether one of its media has not. */
export const IS_DEAD = "EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id AND d.state = 'dead')";
const IS_SENT = `EXISTS (SELECT 1 FROM deliveries d WHERE d.id BETWEEN e.id + 1 AND e.id + e.deliveries
    AND coalesce(d.settled_at, 0) = 0)
  OR EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id AND d.replay > 0 AND d.settled_at IS NULL)`;
const IS_MIRRORED = `e.dialect <> 'notice' AND EXISTS (SELECT 1 FROM media m
  WHERE m.id IN (e.video_medium, e.thumbnail_medium) AND m.state || '' IN ('pending', 'running'))`;
export const STATUS = `CASE WHEN ${IS_DEAD} THEN 'dead' WHEN ${IS_SENT} OR ${IS_MIRRORED} THEN 'waiting' ELSE 'settled' END`;

/** The newest attempt that an endpoint has answered with 2xx began before the context was known. */
export const CONTEXT_MISSING = `a.context_at IS NOT NULL AND EXISTS (
  SELECT 1 FROM deliveries d JOIN attempts t ON t.delivery = d.id WHERE (${DELIVERIES}) AND d.state = 'delivered'
  GROUP BY d.endpoint HAVING max(t.started_at) <= a.context_at)`;

export function toEvent(ids: Ids, row: EventRow & { status: StoredEvent["status"] }): StoredEvent {
  const trace = row.trace === null ? null : unpackTrace(row.trace);
  return {
    id: ids.show("evt", row.id),
    receivedAt: row.received_at,
    type: row.type,
    dialect: row.dialect,
    failure: row.failure === 1,
    videoId: row.video_id,
    context: row.context ?? row.given,
    contextFrom: row.context !== null ? "event" : row.given !== null ? "mapping" : null,
    late: row.late === 1,
    sequence: row.dialect === "notice" ? null : row.sequence,
    sourceAddress: row.source,
    duplicates: row.duplicates,
    status: row.status,
    ...(trace && { trace }),
  };
}
