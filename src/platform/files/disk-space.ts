import { type StatsFs, statfsSync } from "node:fs";
import { statfs } from "node:fs/promises";

export type DiskSpace = ReturnType<typeof spaceOf>;

/** The space of the disk that a folder is on. */
export async function diskSpace(folder: string): Promise<DiskSpace> {
  return spaceOf(await statfs(folder));
}

/** Bytes that this user may still write to the disk of a folder. */
export async function freeBytes(folder: string): Promise<number> {
  return (await diskSpace(folder)).free;
}

/** As `freeBytes`, for work that must not wait. */
export function freeBytesSync(folder: string): number {
  return spaceOf(statfsSync(folder)).free;
}

function spaceOf({ bavail, blocks, bsize, files, ffree }: StatsFs) {
  return {
    /** Bytes that this user may still write. */
    free: bavail * bsize,
    /** Bytes of the whole disk; 0 for what the kernel makes up (/proc). */
    size: blocks * bsize,
    /** Files that the disk can hold, and can still hold; both 0 where it has no fixed number. */
    files,
    filesFree: ffree,
  };
}
