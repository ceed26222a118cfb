import type { Random } from "../../../ports.ts";
import { VIDEO } from "../../core/events/videos.ts";
import * as reached from "../../core/retention/reached.ts";
import { PER_MS } from "../../core/rows/numbers.ts";
import { accepting } from "../../core/rules.ts";
import { apart, type Job, job, sql, type Tx } from "../../core/tx.ts";
import type { StoreSettings } from "../../settings.ts";
import type { Acknowledged } from "./ring.ts";

// What was acknowledged and is not there. An event that is stored again is a new row, in the present epoch and with an id of
// its own, so that readers who go by ids do not miss it; what it is called outside is what it was called before.

/**
 * `stored`: as a new event; `repeated`: another event says the same, and the name leads there; `known`: it is there by now;
 * `erased`: its video was forgotten meanwhile; `failed`: the database does not take it.
 */
export type Restored = "stored" | "repeated" | "known" | "erased" | "failed";

const THERE = sql<[string], { id: number }>("SELECT id FROM events WHERE id = ANY(CAST(? AS int8[]))");
const GIVE = sql<[string, number, number]>(
  `INSERT INTO given_names (name, event, is_shown) VALUES (?, ?, ?)
     ON CONFLICT (name) DO UPDATE SET event = excluded.event, is_shown = excluded.is_shown`,
);
const MARK = sql<[Uint8Array]>("UPDATE meta SET value = ? WHERE name = 'names'");

/**
 * Whether each of these events is there, or has been pruned. It is a transaction that writes: its commit waits for a standby,
 * and so for all that it has seen.
 */
export const isThere = (names: string[]): Job<boolean[]> =>
  apart("audit", async (tx) => {
    const ids = names.map((name) => tx.ids.find("evt", name));
    const [rows, { gone }] = await Promise.all([
      tx.all(THERE, [`{${ids.filter((id) => id !== 0).join()}}`]),
      reached.read(tx),
    ]);
    const there = new Set(rows.map(({ id }) => id));
    return ids.map((id) => there.has(id) || (id !== 0 && gone !== null && id <= gone[1]));
  });

/** Stores them again, and gives what became of each. Nothing else is written meanwhile: so each sees the names of all. */
export const storeAgain = (some: Acknowledged[], settings: StoreSettings, random: Random): Job<Restored[]> =>
  job(async (tx) => {
    const restored: Restored[] = [];
    for (const one of some) restored.push(await storeOne(tx, one, settings));
    if (restored.some((what) => what === "stored" || what === "repeated")) tx.write(MARK, [random.bytes(16)]);
    return restored;
  });

/** A given name is kept for at least this long, in milliseconds: a relay that was cut off for so long holds no acknowledgement. */
const KEPT = 24 * 3_600_000;

/** How many are removed at once. */
const PIECE = 1_000;

const DROP = sql<[number, number]>(
  `DELETE FROM given_names WHERE name IN (SELECT name FROM given_names n
     WHERE event < ? AND NOT EXISTS (SELECT 1 FROM events WHERE id = n.event) LIMIT ?)`,
);

/** Removes a piece of the names that were given to events which have been pruned since, and gives whether there may be more. */
export const dropNames = (now: number, random: Random): Job<boolean> =>
  apart("meta", async (tx) => {
    const dropped = await tx.changed(DROP, [(now - KEPT) * PER_MS, PIECE]);
    // Other relays know them by heart.
    if (dropped > 0) tx.write(MARK, [random.bytes(16)]);
    return dropped === PIECE;
  });

const NAMED = sql<[string], unknown>("SELECT 1 FROM given_names n JOIN events e ON e.id = n.event WHERE n.name = ?");

async function storeOne(tx: Tx, { name, videoId, received }: Acknowledged, settings: StoreSettings): Promise<Restored> {
  const known = tx.ids.find("evt", name);
  const [video, named, rows] = await Promise.all([
    tx.get(VIDEO, [videoId]),
    tx.get(NAMED, [name]),
    tx.all(THERE, [`{${known === 0 ? "" : known}}`]),
  ]);
  if (named !== undefined || rows.length > 0) return "known";
  const forgottenAt = video?.forgotten_at ?? null;
  if (forgottenAt !== null && received.receivedAt <= forgottenAt) return "erased";
  const { id, status } = await accepting({ ...received, late: true }, settings).run(tx, video);
  const isStored = status === "accepted";
  tx.write(GIVE, [name, tx.ids.read("evt", id), isStored ? 1 : 0]);
  return isStored ? "stored" : "repeated";
}
