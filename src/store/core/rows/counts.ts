import type { JobState } from "../../../model/job.ts";
import type { MediaKind, MediaState } from "../../../model/medium.ts";
import type { Counts } from "../../counts.ts";
import { sql, type Tx } from "../tx.ts";
import { LISTED, listedEndpoints } from "./listed-endpoints.ts";
import { PER_MS } from "./numbers.ts";

type Numbers = Pick<Counts, "uploads" | "deletions"> & Counts["quarantine"];

// What is not finished is counted by its index, and all else by the counters that its transactions keep.

// The quarantine is bounded in bytes.
const NUMBERS = sql<[], Numbers>(
  `SELECT (SELECT count(*) FROM transfers WHERE action = 'upload') AS uploads,
     (SELECT count(*) FROM transfers WHERE action = 'delete') AS deletions,
     (SELECT count(*) FROM quarantine) AS count, (SELECT coalesce(sum(bytes), 0) FROM quarantine) AS bytes`,
);
const COUNTERS = sql<[], { name: string; value: number }>("SELECT name, value FROM counters");
const OPEN_MEDIA = sql<[], { kind: MediaKind; state: MediaState; count: number }>(
  "SELECT kind, state, count(*) AS count FROM media WHERE state IN ('pending', 'running') GROUP BY state, kind",
);
// Ids grow with time (numbers.ts). Of media in no order of an index, so that the one of those that are due is used.
const OLDEST = sql<[], Counts["oldest"]>(
  `SELECT (SELECT min(id + 0) FROM media WHERE due IS NOT NULL) AS download,
     (SELECT min(id) FROM transfers WHERE action = 'upload') AS upload,
     (SELECT min(id) FROM transfers WHERE action = 'delete') AS "delete"`,
);
type Delivering = { endpoint: string; state: JobState; count: number; first: number };
const HELD = sql<[string], Delivering>(
  `SELECT d.endpoint, d.state, count(*) AS count, min(d.id) AS first FROM deliveries d
   WHERE d.endpoint = ? AND d.state IN ('waiting', 'pending', 'dead') AND ${LISTED} GROUP BY d.endpoint, d.state`,
);
const UNDER_WAY = sql<[], Delivering>(
  `SELECT endpoint, 'running' AS state, count(*) AS count, min(id) AS first FROM deliveries
   WHERE state IN ('running', 'canceling') GROUP BY endpoint`,
);
const RECEIVED = sql<[number], { at: number }>(
  "SELECT e.received_at AS at FROM deliveries d JOIN events e ON e.id = d.event WHERE d.id = ?",
);

/** Those that have not ended, and those that are dead: there may be millions of others. `oldest`: of the first that was made. */
async function countDeliveries(tx: Tx): Promise<Counts["deliveries"]> {
  const endpoints = await listedEndpoints(tx);
  const [running, ...held] = await Promise.all([
    tx.all(UNDER_WAY, []),
    ...endpoints.map((endpoint) => tx.all(HELD, [endpoint])),
  ]);
  const counted = [...held.flat(), ...running!].sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
  return Promise.all(
    counted.map(async ({ first, ...one }) => ({ ...one, oldest: (await tx.get(RECEIVED, [first]))!.at })),
  );
}

const COPIES = sql<[], { value: number }>("SELECT value FROM counters WHERE name = 'copies'");

/** Bytes of all copies in targets. */
export const copiesOf = async (tx: Tx): Promise<number> => (await tx.get(COPIES, []))?.value ?? 0;

/** Reads every count in one go. */
export async function countAll(tx: Tx): Promise<Counts> {
  const [numbers, counters, open, deliveries, ids] = await Promise.all([
    tx.get(NUMBERS, []),
    tx.all(COUNTERS, []),
    tx.all(OPEN_MEDIA, []),
    countDeliveries(tx),
    tx.get(OLDEST, []),
  ]);
  const { count, bytes, ...rest } = numbers!;
  const totals = new Map(counters.map(({ name, value }) => [name, value]));
  const ended = counters.flatMap(({ name, value }) => {
    const [kind, state] = name.split("/");
    return state === undefined || value === 0
      ? []
      : [{ kind: kind as MediaKind, state: state as MediaState, count: value }];
  });
  const kinds = [...open, ...ended];
  const media: Counts["media"] = {};
  for (const { state, count } of kinds) media[state] = (media[state] ?? 0) + count;
  const madeAt = (id: number | null) => (id === null ? null : Math.floor(id / PER_MS));
  const oldest = {
    download: madeAt(ids!.download),
    upload: madeAt(ids!.upload),
    delete: madeAt(ids!.delete),
  };
  const [events = 0, videos = 0, copies = 0] = ["events", "videos", "copies"].map((name) => totals.get(name));
  return { events, videos, copies, ...rest, media, kinds, deliveries, quarantine: { count, bytes }, oldest };
}
