import type { JobState } from "../../../model/job.ts";
import type { MediaKind, MediaState } from "../../../model/medium.ts";
import type { Counts } from "../../counts.ts";
import { sql, type Tx } from "../tx.ts";
import { PER_MS } from "./numbers.ts";

type Numbers = Pick<Counts, "events" | "videos" | "uploads" | "deletions"> & Counts["quarantine"];

const NUMBERS = sql<[], Numbers>(
  `SELECT (SELECT count(*) FROM events) - (SELECT count(*) FROM events WHERE dialect = 'notice') AS events,
     (SELECT count(*) FROM videos) AS videos,
     (SELECT count(*) FROM transfers WHERE action = 'upload') AS uploads,
     (SELECT count(*) FROM transfers WHERE action = 'delete') AS deletions,
     (SELECT count(*) FROM quarantine) AS count, (SELECT coalesce(sum(bytes), 0) FROM quarantine) AS bytes`,
);
const MEDIA = sql<[], { kind: MediaKind; state: MediaState; count: number }>(
  "SELECT kind, state, count(*) AS count FROM media GROUP BY kind, state",
);
// Ids grow with time (numbers.ts).
const OLDEST = sql<[], Counts["oldest"]>(
  `SELECT (SELECT min(id) FROM media WHERE due IS NOT NULL) AS download,
     (SELECT min(id) FROM transfers WHERE action = 'upload') AS upload,
     (SELECT min(id) FROM transfers WHERE action = 'delete') AS "delete"`,
);
const DELIVERIES = sql<[], { endpoint: string; state: JobState; count: number; oldest: number }>(
  `SELECT d.endpoint, CASE WHEN d.state = 'canceling' THEN 'running' ELSE d.state END AS state, count(*) AS count,
     min(e.received_at) AS oldest
   FROM deliveries d JOIN events e ON e.id = d.event
   WHERE d.settled_at IS NULL OR d.state = 'dead' GROUP BY 1, 2`,
);

/** Reads every count in one go. Settled deliveries are not counted per state: there may be millions. */
export async function countAll(tx: Tx): Promise<Counts> {
  const [numbers, kinds, deliveries, ids] = await Promise.all([
    tx.get(NUMBERS, []),
    tx.all(MEDIA, []),
    tx.all(DELIVERIES, []),
    tx.get(OLDEST, []),
  ]);
  const { count, bytes, ...rest } = numbers!;
  const media: Counts["media"] = {};
  for (const { state, count } of kinds) media[state] = (media[state] ?? 0) + count;
  const madeAt = (id: number | null) => (id === null ? null : Math.floor(id / PER_MS));
  const oldest = {
    download: madeAt(ids!.download),
    upload: madeAt(ids!.upload),
    delete: madeAt(ids!.delete),
  };
  return { ...rest, media, kinds, deliveries, quarantine: { count, bytes }, oldest };
}
