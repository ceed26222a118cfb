import type { Config } from "../config/schema.ts";
import type { Clock } from "../ports.ts";
import type { Store } from "../store/store.ts";
import { firstToDie, readFacts } from "./alarms/facts.ts";
import { receiverJson, silencesByName } from "./alarms/json.ts";
import { type Facts, judgeAlarms } from "./alarms/judge.ts";
import { describeEndpoints } from "./endpoints.ts";
import { isoTime } from "./json.ts";
import { readBacklog } from "./outcome/backlog.ts";
import { readStorage } from "./prune.ts";
import { archiveStateJson } from "./relay/archive.ts";
import { describeRelays } from "./relay/relays.ts";
import { growthOf, readDisks } from "./relay/storage.ts";

/** The process of the relay, as far as it is known here; times are milliseconds since 1970. */
export type RelayProcess = Pick<Facts, "isRunning" | "storeTrouble" | "targetTrouble"> & {
  version: string | null;
  startedAt: number | null;
  /** What is wrong, in a few words each. */
  troubles: string[];
};

export type Status = Awaited<ReturnType<typeof readStatus>>;

/** How the relay is, on one page: what there is, what waits, the room it takes, and what needs a person. From counters only. */
export async function readStatus(
  store: Store,
  config: Config,
  { clock, relay }: { clock: Clock; relay: RelayProcess },
) {
  const now = clock.now();
  const [
    counts,
    states,
    nextMedium,
    database,
    readings,
    backup,
    failedBackup,
    receivers,
    { silences },
    archive,
    relays,
  ] = await Promise.all([
    store.counts(),
    store.endpoints(),
    firstToDie(store),
    readStorage(store),
    store.readings(),
    store.backups.last(),
    store.backups.failed(),
    store.receivers(),
    store.alarms(now),
    store.archiveState(),
    store.relays(),
  ]);
  const silenced = silencesByName(silences);
  const { events, videos, media, uploads, deletions, deliveries, quarantine, copies } = counts;
  const unfinished = (media.pending ?? 0) + (media.running ?? 0);
  const sum = (state: string) =>
    deliveries.filter((one) => one.state === state).reduce((total, { count }) => total + count, 0);
  const endpoints = describeEndpoints(config, states, deliveries);
  const growth = growthOf(readings);
  const [backlog, disks, facts] = await Promise.all([
    readBacklog(store, endpoints, now),
    readDisks(config, { growth, room: database.free, clock }),
    readFacts(store, config, { now, ...relay, endpoints, nextMedium, space: database }),
  ]);
  const last = readings.at(-1);
  return {
    dataDir: config.dataDir,
    events,
    /** When the newest was received. */
    lastEventAt: isoTime(facts.lastEventAt),
    videos,
    media,
    /** Secured in the spool, and waiting for the target. */
    uploads,
    /** Copies that are to be deleted now. */
    deletions,
    /** Not downloaded yet. */
    unsecured: {
      count: Math.max(0, unfinished - uploads),
      nearestDeadline: nextMedium === null ? null : isoTime(nextMedium.deadline),
      mediumId: nextMedium?.id ?? null,
    },
    deliveries: { waiting: sum("waiting"), pending: sum("pending"), running: sum("running"), dead: sum("dead") },
    endpoints,
    backlog,
    quarantine,
    database,
    /** Bytes of all copies, wherever they are. */
    copies: { bytes: copies },
    disks,
    /** Bytes a day, and the readings that say so; null: not known before they reach over a day. */
    growth: growth && { ...growth, since: isoTime(growth.since)!, until: isoTime(growth.until)! },
    /** When all that had expired was last pruned, and how many rows that were; null: it was not yet. `archive` null: there is none. */
    retention: {
      ...{ prunedAt: isoTime(last?.at ?? null), rows: last?.pruned ?? null },
      archive: archiveStateJson(config.retention, archive),
    },
    /** The last that was checked, and why the last try of the schedule failed; null: there is none, it did not. */
    backup: {
      every: config.backup?.every ?? null,
      last: backup && { at: isoTime(backup.at), place: backup.place, name: backup.name, bytes: backup.bytes },
      failure: failedBackup?.error ?? null,
    },
    /** What needs a person, the worst first; `silence`: nothing is said of it meanwhile. */
    alarms: judgeAlarms(facts).map((alarm) => ({ ...alarm, silence: silenced.get(alarm.name) ?? null })),
    /** Where alerts of them go, and which of these take none. */
    receivers: receivers.map(receiverJson),
    relay: relayJson(relay),
    /** Those that work on the same database, where several may. */
    relays: describeRelays(relays, now),
  };
}

export function relayJson({ isRunning, version, startedAt, troubles }: RelayProcess) {
  return { running: isRunning, version, startedAt: isoTime(startedAt), troubles };
}
