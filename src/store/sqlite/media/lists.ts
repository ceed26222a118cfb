import { RelayError } from "../../../errors.ts";
import type { Medium } from "../../../model/medium.ts";
import type { Store, StoreSettings } from "../../store.ts";
import type { Ids } from "../rows/ids.ts";
import { page } from "../rows/paging.ts";
import type { Sql } from "../rows/sql.ts";
import type { createDownloads } from "./downloads.ts";
import { type MediumRow, SHOWN_MEDIUM, toMedium } from "./rows.ts";

type Shown = MediumRow & { video_id: string };

/** What is to be downloaded is found without looking at all that has been. */
const UNSECURED = "m.*, v.video_id FROM media m INDEXED BY media_due JOIN videos v ON v.id = m.video";

/** Media as operators and readers see them, inside a transaction. */
export function createMediaLists(
  db: Sql,
  ids: Ids,
  downloads: ReturnType<typeof createDownloads>,
  settings: Readonly<Pick<StoreSettings, "isMirroring">>,
) {
  const byId = db.prepare<[number], Shown>(`SELECT ${SHOWN_MEDIUM} WHERE m.id = ?`);
  const byKey = db.prepare<[string], Shown>(
    `SELECT ${SHOWN_MEDIUM} WHERE m.key = ? ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
  );
  const byFormerKey = db.prepare<[string], Shown>(
    `SELECT ${SHOWN_MEDIUM} JOIN former_keys k ON k.medium = m.id WHERE k.key = ?
     ORDER BY m.state = 'superseded', m.sequence DESC LIMIT 1`,
  );
  const liveThumbnail = db.prepare<[number], Shown>(
    `SELECT ${SHOWN_MEDIUM} WHERE m.video = ? AND m.state <> 'superseded' AND m.kind = 'thumbnail' AND m.key IS NOT NULL
     ORDER BY m.sequence DESC LIMIT 1`,
  );

  function rowOf(id: string): Shown {
    const row = byId.get(ids.read("med", id));
    if (!row) throw new RelayError("not_found", `no medium "${id}"`);
    return row;
  }

  /** A row that is to be downloaded, which nobody does while mirroring is off. */
  function wanted(id: string): Shown {
    if (settings.isMirroring) return rowOf(id);
    throw new RelayError("conflict", "mirroring is off: nothing is downloaded before mirror.enabled is true again");
  }

  return {
    show: (id: string): Medium => toMedium(ids, rowOf(id)),
    byKey(key: string): Medium | null {
      const present = byKey.get(key);
      if (present && present.state !== "superseded") return toMedium(ids, present);
      // Every key that a medium once had leads to its present copy, a thumbnail's to the one that took its place.
      const row = present ?? byFormerKey.get(key);
      const medium = row?.kind === "thumbnail" ? liveThumbnail.get(row.video) : row;
      return medium ? toMedium(ids, medium) : null;
    },

    list(wish: Parameters<Store["media"]>[0]): Medium[] {
      const { before } = wish;
      const list = wish.byDeadline
        ? page<Shown>(db, ids, UNSECURED, "m.id", "med", { ...wish, before: undefined }, "m.deadline, m.id")
        : page<Shown>(db, ids, SHOWN_MEDIUM, "m.id", "med", wish);
      if (wish.byDeadline) {
        list.where("m.due IS NOT NULL AND m.key IS NULL");
        const last = before === undefined ? null : ids.read("med", before);
        if (last !== null) list.where("(m.deadline, m.id) > (SELECT deadline, id FROM media WHERE id = ?)", last);
      }
      if (wish.withCopy) list.where("m.key IS NOT NULL AND m.state <> 'superseded'");
      if (wish.state !== undefined) list.where("m.state = ?", wish.state);
      if (wish.videoId !== undefined) list.where("v.video_id = ?", wish.videoId);
      if (wish.kind !== undefined) list.where("m.kind = ?", wish.kind);
      const isFiltered = wish.withCopy === true || wish.state !== undefined || wish.kind !== undefined;
      const isScanned = isFiltered && !wish.byDeadline && wish.videoId === undefined;
      return (isScanned ? list.scan("media") : list.all()).map((row) => toMedium(ids, row));
    },

    retry: (id: string, now: number) => downloads.retry(wanted(id), now),
    mend: (id: string, now: number) => downloads.mend(wanted(id), now),
  };
}
