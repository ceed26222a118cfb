import type { JobState } from "../../../model/job.ts";
import type { MediaState } from "../../../model/medium.ts";
import type { Counts } from "../../store.ts";
import { sql, type Tx } from "../tx.ts";

type Numbers = Pick<Counts, "events" | "videos" | "uploads" | "deletions"> & Counts["quarantine"];

const NUMBERS = sql<[], Numbers>(
  `SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM events WHERE dialect = 'notice') AS events,
     (SELECT count(*) FROM videos) AS videos,
     (SELECT count(*) FROM transfers WHERE action = 'upload') AS uploads,
     (SELECT count(*) FROM transfers WHERE action = 'delete') AS deletions,
     (SELECT count(*) FROM quarantine) AS count, (SELECT coalesce(sum(bytes), 0) FROM quarantine) AS bytes`,
);
const MEDIA = sql<[], { state: MediaState; n: number }>("SELECT state, count(*) AS n FROM media GROUP BY state");
const DELIVERIES = sql<[], { endpoint: string; state: JobState; count: number; oldest: number }>(
  `SELECT d.endpoint, CASE WHEN d.state = 'canceling' THEN 'running' ELSE d.state END AS state, count(*) AS count,
     min(e.received_at) AS oldest
   FROM deliveries d JOIN events e ON e.id = d.event
   WHERE d.settled_at IS NULL OR d.state = 'dead' GROUP BY 1, 2`,
);

/** Reads every count in one go. Settled deliveries are not counted per state: there may be millions. */
export async function countAll(tx: Tx): Promise<Counts> {
  const [numbers, media, deliveries] = await Promise.all([
    tx.get(NUMBERS, []),
    tx.all(MEDIA, []),
    tx.all(DELIVERIES, []),
  ]);
  const { count, bytes, ...rest } = numbers!;
  const states = Object.fromEntries(media.map(({ state, n }) => [state, n]));
  return { ...rest, media: states, deliveries, quarantine: { count, bytes } };
}
