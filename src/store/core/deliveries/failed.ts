import { all, any, type Condition, when } from "../rows/merge.ts";
import { sql, type Tx, type Value } from "../tx.ts";

// What has failed, by when it was last attempted: an index of state and endpoint gives it, the last attempt first.

/** When a delivery (`d`) was last attempted, as the index deliveries_last_tried has it; of one that was never, when it ended. */
const TRIED = "coalesce(d.tried_at, d.settled_at)";

/** Of deliveries that another index gives. */
export const failedSince = (time: number): Condition =>
  when(`coalesce(d.last_error, '') <> '' AND ${TRIED} + 0 >= ?`, time);

type Wish = { since: number; before: number | undefined; states: readonly string[]; endpoints: readonly string[] };

/** The ids of those that failed and were last attempted since a time, the last one first, behind the row `before`. */
export async function find(
  tx: Tx,
  { since, before, states, endpoints }: Wish,
  { from, rest, limit }: { from: string; rest: Condition[]; limit: number },
): Promise<number[]> {
  const [last] = before === undefined ? [] : await tx.all(LAST, [before]);
  const behind =
    last === undefined
      ? []
      : [when(`${TRIED} <= ?`, last.at), any([when(`${TRIED} + 0 < ?`, last.at), when("d.id < ?", last.id)])];
  const found = await Promise.all(
    endpoints.flatMap((to) =>
      states.map((state) => {
        const own = when(
          `d.state = ? AND d.endpoint = ? AND d.last_error IS NOT NULL AND ${TRIED} >= ?`,
          state,
          to,
          since,
        );
        const { text, values } = all([own, ...behind, ...rest]);
        const select = `SELECT d.id, ${TRIED} AS at FROM ${from} WHERE ${text}`;
        const statement = sql<Value[], Row>(`${select} ORDER BY ${TRIED} DESC, d.id DESC LIMIT ?`);
        return tx.all(statement, [...values, limit]);
      }),
    ),
  );
  const rows = found.flat().sort((a, b) => b.at - a.at || b.id - a.id);
  return rows.slice(0, limit).map(({ id }) => id);
}

type Row = { id: number; at: number };

const LAST = sql<[number], Row>(`SELECT d.id, coalesce(${TRIED}, 0) AS at FROM deliveries d WHERE d.id = ?`);
