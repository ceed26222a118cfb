import { type Expiry, nothingPruned, type StorageReading, withReading } from "../../../model/retention.ts";
import type { RetentionVerbs } from "../../retention.ts";
import type { Work } from "../../verbs.ts";
import { copiesOf } from "../rows/counts.ts";
import * as meta from "../rows/meta.ts";
import { PER_MS } from "../rows/numbers.ts";
import { job, sql, type Tx } from "../tx.ts";
import * as ages from "./ages.ts";
import * as attempts from "./attempts.ts";
import * as bodies from "./bodies.ts";
import type { Reached } from "./reached.ts";
import * as reaches from "./reached.ts";
import * as retained from "./retained.ts";

/** What one part of a count looks at. */
const PER_COUNT = 5_000;

/** A lease that ends later than this was made by a clock that was wrong. */
const LONGEST_LEASE = 5 * 60_000;

/** Where a count is. `again`: behind this row of `retained`; null: those are counted. */
type Place = { what: "body" | "attempts"; again: { since: number; id: number } | null; from: number };

type Wish = Parameters<RetentionVerbs["prune"]>[0];

type Verb = "prune" | "countPrunable" | "oldestBody" | "noteReading" | "readings";

type RetentionWorks = {
  [Name in Verb]: Work<Parameters<RetentionVerbs[Name]>, Awaited<ReturnType<RetentionVerbs[Name]>>>;
};

const OLDEST = sql<[number], { id: number }>("SELECT id FROM events WHERE id > ? ORDER BY id LIMIT 1");

/** What the verbs of retention do. */
export const retentionWorks: RetentionWorks = {
  prune: {
    /** Where nothing has expired nothing is written. */
    answer: (wish, now) =>
      job(async (tx) => {
        const reached = await reaches.read(tx);
        if (isHeld(reached, wish, now)) return null;
        const some =
          (await bodies.isAny(tx, wish, reached)) ||
          (await attempts.isAny(tx, wish, reached)) ||
          (await ages.isAny(tx, now));
        return some || reached.holder === wish.by ? undefined : { ...nothingPruned(), isMore: false };
      }),
    run: (wish, now) => job((tx) => prune(tx, wish, now)),
  },
  countPrunable: (expiry, from) => job((tx) => count(tx, expiry, from)),
  oldestBody: () => job(oldestBody),
  noteReading: (reading) => job((tx) => noteReading(tx, reading)),
  readings: () => job(readings),
};

function isHeld({ holder, until }: Reached, { by, takes = false }: Wish, now: number): boolean {
  return holder !== null && holder !== by && !takes && until > now && until <= now + LONGEST_LEASE;
}

async function prune(tx: Tx, wish: Wish, now: number): ReturnType<RetentionVerbs["prune"]> {
  const { by, leaseFor, limit } = wish;
  const reached = await reaches.read(tx);
  if (isHeld(reached, wish, now)) return null;
  const pruned = nothingPruned();
  const work = { reached, pruned, limit, now };
  // What goes with its body is not looked at twice.
  const isMore =
    (await bodies.prune(tx, wish, work)) || (await attempts.prune(tx, wish, work)) || (await ages.prune(tx, work));
  Object.assign(reached, isMore ? { holder: by, until: now + leaseFor } : { holder: null, until: 0 });
  reaches.write(tx, reached);
  return { ...pruned, isMore };
}

async function count(tx: Tx, expiry: Expiry, from: string | null): ReturnType<RetentionVerbs["countPrunable"]> {
  const reached = await reaches.read(tx);
  const start: Place = { what: "body", again: { since: 0, id: 0 }, from: reached.bodies };
  const place: Place = from === null ? start : JSON.parse(from);
  const pruned = nothingPruned();
  const of = place.what === "body" ? bodies : attempts;
  const next = (to: Place | null) => ({ ...pruned, next: to === null ? null : JSON.stringify(to) });
  if (place.again !== null) {
    const before = place.what === "body" ? expiry.bodies : expiry.attempts;
    const rows = await retained.dueBehind(tx, place.what, before, place.again, PER_COUNT);
    for (const { id } of rows) await of.countAgain(tx, expiry, id, pruned);
    return next({ ...place, again: rows.length < PER_COUNT ? null : rows.at(-1)! });
  }
  const to = await of.count(tx, expiry, { from: place.from, pruned, limit: PER_COUNT });
  if (to !== null) return next({ ...place, from: to });
  return next(place.what === "body" ? { what: "attempts", again: start.again, from: reached.attempts } : null);
}

const READINGS = "storage";

const readings = async (tx: Tx) => (await meta.readJson<StorageReading[]>(tx, READINGS)) ?? [];

async function noteReading(tx: Tx, reading: Omit<StorageReading, "copies">): Promise<void> {
  const copies = await copiesOf(tx);
  meta.writeJson(tx, READINGS, withReading(await readings(tx), { ...reading, copies }));
}

/** Of what is looked at again the time of the event itself is not known. */
async function oldestBody(tx: Tx): Promise<number | null> {
  const row = await tx.get(OLDEST, [(await reaches.read(tx)).bodies]);
  return row === undefined ? null : Math.floor(row.id / PER_MS);
}
