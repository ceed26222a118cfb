import type { Config } from "../../config/schema.ts";
import type { Medium } from "../../model/medium.ts";
import { freeBytes } from "../../platform/files/disk-space.ts";
import { lastReceived } from "../../store/access/last-received.ts";
import type { Space } from "../../store/retention.ts";
import type { Store } from "../../store/store.ts";
import { listEndpoints } from "../endpoints.ts";
import type { Facts } from "./shape.ts";
import { readStrangers } from "./strangers.ts";

const DAY = 86_400_000;

/** The most refused requests and expired media that are counted. */
const AT_MOST = 100;

const REASONS = ["source", "token", "size"] as const;

/** What a running relay knows of itself, and a command finds out. */
type Outside = Pick<Facts, "isRunning" | "storeTrouble" | "targetTrouble">;

/** What may have been read already. */
type Known = Partial<Pick<Facts, "endpoints" | "nextMedium"> & { space: Pick<Space, "bytes"> }>;

/** Reads what alarms are judged by: from counters, and short lists by index. `now`: milliseconds since 1970. */
export async function readFacts(
  store: Store,
  config: Pick<Config, "dataDir" | "endpoints" | "mirror" | "backup" | "retention">,
  { now, isRunning, storeTrouble, targetTrouble, ...known }: Outside & Known & { now: number },
): Promise<Facts> {
  const day = { limit: AT_MOST, since: now - DAY };
  const unsaved = { limit: AT_MOST, since: now - 3 * DAY };
  const [endpoints, nextMedium, expired, failed, lastEventAt, space, backup, { strangers }, archive] =
    await Promise.all([
      known.endpoints ?? listEndpoints(store, config),
      known.nextMedium === undefined ? firstToDie(store) : known.nextMedium,
      store.media({ ...unsaved, state: "expired" }),
      store.media({ ...unsaved, state: "failed" }),
      lastReceived(store),
      known.space ?? store.space(),
      readBackup(store, config),
      readStrangers(store, now - DAY),
      config.retention.archive === null ? null : store.archiveState(),
    ]);
  const refused = await Promise.all(
    REASONS.map(async (reason) => ({ reason, rows: await store.quarantined({ ...day, reason }) })),
  );
  const ofDay = (media: Medium[]) => media.filter(({ settledAt }) => settledAt !== null && settledAt > now - DAY);
  const [lost, refusedMedia] = [ofDay(expired), ofDay(failed)];
  const free = await freeBytes(config.dataDir).catch(() => null);
  const least = config.mirror.enabled ? config.mirror.minFreeDisk : 0;
  // A database on a server grows there.
  const grows = store.shared === null ? Math.ceil(space.bytes / 2) : 0;
  return {
    ...{ isRunning, storeTrouble, targetTrouble },
    now,
    endpoints,
    nextMedium,
    expired: { count: lost.length, isCut: expired.length === AT_MOST },
    failed: {
      ...{ count: refusedMedia.length, isCut: failed.length === AT_MOST },
      lastError: refusedMedia[0]?.lastError ?? null,
    },
    refused: refused
      .filter(({ rows }) => rows.length > 0)
      .map(({ reason, rows }) => ({
        reason,
        count: rows.length,
        isCut: rows.length === AT_MOST,
        lastFrom: rows[0]!.sourceAddress,
      })),
    unknownSenders: strangers.filter(({ events }) => events > 0),
    lastEventAt,
    disk: free === null ? null : { free, needed: Math.max(least, grows), downloads: least },
    backup,
    archive: archive?.failing ?? null,
  };
}

/** The medium whose link is the next to die of those that are not secured; null: there is none. */
export async function firstToDie(store: Pick<Store, "media">): Promise<Medium | null> {
  const [first = null] = await store.media({ limit: 1, byDeadline: true });
  return first;
}

async function readBackup(store: Store, { backup }: Pick<Config, "backup">): Promise<Facts["backup"]> {
  const every = backup?.every ?? null;
  if (every === null) return { every, lastAt: null, failure: null, bornAt: null };
  const [last, failed, oldest] = [await store.backups.last(), await store.backups.failed(), await store.oldestBody()];
  return { every, lastAt: last?.at ?? null, failure: failed?.error ?? null, bornAt: oldest };
}
