import { nameOfPlace, type TargetPlace, typeOf } from "../../../targets/table.ts";
import { insert, sql, type Tx } from "../tx.ts";

// The targets that hold copies, or have held some. A folder inside the data folder is written down as seen from there, so
// that its copies are found wherever the data folder is moved to, or restored.

type Row = { id: number; place: string };

const EACH = sql<[], Row>("SELECT id, place FROM targets ORDER BY id");
const UPDATE = sql<[string, number]>("UPDATE targets SET place = ? WHERE id = ?");
const PLACELESS = sql<[]>("SELECT 1 FROM media WHERE key IS NOT NULL AND target IS NULL LIMIT 1");
const ASSIGN = sql<[number]>("UPDATE media SET target = ? WHERE key IS NOT NULL AND target IS NULL");
const add = insert("targets", ["id", "name", "place"]);

function write({ dataDir }: Tx, place: TargetPlace): TargetPlace {
  return typeOf(place).toStored(place, dataDir);
}

function read({ dataDir }: Tx, text: string): TargetPlace {
  const place = JSON.parse(text) as TargetPlace;
  return typeOf(place).fromStored(place, dataDir);
}

/** By the places, not the written names: what makes a name has changed, and may again. */
async function find(tx: Tx, place: TargetPlace): Promise<Row | undefined> {
  const name = nameOfPlace(write(tx, place));
  return (await tx.all(EACH, [])).find((row) => nameOfPlace(write(tx, read(tx, row.place))) === name);
}

async function idOf(tx: Tx, place: TargetPlace): Promise<number> {
  const text = JSON.stringify(write(tx, place));
  const known = await find(tx, place);
  const id = known?.id ?? tx.ids.next();
  if (known === undefined) add(tx, { id, name: nameOfPlace(write(tx, place)), place: text });
  else tx.write(UPDATE, [text, id]);
  return id;
}

/** The id of a place that is written down just so: nothing has to be written for it. */
export async function known(tx: Tx, place: TargetPlace): Promise<string | undefined> {
  const row = await find(tx, place);
  return row?.place === JSON.stringify(write(tx, place)) ? tx.ids.show("tgt", row.id) : undefined;
}

/** A database from before there were several targets says nothing of where its copies are: they are in `before`. */
export async function id(tx: Tx, place: TargetPlace, before: TargetPlace = place): Promise<string> {
  const hasNone = (await tx.get(EACH, [])) === undefined;
  if (hasNone && (await tx.get(PLACELESS, [])) !== undefined) tx.write(ASSIGN, [await idOf(tx, before)]);
  return tx.ids.show("tgt", await idOf(tx, place));
}

export async function list(tx: Tx): Promise<{ id: string; place: TargetPlace }[]> {
  return (await tx.all(EACH, [])).map((row) => ({ id: tx.ids.show("tgt", row.id), place: read(tx, row.place) }));
}
