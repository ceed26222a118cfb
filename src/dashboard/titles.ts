import { withAround } from "../actions/outcome/around.ts";
import type { Visit } from "./page.ts";

/** Rows of a list that are about events, with the titles of the events' videos. */
export async function withTitles<Row extends { eventId: string }>(
  { place }: Pick<Visit, "place">,
  rows: Row[],
): Promise<(Row & { title: string | null })[]> {
  const events = [...new Set(rows.map(({ eventId }) => eventId))].map((id) => ({ id }));
  const titles = new Map((await withAround(place.store, events)).map(({ id, around }) => [id, around.title]));
  return rows.map((row) => ({ ...row, title: titles.get(row.eventId) ?? null }));
}
