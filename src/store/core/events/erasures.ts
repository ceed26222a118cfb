import * as meta from "../rows/meta.ts";
import { sql, type Tx } from "../tx.ts";

/**
 * How far the erasure of a video is. `upTo` is the id of the last event that it takes: what was accepted after it began
 * stays. `after` is the sequence of the last event that has been erased; null: none has.
 */
export type Erasure = { upTo: number; after: number | null; media: number };

const nameOf = (video: number) => `erasing/${video}`;

/** The erasure of a video that has begun and is not finished; null: there is none. */
export const of = (tx: Tx, video: number) => meta.readJson<Erasure>(tx, nameOf(video));

export const save = (tx: Tx, video: number, erasure: Erasure) => meta.writeJson(tx, nameOf(video), erasure);

export const end = (tx: Tx, video: number) => meta.remove(tx, nameOf(video));

const ANY = sql<[]>("SELECT 1 FROM meta WHERE name > 'erasing/' AND name < 'erasing0' LIMIT 1");

/** Whether one of the video of a delivery `d` is, in a statement. */
export const IS_ERASING = "(SELECT 1 FROM meta WHERE name = 'erasing/' || d.video)";

/** Whether any erasure is under way. */
export async function isAny(tx: Tx): Promise<boolean> {
  return (await tx.get(ANY, [])) !== undefined;
}

/** Whether this event, or delivery of it, is about to be erased: nothing of it is sent any longer. */
export async function covers(tx: Tx, { video, event }: { video: number; event: number }): Promise<boolean> {
  const erasure = await of(tx, video);
  return erasure !== null && event <= erasure.upTo;
}
