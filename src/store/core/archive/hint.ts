import { RelayError } from "../../../errors.ts";
import { dayOf } from "../../../model/archive.ts";
import { sql, type Tx } from "../tx.ts";

type Row = { received_at: number; video: number; video_id: string | null; forgotten_at: number | null };

const ROW = sql<[number], Row>(
  `SELECT e.received_at, e.video, v.video_id, v.forgotten_at FROM events e LEFT JOIN videos v ON v.id = e.video WHERE e.id = ?`,
);
const PART = sql<[number, number], unknown>(
  `SELECT 1 FROM archive_videos a JOIN archive_parts p ON p.id = a.part
   WHERE a.video = ? AND p.day = ? AND p.state = 'kept' LIMIT 1`,
);

/** The error for an event whose body is gone, with the way to have it back where the archive has its video's of that day. */
export async function bodyGone(
  tx: Tx,
  event: number,
  { whichOf = "" }: { whichOf?: string } = {},
): Promise<RelayError> {
  const line = `the body of ${tx.ids.show("evt", event)}${whichOf} has been pruned, or erased`;
  const row = await tx.get(ROW, [event]);
  const isArchived =
    row !== undefined &&
    row.forgotten_at === null &&
    (await tx.get(PART, [row.video, dayOf(row.received_at)])) !== undefined;
  const back = isArchived ? `; "wochit-relay archive restore --video-id ${row.video_id}" brings it back` : "";
  return new RelayError("body_expired", line + back);
}
