import { nextVideoState, type VideoCondition } from "../../../rules/video-state.ts";
import { insert, sql, type Tx } from "../tx.ts";
import type { VideoRow } from "./video-row.ts";

/** What an event said of its video, or an import (`imported`, which says a context only). */
type Said = {
  id: number;
  imported: 0 | 1;
  received_at: number;
  type: string | null;
  failure: number;
  context: string | null;
  /** The context that it was given because it had none of its own. */
  given: string | null;
  /** Null: before all others. */
  place: number | null;
};

/** A video as its history leaves it, in columns of its row. */
export type Retold = Pick<VideoRow, "state" | "has_file" | "context" | "context_since">;

// The order in which a video's events count (CONTRACT, "Late", "Mapping"): an event that came in time
// by its commit, one from quarantine by its receipt, an import before all of them unless it was to be the newest.

const IN_ORDER = sql<[number, number, number], Said>(
  `SELECT e.id, 0 AS imported, e.received_at, e.type, e.failure, e.context, a.context AS given,
     coalesce(a.ordered_at, e.received_at) AS place
     FROM events e LEFT JOIN annotations a ON a.event = e.id WHERE e.video = ? AND e.sequence > ?
   UNION ALL SELECT id, 1, at, NULL, 0, context, NULL, ordered_at FROM imports WHERE video = ?
   ORDER BY place NULLS FIRST, id`,
);
const GIVE = sql<[number, string, number]>(
  `INSERT INTO annotations (event, context, context_at) VALUES (?, ?, ?)
   ON CONFLICT (event) DO UPDATE SET context = excluded.context, context_at = excluded.context_at`,
);
const GIVE_ALL = sql<[string, number, number, number]>(
  `INSERT INTO annotations (event, context, context_at)
     SELECT id, ?, ? FROM events WHERE video = ? AND sequence > ? AND context IS NULL
   ON CONFLICT (event) DO UPDATE SET context = excluded.context, context_at = excluded.context_at WHERE annotations.context IS NULL`,
);
const PAST_CONTEXTS = sql<[number, number], { context: string; since: number }>(
  "SELECT context, since FROM past_contexts WHERE video = ? ORDER BY id DESC LIMIT ?",
);
const DROP_PAST = sql<[number]>("DELETE FROM past_contexts WHERE video = ?");
const keepPast = insert("past_contexts", ["id", "video", "context", "since"]);

export function keep(tx: Tx, video: number, context: string, since: number): void {
  keepPast(tx, { id: tx.ids.next(), video, context, since });
}

/** The newest `limit` of its earlier contexts, the first one first. */
export const past = async (tx: Tx, video: number, limit: number) =>
  (await tx.all(PAST_CONTEXTS, [video, limit])).reverse();

/** The first context that becomes known of a video is that of all its events that had none, from then on. */
export function fill(tx: Tx, video: Pick<VideoRow, "id" | "forgotten_through">, context: string, now: number): void {
  tx.write(GIVE_ALL, [context, now, video.id, video.forgotten_through]);
}

/**
 * The context that an event without one gets at a place in its video's order, as `retell` gives them: the last that was said
 * up to there, else the newest; null: there is none.
 */
export async function contextAt(
  tx: Tx,
  video: Pick<VideoRow, "id" | "forgotten_through">,
  orderedAt: number,
): Promise<string | null> {
  const said = await tx.all(IN_ORDER, [video.id, video.forgotten_through, video.id]);
  const named = said.filter(({ context }) => context !== null);
  return (named.findLast(({ place }) => (place ?? 0) <= orderedAt) ?? named.at(-1))?.context ?? null;
}

/**
 * Goes through all that was said of a video, in order: writes its earlier contexts, and gives events without a context
 * the one of their place, where they have none yet.
 */
export async function retell(
  tx: Tx,
  video: Pick<VideoRow, "id" | "forgotten_through" | "forgotten_at">,
  now: number,
): Promise<Retold> {
  // Of an erasure that is under way only `forgotten_through` is written yet.
  const isErased = video.forgotten_at !== null || video.forgotten_through > 0;
  let condition: VideoCondition = { state: isErased ? "deleted" : "unknown", hasFile: false };
  const contexts: { context: string; since: number }[] = [];
  for (const said of await tx.all(IN_ORDER, [video.id, video.forgotten_through, video.id])) {
    const present = contexts.at(-1)?.context ?? null;
    if (said.context !== null && said.context !== present) {
      contexts.push({ context: said.context, since: said.received_at });
    }
    if (said.imported === 1) continue;
    condition = nextVideoState(condition, { type: said.type, failure: said.failure === 1 });
    if (said.context === null && said.given === null && present !== null) {
      tx.write(GIVE, [said.id, present, now]);
    }
  }
  const current = contexts.pop() ?? null;
  tx.write(DROP_PAST, [video.id]);
  for (const { context, since } of contexts) keep(tx, video.id, context, since);
  if (current !== null) tx.write(GIVE_ALL, [current.context, now, video.id, video.forgotten_through]);
  return {
    state: condition.state,
    has_file: condition.hasFile ? 1 : 0,
    context: current?.context ?? null,
    context_since: current?.since ?? null,
  };
}
