import { lchown, lstat, lutimes, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../domain.ts";
import { errorLine, RelayError } from "../errors.ts";

/** A folder whose owner is at work is touched so often; one that was not for so long has lost its owner. Milliseconds. */
const TOUCH_EVERY = 10 * 60_000;
const FORGOTTEN_AFTER = 60 * 60_000;

/**
 * Runs `work` with a folder of its own inside the data folder, where there is room for what is large, and where nobody else
 * reads. What killed runs have left of this use is removed.
 */
export async function withTempFolder<T>(
  dataDir: string,
  use: string,
  clock: Clock,
  work: (dir: string) => Promise<T>,
): Promise<T> {
  const prefix = `.${use}-`;
  let dir: string;
  try {
    await clearForgotten(dataDir, prefix, clock);
    dir = await mkdtemp(join(dataDir, prefix));
    await giveToOwnerOf(dataDir, dir);
  } catch (error) {
    const message = `no folder can be made in ${dataDir}: ${errorLine(error)}; run this as the relay's user`;
    throw new RelayError("unsupported", message);
  }
  const touch = () => {
    const now = clock.now() / 1000;
    lutimes(dir, now, now).catch(() => {});
    cancel = clock.after(TOUCH_EVERY, touch);
  };
  let cancel = clock.after(TOUCH_EVERY, touch);
  try {
    return await work(dir);
  } finally {
    cancel();
    await rm(dir, { recursive: true, force: true });
  }
}

async function clearForgotten(dataDir: string, prefix: string, clock: Clock): Promise<void> {
  for (const name of await readdir(dataDir)) {
    if (!name.startsWith(prefix)) continue;
    const path = join(dataDir, name);
    const found = await lstat(path).catch(() => null);
    if (!found?.isDirectory() || clock.now() - found.mtimeMs < FORGOTTEN_AFTER) continue;
    // It may be another user's: then it is in nobody's way.
    await rm(path, { recursive: true, force: true }).catch(() => {});
  }
}

/**
 * What root's commands make belongs to whoever owns the folder it is in; others may give nothing away, and need not. A link
 * is given itself, and never what it leads to.
 */
export async function giveToOwnerOf(dir: string, path: string): Promise<void> {
  const { uid, gid } = await stat(dir);
  if ((await lstat(path)).uid !== uid) await lchown(path, uid, gid).catch(() => {});
}
