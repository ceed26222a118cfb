import type { Config } from "../config/schema.ts";
import { addPruned, expiryAt, nothingPruned, type Pruned } from "../model/retention.ts";
import type { Ports } from "../ports.ts";
import { type ArchiveQueued, giveBackInPieces, noteStorage, pruneArchived, roomToLeave } from "../store/retention.ts";
import type { Store } from "../store/store.ts";
import { isoTime } from "./json.ts";

type Settings = Pick<Config, "retention">;

/** What of a store has expired: rows and bytes of each kind; `archived`: how many events are to be archived before that. */
export async function countPrunable(
  store: Store,
  { retention }: Settings,
  now: number,
): Promise<Pruned & { archived: number }> {
  const all = nothingPruned();
  let archived = 0;
  for (let from: string | null = null; ; ) {
    const { next, ...part }: Awaited<ReturnType<Store["countPrunable"]>> = await store.countPrunable(
      expiryAt(now, retention),
      from,
    );
    addPruned(all, part);
    archived += part.archived;
    if (next === null) return { ...all, archived };
    from = next;
  }
}

/**
 * Prunes what has expired by now, in pieces that hold no event up, and takes over from a relay that is at it. `returned`:
 * bytes that the disk has got back; `isWhole` false: it was aborted, or another took over. Where there is an archive `archive` fills
 * it first. It may take long.
 */
export async function pruneNow(
  store: Store,
  { retention }: Settings,
  { clock, random }: Pick<Ports, "clock" | "random">,
  how: { archive: ArchiveQueued; signal: AbortSignal; onPiece?(pruned: Pruned): void },
): Promise<Awaited<ReturnType<typeof pruneArchived>> & { returned: number }> {
  const { archive, signal, onPiece } = how;
  const expiry = expiryAt(clock.now(), retention);
  const by = Buffer.from(random.bytes(8)).toString("hex");
  const pace = { clock, signal };
  const wish = { expiry, by, takes: true, archive };
  const done = await pruneArchived(store, wish, { ...pace, ...(onPiece && { onPiece }) });
  const { pruned, isWhole } = done;
  const returned = isWhole ? await giveBackInPieces(store, roomToLeave(await store.space()), pace) : 0;
  if (isWhole) await noteStorage(store, pruned, clock.now());
  return { ...done, returned };
}

/** The room that the database takes, and when its oldest body that has not been looked at was stored; sizes in bytes. */
export async function readStorage(store: Pick<Store, "space" | "oldestBody">) {
  const [{ bytes, free, givesBack }, oldest] = await Promise.all([store.space(), store.oldestBody()]);
  return { bytes, free, givesBack, oldestBody: isoTime(oldest) };
}
export type Storage = Awaited<ReturnType<typeof readStorage>>;
