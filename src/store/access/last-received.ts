import type { Store } from "../store.ts";

/** What was taken in late, from quarantine, was received before others: the newest is among this many. */
const AMONG = 20;

/** When the newest event was received, in milliseconds since 1970; null: none was. */
export async function lastReceived(store: Pick<Store, "events">): Promise<number | null> {
  const times = (await store.events({ limit: AMONG })).map(({ receivedAt }) => receivedAt);
  return times.length === 0 ? null : Math.max(...times);
}
