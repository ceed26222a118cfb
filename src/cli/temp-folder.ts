import { chown, lstat, mkdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errorLine, RelayError } from "../errors.ts";

/**
 * Runs `work` with a folder of its own inside the data folder, where there is room for what is large, and where nobody else
 * reads. It has one name for each use, so that the next run removes what a killed one has left.
 */
export async function withTempFolder<T>(dataDir: string, use: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = join(dataDir, `.${use}`);
  try {
    const found = await lstat(dir).catch(() => null);
    if (found !== null && !found.isDirectory()) throw new Error("it is in the way, and no folder");
    await mkdir(dir, { recursive: true, mode: 0o700 });
    await giveToOwnerOf(dataDir, dir);
  } catch (error) {
    throw new RelayError("unsupported", `${dir} cannot be made: ${errorLine(error)}; run this as the relay's user`);
  }
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** What root's commands make belongs to whoever owns the folder it is in; others may give nothing away, and need not. */
export async function giveToOwnerOf(dir: string, path: string): Promise<void> {
  const { uid, gid } = await stat(dir);
  if ((await stat(path)).uid !== uid) await chown(path, uid, gid).catch(() => {});
}
