import type { Quarantined } from "../../model/event.ts";
import { refusalOf } from "../../platform/net/addresses.ts";
import type { Store } from "../../store/store.ts";

/** The most refused requests that are counted. */
const MOST = 1_000;

/** An address that was refused since it is not allowed. `isPrivate`: most likely a proxy that is not named in the config. */
export type Stranger = {
  address: string;
  count: number;
  /** Milliseconds since 1970. */
  lastAt: number;
  isPrivate: boolean;
  /** How many of them read as events. */
  events: number;
};

/** The addresses that were refused since then (milliseconds since 1970), the most frequent first. `isCut`: there were more requests. */
export async function readStrangers(
  store: Pick<Store, "quarantined">,
  since: number,
): Promise<{ strangers: Stranger[]; isCut: boolean }> {
  const refused = await store.quarantined({ limit: MOST, since, reason: "source" });
  const byAddress = new Map<string, Quarantined[]>();
  for (const row of refused) {
    const rows = byAddress.get(row.sourceAddress);
    if (rows === undefined) byAddress.set(row.sourceAddress, [row]);
    else rows.push(row);
  }
  const strangers = [...byAddress].map(([address, rows]) => ({
    address,
    count: rows.length,
    lastAt: rows[0]!.receivedAt,
    isPrivate: refusalOf(address, false) !== null,
    events: rows.filter(({ videoId }) => videoId !== null).length,
  }));
  strangers.sort((a, b) => b.count - a.count);
  return { strangers, isCut: refused.length === MOST };
}
