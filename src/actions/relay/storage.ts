import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../../config/schema.ts";
import type { StorageReading } from "../../model/retention.ts";
import { diskSpace } from "../../platform/files/disk-space.ts";
import { within } from "../../platform/timing.ts";
import type { Clock } from "../../ports.ts";
import { typeOf } from "../../targets/table.ts";
import { formatSize } from "../format.ts";

// The disks, and when they will be full.

const DAY = 86_400_000;

/** Days beyond which a forecast says no number. */
const FAR = 3_650;

/** How long a disk is waited for, in milliseconds: one that hangs is left out. */
const PATIENCE = 1_000;

/** Readings less far apart than this say nothing of a day, in milliseconds. */
const LEAST_SPAN = 0.9 * DAY;

/** Bytes a day, by the readings from `since` to `until`; null: they do not reach over a day yet. */
export type Growth = { since: number; until: number; database: number; copies: number } | null;

export function growthOf(readings: StorageReading[]): Growth {
  const [first, last] = [readings[0], readings.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < LEAST_SPAN) return null;
  const perDay = (of: "database" | "copies") => Math.round(((last[of] - first[of]) * DAY) / (last.at - first.at));
  return { since: first.at, until: last.at, database: perDay("database"), copies: perDay("copies") };
}

/**
 * A disk and what of the relay is on it. `perDay`: by how many bytes that grows; `daysLeft`: how long what is free will do; null:
 * it is not known, or (`daysLeft`) it does not grow.
 */
export type Disk = {
  dir: string;
  holds: ("database" | "copies")[];
  free: number;
  size: number;
  perDay: number | null;
  daysLeft: number | null;
};

/** The disks of the data folder and of the copies, where those are on this machine. `room`: free bytes within the database. */
export async function readDisks(
  { dataDir, mirror }: Pick<Config, "dataDir" | "mirror">,
  { growth, room, clock }: { growth: Growth; room: number; clock: Clock },
): Promise<Disk[]> {
  const copies = typeOf(mirror.target).folderOf(mirror.target);
  const [data, other] = await Promise.all([look(dataDir, clock), copies === null ? null : look(copies, clock)]);
  const isShared = data !== null && other !== null && data.dev === other.dev;
  const disks: Disk[] = [];
  if (data !== null) disks.push(diskOf(dataDir, data, isShared ? ["database", "copies"] : ["database"], growth, room));
  if (other !== null && !isShared) disks.push(diskOf(copies!, other, ["copies"], growth, 0));
  return disks;
}

type Looked = { dev: number; free: number; size: number };

function diskOf(dir: string, { free, size }: Looked, holds: Disk["holds"], growth: Growth, room: number): Disk {
  const perDay = growth === null ? null : holds.reduce((sum, of) => sum + growth[of], 0);
  const daysLeft = perDay === null || perDay <= 0 ? null : Math.floor((free + room) / perDay);
  return { dir, holds, free, size, perDay, daysLeft };
}

/** Of the nearest folder that is there; null: the disk does not answer. */
async function look(folder: string, clock: Clock): Promise<Looked | null> {
  return within(PATIENCE, clock, async () => {
    for (let dir = folder; ; dir = dirname(dir)) {
      const found = await stat(dir).catch(() => null);
      if (found === null && dir !== dirname(dir)) continue;
      const { free, size } = await diskSpace(dir);
      return { dev: found?.dev ?? 0, free, size };
    }
  }).catch(() => null);
}

/** `70.4 GiB free of 200.0 GiB; full in about 58 days` */
export function describeDisk({ free, size, perDay, daysLeft }: Disk): string {
  const room = `${formatSize(free)} free of ${formatSize(size)}`;
  if (perDay === null) return room;
  if (daysLeft === null) return `${room}; what is on it does not grow`;
  const when = daysLeft > FAR ? "in more than ten years" : `in about ${daysLeft} days`;
  return `${room}; full ${when}`;
}

/** `database 120.0 MiB, copies 1.1 GiB a day, by the readings of 7 days` */
export function describeGrowth(
  growth: { since: string; until: string; database: number; copies: number } | null,
): string {
  if (growth === null) return "not known before the relay's readings reach over a day";
  const { since, until, database, copies } = growth;
  const days = Math.round((Date.parse(until) - Date.parse(since)) / DAY);
  const shown = (bytes: number) => (bytes < 0 ? `-${formatSize(-bytes)}` : formatSize(bytes));
  return `database ${shown(database)}, copies ${shown(copies)} a day, by the readings of ${days} days`;
}
