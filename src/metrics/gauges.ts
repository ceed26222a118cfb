import type { MediaKind, MediaState } from "../model/medium.ts";
import { GONE_AFTER } from "../store/access/relays.ts";
import { REMOVED, type Series } from "./meters.ts";
import type { Readings } from "./readings.ts";
import type { MetricName } from "./table.ts";

const MEDIA_STATES: MediaState[] = [
  "pending",
  "running",
  "mirrored",
  "failed",
  "expired",
  "skipped",
  "superseded",
  "deleted",
];
const KINDS: MediaKind[] = ["video", "thumbnail"];
const OPEN = ["waiting", "pending", "running"] as const;

export type Gauges = Partial<Record<MetricName, Series<number>[]>>;

/** The gauges that readings give. What could not be read is left out, and so is what there is none of. */
export function gaugesOf(readings: Readings): Gauges {
  const { usable, disk, database, spool, lastEventAt, nearestDeadline, lastBackupAt, archiveFailingSince, now } =
    readings;
  const { counts, states, relays } = readings;
  return {
    store_usable: one(Number(usable.store)),
    ...(usable.target !== null && { target_usable: one(Number(usable.target)) }),
    ...(counts && countsOf(counts, readings)),
    ...(states && statesOf(states, readings)),
    ...some("last_event_timestamp_seconds", lastEventAt, (at) => at / 1_000),
    ...some("media_nearest_deadline_seconds", nearestDeadline, (at) => (at - now) / 1_000),
    ...some("backup_verified_timestamp_seconds", lastBackupAt, (at) => at / 1_000),
    ...some("archive_failing_timestamp_seconds", archiveFailingSince, (at) => at / 1_000),
    ...(relays && relaysOf(relays, now)),
    ...some("disk_free_bytes", disk.free),
    disk_needed_bytes: one(disk.needed),
    disk_downloads_bytes: one(disk.downloads),
    database_bytes: Object.entries(database).flatMap(([file, bytes]) =>
      bytes === null ? [] : [{ labels: [file], value: bytes }],
    ),
    ...some("spool_bytes", spool),
  };
}

function relaysOf(relays: NonNullable<Readings["relays"]>, now: number): Gauges {
  const live = relays.filter(({ seenAt }) => now - seenAt < GONE_AFTER);
  return {
    relays: [
      { labels: ["live"], value: live.length },
      { labels: ["silent"], value: relays.length - live.length },
    ],
    relay_configs: one(new Set(live.map(({ config }) => config)).size),
  };
}

function countsOf(counts: NonNullable<Readings["counts"]>, { endpoints, now }: Readings): Gauges {
  const { media, kinds, uploads, deletions, deliveries, oldest } = counts;
  const ids = new Set(endpoints.map(({ id }) => id));
  const age = (at: number | null) => (at === null ? 0 : Math.max(0, now - at) / 1_000);
  const of = (id: string) => deliveries.filter(({ endpoint }) => (ids.has(endpoint) ? endpoint : REMOVED) === id);
  const number = (rows: typeof deliveries, state: string) =>
    rows.reduce((sum, row) => sum + (row.state === state ? row.count : 0), 0);
  const oldestOf = (rows: typeof deliveries) => {
    const open = rows.filter(({ state }) => OPEN.some((each) => each === state));
    return age(open.length === 0 ? null : Math.min(...open.map((row) => row.oldest)));
  };
  const names = [...ids, REMOVED];
  return {
    jobs: [
      // A medium that waits for its upload is in the spool.
      { labels: ["download", "pending"], value: Math.max(0, (media.pending ?? 0) - uploads) },
      { labels: ["download", "running"], value: media.running ?? 0 },
      { labels: ["upload", "pending"], value: uploads },
      { labels: ["delete", "pending"], value: deletions },
      ...OPEN.map((state) => ({ labels: ["deliver", state], value: number(deliveries, state) })),
    ],
    jobs_oldest_seconds: [
      { labels: ["download"], value: age(oldest.download) },
      { labels: ["upload"], value: age(oldest.upload) },
      { labels: ["delete"], value: age(oldest.delete) },
      { labels: ["deliver"], value: oldestOf(deliveries) },
    ],
    deliveries: names.flatMap((id) =>
      [...OPEN, "dead"].map((state) => ({ labels: [id, state], value: number(of(id), state) })),
    ),
    deliveries_oldest_seconds: names.map((id) => ({ labels: [id], value: oldestOf(of(id)) })),
    media: KINDS.flatMap((kind) =>
      MEDIA_STATES.map((state) => {
        const count = kinds.find((each) => each.kind === kind && each.state === state)?.count ?? 0;
        return { labels: [kind, state], value: count };
      }),
    ),
  };
}

function statesOf(states: NonNullable<Readings["states"]>, { endpoints, now }: Readings): Gauges {
  const stateOf = new Map(states.map((state) => [state.endpoint, state]));
  const breaker = (id: string) => {
    const open = stateOf.get(id)?.health?.breaker ?? null;
    return open === null ? 0 : open.dueAt <= now ? 1 : 2;
  };
  const isPaused = (id: string) => (stateOf.get(id)?.pausedAt ?? null) !== null;
  return {
    endpoint_breaker: endpoints.map(({ id }) => ({ labels: [id], value: breaker(id) })),
    endpoint_paused: endpoints.map(({ id, paused }) => ({ labels: [id], value: Number(paused || isPaused(id)) })),
  };
}

const one = (value: number): Series<number>[] => [{ labels: [], value }];

function some(name: MetricName, value: number | null, shown: (value: number) => number = (given) => given): Gauges {
  return value === null ? {} : { [name]: one(shown(value)) };
}
