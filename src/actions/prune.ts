import type { Config } from "../config/schema.ts";
import { addPruned, expiryAt, nothingPruned, type Pruned } from "../model/retention.ts";
import type { Ports } from "../ports.ts";
import { giveBackInPieces, noteStorage, pruneInPieces, roomToLeave } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { isoTime } from "./json.ts";

type Settings = Pick<Config, "retention">;

/** What of a store has expired, and how much of it there is: rows and bytes of each kind. */
export async function countPrunable(store: Store, { retention }: Settings, now: number): Promise<Pruned> {
  const all = nothingPruned();
  for (let from: string | null = null; ; ) {
    const { next, ...part }: Awaited<ReturnType<Store["countPrunable"]>> = await store.countPrunable(
      expiryAt(now, retention),
      from,
    );
    addPruned(all, part);
    if (next === null) return all;
    from = next;
  }
}

/**
 * Prunes what has expired by now, in pieces that hold no event up, and takes over from a relay that is at it. `returned`:
 * bytes that the disk has got back; `isWhole` false: it was aborted, or another took over. It may take long.
 */
export async function pruneNow(
  store: Store,
  { retention }: Settings,
  { clock, random }: Pick<Ports, "clock" | "random">,
  { signal, onPiece }: { signal: AbortSignal; onPiece?(pruned: Pruned): void },
): Promise<{ pruned: Pruned; returned: number; isWhole: boolean }> {
  const expiry = expiryAt(clock.now(), retention);
  const by = Buffer.from(random.bytes(8)).toString("hex");
  const pace = { clock, signal };
  const { pruned, isWhole } = await pruneInPieces(
    store,
    { expiry, by, takes: true },
    { ...pace, ...(onPiece && { onPiece }) },
  );
  const returned = isWhole ? await giveBackInPieces(store, roomToLeave(await store.space()), pace) : 0;
  if (isWhole) await noteStorage(store, pruned, clock.now());
  return { pruned, returned, isWhole };
}

/** The room that the database takes, and when its oldest body that has not been looked at was stored; sizes in bytes. */
export async function readStorage(store: Pick<Store, "space" | "oldestBody">) {
  const [{ bytes, free, givesBack }, oldest] = await Promise.all([store.space(), store.oldestBody()]);
  return { bytes, free, givesBack, oldestBody: isoTime(oldest) };
}
export type Storage = Awaited<ReturnType<typeof readStorage>>;
