import { RelayError } from "../../../errors.ts";
import type { Medium } from "../../../model/medium.ts";
import type { Store } from "../../store.ts";
import { page } from "../rows/paging.ts";
import { sql, type Tx } from "../tx.ts";
import * as downloads from "./downloads.ts";
import { type MediumRow, presentOf, SHOWN_MEDIUM, toMedium } from "./rows.ts";

type Shown = MediumRow & { video_id: string };

// Media as operators and readers see them.

const BY_ID = sql<[number], Shown>(`SELECT ${SHOWN_MEDIUM} WHERE m.id = ?`);
const BY_KEY = sql<[string], Shown>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.key = ? ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
);
const BY_FORMER_KEY = sql<[string], Shown>(
  `SELECT ${SHOWN_MEDIUM} JOIN former_keys k ON k.medium = m.id WHERE k.key = ?
   ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
);
const THUMBNAIL_COPIES = sql<[number], Shown>(
  `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' AND m.kind = 'thumbnail' AND m.key IS NOT NULL
   ORDER BY m.sequence DESC, m.id DESC`,
);

async function rowOf(tx: Tx, id: string): Promise<Shown> {
  const row = await tx.get(BY_ID, [tx.ids.read("med", id)]);
  if (!row) throw new RelayError("not_found", `no medium "${id}"`);
  return row;
}

/** A row that is to be downloaded: RelayError("conflict") while mirroring is off. */
async function wanted(tx: Tx, id: string): Promise<Shown> {
  if (tx.settings.mirror.enabled) return rowOf(tx, id);
  throw new RelayError("conflict", "mirroring is off: nothing is downloaded before mirror.enabled is true again");
}

export const show = async (tx: Tx, id: string): Promise<Medium> => toMedium(tx.ids, await rowOf(tx, id));

export async function byKey(tx: Tx, key: string): Promise<Medium | null> {
  const present = await tx.get(BY_KEY, [key]);
  if (present && present.state !== "superseded") return toMedium(tx.ids, present);
  // Every key that a medium once had leads to its present copy, a thumbnail's to the one that took its place.
  const row = present ?? (await tx.get(BY_FORMER_KEY, [key]));
  const medium = row?.kind === "thumbnail" ? presentOf(await tx.all(THUMBNAIL_COPIES, [row.video])) : row;
  return medium ? toMedium(tx.ids, medium) : null;
}

export async function list(tx: Tx, wish: Parameters<Store["media"]>[0]): Promise<Medium[]> {
  const { byDeadline, before, ...rest } = wish;
  const list = byDeadline
    ? page<Shown>(tx, SHOWN_MEDIUM, "m.id", "med", rest, "m.deadline, m.id")
    : page<Shown>(tx, SHOWN_MEDIUM, "m.id", "med", wish);
  if (byDeadline) list.where("m.due IS NOT NULL AND m.key IS NULL");
  if (byDeadline && before !== undefined)
    list.where("(m.deadline, m.id) > (SELECT deadline, id FROM media WHERE id = ?)", tx.ids.read("med", before));
  if (wish.withCopy) list.where("m.key IS NOT NULL AND m.state <> 'superseded'");
  if (wish.state !== undefined) list.where("m.state = ?", wish.state);
  if (wish.videoId !== undefined) list.where("v.video_id = ?", wish.videoId);
  if (wish.kind !== undefined) list.where("m.kind = ?", wish.kind);
  const isFiltered = wish.withCopy === true || wish.state !== undefined || wish.kind !== undefined;
  const isScanned = isFiltered && !wish.byDeadline && wish.videoId === undefined;
  const rows = await (isScanned ? list.scan("media") : list.all());
  return rows.map((row) => toMedium(tx.ids, row));
}

export const retry = async (tx: Tx, id: string, now: number) => downloads.retry(tx, await wanted(tx, id), now);

export const mend = async (tx: Tx, id: string, now: number) => downloads.mend(tx, await wanted(tx, id), now);
