import type { Tx } from "../tx.ts";

/** Of the rows that a claim finds those whose videos no other relay is at, as they are from now on. */
export async function held<Row extends { video: number }>(tx: Tx, find: () => Promise<Row[]>): Promise<Row[]> {
  const rows = await find();
  const videos = rows.length === 0 ? null : await tx.hold(rows.map(({ video }) => video));
  return videos === null ? rows : (await find()).filter(({ video }) => videos.has(video));
}
