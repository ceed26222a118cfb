import type { JobState } from "../../../model/job.ts";
import type { MediaState } from "../../../model/medium.ts";
import type { Counts } from "../../store.ts";
import { sql, type Tx } from "../tx.ts";

const count = (from: string) => sql<[], { n: number }>(`SELECT count(*) AS n FROM ${from}`);

const EVENTS = count("events");
const NOTICES = count("events WHERE dialect = 'notice'");
const VIDEOS = count("videos");
const UPLOADS = count("transfers WHERE action = 'upload'");
const DELETIONS = count("transfers WHERE action = 'delete'");
const REFUSED = count("quarantine");
const REFUSED_BYTES = sql<[], { n: number }>("SELECT coalesce(sum(bytes), 0) AS n FROM quarantine");
const MEDIA = sql<[], { state: MediaState; n: number }>("SELECT state, count(*) AS n FROM media GROUP BY state");
const DELIVERIES = sql<[], { endpoint: string; state: JobState; count: number; oldest: number }>(
  `SELECT d.endpoint, CASE WHEN d.state = 'canceling' THEN 'running' ELSE d.state END AS state, count(*) AS count,
     min(e.received_at) AS oldest
   FROM deliveries d JOIN events e ON e.id = d.event
   WHERE d.settled_at IS NULL OR d.state = 'dead' GROUP BY 1, 2`,
);

/** Reads every count in one go. Settled deliveries are not counted per state: there may be millions. */
export async function countAll(tx: Tx): Promise<Counts> {
  const numbers = [EVENTS, NOTICES, VIDEOS, UPLOADS, DELETIONS, REFUSED, REFUSED_BYTES];
  const [all, media, deliveries] = await Promise.all([
    Promise.all(numbers.map((number) => tx.get(number, []))),
    tx.all(MEDIA, []),
    tx.all(DELIVERIES, []),
  ]);
  const [events, notices, videos, uploads, deletions, refused, bytes] = all.map((row) => row!.n) as [
    ...[number, number, number, number],
    ...[number, number, number],
  ];
  return {
    events: events - notices,
    videos,
    media: Object.fromEntries(media.map(({ state, n }) => [state, n])),
    uploads,
    deletions,
    deliveries,
    quarantine: { count: refused, bytes },
  };
}
