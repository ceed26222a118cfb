import type { CappedCount, Listed } from "../../filters.ts";
import { find as findDeliveries } from "../deliveries/find.ts";
import { find as findEvents } from "../events/lists.ts";
import { find as findRefused } from "../events/quarantine.ts";
import { find as findVideos } from "../events/videos.ts";
import { find as findMedia } from "../media/lists.ts";
import { sql, type Tx } from "../tx.ts";

// How long lists are: what a counter says, or, up to a bound, as many ids as the list's own index gives.

/** Counted at most: some milliseconds. */
const MOST = 10_000;
const MOST_BY_TITLE = 1_000;

const COUNTER = sql<[string], { value: number }>("SELECT value FROM counters WHERE name = ?");

export async function countListed(tx: Tx, { list, filter }: Listed): Promise<CappedCount> {
  const isWhole = Object.values(filter).every((value) => value === undefined);
  if (isWhole && (list === "events" || list === "videos")) {
    return { count: (await tx.get(COUNTER, [list]))?.value ?? 0, isMore: false };
  }
  const most = list === "events" && filter.q !== undefined ? MOST_BY_TITLE : MOST;
  const found = await idsOf(tx, { list, filter } as Listed, most + 1);
  return { count: Math.min(found.length, most), isMore: found.length > most };
}

function idsOf(tx: Tx, { list, filter }: Listed, most: number): Promise<number[]> {
  switch (list) {
    case "events":
      return findEvents(tx, filter, most);
    case "deliveries":
      return findDeliveries(tx, filter, most);
    case "videos":
      return findVideos(tx, { ...filter, limit: most });
    case "media":
      return findMedia(tx, { ...filter, limit: most });
    case "quarantine":
      return findRefused(tx, { ...filter, limit: most });
  }
}
