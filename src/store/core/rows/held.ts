import type { Tx } from "../tx.ts";

/** Each look for what is in no other hands is for this many times more rows than the last one, and for this many at most. */
const MORE = 8;
const MOST = 5_000;

/**
 * Of the rows that a claim finds up to `limit` whose videos no other relay is at, as they are from now on. What others are at
 * hides nothing that comes after it: then more are found. `again` gives those of the rows that are still to be found.
 */
export async function held<Row extends { video: number }>(
  tx: Tx,
  limit: number,
  find: (limit: number) => Promise<Row[]>,
  again: (rows: Row[], limit: number) => Promise<Row[]> = (_, most) => find(most),
): Promise<Row[]> {
  const others = new Set<number>();
  for (let most = limit; ; most = MORE * most + 1) {
    const rows = await find(most);
    for (;;) {
      const wanted = rows.filter(({ video }) => !others.has(video)).slice(0, limit + others.size);
      if (wanted.length === 0) break;
      const videos = await tx.hold(wanted.map(({ video }) => video));
      if (videos === null) return rows;
      const mine = (await again(wanted, most)).filter(({ video }) => videos.has(video));
      if (mine.length > 0) return mine.slice(0, limit);
      for (const { video } of wanted) others.add(video);
    }
    if (rows.length < most || most >= MOST) return [];
  }
}
