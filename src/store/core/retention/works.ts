import { type Expiry, nothingPruned, type StorageReading, withReading } from "../../../model/retention.ts";
import type { RetentionVerbs } from "../../retention.ts";
import type { Work } from "../../verbs.ts";
import * as marks from "../archive/marks.ts";
import { deliveriesOf, releaseSome } from "../archive/release.ts";
import { archiveWorks } from "../archive/works.ts";
import { copiesOf } from "../rows/counts.ts";
import * as meta from "../rows/meta.ts";
import { aboutFound } from "../rows/named.ts";
import { PER_MS } from "../rows/numbers.ts";
import { ALL } from "../rows/paging.ts";
import { apart, job, sql, type Tx } from "../tx.ts";
import * as ages from "./ages.ts";
import * as attempts from "./attempts.ts";
import * as bodies from "./bodies.ts";
import type { Reached } from "./reached.ts";
import * as reaches from "./reached.ts";
import * as retained from "./retained.ts";

/** What one part of a count looks at. */
const PER_COUNT = 5_000;

/** Where a count is. `again`: behind this row of `retained`; null: those are counted. */
type Place = { what: retained.What; again: { since: number; id: number } | null; from: number };

type Wish = Parameters<RetentionVerbs["prune"]>[0];

type Verb = Exclude<keyof RetentionVerbs, "space" | "giveBack">;

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
        if (isOthers(reached, wish, now)) return null;
        const some =
          (await isLeftInQueue(tx, wish)) ||
          (await bodies.isAny(tx, wish, reached)) ||
          (await attempts.isAny(tx, wish, reached)) ||
          (await ages.isAny(tx, now));
        return some || reached.holder === wish.by ? undefined : { ...nothingPruned(), isMore: false };
      }),
    run: (wish, now) =>
      aboutFound(
        (tx) => videosOfNext(tx, wish),
        (tx, isHeld) => prune(tx, wish, now, isHeld),
        "retention",
      ),
  },
  countPrunable: (expiry, from) => job((tx) => count(tx, expiry, from)),
  oldestBody: () => job(oldestBody),
  noteReading: (reading) => apart("meta", (tx) => noteReading(tx, reading)),
  readings: () => job(readings),
  ...archiveWorks,
};

const isOthers = (reached: Reached, { by, takes = false }: Wish, now: number) =>
  !takes && reaches.isHeld(reached, by, now);

/** What was to be archived is pruned as the rest is, where nothing is archived any longer. */
async function isLeftInQueue(tx: Tx, { archives = false }: Wish): Promise<boolean> {
  return !archives && (await retained.due(tx, "archive", ALL, 1)).length > 0;
}

/** Of what the next piece is about: it is about bodies, or, where there are none, about attempts. */
async function videosOfNext(tx: Tx, wish: Wish): Promise<number[]> {
  const place = { reached: await reaches.read(tx), limit: wish.limit };
  const videos = await bodies.videosOfNext(tx, wish, place);
  return videos.length > 0 ? videos : attempts.videosOfNext(tx, wish, place);
}

async function prune(
  tx: Tx,
  wish: Wish,
  now: number,
  isHeld: (video: number) => boolean,
): ReturnType<RetentionVerbs["prune"]> {
  const { by, leaseFor, limit } = wish;
  const reached = await reaches.read(tx);
  if (isOthers(reached, wish, now)) return null;
  const pruned = nothingPruned();
  const work = { reached, pruned, limit, now, isHeld };
  // What goes with its body is not looked at twice.
  const isMore =
    ((await isLeftInQueue(tx, wish)) && (await releaseSome(tx, limit, now))) ||
    (await bodies.prune(tx, wish, work)) ||
    (await attempts.prune(tx, wish, work)) ||
    (await ages.prune(tx, work));
  Object.assign(reached, reaches.heldBy(tx, by, isMore ? leaseFor : 0, now));
  reaches.write(tx, reached);
  return { ...pruned, isMore };
}

async function count(tx: Tx, expiry: Expiry, from: string | null): ReturnType<RetentionVerbs["countPrunable"]> {
  const reached = await reaches.read(tx);
  const what = expiry.archives ? "archive" : "body";
  const start: Place = { what, again: { since: 0, id: 0 }, from: reached.bodies };
  const place: Place = from === null ? start : JSON.parse(from);
  const pruned = nothingPruned();
  const toArchive = new Set<number>();
  const counting = { pruned, toArchive };
  const next = (to: Place | null) => ({
    ...pruned,
    ...{ archived: toArchive.size, next: to === null ? null : JSON.stringify(to) },
  });
  if (place.what === "archive") {
    const rows = await retained.dueBehind(tx, "archive", ALL, place.again!, PER_COUNT);
    for (const { id } of rows) await countQueued(tx, expiry, id, counting);
    return next(rows.length < PER_COUNT ? { ...start, what: "body" } : { ...place, again: rows.at(-1)! });
  }
  const of = place.what === "body" ? bodies : attempts;
  if (place.again !== null) {
    const before = place.what === "body" ? expiry.bodies : expiry.attempts;
    const rows = await retained.dueBehind(tx, place.what, before, place.again, PER_COUNT);
    for (const { id } of rows) await of.countAgain(tx, expiry, id, counting);
    return next({ ...place, again: rows.length < PER_COUNT ? null : rows.at(-1)! });
  }
  const to = await of.count(tx, expiry, { from: place.from, ...counting, limit: PER_COUNT });
  if (to !== null) return next({ ...place, from: to });
  return next(place.what === "body" ? { what: "attempts", again: start.again, from: reached.attempts } : null);
}

/** One that is to be archived, and then pruned: with its body, or some of its attempts. */
async function countQueued(tx: Tx, expiry: Expiry, id: number, counting: bodies.Counting): Promise<void> {
  if (!(await marks.isSafe(tx, id))) counting.toArchive.add(id);
  await bodies.countAgain(tx, expiry, id, counting);
  for (const delivery of await deliveriesOf(tx, id)) await attempts.countAgain(tx, expiry, delivery.id, counting);
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
