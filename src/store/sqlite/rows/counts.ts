import type { JobState } from "../../../model/job.ts";
import type { MediaState } from "../../../model/medium.ts";
import type { Counts } from "../../store.ts";
import type { Sql } from "./sql.ts";

/** Reads every count in one go. Settled deliveries are not counted per state: there may be millions. */
export function countAll(db: Sql): Counts {
  const number = (sql: string) => db.prepare<[], { n: number }>(sql).get()?.n ?? 0;
  const media = db
    .prepare<[], { state: MediaState; n: number }>("SELECT state, count(*) AS n FROM media GROUP BY state")
    .all();
  const deliveries = db
    .prepare<[], { endpoint: string; shown: JobState; n: number; oldest: number }>(
      `SELECT d.endpoint, iif(d.state = 'canceling', 'running', d.state) AS shown, count(*) AS n, min(e.received_at) AS oldest
       FROM deliveries d JOIN events e ON e.id = d.event
       WHERE d.settled_at IS NULL OR d.state = 'dead' GROUP BY d.endpoint, shown`,
    )
    .all();
  return {
    events:
      number("SELECT count(*) AS n FROM events") - number("SELECT count(*) AS n FROM events WHERE dialect = 'notice'"),
    videos: number("SELECT count(*) AS n FROM videos"),
    media: Object.fromEntries(media.map(({ state, n }) => [state, n])),
    uploads: number("SELECT count(*) AS n FROM transfers WHERE action = 'upload'"),
    deletions: number("SELECT count(*) AS n FROM transfers WHERE action = 'delete'"),
    deliveries: deliveries.map(({ endpoint, shown, n, oldest }) => ({
      endpoint,
      state: shown,
      count: n,
      oldest,
    })),
    quarantine: {
      count: number("SELECT count(*) AS n FROM quarantine"),
      bytes: number("SELECT coalesce(sum(bytes), 0) AS n FROM quarantine"),
    },
  };
}
