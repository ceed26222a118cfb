import { idAt } from "../rows/paging.ts";
import { takeSome } from "../rows/pieces.ts";
import { sql, type Tx, type Value } from "../tx.ts";
import { BEYOND, type Found, type Place, type Scope } from "./scope.ts";

/** What a task that takes in refused bodies takes, the oldest first; their bytes go into memory. */
export async function find(tx: Tx, scope: Scope, from: Place | null, limit: number): Promise<Found> {
  const { since, until, reason, source, videoId, context } = scope.filter;
  const after = Math.max(from?.[0] ?? 0, since === undefined ? 0 : idAt(since) - 1);
  const high = Math.min(scope.upTo, until === undefined ? BEYOND : idAt(until));
  const narrowing = Object.entries({ reason, source, video_id: videoId, context }).filter(
    ([, value]) => value !== undefined,
  ) as [string, string][];
  const text = narrowing.map(([column]) => ` AND ${column} = ?`).join("");
  const some = sql<Value[], { id: number; bytes: number }>(
    `SELECT id, bytes FROM quarantine WHERE id > ? AND id < ?${text} ORDER BY id LIMIT ?`,
  );
  const rows = await tx.all(some, [after, high, ...narrowing.map(([, value]) => value), limit]);
  const taken = takeSome(rows);
  const items = taken.map(({ id }) => ({ id, event: id, video: 0, endpoint: null }));
  const isLast = rows.length < limit && taken.length === rows.length;
  return { items, to: [taken.at(-1)?.id ?? after, BEYOND], isLast };
}
