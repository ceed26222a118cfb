import type { Tx } from "../tx.ts";

/**
 * Of the rows that a claim finds those whose videos no other relay is at, as they are from now on. `again` gives those of them
 * that are still to be found.
 */
export async function held<Row extends { video: number }>(
  tx: Tx,
  find: () => Promise<Row[]>,
  again: (rows: Row[]) => Promise<Row[]> = find,
): Promise<Row[]> {
  const rows = await find();
  const videos = rows.length === 0 ? null : await tx.hold(rows.map(({ video }) => video));
  return videos === null ? rows : (await again(rows)).filter(({ video }) => videos.has(video));
}
