import { lchown, lstat, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorLine, RelayError } from "../errors.ts";
import type { Clock } from "../ports.ts";

/** Without a lock it was just made, or its maker was killed while it made it. Milliseconds. */
const UNLOCKED_FOR = 60 * 60_000;

/** With a lock that nobody holds its maker is dead, but for the moment in which it takes it. Milliseconds. */
const TAKES_LOCK = 10_000;

/** What we put into one. */
const OURS = /^(\.?relay-.+\.db(\.part)?|relay\.lock)(-journal|-wal|-shm)?$/;

/**
 * Runs `work` with a folder of its own inside the data folder, where there is room for what is large, and where nobody else
 * reads. A lock in it, which the kernel drops when the process dies, says that somebody is at it.
 */
export async function withTempFolder<T>(
  dataDir: string,
  use: string,
  clock: Clock,
  work: (dir: string) => Promise<T>,
): Promise<T> {
  const { lockFolder } = await import("../store/sqlite/files/database.ts");
  let dir: string;
  let unlock: () => void;
  try {
    await clearTempFolders(dataDir, use, clock);
    dir = await mkdtemp(join(dataDir, `.${use}-`));
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

/** Removes what killed runs have left of this use: what is certainly theirs, and nobody's now. */
export async function clearTempFolders(dataDir: string, use: string, clock: Clock): Promise<void> {
  const named = new RegExp(`^\\.${use}-\\w{6}$`);
  for (const name of await readdir(dataDir)) {
    const path = join(dataDir, name);
    if (!named.test(name) || !(await isForgotten(path, clock).catch(() => false))) continue;
    // It may be another user's: then it is in nobody's way.
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

/**
 * What root's commands make belongs to whoever owns the folder it is in; others may give nothing away, and need not. A link
 * is given itself, and never what it leads to.
 */
export async function giveToOwnerOf(dir: string, path: string): Promise<void> {
  const { uid, gid } = await stat(dir);
  if ((await lstat(path)).uid !== uid) await lchown(path, uid, gid).catch(() => {});
}
