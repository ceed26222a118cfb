import type { EventAround } from "../../../model/around.ts";
import type { JobState } from "../../../model/job.ts";
import type { MediaKind, MediaState } from "../../../model/medium.ts";
import { sql, type Tx, type Value } from "../tx.ts";

// What is around some events, for a list of them: few statements, however many events there are.

type EventRow = { id: number; title: string | null };
type MediumRow = { event: number; kind: MediaKind; state: MediaState };
type DeliveryRow = { event: number; endpoint: string; state: JobState | "canceling"; attempts: number };

/** In the order of the ids; of those that are not there nothing. */
export async function listAround(tx: Tx, ids: string[]): Promise<EventAround[]> {
  if (ids.length === 0) return [];
  const numbers = ids.map((id) => tx.ids.find("evt", id));
  const among = `IN (${numbers.map(() => "?").join(", ")})`;
  const [events, media, own, replays] = await Promise.all([
    tx.all(
      sql<Value[], EventRow>(
        `SELECT e.id, v.title FROM events e LEFT JOIN videos v ON v.id = e.video WHERE e.id ${among}`,
      ),
      numbers,
    ),
    tx.all(
      sql<Value[], MediumRow>(
        `SELECT e.id AS event, m.kind, m.state FROM events e
         JOIN media m ON m.id = e.video_medium OR m.id = e.thumbnail_medium
         WHERE e.id ${among} AND e.dialect <> 'notice' ORDER BY m.kind DESC`,
      ),
      numbers,
    ),
    tx.all(
      sql<Value[], DeliveryRow>(
        `SELECT e.id AS event, d.endpoint, d.state, d.attempts FROM events e
         JOIN deliveries d ON d.id BETWEEN e.id + 1 AND e.id + e.deliveries WHERE e.id ${among} ORDER BY d.id`,
      ),
      numbers,
    ),
    tx.all(
      sql<Value[], DeliveryRow>(
        `SELECT d.event, d.endpoint, d.state, d.attempts FROM deliveries d
         WHERE d.event ${among} AND d.replay > 0 ORDER BY d.id`,
      ),
      numbers,
    ),
  ]);
  const titles = new Map(events.map(({ id, title }) => [id, title]));
  return numbers.flatMap((id, at) => {
    if (!titles.has(id)) return [];
    const newest = new Map<string, DeliveryRow>();
    for (const one of [...own, ...replays]) if (one.event === id) newest.set(one.endpoint, one);
    return {
      id: ids[at]!,
      title: titles.get(id) ?? null,
      media: media.filter(({ event }) => event === id).map(({ kind, state }) => ({ kind, state })),
      deliveries: [...newest.values()].map(({ endpoint, state, attempts }) => ({
        endpoint,
        state: state === "canceling" ? ("running" as const) : state,
        attempts,
      })),
    };
  });
}
