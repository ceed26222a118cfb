import { nameOfPlace, type TargetPlace, typeOf } from "../../../targets/table.ts";
import type { Ids } from "../rows/ids.ts";
import type { Sql } from "../rows/sql.ts";

/**
 * The targets that hold copies, or have held some, inside a transaction. A folder inside the data folder is written down as
 * seen from there, so that its copies are found wherever the data folder is moved to, or restored.
 */
export function createTargets(db: Sql, ids: Ids, dataDir: string) {
  const all = db.prepare<[], { id: number; place: string }>("SELECT id, place FROM targets ORDER BY id");
  const insert = db.prepare("INSERT INTO targets (id, name, place) VALUES (?, ?, ?)");
  const update = db.prepare("UPDATE targets SET place = ? WHERE id = ?");
  const placeless = db.prepare("SELECT 1 FROM media WHERE key IS NOT NULL AND target IS NULL LIMIT 1");
  const assign = db.prepare("UPDATE media SET target = ? WHERE key IS NOT NULL AND target IS NULL");

  const write = (place: TargetPlace) => typeOf(place).toStored(place, dataDir);

  function read(text: string): TargetPlace {
    const place = JSON.parse(text) as TargetPlace;
    return typeOf(place).fromStored(place, dataDir);
  }

  /** By the places, not the written names: what makes a name has changed, and may again. */
  function find(place: TargetPlace) {
    const name = nameOfPlace(write(place));
    return all.all().find((row) => nameOfPlace(write(read(row.place))) === name);
  }

  function idOf(place: TargetPlace): number {
    const name = nameOfPlace(write(place));
    const text = JSON.stringify(write(place));
    const known = find(place);
    const id = known?.id ?? ids.next();
    if (known === undefined) insert.run(id, name, text);
    else update.run(text, id);
    return id;
  }

  return {
    /** The id of a place that is written down just so: nothing has to be written for it. */
    known(place: TargetPlace): string | null {
      const row = find(place);
      return row?.place === JSON.stringify(write(place)) ? ids.show("tgt", row.id) : null;
    },

    /** A database from before there were several targets says nothing of where its copies are: they are in `before`. */
    id(place: TargetPlace, before: TargetPlace = place): string {
      if (all.get() === undefined && placeless.get() !== undefined) assign.run(idOf(before));
      return ids.show("tgt", idOf(place));
    },

    list: () => all.all().map(({ id, place }) => ({ id: ids.show("tgt", id), place: read(place) })),
  };
}
