import { open, readdir, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { tellSize } from "../../actions/format-size.ts";
import { type DiskSpace, diskSpace } from "../../platform/files/disk-space.ts";
import type { Ports } from "../../ports.ts";
import { AS_SOMEBODY_ELSE, type Finding, failed, of, ok, type Probe, warning } from "../probe.ts";
import type { Place } from "./place.ts";

const PATIENCE = 10_000;

/** Writes that are timed: enough for a median, and done in a quarter of a second on a slow disk. */
const WRITES = 11;
const BLOCK = 4_096;

/** Milliseconds. Each event waits for one such write at least, and the provider for the event. */
const SLOW = 20;

/** What the relay keeps back for the hour when the disk is full (store/sqlite/reserve.ts). */
const RESERVE = 16 * 2 ** 20;

/** Inodes left, as a share and in all. */
const FEW_INODES = 0.05;
const NO_INODES = 1_000;

/** A folder that needs room, and what it is for. */
type Needed = { what: string; dir: string };

export function diskProbes(options: {
  place: () => Promise<Place>;
  ports: Pick<Ports, "clock" | "random">;
  /** Bytes; null: no medium is downloaded. */
  minFreeDisk: number | null;
  /** Beside the data folder: the local target, and the folder of the backups. */
  folders: Needed[];
}): Probe[] {
  const { place, ports, minFreeDisk, folders } = options;
  return [
    {
      name: "disk.space",
      patience: PATIENCE,
      async run() {
        const { dataDir, database } = await place();
        const disks = await groupByDisk([{ what: "data", dir: dataDir }, ...folders]);
        return disks.map((disk) => judgeSpace(disk, { minFreeDisk, database: database?.bytes ?? 0 }));
      },
    },
    {
      name: "disk.sync",
      patience: PATIENCE,
      async run(signal) {
        const { dataDir, folder } = await place();
        if (folder === null) return [];
        try {
          return judgeWrites(await timeWrites(dataDir, ports, signal), dataDir);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
          return failed(`this user may not write to ${dataDir}`, AS_SOMEBODY_ELSE);
        }
      },
    },
    {
      name: "disk.reserve",
      patience: PATIENCE,
      async run() {
        const { dataDir, database } = await place();
        if (database === null) return [];
        const path = join(dataDir, "reserve");
        const bytes = await stat(path).then(
          ({ size }) => size,
          () => 0,
        );
        if (bytes >= RESERVE) return ok(`${tellSize(bytes)} are kept back for a full disk`);
        return warning(
          `${path} is ${bytes === 0 ? "not there" : "cut"}: nothing is kept back for a full disk`,
          "make room where there is little: a running relay makes it within a minute, others at their start",
        );
      },
    },
  ];
}

type Disk = { device: number; whats: string[]; dir: string } & DiskSpace;

/** Each disk once, with all that is on it; a folder that is not there yet will be on the disk of the one above it. */
async function groupByDisk(needed: Needed[]): Promise<Disk[]> {
  const disks: Disk[] = [];
  for (const { what, dir } of needed) {
    const there = await nearestFolder(dir);
    const { dev } = await stat(there);
    const known = disks.find(({ device }) => device === dev);
    if (known) {
      known.whats.push(what);
      continue;
    }
    const space = await diskSpace(there);
    // The kernel's own: of a folder there another probe says that it cannot be.
    if (space.size === 0 && what !== "data") continue;
    disks.push({ device: dev, whats: [what], dir: there, ...space });
  }
  return disks;
}

async function nearestFolder(dir: string): Promise<string> {
  for (let at = dir; ; at = dirname(at)) {
    const found = await stat(at).catch(() => null);
    if (found !== null || at === dirname(at)) return at;
  }
}

function judgeSpace(disk: Disk, { minFreeDisk, database }: { minFreeDisk: number | null; database: number }): Finding {
  const { whats, dir, free, files, filesFree } = disk;
  const said = `${tellSize(free)} free for ${whats.join(", ")} (${dir})`;
  const room = "make room, or move it to a larger disk";
  const part = (finding: Finding) => of(whats[0]!, finding);
  // Some file systems have no fixed number of them, and say 0.
  if (files > 0 && filesFree < Math.min(NO_INODES, files)) {
    return part(failed(`${said}, but only ${filesFree} inodes: hardly a file can be made`, "remove small files"));
  }
  const holdsData = whats.includes("data");
  if (holdsData && minFreeDisk !== null && free < minFreeDisk) {
    return part(failed(`${said}: below mirror.minFreeDisk (${tellSize(minFreeDisk)}), so downloads wait`, room));
  }
  const copies = whats.filter((what) => what === "data" || what === "backups");
  if (copies.length > 0 && free < database) {
    return part(warning(`${said}: less than the database has (${tellSize(database)}), so it cannot be copied`, room));
  }
  if (holdsData && minFreeDisk !== null && free < 2 * minFreeDisk) {
    return part(
      warning(`${said}: near mirror.minFreeDisk (${tellSize(minFreeDisk)}), below which downloads wait`, room),
    );
  }
  if (files > 0 && filesFree < files * FEW_INODES) {
    return part(warning(`${said}, but only ${filesFree} of ${files} inodes`, "remove small files"));
  }
  return part(ok(said));
}

/** A file of a killed doctor, which nobody else ever makes. */
const PROBE_FILE = /^\.doctor-[0-9a-f]{16}$/;

/** Milliseconds of each write that was brought to the disk. The file is gone afterwards, as are those of killed doctors. */
async function timeWrites(
  dir: string,
  { clock, random }: Pick<Ports, "clock" | "random">,
  signal: AbortSignal,
): Promise<number[]> {
  for (const name of await readdir(dir)) {
    if (PROBE_FILE.test(name)) await rm(join(dir, name), { force: true });
  }
  const path = join(dir, `.doctor-${Buffer.from(random.bytes(8)).toString("hex")}`);
  const file = await open(path, "wx", 0o600);
  try {
    const times: number[] = [];
    const block = Buffer.alloc(BLOCK, "doctor ");
    for (let at = 0; at < WRITES && !signal.aborted; at++) {
      const begun = clock.elapsed();
      await file.write(block, 0, BLOCK, at * BLOCK);
      await file.datasync();
      times.push(clock.elapsed() - begun);
    }
    return times;
  } finally {
    await file.close();
    await rm(path, { force: true });
  }
}

/** Says how fast the disk is; times are milliseconds. */
export function judgeWrites(times: number[], dir: string): Finding {
  const sorted = times.toSorted((one, other) => one - other);
  const [median, worst] = [sorted[Math.floor(sorted.length / 2)] ?? 0, sorted.at(-1) ?? 0];
  const said = `a write of 4 KiB is on the disk after ${tellMs(median)} (median), ${tellMs(worst)} (worst of ${times.length})`;
  if (median <= SLOW) return ok(said);
  return warning(
    `${said}: each event waits that long`,
    `see what else keeps the disk of ${dir} busy, or move dataDir to a faster one`,
  );
}

function tellMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}
