import { open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { formatSize } from "../../actions/format.ts";
import { type DiskSpace, diskSpace } from "../../platform/files/disk-space.ts";
import type { Clock } from "../../ports.ts";
import { SIZE as RESERVE } from "../../store/sqlite/files/reserve.ts";
import { type Finding, failed, of, ok, warning } from "../probe.ts";
import { sizeOf } from "./data-folder.ts";
import { nearestFolder } from "./writable.ts";

/** The writes that are timed: enough for a median, and done in a quarter of a second on a slow disk. */
const WRITES = 11;
const BLOCK = 4_096;

/** Milliseconds. Each event waits for at least one such write, and the provider waits for the event. */
const SLOW = 20;

/** Inodes left. */
const FEW_INODES = 1_000;

/** The space on each disk that holds one of these folders, against what downloads and copies need. */
export async function judgeDisks(
  folders: { data: string; media: string | null; backups: string | null },
  needs: Needs,
): Promise<Finding[]> {
  const disks = await groupByDisk(folders);
  return disks.map((disk) => of(disk.holds[0]!, judgeSpace(disk, needs)));
}

/** Bytes. `minFreeDisk` is null where no medium is downloaded; `database`: its size. */
type Needs = { minFreeDisk: number | null; database: number };

/** The reserve that the relay frees when the disk is full. */
export async function judgeReserve(dataDir: string): Promise<Finding> {
  const path = join(dataDir, "reserve");
  const bytes = await sizeOf(path);
  if (bytes >= RESERVE) return ok(`${formatSize(bytes)} are kept back for a full disk`);
  return warning(
    `${path} is ${bytes === 0 ? "not there" : "cut"}: nothing is kept back for a full disk`,
    "free some space: a running relay makes it within a minute, others at their start",
  );
}

type Disk = { holds: string[]; dir: string } & DiskSpace;

/** Each disk once, with all that is on it; a missing folder counts for the disk of the nearest one above it. */
async function groupByDisk(folders: Record<string, string | null>): Promise<Disk[]> {
  const disks = new Map<number, Disk>();
  for (const [what, folder] of Object.entries(folders)) {
    if (folder === null) continue;
    const { there: dir } = await nearestFolder(folder);
    const { dev } = await stat(dir);
    const known = disks.get(dev);
    const space = await diskSpace(dir);
    if (known) known.holds.push(what);
    else disks.set(dev, { holds: [what], dir, ...space });
  }
  return [...disks.values()];
}

function judgeSpace(disk: Disk, { minFreeDisk, database }: Needs): Finding {
  const { holds, dir, free, files, filesFree } = disk;
  const said = `${formatSize(free)} free for ${holds.join(", ")} (${dir})`;
  const room = "make room, or move it to a larger disk";
  // Some file systems have no fixed number of inodes, and report 0.
  if (files > 0 && filesFree < Math.min(FEW_INODES, files)) {
    return failed(`${said}, but only ${filesFree} inodes: hardly a file can be made`, "remove small files");
  }
  const least = holds.includes("data") ? minFreeDisk : null;
  const limit = `mirror.minFreeDisk (${formatSize(least ?? 0)})`;
  if (least !== null && free < least) return failed(`${said}: below ${limit}, so downloads wait`, room);
  if (holds.some((what) => what !== "media") && free < database) {
    return warning(`${said}: less than the database has (${formatSize(database)}), so it cannot be copied`, room);
  }
  if (least !== null && free < 2 * least) return warning(`${said}: near ${limit}, below which downloads wait`, room);
  return ok(said);
}

/** The speed of synced writes to the data folder. The file is removed; one that is found was left by a killed doctor. */
export async function judgeSync(dir: string, clock: Clock, signal: AbortSignal): Promise<Finding> {
  const path = join(dir, ".doctor-sync");
  await rm(path, { force: true });
  const file = await open(path, "wx", 0o600);
  const times: number[] = [];
  try {
    const block = Buffer.alloc(BLOCK, "doctor ");
    for (let at = 0; at < WRITES && !signal.aborted; at++) {
      const begun = clock.elapsed();
      await file.write(block, 0, BLOCK, at * BLOCK);
      await file.datasync();
      times.push(clock.elapsed() - begun);
    }
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
  return judgeWrites(times, dir);
}

/** Judges the speed of the disk by the milliseconds of its writes. */
export function judgeWrites(times: number[], dir: string): Finding {
  const sorted = times.toSorted((one, other) => one - other);
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  const said = `a write of 4 KiB is on the disk after ${formatMs(median)} (median), ${formatMs(worst)} (worst of ${times.length})`;
  if (median <= SLOW) return ok(said);
  return warning(
    `${said}: each event waits that long`,
    `see what else keeps the disk of ${dir} busy, or move dataDir to a faster one`,
  );
}

function formatMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
