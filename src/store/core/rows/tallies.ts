import { DOCUMENTED_TYPES } from "../../../model/event.ts";
import { type Counted, type Numbered, TALLY_BOUNDS, type Tally, type TallyKind, type TallyWish } from "../../counts.ts";
import { insert, sql, type Tx } from "../tx.ts";

// What happens is summed up in memory, and written once for each commit: a row that each event wrote would cost as much as
// the event's own indexes.

const HOUR = 3_600_000;

const beginOfHour = (time: number) => Math.floor(time / HOUR) * HOUR;

type Row = Omit<Tally, "times"> & { times: string; writer: string };

/** Sums of a commit that has not come yet. */
export type Sums = {
  add(now: number, kind: TallyKind, label: string, counted: Counted): void;
  count(of: Numbered, by: number): void;
  clear(): void;
  /** Whether there is nothing to write. */
  isEmpty(): boolean;
  /** Adds them to what is stored. */
  write(tx: Tx): Promise<void>;
};

const KINDS: TallyKind[] = ["received", "attempts", "deliveries", "media"];

const KNOWN = new Set([...DOCUMENTED_TYPES, "video.failed", "unknown"]);

/** The label of an event: a sender that makes types up makes no labels. */
export const labelOf = (topic: string) => (KNOWN.has(topic) ? topic : "other");

const BY_KEY = sql<[string, string, number, string], Row>(
  "SELECT * FROM tallies WHERE kind = ? AND label = ? AND hour = ? AND writer = ?",
);
const COUNT = sql<[number, Numbered]>("UPDATE counters SET value = value + ? WHERE name = ?");
const COLUMNS = ["hour", "kind", "label", "writer", "ok", "failed", "ms", "times"] as const;
const add = insert(
  "tallies",
  COLUMNS,
  `ON CONFLICT (kind, label, hour, writer) DO UPDATE SET ok = tallies.ok + excluded.ok,
     failed = tallies.failed + excluded.failed`,
);
const put = insert(
  "tallies",
  COLUMNS,
  `ON CONFLICT (kind, label, hour, writer) DO UPDATE SET ok = excluded.ok, failed = excluded.failed, ms = excluded.ms,
     times = excluded.times`,
);

/** `count`: the statement that adds to a number. */
export function createSums(count = COUNT): Sums {
  const sums = new Map<string, Tally>();
  const numbers = new Map<Numbered, number>();
  return {
    add(now, kind, label, { isOk, ms }) {
      const hour = beginOfHour(now);
      const key = `${hour} ${kind} ${label}`;
      const sum = sums.get(key) ?? { hour, kind, label, ok: 0, failed: 0, ms: 0, times: [] };
      if (isOk) sum.ok++;
      else sum.failed++;
      if (ms !== undefined) {
        sum.ms += ms;
        const at = TALLY_BOUNDS.findIndex((bound) => ms <= bound);
        const bucket = at < 0 ? TALLY_BOUNDS.length : at;
        sum.times[bucket] = (sum.times[bucket] ?? 0) + 1;
      }
      sums.set(key, sum);
    },
    count: (of, by) => void numbers.set(of, (numbers.get(of) ?? 0) + by),
    clear() {
      sums.clear();
      numbers.clear();
    },
    isEmpty: () => sums.size === 0 && numbers.size === 0,
    async write(tx) {
      for (const [of, by] of numbers) if (by !== 0) tx.write(count, [by, of]);
      numbers.clear();
      const { writer } = tx.relay;
      for (const sum of sums.values()) if (!isTimed(sum)) add(tx, toRow(sum, writer));
      // How long things took is a text: it is read before it is added to.
      const rows = [...sums.values()].filter(isTimed);
      sums.clear();
      const before = await Promise.all(
        rows.map(({ kind, label, hour }) => tx.get(BY_KEY, [kind, label, hour, writer])),
      );
      for (const [at, row] of rows.entries()) put(tx, toRow(before[at] ? both(row, toTally(before[at])) : row, writer));
    },
  };
}

