import type { EventAround } from "../../model/around.ts";
import type { Store } from "../../store/store.ts";

/** Rows of a list with what is around each: the title, the media, the endpoints. */
export async function withAround<Row extends { id: string }>(
  store: Pick<Store, "eventsAround">,
  rows: Row[],
): Promise<(Row & { around: EventAround })[]> {
  const found = new Map((await store.eventsAround(rows.map(({ id }) => id))).map((one) => [one.id, one]));
  return rows.map((row) => ({
    ...row,
    around: found.get(row.id) ?? { id: row.id, title: null, media: [], deliveries: [] },
  }));
}
