import { type StatsFs, statfsSync } from "node:fs";
import { statfs } from "node:fs/promises";

export type DiskSpace = {
  /** Bytes that this user may still write. */
  free: number;
  /** Bytes of the whole disk; 0 for what the kernel makes up (/proc). */
  size: number;
  /** Files that the disk can hold, and can still hold; both 0 where it has no fixed number. */
  files: number;
  filesFree: number;
};

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

function spaceOf({ bavail, blocks, bsize, files, ffree }: StatsFs): DiskSpace {
  return { free: bavail * bsize, size: blocks * bsize, files, filesFree: ffree };
}