const isTimed = ({ times }: Tally) => times.length > 0;

/** The sum of two of one hour. */
function both({ times, ...one }: Tally, other: Tally): Tally {
  return {
    ...one,
    ...{ ok: one.ok + other.ok, failed: one.failed + other.failed, ms: one.ms + other.ms },
    times: TALLY_BOUNDS.concat(0).map((_, at) => (times[at] ?? 0) + (other.times[at] ?? 0)),
  };
}

function toRow({ times, ...tally }: Tally, writer: string): Row {
  const all = TALLY_BOUNDS.concat(0).map((_, at) => times[at] ?? 0);
  return { ...tally, writer, times: all.some((count) => count > 0) ? JSON.stringify(all) : "[]" };
}

const toTally = ({ times, writer: _, ...row }: Row): Tally => ({ ...row, times: JSON.parse(times) as number[] });

export async function read(
  tx: Tx,
  { kind, label, since, until = Number.MAX_SAFE_INTEGER }: TallyWish,
): Promise<Tally[]> {
  const labels = label === undefined ? await labelsOf(tx, kind) : [label];
  const from = beginOfHour(since);
  const found = await Promise.all(labels.map((one) => tx.all(SPAN, [kind, one, from, until])));
  return found
    .flatMap((rows) => byHour(rows.map(toTally)))
    .sort((a, b) => a.hour - b.hour || (a.label < b.label ? -1 : 1));
}

/** One of each hour, of rows in order, of which each writer has its own. */
function byHour(rows: Tally[]): Tally[] {
  const hours: Tally[] = [];
  for (const row of rows) {
    if (hours.at(-1)?.hour === row.hour) hours.push(both(hours.pop()!, row));
    else hours.push(row);
  }
  return hours;
}

const SPAN = sql<[string, string, number, number], Row>(
  "SELECT * FROM tallies WHERE kind = ? AND label = ? AND hour >= ? AND hour < ? ORDER BY hour",
);
const NEXT_LABEL = sql<[string, string], { label: string | null }>(
  "SELECT min(label) AS label FROM tallies WHERE kind = ? AND label > ?",
);

async function labelsOf(tx: Tx, kind: TallyKind): Promise<string[]> {
  const labels: string[] = [];
  for (let next = await tx.get(NEXT_LABEL, [kind, ""]); next?.label != null; ) {
    labels.push(next.label);
    next = await tx.get(NEXT_LABEL, [kind, next.label]);
  }
  return labels;
}

const OLDEST = sql<[string, string, number], { hour: number | null }>(
  "SELECT min(hour) AS hour FROM tallies WHERE kind = ? AND label = ? AND hour < ?",
);
const DROP = sql<[string, string, number]>("DELETE FROM tallies WHERE kind = ? AND label = ? AND hour < ?");

/** The first hour that began before this time, of each kind and label that has one. */
async function oldest(tx: Tx, before: number) {
  const all = await Promise.all(
    KINDS.map(async (kind) => (await labelsOf(tx, kind)).map((label) => ({ kind, label }))),
  );
  const found = await Promise.all(
    all.flat().map(async (of) => ({ ...of, hour: (await tx.get(OLDEST, [of.kind, of.label, before]))!.hour })),
  );
  return found.filter((one): one is typeof one & { hour: number } => one.hour !== null);
}

/** Whether there is an hour that ended before this time. */
export async function isAnyBefore(tx: Tx, time: number): Promise<boolean> {
  return (await oldest(tx, beginOfHour(time))).length > 0;
}

/** Removes about `limit` of the hours that ended before this time at most; returns whether there may be more. */
export async function dropBefore(tx: Tx, time: number, limit: number): Promise<boolean> {
  const before = beginOfHour(time);
  const all = await oldest(tx, before);
  let left = limit;
  for (const { kind, label, hour } of all) {
    if (left <= 0) return true;
    left -= await tx.changed(DROP, [kind, label, Math.min(before, hour + left * HOUR)]);
  }
  return left <= 0;
}
