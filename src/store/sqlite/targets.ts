import type { TargetPlace } from "../../domain.ts";
import { type Ids, showId } from "./ids.ts";
import type { Sql } from "./sql.ts";

/** The targets that hold copies, or have held some, inside a transaction. */
export function createTargets(db: Sql, ids: Ids) {
  const all = db.prepare<[], { id: number; place: string }>("SELECT id, place FROM targets ORDER BY id");
  const byName = db.prepare<[string], { id: number }>("SELECT id FROM targets WHERE name = ?");
  const insert = db.prepare("INSERT INTO targets (id, name, place) VALUES (?, ?, ?)");
  const update = db.prepare("UPDATE targets SET place = ? WHERE id = ?");
  const assign = db.prepare("UPDATE media SET target = ? WHERE key IS NOT NULL AND target IS NULL");

  function idOf(place: TargetPlace): number {
    const known = byName.get(nameOf(place))?.id;
    const id = known ?? ids.next();
    if (known === undefined) insert.run(id, nameOf(place), JSON.stringify(place));
    else update.run(JSON.stringify(place), id);
    return id;
  }

  return {
    /** A database from before there were several targets says nothing of where its copies are: they are in `before`. */
    id(place: TargetPlace, before: TargetPlace = place): string {
      if (all.get() === undefined) assign.run(idOf(before));
      return showId("tgt", idOf(place));
    },

    list: () => all.all().map(({ id, place }) => ({ id: showId("tgt", id), place: JSON.parse(place) as TargetPlace })),
  };
}

/** What makes two places the same: how to get there may change. */
function nameOf(place: TargetPlace): string {
  return place.type === "local"
    ? `local ${place.dir}`
    : `s3 ${place.endpoint ?? "amazon"} ${place.bucket} ${place.prefix}`;
}
