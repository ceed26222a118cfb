import { type Statement, sql, type Tx, type Value } from "../tx.ts";

/** Places for ids in one statement: so each of a few texts is prepared once, however many ids there are. */
const PLACES = [1, 2, 8, 32, 128];
const MOST = PLACES.at(-1)!;

/** A statement about the rows of any number of ids; `text` has it for these places. What it asks for beside them stands before. */
export function ofMany<Row>(text: (places: string) => string) {
  const statements = PLACES.map((places): Statement<Value[], Row> => sql(text(Array(places).fill("?").join(", "))));

  function* each(ids: number[], before: Value[]): Generator<[Statement<Value[], Row>, Value[]]> {
    for (let from = 0; from < ids.length; from += MOST) {
      const some = ids.slice(from, from + MOST);
      const size = PLACES.findIndex((places) => places >= some.length);
      // A row is there once, however often its id stands there.
      while (some.length < PLACES[size]!) some.push(some[0]!);
      yield [statements[size]!, before.concat(some)];
    }
  }

  return {
    /** In no order. */
    async all(tx: Tx, ids: number[], before: Value[] = []): Promise<Row[]> {
      return (await Promise.all(Array.from(each(ids, before), (asked) => tx.all(...asked)))).flat();
    },
    write(tx: Tx, ids: number[], before: Value[] = []): void {
      for (const asked of each(ids, before)) tx.write(...asked);
    },
  };
}
