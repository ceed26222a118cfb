import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import { giveToOwnerOf } from "../platform/files/file-system.ts";
import type { Clock } from "../ports.ts";

/** A folder without a lock is new, or its process was killed before it locked it: it is removed at this age, in milliseconds. */
const UNLOCKED_FOR = 60 * 60_000;

/** A folder whose lock is free belongs to a dead process, unless it is younger than this: the lock may be about to be taken. */
const TAKES_LOCK = 10_000;

/** The files of this program in one; version 0.2.0 had a shorter end. */
const OURS = /^(\.?relay-.+\.db(\.(relay-)?part)?|relay\.lock)(-journal|-wal|-shm)?$/;

/**
 * Runs `work`, a backup on its way into a target, with a folder of its own inside the data folder, which is private and has
 * room for large files. A lock in it, which the kernel releases when the process dies, marks it as in use.
 */
export async function withTempFolder<T>(dataDir: string, clock: Clock, work: (dir: string) => Promise<T>): Promise<T> {
  const { lockFolder } = await import("../store/sqlite/files/database.ts");
  let dir: string;
  let unlock: () => void;
  try {
    await clearTempFolders(dataDir, clock);
    dir = await mkdtemp(join(dataDir, ".backup-"));
    await giveToOwnerOf(dataDir, dir);
    unlock = lockFolder(dir);
  } catch (error) {
    const message = `no folder can be made in ${dataDir}: ${errorLine(error)}; run this as the relay's user`;
    throw new RelayError("unsupported", message);
  }
  try {
    return await work(dir);
  } finally {
    unlock();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Removes folders that killed runs have left: only such as are certainly theirs, and not in use. */
export async function clearTempFolders(dataDir: string, clock: Clock): Promise<void> {
  for (const name of await readdir(dataDir)) {
    const path = join(dataDir, name);
    if (!/^\.backup-\w{6}$/.test(name) || !(await isForgotten(path, clock).catch(() => false))) continue;
    // It may belong to another user: then it stays.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

async function isForgotten(path: string, clock: Clock): Promise<boolean> {
  const { isRelayRunning } = await import("../store/sqlite/files/inspect.ts");
  const found = await lstat(path);
  if (!found.isDirectory()) return false;
  const names = await readdir(path);
  if (!names.every((name) => OURS.test(name))) return false;
  const age = clock.now() - found.mtimeMs;
  if (!names.includes("relay.lock")) return age >= UNLOCKED_FOR;
  const isFile = (await lstat(join(path, "relay.lock"))).isFile();
  return isFile && age >= TAKES_LOCK && !isRelayRunning(path);
}
