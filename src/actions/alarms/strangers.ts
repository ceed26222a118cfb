import type { Quarantined } from "../../model/event.ts";
import { refusalOf } from "../../platform/net/addresses.ts";
import type { Store } from "../../store/store.ts";
import { parseEvent } from "../../wochit/event.ts";

/** The most refused requests that are counted, and the most bodies that are read. */
const MOST = 1_000;
const MOST_READ = 100;

/** An address that was refused since it is not allowed. `isPrivate`: most likely a proxy that is not named in the config. */
export type Stranger = {
  address: string;
  count: number;
  /** Milliseconds since 1970. */
  lastAt: number;
  isPrivate: boolean;
  /** Something of what it sent reads as an event; `events`: how much, at least. */
  sendsEvents: boolean;
  events: number;
};

/** The addresses that were refused since then (milliseconds since 1970), the most frequent first. `isCut`: there were more requests. */
export async function readStrangers(
  store: Pick<Store, "quarantined" | "quarantinedBody">,
  since: number,
): Promise<{ strangers: Stranger[]; isCut: boolean }> {
  const refused = await store.quarantined({ limit: MOST, since, reason: "source" });
  const byAddress = new Map<string, Quarantined[]>();
  for (const row of refused) {
    const rows = byAddress.get(row.sourceAddress);
    if (rows === undefined) byAddress.set(row.sourceAddress, [row]);
    else rows.push(row);
  }
  let toRead = MOST_READ;
  const strangers = [...byAddress].map(async ([address, rows]): Promise<Stranger> => {
    const known = rows.filter(({ videoId }) => videoId !== null).length;
    const sendsEvents = known > 0 || (toRead-- > 0 && (await readsAsEvent(store, rows[0]!.id)));
    return {
      address,
      count: rows.length,
      lastAt: rows[0]!.receivedAt,
      isPrivate: refusalOf(address, false) !== null,
      sendsEvents,
      events: sendsEvents ? Math.max(1, known) : 0,
    };
  });
  const sorted = (await Promise.all(strangers)).sort((a, b) => b.count - a.count);
  return { strangers: sorted, isCut: refused.length === MOST };
}

/** Of one that an older version has kept: it noted nothing of what a body says. */
async function readsAsEvent(store: Pick<Store, "quarantinedBody">, id: string): Promise<boolean> {
  try {
    parseEvent((await store.quarantinedBody(id)).body);
    return true;
  } catch {
    // It is none, or has left the ring meanwhile.
    return false;
  }
}
