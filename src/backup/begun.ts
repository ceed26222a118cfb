import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { errorLine } from "../errors.ts";
import type { Log } from "../ports.ts";
import { removePart } from "../store/backup.ts";
import type { Backup } from "../store/backups.ts";
import type { Store } from "../store/store.ts";

/** The mirror target, as far as backups go. All throw what it throws. */
export type BackupTarget = {
  /** Keeps a file; resolves with the name under which it can be removed. */
  put(name: string, backup: { file: string; bytes: number; sha256: string }, signal: AbortSignal): Promise<string>;
  /** What `put` will resolve with. */
  keyOf(name: string): string;
  remove(key: string, signal: AbortSignal): Promise<void>;
};

/** Where a backup may be that is to be removed. */
export type Places = { dir: string; target: Pick<BackupTarget, "remove">; signal: AbortSignal };

/** Removes one; there may be none. The target gives up at the signal. */
export async function removeBackup(
  { place, name: path }: Pick<Backup, "place" | "name">,
  places: Places,
): Promise<void> {
  const { dir, target, signal } = places;
  if (place === "target") {
    signal.throwIfAborted();
    return target.remove(path, signal);
  }
  await rm(path, { force: true });
  // The data folder may have been moved, and its backups with it.
  const moved = join(dir, basename(path));
  if (moved !== path) await rm(moved, { force: true });
}

/**
 * Removes whatever is left of backups that were begun and that nobody has noted: the relay, or the backup's own process, was
 * killed. What cannot be removed now stays known.
 */
export async function clearBegun(store: Pick<Store, "backups">, places: Places, log: Pick<Log, "warn">): Promise<void> {
  const begun = await store.backups.begun();
  if (begun.length === 0) return;
  const noted = await store.backups.list();
  for (const one of begun) {
    const { place, name } = one;
    try {
      // First what its process would give the backup's name to, if that is still at it.
      if (place !== "target") await removePart(name);
      // The clock was set back, and an earlier one has that name.
      if (!noted.some((other) => other.place === place && other.name === name)) await removeBackup(one, places);
    } catch (error) {
      if (!places.signal.aborted) {
        log.warn("what is left of a backup was not removed", { place, name, error: errorLine(error) });
      }
      continue;
    }
    await store.backups.end(one);
  }
}
