import type { ArchivePart } from "../../../model/archive.ts";
import * as audit from "../audit.ts";
import { sql, type Tx } from "../tx.ts";

// What was erased leaves the archive, too: the parts that have it are written anew without it, by the relay.

/** In the audit: what the relay did. */
const RELAY = { through: "relay", by: "relay" } as const;

const PLAN = sql<[number, number]>(
  `INSERT INTO archive_erasures (video, part, done) VALUES (?, ?, 0)
   ON CONFLICT (video, part) DO UPDATE SET done = 0`,
);
const PLAN_ALL = sql<[number]>(
  `INSERT INTO archive_erasures (video, part, done) SELECT video, part, 0 FROM archive_videos WHERE video = ?
   ON CONFLICT (video, part) DO UPDATE SET done = 0`,
);
const NEXT = sql<[number], { part: number }>(
  `SELECT e.part FROM archive_erasures e JOIN archive_parts p ON p.id = e.part
   WHERE e.done = 0 AND p.state = 'kept' AND e.part > ? ORDER BY e.part LIMIT 1`,
);
const VIDEOS = sql<[number], { id: number; video_id: string }>(
  `SELECT v.id, v.video_id FROM archive_erasures e JOIN videos v ON v.id = e.video WHERE e.part = ? AND e.done = 0`,
);
const DONE = sql<[number, number]>("UPDATE archive_erasures SET done = 1 WHERE video = ? AND part = ?");
const LEAVE = sql<[number, number]>("DELETE FROM archive_videos WHERE video = ? AND part = ?");
const ALL_OF = sql<[number], { count: number; left: number | null }>(
  'SELECT count(*) AS "count", sum(1 - done) AS "left" FROM archive_erasures WHERE video = ?',
);
const FORGET = sql<[number]>("DELETE FROM archive_erasures WHERE video = ?");
const COUNT = sql<[], { count: number }>('SELECT count(DISTINCT part) AS "count" FROM archive_erasures WHERE done = 0');
const IS_PLANNED = sql<[number, number], unknown>(
  "SELECT 1 FROM archive_erasures WHERE video = ? AND part = ? AND done = 0",
);

/** A part may have something of a video that was erased. */
export const plan = (tx: Tx, video: number, part: number) => tx.write(PLAN, [video, part]);

/** All parts that have something of the video; returns how many. */
export const planAll = (tx: Tx, video: number) => tx.changed(PLAN_ALL, [video]);

export async function next(
  tx: Tx,
  after: number,
  partOf: (id: number) => Promise<ArchivePart>,
): Promise<{ part: ArchivePart; videoIds: string[] } | null> {
  const row = await tx.get(NEXT, [after]);
  if (row === undefined) return null;
  const videos = await tx.all(VIDEOS, [row.part]);
  return { part: await partOf(row.part), videoIds: videos.map(({ video_id }) => video_id) };
}

/** The names of the videos that the part is still to lose. */
export const namesOf = async (tx: Tx, part: number) => (await tx.all(VIDEOS, [part])).map(({ video_id }) => video_id);

/** Nothing of these videos is in the part any longer. */
export async function end(tx: Tx, part: number, videoIds: string[]): Promise<void> {
  const wanted = new Set(videoIds);
  const videos = (await tx.all(VIDEOS, [part])).filter(({ video_id }) => wanted.has(video_id));
  await Promise.all(videos.map((video) => endOne(tx, part, video)));
}

/** The part is gone. */
export async function endAll(tx: Tx, part: number): Promise<void> {
  await Promise.all((await tx.all(VIDEOS, [part])).map((video) => endOne(tx, part, video)));
}

async function endOne(tx: Tx, part: number, { id, video_id }: { id: number; video_id: string }): Promise<void> {
  tx.write(DONE, [id, part]);
  tx.write(LEAVE, [id, part]);
  const { count, left } = (await tx.get(ALL_OF, [id]))!;
  if (left !== 0) return;
  tx.write(FORGET, [id]);
  audit.enter(tx, RELAY, { verb: "archive forget", subject: video_id, count, outcome: "done" });
}

/** How many parts are still to be written anew. */
export const count = async (tx: Tx) => (await tx.get(COUNT, []))!.count;

/** Whether a part is still to lose what it has of a video. */
export const isPlanned = async (tx: Tx, video: number, part: number) =>
  (await tx.get(IS_PLANNED, [video, part])) !== undefined;
