import type { VideoAround } from "../../../model/around.ts";
import { sql, type Tx, type Value } from "../tx.ts";

/** The newest events of a video whose dead deliveries are looked for. */
const NEWEST = 200;

type Row = { video: number; endpoint: string; open: number; failed: number; dead: number };

// What apps lack of some videos, for a list of them: few statements, however many videos there are.

/** In the order of the ids; of those that are not there nothing. */
export async function listLacking(tx: Tx, videoIds: string[]): Promise<VideoAround[]> {
  if (videoIds.length === 0) return [];
  const known = await tx.all(
    sql<Value[], { id: number; videoId: string }>(
      `SELECT id, video_id AS "videoId" FROM videos WHERE video_id IN (${places(videoIds)})`,
    ),
    videoIds,
  );
  const ids = known.map(({ id }) => id);
  if (ids.length === 0) return [];
  const [open, dead] = await Promise.all([
    tx.all(
      sql<Value[], Row>(
        `SELECT d.video, d.endpoint, count(*) AS open, sum(CASE WHEN d.attempts > 0 THEN 1 ELSE 0 END) AS failed, 0 AS dead
         FROM deliveries d WHERE d.video IN (${places(ids)}) AND d.settled_at IS NULL GROUP BY d.video, d.endpoint`,
      ),
      ids,
    ),
    // By each event: there is no index of a video's deliveries that have ended.
    tx.all(
      sql<Value[], Row>(
        `SELECT e.video, d.endpoint, 0 AS open, 0 AS failed, 1 AS dead
         FROM videos v CROSS JOIN events e CROSS JOIN deliveries d
         WHERE v.id IN (${places(ids)}) AND e.video = v.id AND e.sequence > v.sequence - ${NEWEST}
           AND d.event = e.id AND d.state = 'dead'`,
      ),
      ids,
    ),
  ]);
  const idOf = new Map(known.map(({ id, videoId }) => [videoId, id]));
  return videoIds.flatMap((videoId) => {
    const id = idOf.get(videoId);
    if (id === undefined) return [];
    const own = [...dead, ...open].filter(({ video }) => video === id);
    const lacking = [...Map.groupBy(own, ({ endpoint }) => endpoint)].map(([endpoint, rows]) => ({
      endpoint,
      dead: sum(rows, "dead"),
      open: sum(rows, "open"),
      failed: sum(rows, "failed"),
    }));
    return { videoId, lacking };
  });
}

const places = (values: unknown[]) => values.map(() => "?").join(", ");

const sum = (rows: Row[], of: "dead" | "open" | "failed") => rows.reduce((total, row) => total + row[of], 0);
